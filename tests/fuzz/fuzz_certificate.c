// A caller's certificate. The first byte says what the rest is: PEM text; DER, which is put into PEM; the
// alternative names of a certificate that the authority signs, so that its identity is read; or a file of
// authorities.
#include "base/bytes.h"
#include "base/memory.h"
#include "fuzz.h"
#include "rpc/forge.h"
#include "rpc/guard.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

static struct forged authority, leaf; // for the whole process: keys take time
static struct security *security;

static void begin(void)
{
    if (security)
        return;
    authority = forge(&(struct forgery){.authority = true}, NULL);
    leaf = forge(&(struct forgery){.names = "URI:cohort:user/a"}, &authority);
    fuzz_require(security_new(&security,
                              &(struct security_options){.ca = fuzz_file(0, authority.pem, authority.n)},
                              NULL) == STATUS_OK);
}

static enum status judge(const char *pem, size_t n, struct verdict *ret)
{
    struct error error = ERROR_INIT;
    enum status status = verify_certificate(security, pem, n, pem, n, ret, &error);
    fuzz_require(status == STATUS_OK || (status == STATUS_UNAUTHENTICATED && error.message[0]));
    return status;
}

static void judge_der(const uint8_t *data, size_t n)
{
    struct verdict verdict = {0};
    char *text = NULL;
    if (n == 0)
        return; // OpenSSL writes no PEM of nothing
    BIO *bio = BIO_new(BIO_s_mem());
    fuzz_require(bio && PEM_write_bio(bio, PEM_STRING_X509, "", data, (long)n) > 0);
    size_t length = (size_t)BIO_get_mem_data(bio, &text);
    fuzz_require(judge(text, length, &verdict) != STATUS_OK); // nobody but the authority signs
    BIO_free(bio);
}

static void judge_names(const uint8_t *data, size_t n)
{
    struct verdict verdict = {0};
    int at;
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    while ((at = X509_get_ext_by_NID(leaf.certificate, NID_subject_alt_name, -1)) >= 0)
        X509_EXTENSION_free(X509_delete_ext(leaf.certificate, at));
    fuzz_require(value && ASN1_OCTET_STRING_set(value, data, (int)n) == 1);
    extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
    fuzz_require(extension && X509_add_ext(leaf.certificate, extension, -1) == 1);
    fuzz_require(X509_sign(leaf.certificate, authority.key, EVP_sha256()) > 0);
    forged_rewrite(&leaf);
    if (judge(leaf.pem, leaf.n, &verdict) == STATUS_OK)
        fuzz_require(identity_check(&verdict.identity, NULL) == STATUS_OK && verdict.until_s > 0);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
}

static void judge_authorities(const uint8_t *data, size_t n)
{
    struct security *other = NULL;
    struct error error = ERROR_INIT;
    if (security_new(&other, &(struct security_options){.ca = fuzz_file(1, data, n)}, &error) != STATUS_OK)
        fuzz_require(error.status == STATUS_INVALID_ARGUMENT && !other);
    security_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct verdict verdict = {0};
    begin();
    switch (fuzz_byte(&data, &n) % 4) {
    case 0:
        fuzz_require(judge((const char *)data, n, &verdict) != STATUS_OK);
        break;
    case 1:
        judge_der(data, n);
        break;
    case 2:
        judge_names(data, n);
        break;
    default:
        judge_authorities(data, n);
    }
    return 0;
}
