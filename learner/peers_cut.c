// How vectors are cut into chunks, and how far two of them are apart.
#include "base/kernel.h"
#include "learner/peers_impl.h"

enum { OVERLAP = 6, CHUNK_LEAST = 16 << 10 };

size_t peers_n_chunks(size_t n_values, size_t most)
{
    size_t wanted = n_values / OVERLAP;
    wanted = wanted < CHUNK_LEAST ? CHUNK_LEAST : wanted > most ? most : wanted;
    return n_values ? (n_values + wanted - 1) / wanted : 1;
}

size_t peers_cut(size_t n_values, size_t n_chunks, size_t chunk, size_t *ret_first)
{
    size_t unit = n_values / PEERS_CUT >= n_chunks ? PEERS_CUT : 1, n_units = (n_values + unit - 1) / unit;
    size_t each = n_units / n_chunks, rest = n_units % n_chunks; // the first `rest` have one more
    size_t first = (chunk * each + (chunk < rest ? chunk : rest)) * unit;
    size_t end = first + (each + (chunk < rest)) * unit;
    *ret_first = first;
    return (end < n_values ? end : n_values) - first;
}

KERNEL
double peers_square_distance(const float *a, const float *b, size_t n, double *ret_square)
{
    double lanes[8] = {0}, squares[8] = {0}, sum = 0, square = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) {
            double difference = (double)a[i + k] - (double)b[i + k];
            lanes[k] += difference * difference;
            squares[k] += (double)b[i + k] * (double)b[i + k];
        }
    for (; i < n; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        square += (double)b[i] * (double)b[i];
    }
    for (size_t k = 0; k < 8; k++) {
        sum += lanes[k];
        square += squares[k];
    }
    *ret_square += square;
    return sum;
}
