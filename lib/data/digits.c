#include "data/digits.h"
#include "base/memory.h"
#include "base/philox.h"
#include "data/digits_strokes.h"
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { WAVES = 3, STEPS_A_SPAN = 6, WRITERS = 99 }; // WRITERS: a set of its own in the random key

// One hand writing one digit.
struct hand {
    float wave[WAVES][6]; // a warp's amplitude in x and y, frequency in x and y, phase in x and y
    float matrix[2][2];   // from the unit square to pixels: size, slant, turn
    float center[2];      // in pixels
    float radius;         // of the pen, in pixels
    float ink;            // 0 to 1
    float softness;       // pixels over which the stroke's edge fades
};

static float between(struct random *random, float low, float high)
{
    return low + (high - low) * random_float(random);
}

static float normal(struct random *random, float deviation)
{
    return deviation * (float)random_normal(random);
}

static struct hand draw_hand(struct random *random)
{
    struct hand hand;
    for (int i = 0; i < WAVES; i++) {
        float strength = 0.068f / (float)(i + 1), frequency = 2.0f * (float)(i + 1);
        for (int k = 0; k < 6; k++)
            hand.wave[i][k] = k < 2
                                  ? normal(random, strength)
                                  : (k < 4 ? normal(random, frequency) : between(random, 0, 2 * (float)M_PI));
    }
    float width = between(random, 10, 17), height = between(random, 16, 21);
    float slant = 0.1f + normal(random, 0.24f), turn = normal(random, 0.15f);
    float c = cosf(turn), s = sinf(turn);
    hand.matrix[0][0] = c * width;
    hand.matrix[1][0] = s * width;
    hand.matrix[0][1] = (-c * slant - s) * height;
    hand.matrix[1][1] = (-s * slant + c) * height;
    hand.center[0] = DIGITS_SIDE / 2.0f - 0.5f + normal(random, 1.3f);
    hand.center[1] = DIGITS_SIDE / 2.0f - 0.5f + normal(random, 1.3f);
    hand.radius = between(random, 0.6f, 1.6f);
    hand.ink = between(random, 0.75f, 1);
    hand.softness = between(random, 0.8f, 1.6f);
    return hand;
}

// A writer's own way: far from the middle of what all hands do, and steadier.
static void write_as(struct hand *hand, uint64_t seed, uint32_t writer)
{
    struct random random = random_open(
        (struct random_key){.seed = seed, .purpose = RANDOM_DATA, .learner = writer, .round = WRITERS});
    float slant = normal(&random, 0.45f), turn = normal(&random, 0.3f), c = cosf(turn), s = sinf(turn);
    float width = between(&random, 0.7f, 1.15f), height = between(&random, 0.75f, 1.1f);
    for (int k = 0; k < 2; k++) {
        hand->matrix[k][1] -= slant * hand->matrix[k][0]; // slanted first, then turned
        hand->matrix[k][0] *= width;
        hand->matrix[k][1] *= height;
    }
    for (int k = 0; k < 2; k++) {
        float x = hand->matrix[0][k], y = hand->matrix[1][k];
        hand->matrix[0][k] = c * x - s * y;
        hand->matrix[1][k] = s * x + c * y;
    }
    hand->center[0] += normal(&random, 1.2f);
    hand->center[1] += normal(&random, 1.2f);
    hand->radius = between(&random, 0.5f, 2.1f);
    hand->ink *= between(&random, 0.6f, 1);
}

// Where the hand puts a point of the unit square. The warp depends on the point alone, so that strokes which
// meet still do.
static void place(const struct hand *hand, const float point[2], float ret[2])
{
    float x = point[0] - 0.5f, y = point[1] - 0.5f, warped[2] = {x, y};
    for (int i = 0; i < WAVES; i++) {
        const float *wave = hand->wave[i];
        float at = wave[2] * x + wave[3] * y;
        warped[0] += wave[0] * sinf(at + wave[4]);
        warped[1] += wave[1] * sinf(at + wave[5]);
    }
    for (int k = 0; k < 2; k++)
        ret[k] = hand->matrix[k][0] * warped[0] + hand->matrix[k][1] * warped[1] + hand->center[k];
}

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

// Inks the pixels near the segment from a to b: full within the pen's radius, fading at its edge.
static void draw_segment(const struct hand *hand, const float a[2], const float b[2], float *ink)
{
    float reach = hand->radius + hand->softness, dx = b[0] - a[0], dy = b[1] - a[1];
    float square = dx * dx + dy * dy + 1e-6f;
    int left = (int)clamp(floorf(fminf(a[0], b[0]) - reach), 0, DIGITS_SIDE);
    int right = (int)clamp(ceilf(fmaxf(a[0], b[0]) + reach), -1, DIGITS_SIDE - 1);
    int top = (int)clamp(floorf(fminf(a[1], b[1]) - reach), 0, DIGITS_SIDE);
    int bottom = (int)clamp(ceilf(fmaxf(a[1], b[1]) + reach), -1, DIGITS_SIDE - 1);
    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            float px = (float)x - a[0], py = (float)y - a[1];
            float t = clamp((px * dx + py * dy) / square, 0, 1);
            float ex = px - t * dx, ey = py - t * dy;
            float value = clamp((reach - sqrtf(ex * ex + ey * ey)) / hand->softness, 0, 1);
            if (value > ink[y * DIGITS_SIDE + x])
                ink[y * DIGITS_SIDE + x] = value;
        }
    }
}

// A Catmull-Rom spline through the stroke's points (Catmull and Rom 1974).
static void draw_stroke(const struct hand *hand, const struct stroke *stroke, float *ink)
{
    float points[STROKE_POINTS_MAX][2];
    for (int i = 0; i < stroke->n; i++)
        place(hand, stroke->points[i], points[i]);
    for (int i = 0; i + 1 < stroke->n; i++) {
        const float *p0 = points[i ? i - 1 : 0], *p1 = points[i], *p2 = points[i + 1];
        const float *p3 = points[i + 2 < stroke->n ? i + 2 : i + 1];
        float last[2] = {p1[0], p1[1]};
        for (int step = 1; step <= STEPS_A_SPAN; step++) {
            float t = (float)step / STEPS_A_SPAN, next[2];
            for (int k = 0; k < 2; k++)
                next[k] = 0.5f * (2 * p1[k] + t * (p2[k] - p0[k] +
                                                   t * (2 * p0[k] - 5 * p1[k] + 4 * p2[k] - p3[k] +
                                                        t * (3 * (p1[k] - p2[k]) + p3[k] - p0[k]))));
            draw_segment(hand, last, next, ink);
            memcpy(last, next, sizeof last);
        }
    }
}

// Uneven ink, and now and then a speck of dirt.
static void finish(const struct hand *hand, struct random *random, const float *ink, uint8_t *ret)
{
    for (int i = 0; i < DIGITS_PIXELS; i++) {
        float value = ink[i] > 0 ? ink[i] * (hand->ink + between(random, -0.12f, 0.12f)) : 0;
        ret[i] = (uint8_t)(clamp(value, 0, 1) * 255 + 0.5f);
    }
    for (uint32_t n = random_below(random, 4); n > 1; n--) {
        uint32_t at = random_below(random, DIGITS_PIXELS);
        if (ret[at] == 0)
            ret[at] = (uint8_t)(40 + random_below(random, 120));
    }
}

uint8_t digits_draw(uint64_t seed, enum digits_set set, uint32_t index, uint32_t writers,
                    uint8_t ret_pixels[DIGITS_PIXELS])
{
    struct random random = random_open(
        (struct random_key){.seed = seed, .purpose = RANDOM_DATA, .round = (uint32_t)set, .step = index});
    uint8_t class = (uint8_t)random_below(&random, DIGITS_CLASSES);
    const struct glyph *glyph = &glyphs[class][random_below(&random, GLYPHS_A_DIGIT)];
    struct hand hand = draw_hand(&random);
    if (writers)
        write_as(&hand, seed, index % writers);
    float ink[DIGITS_PIXELS] = {0};
    for (int i = 0; i < glyph->n; i++)
        draw_stroke(&hand, &glyph->strokes[i], ink);
    finish(&hand, &random, ink, ret_pixels);
    return class;
}

// Two gzip files that are written side by side.
struct pair {
    gzFile images, labels;
};

static bool write_samples(const struct pair *pair, uint64_t seed, enum digits_set set, uint32_t n,
                          uint32_t writers)
{
    const uint8_t count[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    const uint8_t sides[8] = {0, 0, 0, DIGITS_SIDE, 0, 0, 0, DIGITS_SIDE};
    bool good = gzwrite(pair->images, (uint8_t[]){0, 0, 8, 3}, 4) == 4 &&
                gzwrite(pair->images, count, 4) == 4 && gzwrite(pair->images, sides, 8) == 8 &&
                gzwrite(pair->labels, (uint8_t[]){0, 0, 8, 1}, 4) == 4 &&
                gzwrite(pair->labels, count, 4) == 4;
    for (uint32_t i = 0; i < n && good; i++) {
        uint8_t pixels[DIGITS_PIXELS], class = digits_draw(seed, set, i, writers, pixels);
        good = gzwrite(pair->images, pixels, sizeof pixels) == sizeof pixels &&
               gzwrite(pair->labels, &class, 1) == 1;
    }
    return good;
}

static enum status write_aside(const char *images, const char *labels, uint64_t seed, enum digits_set set,
                               uint32_t n, uint32_t writers, struct error *error)
{
    errno = 0;
    struct pair pair = {.images = gzopen(images, "wbe6"), .labels = gzopen(labels, "wbe6")};
    bool good = pair.images && pair.labels && write_samples(&pair, seed, set, n, writers);
    int number = errno;
    if (pair.images && gzclose(pair.images) != Z_OK && good)
        good = false, number = errno;
    if (pair.labels && gzclose(pair.labels) != Z_OK && good)
        good = false, number = errno;
    return good ? STATUS_OK : error_errno(error, number ? number : ENOMEM, "cannot write", images);
}

enum status digits_write(const char *images, const char *labels, uint64_t seed, enum digits_set set,
                         uint32_t n, uint32_t writers, struct error *error)
{
    cleanup_free char *images_aside = memory_format("%s.partial", images);
    cleanup_free char *labels_aside = memory_format("%s.partial", labels);
    if (!images_aside || !labels_aside)
        return error_no_memory(error, strlen(images));
    enum status status = write_aside(images_aside, labels_aside, seed, set, n, writers, error);
    if (status == STATUS_OK && rename(labels_aside, labels))
        status = error_errno(error, errno, "cannot write", labels);
    if (status == STATUS_OK && rename(images_aside, images))
        status = error_errno(error, errno, "cannot write", images);
    if (status != STATUS_OK) {
        unlink(images_aside);
        unlink(labels_aside);
    }
    return status;
}
