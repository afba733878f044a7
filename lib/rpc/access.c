// Roles, and the one table of what each may call.
#include "base/memory.h"
#include "rpc/security.h"
#include <stdio.h>
#include <string.h>

static const struct {
    enum role role;
    const char *name;
} role_names[] = {{ROLE_LEARNER, "learner"},
                  {ROLE_RELAY, "relay"},
                  {ROLE_USER, "user"},
                  {ROLE_READER, "reader"}};

const char *role_name(enum role role)
{
    for (size_t i = 0; i < ARRAY_SIZE(role_names); i++)
        if (role_names[i].role == role)
            return role_names[i].name;
    return "none";
}

enum role role_of_name(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(role_names); i++)
        if (strlen(role_names[i].name) == n && memcmp(role_names[i].name, name, n) == 0)
            return role_names[i].role;
    return ROLE_NONE;
}

enum status identity_check(const struct identity *identity, struct error *error)
{
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = identity->name;
    size_t n = strspn(name, fit);
    bool star = identity->role == ROLE_LEARNER && strcmp(name + n, "*") == 0;
    if (identity->role == ROLE_NONE)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "a role must be learner, relay, user or reader; give one of them");
    if ((n == 0 && !star) || (name[n] && !star))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "name '%s' must be 1 to 63 letters, digits, '-', '_' or '.', and for a learner may "
                         "end in '*'; choose another",
                         name);
    return STATUS_OK;
}

bool identity_speaks_for(const struct identity *identity, const char *learner)
{
    size_t n = strlen(identity->name);
    if (identity->role == ROLE_RELAY)
        return true;
    if (identity->role != ROLE_LEARNER || n == 0 || !*learner)
        return false;
    if (identity->name[n - 1] == '*')
        return strncmp(identity->name, learner, n - 1) == 0;
    return strcmp(identity->name, learner) == 0;
}

static const struct {
    const char *path;
    unsigned int roles;
} table[] = {
    {"/cohort.v1.Coordinator/CreateExperiment", ROLE_USER},
    {"/cohort.v1.Coordinator/GetExperiment", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/ListExperiments", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/WatchExperiment", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/ExplainExperiment", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/PauseExperiment", ROLE_USER},
    {"/cohort.v1.Coordinator/ResumeExperiment", ROLE_USER},
    {"/cohort.v1.Coordinator/CancelExperiment", ROLE_USER},
    {"/cohort.v1.Coordinator/DownloadModel", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/ListLearners", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Coordinator/RemoveLearner", ROLE_USER},
    {"/cohort.v1.Exchange/Attend", ROLE_LEARNER | ROLE_RELAY},
    {"/cohort.v1.Exchange/FetchModel", ROLE_LEARNER | ROLE_RELAY},
    {"/cohort.v1.Exchange/OfferSummary", ROLE_LEARNER | ROLE_RELAY},
    {"/cohort.v1.Exchange/SubmitSummary", ROLE_LEARNER | ROLE_RELAY},
    {"/cohort.v1.Learner/GetStatus", ROLE_USER | ROLE_READER},
    {"/cohort.v1.Learner/Predict", ROLE_USER},
    {"/cohort.v1.Learner/Evaluate", ROLE_USER},
    {"/cohort.v1.Learner/ExchangeSummary", ROLE_LEARNER},
    {"/cohort.v1.Learner/GetModel", ROLE_LEARNER | ROLE_USER},
    {"/grpc.health.v1.Health/Check", ROLE_ANY}, // probes show the certificate of what they probe
    {"/grpc.health.v1.Health/Watch", ROLE_ANY},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ROLE_USER | ROLE_READER},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", ROLE_USER | ROLE_READER},
};

unsigned int method_roles(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strcmp(table[i].path, path) == 0)
            return table[i].roles;
    return ROLE_NONE;
}
