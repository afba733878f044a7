// The settings of security, certificates as `cohort certs` makes them, and calls over TLS between a server
// and channels of other runtimes.
#include "base/bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include "echo.h"
#include "rpc/guard.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cohort-security-XXXXXX";
static char paths[5][96];
static struct error error;

static const char *in_folder(size_t i, const char *name)
{
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void)
{
    file_remove_tree(folder);
}

TestSuite(security, .timeout = 60, .init = set_up, .fini = tear_down);

static enum status make(const char *name, enum role role, int64_t days)
{
    struct certificate_request request = {
        .folder = folder, .name = name, .identity.role = role, .days = days};
    snprintf(request.identity.name, sizeof request.identity.name, "%s", name);
    return certificate_make(&request, &error);
}

// The options of whoever has NAME.crt; NULL: of one that knows the authority alone.
static struct security_options options_of(const char *name)
{
    char file[64];
    struct security_options options = {.ca = in_folder(0, "ca.crt"), .client = CLIENTS_REQUEST};
    if (name) {
        snprintf(file, sizeof file, "%s.crt", name);
        options.certificate = in_folder(1, file);
        snprintf(file, sizeof file, "%s.key", name);
        options.key = in_folder(2, file);
    }
    return options;
}

static void refused(const struct security_options *options, const char *words)
{
    struct security *security = NULL;
    error = ERROR_INIT;
    cr_expect_eq(security_new(&security, options, &error), STATUS_INVALID_ARGUMENT, "%s", words);
    cr_expect_null(security);
    cr_expect_not_null(strstr(error.message, words), "%s", error.message);
}

Test(security, settings_that_would_leave_a_door_open_are_refused)
{
    cr_assert_eq(make("server", ROLE_RELAY, 1), STATUS_OK, "%s", error.message);
    struct security_options whole = options_of("server"), options;
    options = whole, options.key = NULL;
    refused(&options, "go together");
    options = whole, options.certificate = NULL;
    refused(&options, "go together");
    options = whole, options.ca = NULL;
    refused(&options, "needs tls.ca");
    options = (struct security_options){.tokens = in_folder(3, "tokens")};
    refused(&options, "nobody is asked");
    options = (struct security_options){.audit = in_folder(3, "audit"), .insecure = true};
    refused(&options, "nobody is asked");
    options = whole, options.tokens = in_folder(3, "tokens"), options.client = CLIENTS_REQUIRE;
    refused(&options, "not looked at");
    options = (struct security_options){.token = "cohort.a.b"};
    refused(&options, "TLS alone");
    options = whole, options.ca = whole.key;
    refused(&options, "no PEM file of certificates");
}

Test(security, keys_are_for_their_owner_alone_and_an_authority_is_made_once)
{
    struct stat info;
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    cr_assert_eq(make("a", ROLE_LEARNER, 1), STATUS_OK, "%s", error.message);
    cr_assert_eq(bytes_read_file(&first, in_folder(0, "ca.crt"), 10000, &error), STATUS_OK);
    cr_assert_eq(make("b", ROLE_USER, 1), STATUS_OK, "%s", error.message);
    cr_assert_eq(bytes_read_file(&second, in_folder(0, "ca.crt"), 10000, &error), STATUS_OK);
    cr_assert_str_eq(first.data, second.data);
    static const char *const keys[] = {"ca.key", "a.key", "b.key"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        cr_assert_eq(stat(in_folder(1, keys[i]), &info), 0);
        cr_expect_eq(info.st_mode & 0777, 0600, "%s: %o", keys[i], info.st_mode);
    }
    remove(in_folder(1, "ca.key"));
    cr_expect_eq(make("c", ROLE_USER, 1), STATUS_DATA_LOSS, "an authority without its key");
    bytes_release(&first);
    bytes_release(&second);
}

Test(security, names_that_are_no_files_or_identities_are_refused)
{
    static const struct {
        const char *name;
        enum role role;
    } bad[] = {
        {"ca", ROLE_USER}, {"a/b", ROLE_USER}, {"", ROLE_USER}, {"ward-*", ROLE_LEARNER}, {"a", ROLE_NONE}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(make(bad[i].name, bad[i].role, 1), STATUS_INVALID_ARGUMENT, "%s", bad[i].name);
    static const char *const hosts[] = {"a,URI:cohort:user/root", "a b", "", "a\nb", "a\"b"};
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        struct certificate_request request = {.folder = folder,
                                              .name = "x",
                                              .identity = {ROLE_LEARNER, "x"},
                                              .hosts = &hosts[i],
                                              .n_hosts = 1,
                                              .days = 1};
        cr_expect_eq(certificate_make(&request, &error), STATUS_INVALID_ARGUMENT, "%s", hosts[i]);
    }
}

// ---- calls over TLS -------------------------------------------------------------------------------------

// What a call of Exchange.OfferSummary comes to, made by one that has these options.
static enum status call_as(const struct echo *server, const struct security_options *options)
{
    struct rpc_runtime *runtime = NULL;
    struct rpc_channel *channel = NULL;
    uint64_t offset = 0;
    error = ERROR_INIT;
    cr_assert_eq(rpc_runtime_new(&runtime, 1, &error), STATUS_OK);
    cr_assert_eq(rpc_runtime_secure(runtime, options, NULL, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(rpc_channel_new(&channel, runtime, server->address, &error), STATUS_OK);
    enum status status = offer(channel, "site-a", 7, 10000, &offset, &error);
    cr_expect_eq(offset, status == STATUS_OK ? 7 : 0);
    rpc_channel_free(channel);
    rpc_runtime_free(runtime);
    return status;
}

static void serve(struct echo *echo, const struct security_options *options)
{
    memset(echo, 0, sizeof *echo);
    cr_assert_eq(rpc_runtime_new(&echo->runtime, 1, &error), STATUS_OK);
    cr_assert_eq(rpc_runtime_secure(echo->runtime, options, NULL, &error), STATUS_OK, "%s", error.message);
    echo_serve(echo, NULL);
}

static size_t count_lines(const char *path, const char *words)
{
    struct bytes text = BYTES_INIT;
    size_t n = 0;
    cr_assert_eq(bytes_read_file(&text, path, 1 << 20, &error), STATUS_OK, "%s", error.message);
    for (const char *at = text.data; at && (at = strstr(at, words)); at++)
        n++;
    bytes_release(&text);
    return n;
}

Test(security, calls_are_let_in_by_certificate_and_by_token_alone)
{
    struct echo echo;
    struct identity site_a = {ROLE_LEARNER, "site-a"}, alice = {ROLE_USER, "alice"};
    char token[TOKEN_BYTES], of_alice[TOKEN_BYTES], audit[96], records[96];
    cr_assert_eq(make("server", ROLE_RELAY, 1), STATUS_OK, "%s", error.message);
    cr_assert_eq(make("site-a", ROLE_LEARNER, 1), STATUS_OK);
    cr_assert_eq(make("late", ROLE_LEARNER, 0), STATUS_OK);
    snprintf(records, sizeof records, "%s/tokens", folder);
    snprintf(audit, sizeof audit, "%s/audit", folder);
    cr_assert_eq(token_create(records, &site_a, 0, token, &error), STATUS_OK);
    cr_assert_eq(token_create(records, &alice, 0, of_alice, &error), STATUS_OK);
    struct security_options server = options_of("server"), client;
    server.certificate = memory_copy_text(server.certificate);
    server.key = memory_copy_text(server.key);
    server.tokens = records;
    server.audit = audit;
    serve(&echo, &server);
    client = options_of("site-a");
    cr_expect_eq(call_as(&echo, &client), STATUS_OK, "%s", error.message);
    client = options_of("late");
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAUTHENTICATED, "expired: %s", error.message);
    client.token = token;
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAUTHENTICATED,
                 "a certificate decides, whatever comes with it");
    client = options_of(NULL);
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAUTHENTICATED, "nobody: %s", error.message);
    client.token = token;
    cr_expect_eq(call_as(&echo, &client), STATUS_OK, "%s", error.message);
    client.token = of_alice;
    cr_expect_eq(call_as(&echo, &client), STATUS_PERMISSION_DENIED, "%s", error.message);
    cr_expect_eq(count_lines(audit, "\"allowed\":true"), 2);
    cr_expect_eq(count_lines(audit, "\"allowed\":false"), 4);
    cr_expect_eq(count_lines(audit, strrchr(token, '.') + 1), 0, "a token stands in the audit file");
    echo_stop(&echo);
    memory_free((void *)(uintptr_t)server.certificate);
    memory_free((void *)(uintptr_t)server.key);
}

Test(security, a_server_of_another_authority_or_name_is_not_called)
{
    struct echo echo;
    char other[] = "/tmp/cohort-security-XXXXXX", ca[96];
    struct certificate_request request = {.name = "x", .identity = {ROLE_USER, "x"}, .days = 1};
    cr_assert_not_null(request.folder = mkdtemp(other));
    cr_assert_eq(certificate_make(&request, &error), STATUS_OK);
    cr_assert_eq(make("server", ROLE_RELAY, 1), STATUS_OK, "%s", error.message);
    struct security_options server = options_of("server"), client = {.ca = ca};
    serve(&echo, &server);
    snprintf(ca, sizeof ca, "%s/ca.crt", other);
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAVAILABLE, "another authority: %s", error.message);
    client = (struct security_options){.ca = server.ca, .name = "elsewhere.example"};
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAVAILABLE, "another name: %s", error.message);
    client = (struct security_options){0};
    cr_expect_eq(call_as(&echo, &client), STATUS_UNAVAILABLE, "without TLS: %s", error.message);
    echo_stop(&echo);
    file_remove_tree(other);
}
