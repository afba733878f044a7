#include "cli/access.h"
#include "base/memory.h"
#include "rpc/security.h"
#include <stdlib.h>
#include <string.h>

static struct security_options given; // the program's, as it was started

static const struct {
    const char *option, *variable;
    const char **target;
} rows[] = {
    {"--tls-ca", "COHORT_TLS_CA", &given.ca},    {"--tls-cert", "COHORT_TLS_CERTIFICATE", &given.certificate},
    {"--tls-key", "COHORT_TLS_KEY", &given.key}, {"--tls-name", "COHORT_TLS_NAME", &given.name},
    {"--token", "COHORT_TOKEN", &given.token},
};

static void take_variables(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *value = getenv(rows[i].variable);
        *rows[i].target = value && *value ? memory_copy_text(value) : NULL;
        unsetenv(rows[i].variable);
    }
}

// The row that `argument` names, and its value when that stands behind '='.
static size_t find(const char *argument, const char **ret_value)
{
    size_t row = 0;
    for (; row < ARRAY_SIZE(rows); row++) {
        size_t n = strlen(rows[row].option);
        if (strncmp(argument, rows[row].option, n) != 0 || (argument[n] && argument[n] != '='))
            continue;
        *ret_value = argument[n] ? argument + n + 1 : NULL;
        break;
    }
    return row;
}

enum status access_take(int *argc, char **argv, struct error *error)
{
    int n = 0;
    bool options = true;
    take_variables();
    for (int i = 0; i < *argc; i++) {
        const char *value = NULL;
        options = options && strcmp(argv[i], "--") != 0;
        size_t row = options ? find(argv[i], &value) : ARRAY_SIZE(rows);
        if (row == ARRAY_SIZE(rows)) {
            argv[n++] = argv[i];
            continue;
        }
        if (!value && i + 1 == *argc)
            return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' needs a value", argv[i]);
        *rows[row].target = value ? value : argv[++i];
    }
    argv[n] = NULL;
    *argc = n;
    return STATUS_OK;
}

enum status access_apply(struct rpc_runtime *runtime, struct error *error)
{
    return rpc_runtime_secure(runtime, &given, NULL, error);
}
