// Text that peers sent and others will read, on terminals too.
#pragma once

// Puts '?' in place of control characters and of bytes that are no UTF-8 (also of a sequence cut short).
void text_clean(char *text);
