// An experiment's options against each other, beyond what each row says by itself. Errors point into its
// text.
#pragma once

#include "experiment/experiment.h"

enum status experiment_check(const struct experiment *experiment, struct error *error);
// Of them, whether reducer, codecs and topology go together: what can be summed, coded and sent where.
enum status experiment_check_exchange(const struct experiment *experiment, struct error *error);
