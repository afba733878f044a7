// What `cohort learners` can do beside listing them.
#pragma once

#include "cli/command.h"

extern const struct command command_learners_remove;
