#include "data/shown.h"
#include <stdio.h>

const char *shown_text(const char *text, char ret[SHOWN_BYTES])
{
    size_t n = 0;
    for (; n < SHOWN_BYTES - 4 && text[n]; n++)
        ret[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7F ? ' ' : text[n];
    while (text[n] && n && (text[n] & 0xC0) == 0x80) // not through the middle of a character
        n--;
    snprintf(ret + n, SHOWN_BYTES - n, "%s", text[n] ? "..." : "");
    return ret;
}
