#include "choose.h"
#include "topology/graph.h"

static struct graph make(const char *yaml, size_t n_learners, const uint32_t *members, size_t n)
{
    struct graph graph = GRAPH_INIT;
    struct error error = ERROR_INIT;
    struct choice choice = choose(&graphs, yaml);
    cr_assert_eq(graph_new(&graph, &choice, n_learners, members, n, &error), STATUS_OK, "%s", error.message);
    choose_done();
    return graph;
}

static const uint32_t all[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

Test(graph, a_ring_of_two_is_one_edge_and_of_one_nothing)
{
    struct graph graph = make("ring", 2, all, 2);
    cr_assert_eq(graph_degree(&graph, 0), 1);
    cr_assert(graph_joined(&graph, 0, 1) && graph_joined(&graph, 1, 0));
    cr_assert_float_eq(graph_weight(&graph, 0, 1), 0.5, 1e-15);
    cr_assert_float_eq(graph_weight(&graph, 0, 0), 0.5, 1e-15);
    graph_release(&graph);
    graph = make("ring", 1, all, 1);
    cr_assert_eq(graph_degree(&graph, 0), 0);
    cr_assert(graph_connected(&graph));
    cr_assert_eq(graph_weight(&graph, 0, 0), 1);
    graph_release(&graph);
}

// 12 = 3 rows x 4 columns: learner 5 stands in row 1, column 1.
Test(graph, a_torus_joins_four_neighbours)
{
    struct graph graph = make("torus", 12, all, 12);
    cr_assert_eq(graph_degree(&graph, 5), 4);
    cr_assert(graph_joined(&graph, 5, 4) && graph_joined(&graph, 5, 6) && graph_joined(&graph, 5, 1) &&
              graph_joined(&graph, 5, 9));
    cr_assert(graph_joined(&graph, 0, 3) && graph_joined(&graph, 0, 8), "closed in both directions");
    graph_release(&graph);
}

Test(graph, a_random_regular_one_is_the_same_for_a_seed)
{
    struct graph one = make("{random_regular: {degree: 3, seed: 5}}", 12, all, 12);
    struct graph same = make("{random_regular: {degree: 3, seed: 5}}", 12, all, 12);
    struct graph other = make("{random_regular: {degree: 3, seed: 6}}", 12, all, 12);
    for (size_t i = 0; i < 12; i++)
        cr_assert_eq(graph_degree(&one, i), 3);
    cr_assert(graph_connected(&one));
    cr_assert_arr_eq(one.neighbours, same.neighbours, one.starts[12] * sizeof *one.neighbours);
    cr_assert_neq(memcmp(one.neighbours, other.neighbours, one.starts[12] * sizeof *one.neighbours), 0);
    graph_release(&one);
    graph_release(&same);
    graph_release(&other);
}

Test(graph, a_random_regular_one_takes_what_degree_the_number_allows)
{
    struct graph graph = make("{random_regular: {degree: 3}}", 12, all, 3); // 9 of 12 are lost
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(graph_degree(&graph, i), 2);
    graph_release(&graph);
    graph = make("{random_regular: {degree: 3}}", 12, all, 11); // an odd number of ends: one has one less
    cr_assert(graph_connected(&graph));
    cr_assert_eq(graph.starts[11], 32);
    graph_release(&graph);
}

Test(graph, listed_edges_are_kept_among_those_who_take_part)
{
    const uint32_t members[] = {0, 2, 3};
    struct graph graph = make("{edges: {list: [0-1, 1-2, 2-3, 3-2]}}", 4, members, 3);
    cr_assert_eq(graph_degree(&graph, 0), 0);
    cr_assert_eq(graph_degree(&graph, 1), 1, "an edge given twice counts once");
    cr_assert(graph_joined(&graph, 1, 2));
    cr_assert(!graph_connected(&graph));
    graph_release(&graph);
}

Test(graph, what_is_no_edge_is_refused)
{
    const char *const bad[] = {"1", "0-", "-1", "0-1x", "a-b", "3-3", "+1-2", "1 2"};
    const struct kind *kind = registry_find(&graphs, "edges");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = ERROR_INIT;
        const struct text_list list = {1, (const char **)(uintptr_t)&bad[i]};
        cr_assert_neq(kind->check(&list, &error), STATUS_OK, "%s", bad[i]);
        cr_assert(strstr(error.message, "as in 0-1"), "%s", error.message);
    }
}
