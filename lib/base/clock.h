// Time. Libraries that decide by time are handed it; these are what programs hand in.
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_ns(void);
int64_t clock_monotonic_ms(void);
int64_t clock_unix_ms(void);

// "2024-05-01T12:00:00.123Z" for milliseconds since 1970, UTC; `text` holds at least 32 bytes.
void clock_format_utc(int64_t unix_ms, char text[32]);

// A condition whose timed waits go by the monotonic clock.
void clock_condition_init(pthread_cond_t *condition);
