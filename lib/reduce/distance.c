#include "reduce/distance.h"
#include "base/kernel.h"
#include <assert.h>

enum { LANES = 16 };

KERNEL
double squared_distance(const float *restrict a, const float *restrict b, size_t n)
{
    double lanes[LANES] = {0};
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double difference = (double)a[i + k] - (double)b[i + k];
            lanes[k] += difference * difference;
        }
    for (size_t i = whole; i < n; i++) {
        double difference = (double)a[i] - (double)b[i];
        lanes[i - whole] += difference * difference;
    }
    double sum = 0;
    for (size_t k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

double squared_distance_at(const float *values, size_t first, size_t n, const float *reference,
                           size_t n_reference)
{
    static const float zeros[DISTANCE_TILE];
    assert(n <= DISTANCE_TILE);
    size_t n_around = first >= n_reference ? 0 : n < n_reference - first ? n : n_reference - first;
    double sum = n_around ? squared_distance(values, reference + first, n_around) : 0;
    return sum + squared_distance(values + n_around, zeros, n - n_around);
}
