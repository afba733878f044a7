#include "base/philox.h"
#include "choose.h"
#include "topology/topology.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const struct topology_kind *gossip(void)
{
    return (const struct topology_kind *)registry_find(&topologies, "gossip");
}

Test(gossip, on_a_ring_of_four_gives_a_third_to_each_neighbour)
{
    struct choice choice = choose(&topologies, "gossip");
    const double weights[] = {1, 1, 1, 1};
    double row[4];
    gossip()->mixing_row(choice.options, 4, 1, weights, row);
    for (size_t i = 0; i < 3; i++)
        cr_assert_float_eq(row[i], 1.0 / 3, 1e-15);
    cr_assert_eq(row[3], 0);
    cr_assert_eq(gossip()->steps(choice.options), 1);
    cr_assert(!gossip()->own_start(choice.options));
    choose_done();
}

// The star 1-0, 2-0, 3-0 by hand: every edge counts 1/4, the centre keeps 1/4 and the leaves 3/4.
Test(gossip, weighs_edges_by_the_larger_degree)
{
    struct choice choice =
        choose(&topologies, "{kind: gossip, graph: {edges: {list: [0-1, 2-0, 0-3]}}, steps: 3, start: own}");
    const double weights[] = {1, 9, 1, 1};
    double row[4];
    gossip()->mixing_row(choice.options, 4, 0, weights, row);
    for (size_t i = 0; i < 4; i++)
        cr_assert_float_eq(row[i], 0.25, 1e-15);
    gossip()->mixing_row(choice.options, 4, 3, weights, row);
    cr_assert_float_eq(row[0], 0.25, 1e-15);
    cr_assert_float_eq(row[3], 0.75, 1e-15);
    cr_assert_eq(gossip()->steps(choice.options), 3);
    cr_assert(gossip()->own_start(choice.options));
    choose_done();
}

static void expect_refused(const char *yaml, size_t n, const char *why)
{
    struct error error = ERROR_INIT;
    struct choice choice = choose(&topologies, yaml);
    cr_assert_neq(gossip()->check_learners(choice.options, n, &error), STATUS_OK, "%s", yaml);
    cr_assert(strstr(error.message, why), "%s: %s", yaml, error.message);
    choose_done();
}

Test(gossip, refuses_graphs_that_do_not_go_with_the_learners)
{
    expect_refused("{kind: gossip, graph: {edges: {list: [0-1, 2-3]}}}", 4, "until it is connected");
    expect_refused("{kind: gossip, graph: {edges: {list: [0-1, 1-4]}}}", 4, "from 0 to 3");
    expect_refused("{kind: gossip, graph: {random_regular: {degree: 4}}}", 4, "below 4");
    expect_refused("{kind: gossip, graph: {random_regular: {degree: 3}}}", 7, "odd");
    expect_refused("{kind: gossip, graph: {random_regular: {degree: 1}}}", 8, "pairs");
}

// The second largest size of an eigenvalue of W, by power iteration with the mean taken out: below 1 means
// that the learners approach each other, at that rate a step.
static double second_eigenvalue(const void *options, size_t n)
{
    double x[64], y[64], row[64], weights[64], norm = 0;
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < n; i++) {
        x[i] = random_normal(&random);
        weights[i] = 1;
    }
    for (int k = 0; k < 400; k++) {
        double mean = 0, before = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            before += (x[i] - mean) * (x[i] - mean);
        norm = 0;
        for (size_t i = 0; i < n; i++) {
            gossip()->mixing_row(options, n, i, weights, row);
            y[i] = 0;
            for (size_t j = 0; j < n; j++)
                y[i] += row[j] * (x[j] - mean) / sqrt(before);
            norm += y[i] * y[i];
        }
        memcpy(x, y, n * sizeof *x);
    }
    return sqrt(norm);
}

// A ring's is known: (1 + 2 cos(2 pi / n)) / 3.
Test(gossip, mixes_at_the_speed_of_the_graphs_spectral_gap)
{
    struct choice choice = choose(&topologies, "gossip");
    double ring = second_eigenvalue(choice.options, 16);
    cr_assert_float_eq(ring, (1 + 2 * cos(2 * 3.14159265358979 / 16)) / 3, 1e-4);
    choose_done();
    choice = choose(&topologies, "{kind: gossip, graph: torus}");
    double torus = second_eigenvalue(choice.options, 16);
    cr_assert_float_eq(torus, 0.6, 1e-4); // (1 + 2 cos(pi / 2) + 2) / 5 of the 4 x 4 torus
    choose_done();
    choice = choose(&topologies, "{kind: gossip, graph: {random_regular: {degree: 4}}}");
    double regular = second_eigenvalue(choice.options, 16);
    cr_assert(regular < 0.9, "%g", regular);
    cr_assert(torus < ring && regular < ring);
    choose_done();
}
