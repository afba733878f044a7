// Certificates that `cohort certs` would not make, for tests: of any names, dates, keys and uses.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct forged {
    X509 *certificate;
    EVP_PKEY *key;
    char *pem; // NUL-terminated
    size_t n;
};

struct forgery {
    const char *names;    // subjectAltName as OpenSSL's configuration writes it; NULL: none
    const char *uses;     // extendedKeyUsage; NULL: serverAuth,clientAuth
    int rsa_bits;         // 0: P-256
    long from_s, until_s; // from now; both 0: an hour before to an hour after
    bool authority;
};

// Signed by `issuer`, or by itself. Exits the process on failure: libcrypto's, not the test's.
struct forged forge(const struct forgery *forgery, const struct forged *issuer);
void forged_rewrite(struct forged *forged); // `pem` anew, of a certificate that was changed
void forged_release(struct forged *forged);
