// What a runtime knows of its security (rpc/security.h), shared by credentials.c, verify.c and guard.c.
#pragma once

#include "rpc/rpc_impl.h"
#include "rpc/security.h"
#include <grpc/support/alloc.h>
#include <sys/stat.h>

// What tells that a file was replaced or written to.
struct file_stamp {
    struct timespec changed;
    ino_t inode;
    off_t bytes;
    bool known;
};

bool file_stamp_changed(const char *path, struct file_stamp *stamp); // true the first time

enum { VERDICTS = 256 };

// A certificate that was found good: for as long as it, those above it, and the authorities' file last.
struct verdict {
    uint8_t hash[32];
    int64_t until_s; // 0: empty
    struct identity identity;
};

struct security {
    struct security_options options; // its texts are the program's
    void (*refused)(const char *who, const char *method, const char *peer, const char *why);
    int audit_fd; // -1: none
    char *token;  // "Bearer ..." that is shown, or NULL

    pthread_mutex_t lock; // guards what follows
    struct token_record *tokens;
    size_t n_tokens;
    struct file_stamp tokens_stamp, ca_stamp, certificate_stamp, key_stamp, named_ca_stamp;
    void *store; // X509_STORE of the authorities
    struct verdict verdicts[VERDICTS];
};

enum status security_new(struct security **ret, const struct security_options *options, struct error *error);
struct security *security_free(struct security *security);
struct security *runtime_security(const struct rpc_runtime *runtime); // NULL: none was given

// ---- verify.c

// Reads the authorities again when their file has changed; under the lock.
enum status verify_reload(struct security *security, struct error *error);
void verify_release(struct security *security);
// Judges a caller's certificate, PEM text [n], with the certificates that came with it; under the lock.
// UNAUTHENTICATED says what is wrong with it.
enum status verify_certificate(struct security *security, const char *pem, size_t n, const char *chain_pem,
                               size_t chain_n, struct verdict *ret, struct error *error);
enum status verify_peer(struct security *security, grpc_call *grpc, bool *ret_present, struct identity *ret,
                        struct error *error);

// ---- guard.c

enum status guard_admit(struct security *security, grpc_call *grpc, const grpc_metadata_array *metadata,
                        const char *path, struct identity *ret, struct error *error);
