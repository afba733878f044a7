#include "forge.h"
#include "base/memory.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "libcrypto cannot %s\n", what);
    exit(1);
}

static void add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must(extension && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static void name_it(const X509 *certificate, const struct forged *issuer)
{
    static long number;
    char name[32];
    snprintf(name, sizeof name, "forged %ld", ++number);
    ASN1_INTEGER_set(X509_get_serialNumber((X509 *)(uintptr_t)certificate), number);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name((X509 *)(uintptr_t)certificate,
                         issuer ? X509_get_subject_name(issuer->certificate) : subject);
}

void forged_rewrite(struct forged *forged)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    must(bio && PEM_write_bio_X509(bio, forged->certificate) == 1, "write PEM");
    forged->n = (size_t)BIO_get_mem_data(bio, &text);
    memory_free(forged->pem);
    forged->pem = memory_format("%.*s", (int)forged->n, text);
    BIO_free(bio);
}

struct forged forge(const struct forgery *forgery, const struct forged *issuer)
{
    struct forged made = {.certificate = X509_new(),
                          .key = forgery->rsa_bits ? EVP_RSA_gen((unsigned int)forgery->rsa_bits)
                                                   : EVP_EC_gen("P-256")};
    X509 *one = made.certificate, *above = issuer ? issuer->certificate : one;
    bool dated = forgery->from_s || forgery->until_s;
    must(one && made.key, "make a key");
    X509_set_version(one, 2);
    name_it(one, issuer);
    X509_gmtime_adj(X509_getm_notBefore(one), dated ? forgery->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(one), dated ? forgery->until_s : 3600);
    X509_set_pubkey(one, made.key);
    add(one, above, NID_basic_constraints, forgery->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (forgery->authority)
        add(one, above, NID_key_usage, "critical,keyCertSign");
    else
        add(one, above, NID_ext_key_usage, forgery->uses ? forgery->uses : "serverAuth,clientAuth");
    if (forgery->names)
        add(one, above, NID_subject_alt_name, forgery->names);
    must(X509_sign(one, issuer ? issuer->key : made.key, EVP_sha256()) > 0, "sign");
    forged_rewrite(&made);
    return made;
}

void forged_release(struct forged *forged)
{
    X509_free(forged->certificate);
    EVP_PKEY_free(forged->key);
    memory_free(forged->pem);
    *forged = (struct forged){0};
}
