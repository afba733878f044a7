// What the coordinator's /metrics tells.
#pragma once

#include "base/bytes.h"

// Appends all families. `self` is a struct coordinator; NULL, in a relay: the process alone. Takes the lock
// for as long as copying some counts of every experiment takes.
void coordinator_metrics(void *self, struct bytes *ret);
