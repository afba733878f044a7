#include "topology/topology.h"
#include "base/memory.h"

#define X(name) extern const struct topology_kind topology_##name;
#include "topology/topologies.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &topology_##name.kind,
#include "topology/topologies.def"
#undef X
};

const struct registry topologies = {.what = "topology", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};
