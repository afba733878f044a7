// An experiment in parts, for tests that change a line of it.
#pragma once

#include "experiment/experiment.h"

#define HEAD "name: digits\nseed: 42\n"
#define MODEL                                                                                                \
    "model:\n  layers:\n    - dense: {units: 256, activation: relu}\n    - dense: {units: 10}\n"             \
    "  loss: cross_entropy\n"
#define DATA                                                                                                 \
    "data:\n  format: idx\n  train: {features: a.gz, labels: b.gz}\n  test: {features: c.gz, labels: "       \
    "d.gz}\n  partition: {kind: dirichlet, alpha: 0.1}\n"
#define TRAINING "training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 32, local_epochs: 1}\n"
#define COLLABORATION                                                                                        \
    "collaboration:\n  algorithm: fedavg\n  topology: star\n  rounds: 20\n  learners: 10\n"                  \
    "  participation: {fraction: 1.0, minimum: 8, deadline: 60s}\n  codec: f32\n"                            \
    "  stop: {metric: test_accuracy, at_least: 0.97}\n"
#define SCHEDULED(schedule)                                                                                  \
    HEAD MODEL TRAINING "collaboration:\n  rounds: 20\n  learners: 10\n  schedule: " schedule "\n"
#define WHOLE HEAD MODEL DATA TRAINING COLLABORATION

// Reads it as x.yaml; `set` NULL: as it stands, else with this override.
enum status parse(struct experiment *ret, const char *text, const char *set, struct error *error);
// Asserts that it is taken, or refused with a message that starts so (a registry's rows at its end may grow).
struct experiment taken(const char *text, const char *set);
void refused(const char *text, const char *set, const char *expected);
