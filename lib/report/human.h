// Quantities as people read them. Each writes into `ret`, at least HUMAN_BYTES long, and returns it; what is
// unknown (NAN) is "–".
#pragma once

#include <stdint.h>

enum { HUMAN_BYTES = 32 };

const char *human_seconds(double seconds, char *ret); // "41 ms", "2.4 s", "3 min 20 s", "2 h 5 min"
const char *human_bytes(uint64_t bytes, char *ret);   // "812 B", "1.4 MB", in powers of 1000
const char *human_count(uint64_t n, char *ret);       // "1,234,567"
const char *human_metric(double value, char *ret);    // four decimals, or scientific where that says nothing
const char *human_share(double value, char *ret);     // 0.8712 as "87.12 %"
