// Callers' certificates: their chain, their dates, and the identity that they state. TLS has proved that the
// caller holds the key; the rest is judged here and not in the handshake, so that a refusal has a status, a
// reason and an audit line, and so that new authorities and expiry count for open connections too. Servers'
// certificates, which gRPC judges in the handshake, are looked for in the lists of revoked ones.
#include "base/clock.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "rpc/guard.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static const char scheme[] = "cohort:";

enum { AUTH_LEVEL = 2 }; // libcrypto's: keys and signatures worth 112 bits, so no RSA below 2048, no SHA-1

static enum status load_store(const struct security_options *options, X509_STORE *store,
                              int64_t *ret_crl_until_s, struct error *error)
{
    *ret_crl_until_s = INT64_MAX;
    if (!store)
        return error_no_memory(error, sizeof(void *));
    if (X509_STORE_load_file(store, options->ca) != 1)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tls.ca '%s' is no PEM file of certificates; give the authority's", options->ca);
    if (options->crl && !crl_load(store, options->crl, ret_crl_until_s))
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "tls.crl '%s' is no PEM file of a list of revoked certificates; give the authority's",
            options->crl);
    return STATUS_OK;
}

enum status verify_reload(struct security *security, struct error *error)
{
    const struct security_options *options = &security->options;
    bool lists = options->crl && file_stamp_changed(options->crl, &security->crl_stamp);
    bool authorities = file_stamp_changed(options->ca, &security->ca_stamp);
    if (!lists && !authorities)
        return STATUS_OK;
    X509_STORE *store = X509_STORE_new();
    int64_t crl_until_s;
    // Caught while one is being written, the old ones hold until it can be read.
    struct error *told = security->store ? NULL : error;
    enum status status = load_store(options, store, &crl_until_s, told);
    if (status != STATUS_OK) {
        X509_STORE_free(store);
        security->ca_stamp = security->crl_stamp = (struct file_stamp){0};
        return security->store ? STATUS_OK : status;
    }
    X509_STORE_free(security->store);
    security->store = store;
    security->crl_until_s = crl_until_s;
    security->n_lists += lists;
    memset(security->verdicts, 0, sizeof security->verdicts);
    return STATUS_OK;
}

void verify_release(struct security *security)
{
    X509_STORE_free(security->store);
}

static enum status read_identity(X509 *certificate, struct identity *ret, struct error *error)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t n_found = 0;
    bool fits = true;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
        size_t n = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier), skip = sizeof scheme - 1;
        if (n < skip || memcmp(text, scheme, skip) != 0)
            continue;
        const char *slash = memchr(text, '/', n);
        size_t rest = slash ? n - (size_t)(slash + 1 - text) : 0;
        n_found++;
        fits = slash && rest < sizeof ret->name && strlen(text) == n;
        if (fits) {
            ret->role = role_of_name(text + skip, (size_t)(slash - text) - skip);
            memcpy(ret->name, slash + 1, rest);
            ret->name[rest] = '\0';
        }
    }
    GENERAL_NAMES_free(names);
    if (n_found == 1 && fits && identity_check(ret, NULL) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_UNAUTHENTICATED,
                     "the certificate must have one subject alternative name URI:cohort:ROLE/NAME");
}

// When the first certificate of a chain ends.
static int64_t end_of(STACK_OF(X509) * chain)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct tm at = {0};
        bool known = ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &at) == 1;
        int64_t end_s = known ? (int64_t)timegm(&at) : 0;
        least = end_s < least ? end_s : least;
    }
    return least;
}

// Not every authority has to publish a list; the file has those that do.
static int look_away_where_no_list_is(int good, X509_STORE_CTX *context)
{
    return good || X509_STORE_CTX_get_error(context) == X509_V_ERR_UNABLE_TO_GET_CRL;
}

static enum status check_chain(struct security *security, X509 *leaf, STACK_OF(X509) * chain, bool server,
                               struct verdict *ret, struct error *error)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (!context || X509_STORE_CTX_init(context, security->store, leaf, chain) != 1) {
        X509_STORE_CTX_free(context);
        return error_no_memory(error, sizeof(void *));
    }
    X509_STORE_CTX_set_purpose(context, server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
    X509_STORE_CTX_set_verify_cb(context, look_away_where_no_list_is);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), AUTH_LEVEL);
    bool good = X509_verify_cert(context) == 1;
    int64_t end_s = good ? end_of(X509_STORE_CTX_get0_chain(context)) : 0;
    ret->until_s = end_s < security->crl_until_s ? end_s : security->crl_until_s;
    ret->revoked = !good && X509_STORE_CTX_get_error(context) == X509_V_ERR_CERT_REVOKED;
    const char *why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    X509_STORE_CTX_free(context);
    return good ? STATUS_OK
                : error_set(error, STATUS_UNAUTHENTICATED,
                            "the %s's certificate is not good: %s; it needs one from the authority in tls.ca",
                            server ? "server" : "client", why);
}

// The certificates of a PEM text; NULL entries end it.
static STACK_OF(X509) * read_chain(const char *pem, size_t n)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = pem ? BIO_new_mem_buf(pem, (int)n) : NULL;
    for (X509 *one; bio && sk_X509_num(chain) < 10 && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        sk_X509_push(chain, one);
    BIO_free(bio);
    return chain;
}

// `pem` [n] and `chain_pem` [chain_n] may be NULL; a server's identity is not asked for.
static enum status judge(struct security *security, const char *pem, size_t n, const char *chain_pem,
                         size_t chain_n, bool server, struct verdict *ret, struct error *error)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, (int)n) : NULL;
    X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    STACK_OF(X509) *chain = read_chain(chain_pem, chain_n);
    enum status status = leaf ? check_chain(security, leaf, chain, server, ret, error)
                              : error_set(error, STATUS_UNAUTHENTICATED, "the certificate cannot be read");
    if (status == STATUS_OK && !server)
        status = read_identity(leaf, &ret->identity, error);
    sk_X509_pop_free(chain, X509_free);
    X509_free(leaf);
    BIO_free(bio);
    return status;
}

enum status verify_certificate(struct security *security, const char *pem, size_t n, const char *chain_pem,
                               size_t chain_n, struct verdict *ret, struct error *error)
{
    return judge(security, pem, n, chain_pem, chain_n, false, ret, error);
}

enum status verify_server(struct security *security, const char *pem, const char *chain_pem,
                          struct error *error)
{
    struct verdict verdict = {0};
    pthread_mutex_lock(&security->lock);
    enum status status = verify_reload(security, error);
    if (status == STATUS_OK)
        status = judge(security, pem, pem ? strlen(pem) : 0, chain_pem, chain_pem ? strlen(chain_pem) : 0,
                       true, &verdict, error);
    pthread_mutex_unlock(&security->lock);
    return status;
}

static enum status look_up(struct security *security, const grpc_auth_property *leaf,
                           const grpc_auth_property *chain, struct identity *ret, struct error *error)
{
    uint8_t hash[SHA256_BYTES];
    sha256_of(leaf->value, leaf->value_length, hash);
    struct verdict *known = &security->verdicts[hash[0] % VERDICTS], fresh = {0};
    TRY(verify_reload(security, error));
    if (known->until_s > clock_unix_ms() / 1000 && memcmp(known->hash, hash, sizeof hash) == 0) {
        *ret = known->identity;
        return STATUS_OK;
    }
    TRY(verify_certificate(security, leaf->value, leaf->value_length, chain ? chain->value : NULL,
                           chain ? chain->value_length : 0, &fresh, error));
    memcpy(fresh.hash, hash, sizeof hash);
    *known = fresh;
    *ret = fresh.identity;
    return STATUS_OK;
}

static const grpc_auth_property *find(grpc_auth_context *context, const char *name)
{
    grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(context, name);
    return grpc_auth_property_iterator_next(&it);
}

enum status verify_peer(struct security *security, grpc_call *grpc, bool *ret_present, struct identity *ret,
                        struct error *error)
{
    grpc_auth_context *context = grpc_call_auth_context(grpc);
    const grpc_auth_property *leaf = context ? find(context, GRPC_X509_PEM_CERT_PROPERTY_NAME) : NULL;
    enum status status = STATUS_UNAUTHENTICATED;
    *ret_present = leaf != NULL;
    if (leaf) {
        pthread_mutex_lock(&security->lock);
        status = look_up(security, leaf, find(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME), ret, error);
        pthread_mutex_unlock(&security->lock);
    }
    grpc_auth_context_release(context);
    return status;
}

bool verify_lists_changed(struct security *security)
{
    pthread_mutex_lock(&security->lock);
    verify_reload(security, NULL);
    bool changed = security->n_lists != security->n_lists_applied;
    security->n_lists_applied = security->n_lists;
    pthread_mutex_unlock(&security->lock);
    return changed;
}

bool verify_is_revoked(struct security *security, grpc_call *grpc)
{
    grpc_auth_context *context = grpc_call_auth_context(grpc);
    const grpc_auth_property *leaf = context ? find(context, GRPC_X509_PEM_CERT_PROPERTY_NAME) : NULL;
    const grpc_auth_property *chain = leaf ? find(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME) : NULL;
    struct verdict found = {0};
    struct identity who;
    if (leaf) {
        pthread_mutex_lock(&security->lock);
        if (look_up(security, leaf, chain, &who, NULL) != STATUS_OK)
            verify_certificate(security, leaf->value, leaf->value_length, chain ? chain->value : NULL,
                               chain ? chain->value_length : 0, &found, NULL);
        pthread_mutex_unlock(&security->lock);
    }
    grpc_auth_context_release(context);
    return found.revoked;
}
