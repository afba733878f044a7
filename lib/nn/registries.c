// The tables behind the .def files of this folder.
#include "base/memory.h"
#include "nn/activation.h"
#include "nn/layer.h"
#include "nn/loss.h"
#include "nn/optimizer.h"

#define X(name) extern const struct layer_kind layer_##name;
#include "nn/layers.def"
#undef X
#define X(name) extern const struct activation_kind activation_##name;
#include "nn/activations.def"
#undef X
#define X(name) extern const struct loss_kind loss_##name;
#include "nn/losses.def"
#undef X
#define X(name) extern const struct optimizer_kind optimizer_##name;
#include "nn/optimizers.def"
#undef X
#define X(name) extern const struct schedule_kind schedule_##name;
#include "nn/schedules.def"
#undef X

#define X(name) &layer_##name.kind,
static const struct kind *const layer_rows[] = {
#include "nn/layers.def"
};
#undef X
#define X(name) &activation_##name.kind,
static const struct kind *const activation_rows[] = {
#include "nn/activations.def"
};
#undef X
#define X(name) &loss_##name.kind,
static const struct kind *const loss_rows[] = {
#include "nn/losses.def"
};
#undef X
#define X(name) &optimizer_##name.kind,
static const struct kind *const optimizer_rows[] = {
#include "nn/optimizers.def"
};
#undef X
#define X(name) &schedule_##name.kind,
static const struct kind *const schedule_rows[] = {
#include "nn/schedules.def"
};
#undef X

const struct registry layers = {"layer", layer_rows, ARRAY_SIZE(layer_rows)};
const struct registry activations = {"activation", activation_rows, ARRAY_SIZE(activation_rows)};
const struct registry losses = {"loss", loss_rows, ARRAY_SIZE(loss_rows)};
const struct registry optimizers = {"optimizer", optimizer_rows, ARRAY_SIZE(optimizer_rows)};
const struct registry schedules = {"schedule", schedule_rows, ARRAY_SIZE(schedule_rows)};
