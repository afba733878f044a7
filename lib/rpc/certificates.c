// A small private authority by libcrypto, for trying out: P-256 keys, SHA-256, one level.
#include "base/file.h"
#include "base/memory.h"
#include "rpc/security.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY_S = 86400, CA_DAYS = 3650, NAMES_BYTES = 4096 };

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static void release(struct pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

static enum status failed(const char *what, struct error *error)
{
    return error_set(error, STATUS_INTERNAL, "libcrypto cannot make '%s'; check names and hosts", what);
}

static enum status write_pem(const char *folder, const char *name, const char *suffix,
                             const struct pair *pair, bool key, struct error *error)
{
    cleanup_free char *path = memory_format("%s/%s.%s", folder, name, suffix);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum status status = STATUS_OK;
    if (!path || !bio)
        status = error_no_memory(error, strlen(name));
    else if ((key ? PEM_write_bio_PrivateKey(bio, pair->key, NULL, NULL, 0, NULL, NULL)
                  : PEM_write_bio_X509(bio, pair->certificate)) != 1)
        status = failed(path, error);
    else {
        long n = BIO_get_mem_data(bio, &text);
        mode_t mask = umask(key ? 0077 : 0022);
        status = file_write(path, text, (size_t)n, true, error);
        umask(mask);
    }
    BIO_free(bio);
    return status;
}

static enum status write_pair(const char *folder, const char *name, const struct pair *pair,
                              struct error *error)
{
    TRY(write_pem(folder, name, "key", pair, true, error));
    return write_pem(folder, name, "crt", pair, false, error);
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

// A key, and a certificate of it that lacks its extensions and signature.
static enum status begin(struct pair *ret, const char *name, const X509 *issuer, int64_t from_s, int64_t to_s,
                         struct error *error)
{
    uint8_t serial[16];
    ret->key = EVP_EC_gen("P-256");
    ret->certificate = X509_new();
    if (!ret->key || !ret->certificate || RAND_bytes(serial, sizeof serial) != 1)
        return failed(name, error);
    X509 *certificate = ret->certificate;
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, ret->key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
    return STATUS_OK;
}

static enum status make_authority(const char *folder, struct pair *ret, struct error *error)
{
    // A name of its own: of two authorities in one file, one is found by its name.
    char name[64];
    uint32_t mark = 0;
    RAND_bytes((unsigned char *)&mark, sizeof mark);
    snprintf(name, sizeof name, "Cohort private authority %08x", mark);
    TRY(begin(ret, name, NULL, -3600, (int64_t)CA_DAYS * DAY_S, error));
    X509 *certificate = ret->certificate;
    if (!add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
        !X509_sign(certificate, ret->key, EVP_sha256()))
        return failed("ca.crt", error);
    return write_pair(folder, "ca", ret, error);
}

static FILE *open_in(const char *folder, const char *name)
{
    cleanup_free char *path = memory_format("%s/%s", folder, name);
    return path ? fopen(path, "re") : NULL;
}

static enum status open_authority(const char *folder, struct pair *ret, struct error *error)
{
    FILE *certificate = open_in(folder, "ca.crt"), *key = open_in(folder, "ca.key");
    enum status status = STATUS_OK;
    if (certificate && key) {
        ret->certificate = PEM_read_X509(certificate, NULL, NULL, NULL);
        ret->key = PEM_read_PrivateKey(key, NULL, NULL, NULL);
    }
    if (!certificate && !key)
        status = make_authority(folder, ret, error);
    else if (!ret->certificate || !ret->key || X509_check_private_key(ret->certificate, ret->key) != 1)
        status = error_set(error, STATUS_DATA_LOSS,
                           "'%s' must hold both ca.crt and its ca.key, or neither; restore or remove them",
                           folder);
    if (certificate)
        fclose(certificate);
    if (key)
        fclose(key);
    return status;
}

static enum status names_of(const struct certificate_request *request, char ret[NAMES_BYTES],
                            struct error *error)
{
    struct in6_addr address;
    int n = snprintf(ret, NAMES_BYTES, "URI:cohort:%s/%s,DNS:localhost,IP:127.0.0.1,IP:::1",
                     role_name(request->identity.role), request->identity.name);
    for (size_t i = 0; i < request->n_hosts && n < NAMES_BYTES; i++) {
        const char *host = request->hosts[i];
        bool ip = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
        if (!*host || strpbrk(host, ", \n\"\\"))
            return error_set(error, STATUS_INVALID_ARGUMENT, "host '%s' must be a name or an address", host);
        n += snprintf(ret + n, NAMES_BYTES - (size_t)n, ",%s:%s", ip ? "IP" : "DNS", host);
    }
    return n < NAMES_BYTES ? STATUS_OK
                           : error_set(error, STATUS_INVALID_ARGUMENT, "too many hosts; give fewer");
}

static enum status make(const struct certificate_request *request, const struct pair *authority,
                        struct pair *ret, struct error *error)
{
    char names[NAMES_BYTES];
    TRY(names_of(request, names, error));
    TRY(begin(ret, request->identity.name, authority->certificate, -3600,
              request->days ? request->days * DAY_S : -1, error));
    X509 *certificate = ret->certificate, *issuer = authority->certificate;
    if (!add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") ||
        !add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") ||
        !add_extension(certificate, issuer, NID_subject_alt_name, names) ||
        !X509_sign(certificate, authority->key, EVP_sha256()))
        return failed(request->name, error);
    return write_pair(request->folder, request->name, ret, error);
}

enum status certificate_make(const struct certificate_request *request, struct error *error)
{
    struct pair authority = {0}, pair = {0};
    TRY(identity_check(&request->identity, error));
    if (!*request->name || strpbrk(request->name, "/*") || strcmp(request->name, "ca") == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' cannot be a file's name here; choose another with --name", request->name);
    TRY(file_make_folder(request->folder, error));
    enum status status = open_authority(request->folder, &authority, error);
    if (status == STATUS_OK)
        status = make(request, &authority, &pair, error);
    release(&authority);
    release(&pair);
    return status;
}
