// The commands below `cohort data`.
#pragma once

#include "cli/command.h"

extern const struct command command_data_make;
extern const struct command command_data_inspect;
extern const struct command command_data_partition;
