#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "forge.h"
#include "rpc/guard.h"
#include <criterion/criterion.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An authority that is trusted, and what its file is judged by.
static char folder[] = "/tmp/cohort-verify-XXXXXX", ca_path[64];
static struct forged authority;
static struct security *security;
static struct error error;

static void trust(const char *pem)
{
    cr_assert_eq(file_write(ca_path, pem, strlen(pem), false, &error), STATUS_OK, "%s", error.message);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(ca_path, sizeof ca_path, "%s/ca.crt", folder);
    authority = forge(&(struct forgery){.authority = true}, NULL);
    trust(authority.pem);
    cr_assert_eq(security_new(&security, &(struct security_options){.ca = ca_path}, &error), STATUS_OK, "%s",
                 error.message);
}

static void tear_down(void)
{
    security_free(security);
    forged_release(&authority);
    file_remove_tree(folder);
}

TestSuite(verify, .timeout = 60, .init = set_up, .fini = tear_down);

static enum status judge(const struct forged *shown, const struct forged *between, struct verdict *ret)
{
    error = ERROR_INIT;
    *ret = (struct verdict){0};
    cr_assert_eq(verify_reload(security, &error), STATUS_OK, "%s", error.message);
    return verify_certificate(security, shown->pem, shown->n, between ? between->pem : NULL,
                              between ? between->n : 0, ret, &error);
}

// Makes one that the authority signs, and judges it.
static enum status judge_made(const struct forgery *forgery, struct verdict *ret)
{
    struct forged made = forge(forgery, &authority);
    enum status status = judge(&made, NULL, ret);
    forged_release(&made);
    return status;
}

Test(verify, a_good_certificate_states_its_identity_until_it_ends)
{
    struct verdict found;
    struct forgery good = {.names = "DNS:localhost,URI:cohort:learner/ward-*,IP:127.0.0.1"};
    cr_assert_eq(judge_made(&good, &found), STATUS_OK, "%s", error.message);
    cr_assert_eq(found.identity.role, ROLE_LEARNER);
    cr_assert_str_eq(found.identity.name, "ward-*");
    int64_t left_s = found.until_s - clock_unix_ms() / 1000;
    cr_assert(left_s > 3500 && left_s <= 3600, "%lld", (long long)left_s);
}

// Of an authority by `cohort certs`, in a folder of its own, with its list.
static struct forged made_by_hand(const char *within, const char *name)
{
    struct forged made = {0};
    struct bytes text = BYTES_INIT;
    char path[96];
    struct certificate_request request = {.folder = within, .name = name, .days = 1};
    request.identity.role = ROLE_USER;
    snprintf(request.identity.name, sizeof request.identity.name, "%s", name);
    cr_assert_eq(certificate_make(&request, &error), STATUS_OK, "%s", error.message);
    snprintf(path, sizeof path, "%s/%s.crt", within, name);
    cr_assert_eq(bytes_read_file(&text, path, 1 << 16, &error), STATUS_OK, "%s", error.message);
    made.n = text.n;
    made.pem = memory_copy_text(text.data);
    bytes_release(&text);
    return made;
}

static void secure_with_list(const char *within)
{
    static char ca[96], crl[96];
    snprintf(ca, sizeof ca, "%s/ca.crt", within);
    snprintf(crl, sizeof crl, "%s/ca.crl", within);
    struct security_options options = {.ca = ca, .crl = crl, .certificate = ca, .key = ca};
    security_free(security);
    security = NULL;
    cr_assert_eq(security_new(&security, &options, &error), STATUS_OK, "%s", error.message);
}

Test(verify, revoked_certificates_are_refused_from_the_moment_that_their_list_is_there)
{
    char within[80];
    struct verdict found;
    int n = 0;
    snprintf(within, sizeof within, "%s/own", folder);
    struct forged first = made_by_hand(within, "first"), second = made_by_hand(within, "second"),
                  third = made_by_hand(within, "third");
    cr_assert_eq(certificate_revoke(within, "first", &n, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(n, 1);
    secure_with_list(within);
    cr_assert_eq(judge(&first, NULL, &found), STATUS_UNAUTHENTICATED);
    cr_assert(found.revoked && strstr(error.message, "revoked"), "%s", error.message);
    cr_assert_eq(judge(&second, NULL, &found), STATUS_OK, "%s", error.message);
    cr_assert(verify_lists_changed(security) && !verify_lists_changed(security), "said once");
    cr_assert_eq(certificate_revoke(within, "second", &n, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(certificate_revoke(within, "second", &n, &error), STATUS_OK, "again is nothing new");
    cr_assert_eq(n, 2);
    cr_assert(verify_lists_changed(security));
    cr_assert_eq(judge(&first, NULL, &found), STATUS_UNAUTHENTICATED);
    cr_assert_eq(judge(&second, NULL, &found), STATUS_UNAUTHENTICATED);
    cr_assert_eq(judge(&third, NULL, &found), STATUS_OK, "%s", error.message);
    struct forged *all[] = {&first, &second, &third};
    for (size_t i = 0; i < 3; i++)
        memory_free(all[i]->pem);
}

Test(verify, only_the_authority_of_its_folder_revokes)
{
    char within[80], path[128];
    int n = 0;
    snprintf(within, sizeof within, "%s/own", folder);
    struct forged mine = made_by_hand(within, "mine");
    memory_free(mine.pem);
    cr_assert_eq(certificate_revoke(within, "nobody", &n, &error), STATUS_NOT_FOUND);
    cr_assert_eq(certificate_revoke(folder, "mine", &n, &error), STATUS_NOT_FOUND);
    struct forged foreign = forge(&(struct forgery){.names = "URI:cohort:user/a"}, &authority);
    snprintf(path, sizeof path, "%s/foreign.crt", within);
    cr_assert_eq(file_write(path, foreign.pem, foreign.n, false, &error), STATUS_OK);
    cr_assert_eq(certificate_revoke(within, "foreign", &n, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "was not made by the authority"), "%s", error.message);
    snprintf(path, sizeof path, "%s/ca.crl", within);
    cr_assert_eq(file_write(path, "no list", 7, false, &error), STATUS_OK);
    cr_assert_eq(certificate_revoke(within, "mine", &n, &error), STATUS_DATA_LOSS);
    forged_release(&foreign);
}

Test(verify, names_that_state_no_one_identity_are_refused)
{
    static const char *const bad[] = {
        NULL,
        "DNS:localhost",
        "DNS:cohort.learner.site-a",
        "email:learner@cohort",
        "URI:cohort:user/a,URI:cohort:learner/b",
        "URI:cohort:user/a,URI:cohort:user/a",
        "URI:cohort:root/a",
        "URI:cohort:user",
        "URI:cohort:user/",
        "URI:cohort:/a",
        "URI:cohort:user/a/b",
        "URI:cohort:user/a*",
        "URI:cohort:learner/a b",
        "URI:Cohort:user/a",
        "URI:cohort:user/0123456789012345678901234567890123456789012345678901234567890123",
    };
    struct verdict found;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_expect_eq(judge_made(&(struct forgery){.names = bad[i]}, &found), STATUS_UNAUTHENTICATED, "%s",
                     bad[i]);
        cr_expect_not_null(strstr(error.message, "URI:cohort:ROLE/NAME"), "%s", error.message);
    }
}

Test(verify, a_name_with_a_nul_in_it_is_refused)
{
    // libcrypto's configuration writes no NUL: put into the signed bytes' place before they are signed.
    struct forged made = forge(&(struct forgery){.names = "URI:cohort:user/a"}, &authority);
    struct verdict found;
    GENERAL_NAMES *names = X509_get_ext_d2i(made.certificate, NID_subject_alt_name, NULL, NULL);
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    ASN1_STRING_set(name->d.uniformResourceIdentifier, "cohort:user/a\0b", 15);
    cr_assert_eq(X509_add1_ext_i2d(made.certificate, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE), 1);
    cr_assert_gt(X509_sign(made.certificate, authority.key, EVP_sha256()), 0);
    GENERAL_NAMES_free(names);
    forged_rewrite(&made);
    cr_assert_eq(judge(&made, NULL, &found), STATUS_UNAUTHENTICATED);
    forged_release(&made);
}

Test(verify, dates_uses_and_weak_keys_are_refused_with_the_reason)
{
    static const char identity[] = "URI:cohort:user/alice";
    static const struct {
        struct forgery made;
        const char *why;
    } rows[] = {
        {{.names = identity, .from_s = -7200, .until_s = -3600}, "expired"},
        {{.names = identity, .from_s = 3600, .until_s = 7200}, "not yet valid"},
        {{.names = identity, .uses = "serverAuth"}, "purpose"},
        {{.names = identity, .uses = "codeSigning"}, "purpose"},
        {{.names = identity, .rsa_bits = 1024}, "too weak"},
    };
    struct verdict found;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cr_expect_eq(judge_made(&rows[i].made, &found), STATUS_UNAUTHENTICATED, "%s", rows[i].why);
        cr_expect_not_null(strstr(error.message, rows[i].why), "%s", error.message);
    }
    cr_expect_eq(judge_made(&(struct forgery){.names = identity, .rsa_bits = 2048}, &found), STATUS_OK, "%s",
                 error.message);
}

Test(verify, one_of_another_authority_or_of_itself_is_refused)
{
    struct forgery user = {.names = "URI:cohort:user/alice"};
    struct forged other = forge(&(struct forgery){.authority = true}, NULL);
    struct forged foreign = forge(&user, &other), own = forge(&user, NULL);
    struct verdict found;
    cr_expect_eq(judge(&foreign, NULL, &found), STATUS_UNAUTHENTICATED);
    cr_expect_eq(judge(&foreign, &other, &found), STATUS_UNAUTHENTICATED, "it brought its authority along");
    cr_expect_eq(judge(&own, &own, &found), STATUS_UNAUTHENTICATED);
    forged_release(&other);
    forged_release(&foreign);
    forged_release(&own);
}

Test(verify, a_learner_signs_for_nobody)
{
    struct forged learner = forge(&(struct forgery){.names = "URI:cohort:learner/a"}, &authority);
    struct forged made = forge(&(struct forgery){.names = "URI:cohort:user/root"}, &learner);
    struct verdict found;
    cr_assert_eq(judge(&made, &learner, &found), STATUS_UNAUTHENTICATED);
    forged_release(&made);
    forged_release(&learner);
}

Test(verify, what_is_found_good_holds_no_longer_than_the_authority_between)
{
    struct forgery middle = {.authority = true, .from_s = -60, .until_s = 600};
    struct forged between = forge(&middle, &authority);
    struct forged made = forge(&(struct forgery){.names = "URI:cohort:user/alice"}, &between);
    struct verdict found;
    cr_expect_eq(judge(&made, NULL, &found), STATUS_UNAUTHENTICATED, "without it there is no chain");
    cr_expect_eq(judge(&made, &between, &found), STATUS_OK, "%s", error.message);
    cr_expect(found.until_s - clock_unix_ms() / 1000 <= 600);
    forged_release(&made);
    forged_release(&between);
}

Test(verify, a_changed_file_of_authorities_counts_and_a_broken_one_does_not)
{
    struct forged other = forge(&(struct forgery){.authority = true}, NULL);
    struct forged made = forge(&(struct forgery){.names = "URI:cohort:user/alice"}, &other);
    struct verdict found;
    cr_expect_eq(judge(&made, NULL, &found), STATUS_UNAUTHENTICATED);
    trust(other.pem);
    cr_expect_eq(judge(&made, NULL, &found), STATUS_OK, "%s", error.message);
    trust("half a file");
    cr_expect_eq(judge(&made, NULL, &found), STATUS_OK, "what was read before holds: %s", error.message);
    trust(authority.pem);
    cr_expect_eq(judge(&made, NULL, &found), STATUS_UNAUTHENTICATED, "the authority is trusted no more");
    forged_release(&made);
    forged_release(&other);
}

Test(verify, what_is_no_certificate_is_refused)
{
    static const char *const bad[] = {"", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
                                      "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
    struct verdict found;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(verify_certificate(security, bad[i], strlen(bad[i]), NULL, 0, &found, &error),
                     STATUS_UNAUTHENTICATED, "%s", bad[i]);
}
