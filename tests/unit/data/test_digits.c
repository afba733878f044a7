#include "data/arrays.h"
#include "data/digits.h"
#include "data/files.h"
#include <math.h>

TestSuite(digits, .init = make_folder, .fini = remove_folder);

static void write_both(uint32_t n)
{
    char images[128], labels[128];
    struct error error = ERROR_INIT;
    snprintf(images, sizeof images, "%s/x.gz", test_folder);
    snprintf(labels, sizeof labels, "%s/y.gz", test_folder);
    cr_assert_eq(digits_write(images, labels, 7, DIGITS_TRAIN, n, 0, &error), STATUS_OK, "%s", error.message);
}

Test(digits, an_image_follows_from_seed_set_and_index_alone)
{
    uint8_t first[DIGITS_PIXELS], again[DIGITS_PIXELS], other[DIGITS_PIXELS];
    uint8_t class = digits_draw(3, DIGITS_TRAIN, 5, 0, first);
    digits_draw(3, DIGITS_TRAIN, 6, 0, other);
    cr_assert_eq(digits_draw(3, DIGITS_TRAIN, 5, 0, again), class);
    cr_assert_arr_eq(first, again, sizeof first);
    cr_assert_arr_neq(first, other, sizeof first);
    digits_draw(3, DIGITS_TEST, 5, 0, other);
    cr_assert_arr_neq(first, other, sizeof first);
    digits_draw(4, DIGITS_TRAIN, 5, 0, other);
    cr_assert_arr_neq(first, other, sizeof first);
}

Test(digits, every_class_comes_about_as_often_and_is_inked_inside_the_frame)
{
    size_t counts[DIGITS_CLASSES] = {0};
    double inside = 0, all = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t pixels[DIGITS_PIXELS];
        size_t bright = 0;
        counts[digits_draw(1, DIGITS_TRAIN, i, 0, pixels)]++;
        for (int at = 0; at < DIGITS_PIXELS; at++) {
            int x = at % DIGITS_SIDE, y = at / DIGITS_SIDE;
            all += pixels[at];
            inside += x > 0 && y > 0 && x < DIGITS_SIDE - 1 && y < DIGITS_SIDE - 1 ? pixels[at] : 0;
            bright += pixels[at] > 127;
        }
        cr_assert(bright > 15 && bright < 350, "image %u has %zu bright pixels", i, bright);
    }
    for (int class = 0; class < DIGITS_CLASSES; class ++)
        cr_assert(counts[class] > 150 && counts[class] < 250, "class %d: %zu", class, counts[class]);
    cr_assert_gt(inside / all, 0.98);
}

// The task is real: the mean images of the classes tell unseen ones apart far better than chance, and far
// from always.
Test(digits, they_can_be_learned_but_not_by_a_mere_average)
{
    static float means[DIGITS_CLASSES][DIGITS_PIXELS];
    float counts[DIGITS_CLASSES] = {0};
    uint8_t pixels[DIGITS_PIXELS];
    size_t right = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        uint8_t class = digits_draw(1, DIGITS_TRAIN, i, 0, pixels);
        counts[class] += 1;
        for (int at = 0; at < DIGITS_PIXELS; at++)
            means[class][at] += ((float)pixels[at] - means[class][at]) / counts[class];
    }
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t class = digits_draw(1, DIGITS_TEST, i, 0, pixels);
        float best = INFINITY;
        int guess = 0;
        for (int k = 0; k < DIGITS_CLASSES; k++) {
            float distance = 0;
            for (int at = 0; at < DIGITS_PIXELS; at++)
                distance += (means[k][at] - (float)pixels[at]) * (means[k][at] - (float)pixels[at]);
            if (distance < best)
                best = distance, guess = k;
        }
        right += guess == class;
    }
    cr_assert(right > 300 && right < 450, "%zu of 500", right);
}

Test(digits, the_files_are_idx_and_the_same_bytes_each_time)
{
    static struct arrays_options options;
    struct source *source = NULL;
    struct dataset dataset = DATASET_INIT;
    struct error error = ERROR_INIT;
    struct bytes first = BYTES_INIT, again = BYTES_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/x.gz", test_folder);
    write_both(40);
    cr_assert_eq(bytes_read_file(&first, path, 1 << 20, NULL), STATUS_OK);
    write_both(40);
    cr_assert_eq(bytes_read_file(&again, path, 1 << 20, NULL), STATUS_OK);
    cr_assert_eq(first.n, again.n);
    cr_assert_arr_eq(first.data, again.data, first.n);
    cr_assert_eq(open_with(&source, "idx", &options, "x.gz", "y.gz", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(source_read(source, NULL, 0, &dataset, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(dataset.n_samples, 40);
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t pixels[DIGITS_PIXELS];
        cr_assert_eq(dataset.classes[i], digits_draw(7, DIGITS_TRAIN, i, 0, pixels));
        for (int at = 0; at < DIGITS_PIXELS; at++)
            cr_assert_eq(dataset.features[i * DIGITS_PIXELS + (uint32_t)at], (float)pixels[at] / 255.0f);
    }
    dataset_release(&dataset);
    source_close(source);
    bytes_release(&first);
    bytes_release(&again);
}

Test(digits, a_folder_that_is_not_there_is_told_and_leaves_nothing)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(digits_write("/no/such/x.gz", "/no/such/y.gz", 7, DIGITS_TRAIN, 1, 0, &error),
                 STATUS_NOT_FOUND);
    expect_words(&error, (const char *[]){"cannot write '/no/such/x.gz", NULL});
}

// Two images by one writer are more alike in ink and slant than two by different ones.
Test(digits, writers_have_styles_of_their_own)
{
    enum { WRITERS = 6, EACH = 200 };
    double means[WRITERS] = {0}, within = 0, between = 0, all = 0;
    static double inked[WRITERS][EACH];
    for (uint32_t i = 0; i < WRITERS * EACH; i++) {
        uint8_t pixels[DIGITS_PIXELS];
        digits_draw(1, DIGITS_TRAIN, i, WRITERS, pixels);
        for (size_t k = 0; k < DIGITS_PIXELS; k++)
            inked[i % WRITERS][i / WRITERS] += pixels[k] / 255.0;
        means[i % WRITERS] += inked[i % WRITERS][i / WRITERS] / EACH;
    }
    for (size_t w = 0; w < WRITERS; w++)
        all += means[w] / WRITERS;
    for (size_t w = 0; w < WRITERS; w++) {
        between += (means[w] - all) * (means[w] - all) / WRITERS;
        for (size_t i = 0; i < EACH; i++)
            within += (inked[w][i] - means[w]) * (inked[w][i] - means[w]) / (WRITERS * EACH);
    }
    cr_assert_gt(between, within, "%g between writers, %g within", between, within);
}
