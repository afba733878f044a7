#include "base/registry.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct kind *registry_find(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n_kinds; i++)
        if (strcmp(registry->kinds[i]->name, name) == 0)
            return registry->kinds[i];
    return NULL;
}

void registry_names(const struct registry *registry, char *ret, size_t bytes)
{
    size_t n = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < registry->n_kinds && n < bytes; i++)
        n += (size_t)snprintf(ret + n, bytes - n, "%s%s", i ? ", " : "", registry->kinds[i]->name);
}

enum { WORD_MAX = 48 };

static unsigned int smaller(unsigned int a, unsigned int b)
{
    return a < b ? a : b;
}

// Optimal string alignment distance, case ignored; words longer than WORD_MAX are not compared.
static unsigned int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned int)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned int)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

const char *nearest_word(const char *word, const char *const *words, size_t n_words)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    unsigned int best = (unsigned int)(length / 3 + 1) + 1; // further than this is another word
    for (size_t i = 0; i < n_words; i++) {
        unsigned int d = distance(word, words[i]);
        if (d < best && d < length) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}
