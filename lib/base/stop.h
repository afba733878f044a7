// TERM and INT for a service: the first asks it to drain, the second ends it at once.
#pragma once

#include <stdbool.h>

// Blocks both signals in this thread and in those it starts from now on: called first in main. They wait for
// the first thread, whichever one they come to.
void stop_block(void);
// In the first thread: waits for either; from then on another one kills the process as if nothing had been
// blocked. Returns the signal's number.
int stop_wait(void);
// True when either has come since stop_block; never waits.
bool stop_asked(void);
// Makes the kernel send TERM to this process when its parent ends.
void stop_with_parent(void);
