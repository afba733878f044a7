#include "report/confusion.h"
#include "base/memory.h"
#include "report/human.h"
#include "report/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_CLASSES_MAX = 20 };

enum status confusion_init(struct confusion *confusion, size_t n_classes, struct error *error)
{
    uint64_t *counts = memory_array(n_classes, 3 * sizeof *counts);
    if (!counts)
        return error_no_memory(error, 3 * n_classes * sizeof *counts);
    uint64_t *pairs = NULL;
    if (n_classes <= CONFUSION_PAIRS_MAX) {
        pairs = memory_array(n_classes, n_classes * sizeof *pairs);
        if (!pairs) {
            memory_free(counts);
            return error_no_memory(error, n_classes * n_classes * sizeof *pairs);
        }
    }
    *confusion = (struct confusion){
        .n_classes = n_classes,
        .actual = counts,
        .predicted = counts + n_classes,
        .hits = counts + 2 * n_classes,
        .pairs = pairs,
    };
    return STATUS_OK;
}

void confusion_release(struct confusion *confusion)
{
    memory_free(confusion->actual);
    memory_free(confusion->pairs);
    *confusion = CONFUSION_INIT;
}

void confusion_add(struct confusion *confusion, size_t actual, size_t predicted)
{
    confusion->n_samples++;
    confusion->actual[actual]++;
    confusion->predicted[predicted]++;
    if (actual == predicted) {
        confusion->n_correct++;
        confusion->hits[actual]++;
    }
    if (confusion->pairs)
        confusion->pairs[actual * confusion->n_classes + predicted]++;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : (double)NAN;
}

double confusion_accuracy(const struct confusion *confusion)
{
    return ratio(confusion->n_correct, confusion->n_samples);
}

double confusion_precision(const struct confusion *confusion, size_t class)
{
    return ratio(confusion->hits[class], confusion->predicted[class]);
}

double confusion_recall(const struct confusion *confusion, size_t class)
{
    return ratio(confusion->hits[class], confusion->actual[class]);
}

double confusion_f1(const struct confusion *confusion, size_t class)
{
    return ratio(2 * confusion->hits[class], confusion->actual[class] + confusion->predicted[class]);
}

// A dash takes three bytes and one column, which printf's widths do not know.
static void put_metric(struct bytes *ret, double value)
{
    if (isnan(value))
        bytes_format(ret, "  %9s–", "");
    else
        bytes_format(ret, "  %10.4f", value);
}

static void put_pairs(const struct confusion *confusion, struct bytes *ret)
{
    size_t n = confusion->n_classes;
    uint64_t most = 0;
    for (size_t i = 0; i < n * n; i++)
        most = confusion->pairs[i] > most ? confusion->pairs[i] : most;
    int width = snprintf(NULL, 0, "%" PRIu64, most);
    width = width < 2 ? 2 : width;
    bytes_text(ret, "\nactual \\ predicted\n      ");
    for (size_t k = 0; k < n; k++)
        bytes_format(ret, "  %*zu", width, k);
    bytes_text(ret, "\n");
    for (size_t i = 0; i < n; i++) {
        bytes_format(ret, "%6zu", i);
        for (size_t k = 0; k < n; k++) {
            uint64_t count = confusion->pairs[i * n + k];
            if (count)
                bytes_format(ret, "  %*" PRIu64, width, count);
            else
                bytes_format(ret, "  %*s", width, "."); // so that mistakes stand out
        }
        bytes_text(ret, "\n");
    }
}

void confusion_text(const struct confusion *confusion, struct bytes *ret)
{
    bytes_format(ret, "%6s  %10s  %10s  %10s  %10s\n", "class", "samples", "precision", "recall", "f1");
    for (size_t k = 0; k < confusion->n_classes; k++) {
        bytes_format(ret, "%6zu  %10" PRIu64, k, confusion->actual[k]);
        put_metric(ret, confusion_precision(confusion, k));
        put_metric(ret, confusion_recall(confusion, k));
        put_metric(ret, confusion_f1(confusion, k));
        bytes_text(ret, "\n");
    }
    if (confusion->pairs && confusion->n_classes <= TABLE_CLASSES_MAX)
        put_pairs(confusion, ret);
}

static void put_class_json(const struct confusion *confusion, size_t k, struct bytes *ret)
{
    bytes_format(ret, "%s{\"class\":%zu,\"samples\":%" PRIu64 ",\"predicted\":%" PRIu64 ",\"precision\":",
                 k ? "," : "", k, confusion->actual[k], confusion->predicted[k]);
    bytes_json_real(ret, confusion_precision(confusion, k));
    bytes_text(ret, ",\"recall\":");
    bytes_json_real(ret, confusion_recall(confusion, k));
    bytes_text(ret, ",\"f1\":");
    bytes_json_real(ret, confusion_f1(confusion, k));
    bytes_text(ret, "}");
}

void confusion_json(const struct confusion *confusion, struct bytes *ret)
{
    size_t n = confusion->n_classes;
    bytes_text(ret, "\"classes\":[");
    for (size_t k = 0; k < n; k++)
        put_class_json(confusion, k, ret);
    bytes_text(ret, "]");
    if (!confusion->pairs)
        return;
    bytes_text(ret, ",\"confusion\":[");
    for (size_t i = 0; i < n; i++) {
        bytes_text(ret, i ? ",[" : "[");
        for (size_t k = 0; k < n; k++)
            bytes_format(ret, "%s%" PRIu64, k ? "," : "", confusion->pairs[i * n + k]);
        bytes_text(ret, "]");
    }
    bytes_text(ret, "]");
}
