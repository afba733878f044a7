#include "base/sha256.h"
#include "base/memory.h"
#include <openssl/evp.h>

struct sha256 {
    EVP_MD_CTX *context;
};

static void start(struct sha256 *hash)
{
    EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL);
}

struct sha256 *sha256_new(void)
{
    struct sha256 *hash = memory_zalloc(sizeof *hash);
    if (!hash)
        return NULL;
    hash->context = EVP_MD_CTX_new();
    if (!hash->context)
        return sha256_free(hash);
    start(hash);
    return hash;
}

struct sha256 *sha256_free(struct sha256 *hash)
{
    if (hash)
        EVP_MD_CTX_free(hash->context);
    return memory_free(hash);
}

void sha256_add(struct sha256 *hash, const void *data, size_t n)
{
    EVP_DigestUpdate(hash->context, data, n);
}

void sha256_finish(struct sha256 *hash, uint8_t ret_digest[SHA256_BYTES])
{
    EVP_DigestFinal_ex(hash->context, ret_digest, NULL);
    start(hash);
}

void sha256_of(const void *data, size_t n, uint8_t ret_digest[SHA256_BYTES])
{
    EVP_Digest(data, n, ret_digest, NULL, EVP_sha256(), NULL);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char ret_hex[SHA256_HEX_BYTES])
{
    for (int i = 0; i < SHA256_BYTES; i++) {
        ret_hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    ret_hex[2 * SHA256_BYTES] = '\0';
}
