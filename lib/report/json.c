#include "report/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void bytes_json_real(struct bytes *bytes, double value)
{
    if (!isfinite(value)) {
        bytes_text(bytes, "null");
        return;
    }
    if (fabs(value) < 1e15 && value == floor(value)) {
        bytes_format(bytes, "%.0f", value);
        return;
    }
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    bytes_text(bytes, text);
}
