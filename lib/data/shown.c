#include "data/shown.h"
#include <string.h>

const char *shown_text(const char *text, char ret[SHOWN_BYTES])
{
    size_t n = 0;
    for (; text[n] && n < SHOWN_BYTES - 4; n++)
        ret[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7F ? ' ' : text[n];
    while (text[n] && n && (text[n] & 0xC0) == 0x80) // not through the middle of a character
        n--;
    strcpy(ret + n, text[n] ? "..." : "");
    return ret;
}
