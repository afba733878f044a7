// Which class was taken for which: counts, and what follows from them.
#pragma once

#include "base/bytes.h"

// With more classes only each class's own counts are kept, and no table of pairs.
enum { CONFUSION_PAIRS_MAX = 512 };

struct confusion {
    size_t n_classes;
    uint64_t n_samples, n_correct;
    uint64_t *actual, *predicted, *hits; // [n_classes]
    uint64_t *pairs;                     // [n_classes (actual), n_classes (predicted)], or NULL
};

#define CONFUSION_INIT ((struct confusion){0})

enum status confusion_init(struct confusion *confusion, size_t n_classes, struct error *error);
void confusion_release(struct confusion *confusion);

// Both below n_classes.
void confusion_add(struct confusion *confusion, size_t actual, size_t predicted);

// NAN where there is nothing to divide by.
double confusion_accuracy(const struct confusion *confusion);
double confusion_precision(const struct confusion *confusion, size_t class); // hits / predicted
double confusion_recall(const struct confusion *confusion, size_t class);    // hits / actual
double confusion_f1(const struct confusion *confusion, size_t class);        // harmonic mean of the two

// A line a class, and the table of pairs when there are at most 20 classes; columns aligned.
void confusion_text(const struct confusion *confusion, struct bytes *ret);
// Appends "classes": [...], "confusion": [...] for within an object; the latter with at most 512 classes.
void confusion_json(const struct confusion *confusion, struct bytes *ret);
