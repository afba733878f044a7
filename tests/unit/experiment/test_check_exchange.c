#include "base/memory.h"
#include "texts.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(check_exchange, codecs_go_where_they_can)
{
    refused(WHOLE, "collaboration.downlink=top_k",
            "--set: downlink 'top_k' would leave little of a model's weights; choose {kind: delta, codec: "
            "top_k}");
    refused(WHOLE, "collaboration.downlink={kind: delta, codec: f32}",
            "--set: delta of 'f32' would be as long as the values themselves");
    refused(WHOLE, "collaboration.downlink={kind: delta, codec: delta}",
            "--set: delta of 'delta' is a difference of differences");
    refused(WHOLE, "collaboration.codec=int9", "--set: unknown codec 'int9'");
    static const char *const peers[] = {"ring", "{kind: gossip, graph: ring}"};
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        char set[160];
        snprintf(set, sizeof set, "collaboration={rounds: 1, learners: 4, downlink: int8, topology: %s}",
                 peers[i]);
        refused(WHOLE, set, "--set: downlink 'int8' does not go with topology");
        snprintf(set, sizeof set, "collaboration={rounds: 1, learners: 4, codec: int8, topology: %s}",
                 peers[i]);
        refused(WHOLE, set, "--set: codec 'int8' does not go with topology");
    }
    refused(WHOLE, "collaboration={rounds: 1, learners: 4, codec: int8, topology: tree}",
            "--set: codec 'int8' does not go with topology tree, where summaries are summed on their way");
    struct experiment experiment =
        taken(WHOLE, "collaboration={rounds: 1, learners: 4, downlink: {delta: {codec: {top_k: {fraction: "
                     "0.1}}}}, topology: tree}");
    experiment_release(&experiment);
}

Test(check_exchange, a_bound_on_norms_is_refused_where_sums_are_made_on_the_way)
{
    struct experiment experiment = taken(WHOLE, "collaboration.max_norm=10");
    cr_assert_eq(experiment.options.collaboration.max_norm, 10);
    experiment_release(&experiment);
    cleanup_free char *tree = memory_format("%s  max_norm: 10\n", WHOLE);
    refused(tree, "collaboration.topology=tree",
            "--set: topology 'tree' adds summaries up where nobody holds");
    refused(WHOLE, "collaboration.max_norm=-1", "--set: max_norm '-1' must be");
}
