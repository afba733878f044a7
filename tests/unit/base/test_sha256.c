#include "base/sha256.h"
#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *text, const char *hex)
{
    uint8_t digest[SHA256_BYTES];
    char got[SHA256_HEX_BYTES];
    sha256_of(text, strlen(text), digest);
    sha256_hex(digest, got);
    cr_assert_str_eq(got, hex);
}

// FIPS 180-2, appendix B.
Test(sha256, agrees_with_the_standards_examples)
{
    expect("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(sha256, pieces_make_the_same_digest_and_a_finished_hash_starts_anew)
{
    struct sha256 *hash = sha256_new();
    uint8_t whole[SHA256_BYTES], pieces[SHA256_BYTES];
    sha256_of("abc", 3, whole);
    for (int again = 0; again < 2; again++) {
        sha256_add(hash, "a", 1);
        sha256_add(hash, "", 0);
        sha256_add(hash, "bc", 2);
        sha256_finish(hash, pieces);
        cr_assert_eq(memcmp(whole, pieces, sizeof whole), 0);
    }
    sha256_free(hash);
}
