#include "report/confusion.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static struct confusion confusion;

// Class 0: three of which one is taken for 1; class 1: one, found; class 2: never seen, never said.
static void fill(void)
{
    cr_assert_eq(confusion_init(&confusion, 3, NULL), 0);
    const size_t pairs[][2] = {{0, 0}, {0, 0}, {0, 1}, {1, 1}};
    for (size_t i = 0; i < 4; i++)
        confusion_add(&confusion, pairs[i][0], pairs[i][1]);
}

static void release(void)
{
    confusion_release(&confusion);
}

TestSuite(confusion, .init = fill, .fini = release);

Test(confusion, metrics_follow_from_the_counts)
{
    cr_assert_float_eq(confusion_accuracy(&confusion), 0.75, 1e-12);
    cr_assert_float_eq(confusion_precision(&confusion, 0), 1, 1e-12);
    cr_assert_float_eq(confusion_recall(&confusion, 0), 2.0 / 3, 1e-12);
    cr_assert_float_eq(confusion_f1(&confusion, 0), 0.8, 1e-12);
    cr_assert_float_eq(confusion_precision(&confusion, 1), 0.5, 1e-12);
    cr_assert_float_eq(confusion_recall(&confusion, 1), 1, 1e-12);
}

Test(confusion, what_was_never_seen_has_no_metrics)
{
    cr_assert(isnan(confusion_precision(&confusion, 2)));
    cr_assert(isnan(confusion_recall(&confusion, 2)));
    cr_assert(isnan(confusion_f1(&confusion, 2)));
}

Test(confusion, the_table_is_aligned_and_shows_mistakes)
{
    struct bytes text = BYTES_INIT;
    confusion_text(&confusion, &text);
    cr_assert_str_eq(text.data, " class     samples   precision      recall          f1\n"
                                "     0           3      1.0000      0.6667      0.8000\n"
                                "     1           1      0.5000      1.0000      0.6667\n"
                                "     2           0           –           –           –\n"
                                "\n"
                                "actual \\ predicted\n"
                                "         0   1   2\n"
                                "     0   2   1   .\n"
                                "     1   .   1   .\n"
                                "     2   .   .   .\n");
    bytes_release(&text);
}

Test(confusion, json_has_classes_and_pairs)
{
    struct bytes text = BYTES_INIT;
    bytes_text(&text, "{");
    confusion_json(&confusion, &text);
    bytes_text(&text, "}");
    json_t *json = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json, "%s", text.data);
    json_t *row = json_array_get(json_object_get(json, "confusion"), 0);
    cr_assert_eq(json_integer_value(json_array_get(row, 1)), 1);
    cr_assert(json_is_null(json_object_get(json_array_get(json_object_get(json, "classes"), 2), "f1")));
    json_decref(json);
    bytes_release(&text);
}

Test(confusion, many_classes_have_no_table)
{
    struct confusion many = CONFUSION_INIT;
    struct bytes text = BYTES_INIT;
    cr_assert_eq(confusion_init(&many, 100000, NULL), 0);
    confusion_add(&many, 99999, 99999);
    confusion_json(&many, &text);
    cr_assert_not(strstr(text.data, "confusion"));
    cr_assert_eq(confusion_recall(&many, 99999), 1);
    bytes_release(&text);
    confusion_release(&many);
}
