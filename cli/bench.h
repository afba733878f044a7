// The commands below `cohort bench`.
#pragma once

#include "cli/command.h"

extern const struct command command_bench_exchange;
