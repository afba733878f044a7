// Lists of revoked certificates (RFC 5280, section 5): what a service reads beside its authorities, and what
// a private authority writes.
#include "base/file.h"
#include "base/memory.h"
#include "rpc/guard.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LIST_DAYS = 3650, DAY_S = 86400 };

// When the first of the lists ends, of those in the store.
static int64_t end_of_lists(X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);
    int64_t least = INT64_MAX;
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509_CRL *list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));
        const ASN1_TIME *end = list ? X509_CRL_get0_nextUpdate(list) : NULL;
        struct tm at = {0};
        int64_t end_s = end && ASN1_TIME_to_tm(end, &at) == 1 ? (int64_t)timegm(&at) : INT64_MAX;
        least = end_s < least ? end_s : least;
    }
    return least;
}

bool crl_load(void *store, const char *path, int64_t *ret_until_s)
{
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
        return false;
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    *ret_until_s = end_of_lists(store);
    return true;
}

// ---- of a private authority -------------------------------------------------------------------------------

static FILE *open_in(const char *folder, const char *name, const char *suffix)
{
    cleanup_free char *path = memory_format("%s/%s.%s", folder, name, suffix);
    return path ? fopen(path, "re") : NULL;
}

static X509 *read_certificate(const char *folder, const char *name)
{
    FILE *file = open_in(folder, name, "crt");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    return certificate;
}

static EVP_PKEY *read_key(const char *folder)
{
    FILE *file = open_in(folder, "ca", "key");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    return key;
}

// The list that is there, or an empty one; NULL when it is damaged.
static X509_CRL *read_list(const char *folder, const X509 *authority)
{
    FILE *file = open_in(folder, "ca", "crl");
    X509_CRL *list = file ? PEM_read_X509_CRL(file, NULL, NULL, NULL) : X509_CRL_new();
    if (!file && list && X509_CRL_set_version(list, 1) == 1)
        X509_CRL_set_issuer_name(list, X509_get_subject_name(authority));
    if (file)
        fclose(file);
    return list;
}

static bool add_entry(X509_CRL *list, X509 *certificate)
{
    X509_REVOKED *entry = NULL;
    if (X509_CRL_get0_by_serial(list, &entry, X509_get_serialNumber(certificate)) == 1)
        return true;
    entry = X509_REVOKED_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL));
    bool added = entry && now && X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)) &&
                 X509_REVOKED_set_revocationDate(entry, now) && X509_CRL_add0_revoked(list, entry);
    ASN1_TIME_free(now);
    if (!added)
        X509_REVOKED_free(entry);
    return added;
}

static bool sign(X509_CRL *list, EVP_PKEY *key)
{
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL));
    ASN1_TIME *next = ASN1_TIME_adj(NULL, time(NULL), LIST_DAYS, 0);
    bool signed_well = now && next && X509_CRL_set1_lastUpdate(list, now) &&
                       X509_CRL_set1_nextUpdate(list, next) && X509_CRL_sort(list) &&
                       X509_CRL_sign(list, key, EVP_sha256());
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return signed_well;
}

static enum status write_list(const char *folder, X509_CRL *list, struct error *error)
{
    cleanup_free char *path = memory_format("%s/ca.crl", folder);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum status status = path && bio && PEM_write_bio_X509_CRL(bio, list) == 1
                             ? STATUS_OK
                             : error_no_memory(error, strlen(folder));
    if (status == STATUS_OK) {
        long n = BIO_get_mem_data(bio, &text);
        status = file_write(path, text, (size_t)n, true, error);
    }
    BIO_free(bio);
    return status;
}

static enum status check_parts(const char *folder, const char *name, X509 *authority, EVP_PKEY *key,
                               X509 *certificate, const X509_CRL *list, struct error *error)
{
    if (!authority || !key)
        return error_set(error, STATUS_NOT_FOUND,
                         "'%s' must hold ca.crt and ca.key, with which its certificates were made; name the "
                         "folder with --out",
                         folder);
    if (!certificate)
        return error_set(error, STATUS_NOT_FOUND,
                         "'%s/%s.crt' is no certificate; give the name of its file with --name", folder,
                         name);
    if (X509_check_issued(authority, certificate) != X509_V_OK)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s/%s.crt' was not made by the authority of that folder, which cannot revoke it",
                         folder, name);
    return list
               ? STATUS_OK
               : error_set(error, STATUS_DATA_LOSS, "'%s/ca.crl' is damaged; restore it from a copy", folder);
}

enum status certificate_revoke(const char *folder, const char *name, int *ret_n, struct error *error)
{
    X509 *authority = read_certificate(folder, "ca"), *certificate = read_certificate(folder, name);
    EVP_PKEY *key = read_key(folder);
    X509_CRL *list = authority ? read_list(folder, authority) : NULL;
    enum status status = check_parts(folder, name, authority, key, certificate, list, error);
    if (status == STATUS_OK && (!add_entry(list, certificate) || !sign(list, key)))
        status = error_set(error, STATUS_INTERNAL, "libcrypto cannot write '%s/ca.crl'", folder);
    if (status == STATUS_OK)
        status = write_list(folder, list, error);
    if (status == STATUS_OK)
        *ret_n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list));
    X509_CRL_free(list);
    EVP_PKEY_free(key);
    X509_free(certificate);
    X509_free(authority);
    return status;
}
