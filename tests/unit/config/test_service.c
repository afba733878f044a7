#include "base/log.h"
#include "base/memory.h"
#include "config/service.h"
#include "config/settings.h"
#include <criterion/criterion.h>

struct program_options {
    int64_t own;
    struct service_options common;
};

static const struct field fields[] = {
    {.name = "own", .type = FIELD_INT, .offset = offsetof(struct program_options, own), .fallback = "7"},
    SERVICE_ROWS(struct program_options),
    {0},
};

static struct program_options read_with(struct settings *settings, const char **overrides, size_t n)
{
    struct program_options options = {0};
    struct error error = ERROR_INIT;
    const struct texts texts = {overrides, n};
    cr_assert_eq(settings_read(settings, fields, NULL, "TEST", &texts, &options, &error), STATUS_OK, "%s",
                 error.message);
    return options;
}

Test(service, without_settings_it_logs_is_not_open_to_all_and_offers_nothing_else)
{
    struct settings settings = SETTINGS_INIT;
    struct program_options options = read_with(&settings, NULL, 0);
    cr_expect_eq(options.own, 7);
    cr_expect(options.common.window_probe);
    cr_expect_not(options.common.cross_memory);
    cr_expect_null(options.common.metrics);
    cr_expect_null(options.common.trace);
    cr_expect_not(options.common.security.insecure);
    cr_expect_null(options.common.security.certificate);
    cr_expect_eq(options.common.security.client, CLIENTS_REQUEST);
    cr_expect_eq(options.common.log.level, LOG_INFO);
    settings_release(&settings);
}

Test(service, each_row_fills_the_member_of_its_name)
{
    const char *overrides[] = {
        "cross_memory=true",
        "window_probe=false",
        "metrics=127.0.0.1:9",
        "trace=t.json",
        "tls.certificate=c",
        "tls.key=k",
        "tls.ca=a",
        "tls.name=n",
        "tokens=ts",
        "token=t",
        "audit=au",
        "insecure=true",
        "tls.client=require",
        "log.level=warn",
        "log.format=json",
    };
    struct settings settings = SETTINGS_INIT;
    struct program_options options = read_with(&settings, overrides, ARRAY_SIZE(overrides));
    const struct security_options *security = &options.common.security;
    cr_expect_not(options.common.window_probe);
    cr_expect(options.common.cross_memory);
    cr_expect_str_eq(options.common.metrics, "127.0.0.1:9");
    cr_expect_str_eq(options.common.trace, "t.json");
    cr_expect_str_eq(security->certificate, "c");
    cr_expect_str_eq(security->key, "k");
    cr_expect_str_eq(security->ca, "a");
    cr_expect_str_eq(security->name, "n");
    cr_expect_str_eq(security->tokens, "ts");
    cr_expect_str_eq(security->token, "t");
    cr_expect_str_eq(security->audit, "au");
    cr_expect(security->insecure);
    cr_expect_eq(security->client, CLIENTS_REQUIRE);
    cr_expect_eq(options.common.log.level, LOG_WARN);
    cr_expect_eq(options.common.log.format, LOG_JSON);
    settings_release(&settings);
}
