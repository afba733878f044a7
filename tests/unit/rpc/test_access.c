#include "base/memory.h"
#include "rpc/security.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(access, .timeout = 30);

static struct identity identity_of(enum role role, const char *name)
{
    struct identity identity = {.role = role};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    return identity;
}

Test(access, what_the_table_does_not_name_is_for_nobody)
{
    static const char *const strange[] = {"",
                                          "/",
                                          "/cohort.v1.Coordinator/",
                                          "/cohort.v1.Coordinator/CreateExperimentX",
                                          "/cohort.v1.Coordinator/createexperiment",
                                          "cohort.v1.Coordinator/CreateExperiment",
                                          "/cohort.v1.Exchange/Attend/",
                                          "//cohort.v1.Exchange/Attend"};
    for (size_t i = 0; i < ARRAY_SIZE(strange); i++)
        cr_expect_eq(method_roles(strange[i]), 0, "%s", strange[i]);
}

Test(access, learners_and_users_do_not_call_each_others_methods)
{
    static const char *const of_users[] = {"CreateExperiment", "GetExperiment",     "ListExperiments",
                                           "WatchExperiment",  "ExplainExperiment", "PauseExperiment",
                                           "ResumeExperiment", "CancelExperiment",  "DownloadModel",
                                           "ListLearners",     "RemoveLearner"};
    static const char *const of_learners[] = {"Attend", "FetchModel", "OfferSummary", "SubmitSummary"};
    char path[96];
    for (size_t i = 0; i < ARRAY_SIZE(of_users); i++) {
        snprintf(path, sizeof path, "/cohort.v1.Coordinator/%s", of_users[i]);
        cr_expect(method_roles(path) & ROLE_USER, "%s", path);
        cr_expect_eq(method_roles(path) & (ROLE_LEARNER | ROLE_RELAY), 0, "%s", path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_learners); i++) {
        snprintf(path, sizeof path, "/cohort.v1.Exchange/%s", of_learners[i]);
        cr_expect(method_roles(path) & ROLE_LEARNER, "%s", path);
        cr_expect_eq(method_roles(path) & (ROLE_USER | ROLE_READER), 0, "%s", path);
    }
}

Test(access, readers_change_nothing)
{
    static const char *const changing[] = {"/cohort.v1.Coordinator/CreateExperiment",
                                           "/cohort.v1.Coordinator/PauseExperiment",
                                           "/cohort.v1.Coordinator/ResumeExperiment",
                                           "/cohort.v1.Coordinator/CancelExperiment",
                                           "/cohort.v1.Coordinator/RemoveLearner",
                                           "/cohort.v1.Learner/Predict",
                                           "/cohort.v1.Learner/Evaluate"};
    for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
        cr_expect_eq(method_roles(changing[i]) & ROLE_READER, 0, "%s", changing[i]);
}

Test(access, names_have_plain_characters_and_a_star_at_most_at_a_learners_end)
{
    static const struct {
        enum role role;
        const char *name;
        bool good;
    } rows[] = {
        {ROLE_LEARNER, "site-a", true}, {ROLE_LEARNER, "ward-*", true},    {ROLE_LEARNER, "*", true},
        {ROLE_USER, "a.b_C-9", true},   {ROLE_USER, "ward-*", false},      {ROLE_READER, "*", false},
        {ROLE_RELAY, "*", false},       {ROLE_LEARNER, "", false},         {ROLE_LEARNER, "a*b", false},
        {ROLE_LEARNER, "**", false},    {ROLE_LEARNER, "a b", false},      {ROLE_LEARNER, "a/b", false},
        {ROLE_LEARNER, "a\nb", false},  {ROLE_LEARNER, "\xc3\xa4", false}, {ROLE_NONE, "site-a", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct identity identity = identity_of(rows[i].role, rows[i].name);
        cr_expect_eq(identity_check(&identity, NULL) == STATUS_OK, rows[i].good, "%s '%s'",
                     role_name(rows[i].role), rows[i].name);
    }
}

Test(access, one_speaks_for_oneself_for_ones_prefix_or_as_a_relay)
{
    static const struct {
        enum role role;
        const char *name, *learner;
        bool may;
    } rows[] = {
        {ROLE_LEARNER, "site-a", "site-a", true},
        {ROLE_LEARNER, "site-a", "site-b", false},
        {ROLE_LEARNER, "site-a", "site-", false},
        {ROLE_LEARNER, "site-a", "site-aa", false},
        {ROLE_LEARNER, "ward-*", "ward-7", true},
        {ROLE_LEARNER, "ward-*", "war", false},
        {ROLE_LEARNER, "ward-*", "site-a", false},
        {ROLE_LEARNER, "*", "anyone", true},
        {ROLE_LEARNER, "*", "", false},
        {ROLE_LEARNER, "", "", false},
        {ROLE_RELAY, "hall", "site-a", true},
        {ROLE_USER, "site-a", "site-a", false},
        {ROLE_READER, "site-a", "site-a", false},
        {ROLE_NONE, "site-a", "site-a", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct identity identity = identity_of(rows[i].role, rows[i].name);
        cr_expect_eq(identity_speaks_for(&identity, rows[i].learner), rows[i].may, "%s '%s' for '%s'",
                     role_name(rows[i].role), rows[i].name, rows[i].learner);
    }
}

Test(access, roles_are_known_by_their_whole_names)
{
    cr_assert_eq(role_of_name("user", 4), ROLE_USER);
    cr_assert_eq(role_of_name("user", 3), ROLE_NONE);
    cr_assert_eq(role_of_name("users", 5), ROLE_NONE);
    cr_assert_eq(role_of_name("none", 4), ROLE_NONE);
    cr_assert_eq(role_of_name("", 0), ROLE_NONE);
    cr_assert_str_eq(role_name(ROLE_READER), "reader");
    cr_assert_str_eq(role_name(ROLE_NONE), "none");
}
