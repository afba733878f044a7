#include "reduce/distance.h"
#include "base/kernel.h"

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
