// Text from a file, made fit for an error message.
#pragma once

enum { SHOWN_BYTES = 48 };

// The start of `text`, on one line of printable characters. Returns `ret`.
const char *shown_text(const char *text, char ret[SHOWN_BYTES]);
