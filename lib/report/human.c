#include "report/human.h"
#include "base/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *unknown(char *ret)
{
    return memcpy(ret, "–", sizeof "–");
}

static const char *long_time(double seconds, char *ret)
{
    // Rounded once, so that 119.9 s is two minutes and not "1 min 60 s".
    uint64_t whole = seconds < 1e15 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e15;
    if (whole < 3600)
        snprintf(ret, HUMAN_BYTES, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        snprintf(ret, HUMAN_BYTES, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole % 3600 / 60);
    return ret;
}

const char *human_seconds(double seconds, char *ret)
{
    if (!isfinite(seconds) || seconds < 0)
        return unknown(ret);
    if (seconds >= 59.95)
        return long_time(seconds, ret);
    if (seconds < 0.0095)
        snprintf(ret, HUMAN_BYTES, "%.1f ms", seconds * 1e3);
    else if (seconds < 0.9995)
        snprintf(ret, HUMAN_BYTES, "%.0f ms", seconds * 1e3);
    else
        snprintf(ret, HUMAN_BYTES, "%.1f s", seconds);
    return ret;
}

const char *human_bytes(uint64_t bytes, char *ret)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(ret, HUMAN_BYTES, "%" PRIu64 " B", bytes);
        return ret;
    }
    double amount = (double)bytes / 1000;
    size_t unit = 0;
    while (amount >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
        amount /= 1000;
        unit++;
    }
    snprintf(ret, HUMAN_BYTES, amount < 9.95 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return ret;
}

const char *human_count(uint64_t n, char *ret)
{
    char digits[HUMAN_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *out = ret;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return ret;
}

const char *human_metric(double value, char *ret)
{
    if (isnan(value))
        return unknown(ret);
    double size = fabs(value);
    snprintf(ret, HUMAN_BYTES, size != 0 && (size < 1e-3 || size >= 1e5) ? "%.2e" : "%.4f", value);
    return ret;
}

const char *human_share(double value, char *ret)
{
    if (isnan(value))
        return unknown(ret);
    snprintf(ret, HUMAN_BYTES, "%.2f %%", value * 100);
    return ret;
}
