#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "rpc/security.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cohort-tokens-XXXXXX", path[64];
static struct error error;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokens", folder);
}

static void tear_down(void)
{
    file_remove_tree(folder);
}

TestSuite(tokens, .timeout = 30, .init = set_up, .fini = tear_down);

static struct identity site_a(void)
{
    return (struct identity){.role = ROLE_LEARNER, .name = "site-a"};
}

static void create(int64_t lifetime_s, char ret_token[TOKEN_BYTES])
{
    struct identity identity = site_a();
    cr_assert_eq(token_create(path, &identity, lifetime_s, ret_token, &error), STATUS_OK, "%s",
                 error.message);
}

static enum status check(const char *token, int64_t now_s, struct identity *ret)
{
    struct token_record *records = NULL;
    size_t n = 0;
    enum status status = token_list(path, &records, &n, &error);
    if (status == STATUS_OK)
        status = token_check(records, n, token, now_s, ret, &error);
    memory_free(records);
    return status;
}

static int64_t now_s(void)
{
    return clock_unix_ms() / 1000;
}

static void write_text(const char *text)
{
    cr_assert_eq(file_write(path, text, strlen(text), false, &error), STATUS_OK);
}

Test(tokens, a_token_states_the_identity_that_it_was_made_for)
{
    char one[TOKEN_BYTES], two[TOKEN_BYTES];
    struct identity found = {0};
    create(0, one);
    create(0, two);
    cr_assert_str_neq(one, two);
    cr_assert_eq(check(one, now_s(), &found), STATUS_OK, "%s", error.message);
    cr_assert_eq(found.role, ROLE_LEARNER);
    cr_assert_str_eq(found.name, "site-a");
    cr_assert_eq(strlen(one), strlen("cohort.") + 12 + 1 + 64, "%s", one);
}

Test(tokens, the_file_holds_no_token_and_is_for_its_owner_alone)
{
    char token[TOKEN_BYTES];
    struct bytes text = BYTES_INIT;
    struct stat info;
    create(0, token);
    cr_assert_eq(bytes_read_file(&text, path, 1000, &error), STATUS_OK);
    cr_assert_null(strstr(text.data, strrchr(token, '.') + 1));
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600, "%o", info.st_mode);
    bytes_release(&text);
}

Test(tokens, another_ones_bytes_are_refused)
{
    char token[TOKEN_BYTES];
    struct identity found = {0};
    create(0, token);
    token[strlen(token) - 1] ^= 1;
    cr_expect_eq(check(token, now_s(), &found), STATUS_UNAUTHENTICATED);
    token[strlen(token) - 1] ^= 1;
    token[strlen(token) - 1] = '\0';
    cr_expect_eq(check(token, now_s(), &found), STATUS_UNAUTHENTICATED);
    cr_expect_eq(check("", now_s(), &found), STATUS_UNAUTHENTICATED);
    cr_expect_eq(check("cohort", now_s(), &found), STATUS_UNAUTHENTICATED);
    cr_expect_eq(found.role, ROLE_NONE);
}

Test(tokens, one_that_has_expired_or_was_revoked_is_refused_with_the_reason)
{
    char token[TOKEN_BYTES], id[TOKEN_ID_BYTES];
    struct identity found = {0};
    int64_t begun_s = now_s();
    create(3600, token);
    cr_expect_eq(check(token, begun_s + 3599, &found), STATUS_OK);
    cr_expect_eq(check(token, now_s() + 3601, &found), STATUS_UNAUTHENTICATED);
    cr_expect_not_null(strstr(error.message, "expired"), "%s", error.message);
    snprintf(id, sizeof id, "%.12s", token + strlen("cohort."));
    cr_assert_eq(token_revoke(path, id, &error), STATUS_OK, "%s", error.message);
    cr_expect_eq(check(token, now_s(), &found), STATUS_UNAUTHENTICATED);
    cr_expect_not_null(strstr(error.message, "revoked"), "%s", error.message);
    cr_expect_eq(token_revoke(path, "000000000000", &error), STATUS_NOT_FOUND);
}

Test(tokens, revoking_reaches_every_line_of_an_id)
{
    char token[TOKEN_BYTES], id[TOKEN_ID_BYTES];
    struct bytes text = BYTES_INIT;
    struct identity found = {0};
    create(0, token);
    cr_assert_eq(bytes_read_file(&text, path, 1000, &error), STATUS_OK);
    cleanup_free char *twice = memory_format("%s%s", text.data, text.data);
    write_text(twice);
    snprintf(id, sizeof id, "%.12s", token + strlen("cohort."));
    cr_assert_eq(token_revoke(path, id, &error), STATUS_OK);
    cr_assert_eq(check(token, now_s(), &found), STATUS_UNAUTHENTICATED);
    bytes_release(&text);
}

Test(tokens, an_absent_file_lets_nobody_in_and_a_damaged_one_says_which_line)
{
    struct identity found = {0};
    char token[TOKEN_BYTES], expected[96];
    cr_expect_eq(check("cohort.a.b", now_s(), &found), STATUS_UNAUTHENTICATED);
    create(0, token);
    struct bytes text = BYTES_INIT;
    cr_assert_eq(bytes_read_file(&text, path, 1000, &error), STATUS_OK);
    static const char *const bad[] = {"%.*sx\n", "%.*s\n\nagain\n", "%.*s trailing\n", "%.*s\n1 2 3\n"};
    static const int line[] = {1, 3, 1, 2};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char damaged[2000];
        snprintf(damaged, sizeof damaged, bad[i], (int)text.n - 1, text.data);
        write_text(damaged);
        cr_expect_eq(check(token, now_s(), &found), STATUS_DATA_LOSS, "%s", damaged);
        snprintf(expected, sizeof expected, "%s:%d:", path, line[i]);
        cr_expect_not_null(strstr(error.message, expected), "%s", error.message);
    }
    bytes_release(&text);
}

Test(tokens, a_name_that_cannot_be_is_not_written)
{
    static const struct identity bad[] = {
        {ROLE_LEARNER, "a b"}, {ROLE_USER, "*"}, {ROLE_NONE, "a"}, {ROLE_USER, "a\n"}};
    char token[TOKEN_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(token_create(path, &bad[i], 0, token, &error), STATUS_INVALID_ARGUMENT);
    cr_expect(!file_exists(path));
}
