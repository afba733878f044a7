#include "cli/access.h"
#include "base/memory.h"
#include "rpc/security.h"
#include <stdlib.h>
#include <string.h>

static struct security_options given; // the program's, as it was started

const struct argument access_arguments[] = {
    {"--tls-ca", ARGUMENT_TEXT, NULL, "FILE",
     "PEM: the authorities that the server's certificate comes from [COHORT_TLS_CA]"},
    {"--tls-crl", ARGUMENT_TEXT, NULL, "FILE",
     "PEM: what these have revoked, among which the server's must not be [COHORT_TLS_CRL]"},
    {"--tls-cert", ARGUMENT_TEXT, NULL, "FILE",
     "PEM: the certificate that is shown to it [COHORT_TLS_CERTIFICATE]"},
    {"--tls-key", ARGUMENT_TEXT, NULL, "FILE", "PEM: that certificate's private key [COHORT_TLS_KEY]"},
    {"--tls-name", ARGUMENT_TEXT, NULL, "NAME",
     "the name in the server's certificate, if not its address's [COHORT_TLS_NAME]"},
    {"--token", ARGUMENT_TEXT, NULL, "TOKEN",
     "join token instead of a certificate, or file:PATH [COHORT_TOKEN]"},
    {0},
};

// Of each of these, in their order.
static const struct {
    const char *variable;
    const char **target;
} rows[] = {
    {"COHORT_TLS_CA", &given.ca},
    {"COHORT_TLS_CRL", &given.crl},
    {"COHORT_TLS_CERTIFICATE", &given.certificate},
    {"COHORT_TLS_KEY", &given.key},
    {"COHORT_TLS_NAME", &given.name},
    {"COHORT_TOKEN", &given.token},
};
_Static_assert(ARRAY_SIZE(access_arguments) == ARRAY_SIZE(rows) + 1, "a row each, and the end");

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
        size_t n = strlen(access_arguments[row].name);
        if (strncmp(argument, access_arguments[row].name, n) != 0 || (argument[n] && argument[n] != '='))
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
            return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' needs a value; write it behind", argv[i]);
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
