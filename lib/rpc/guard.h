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
    bool revoked; // it is not good for this
};

struct security {
    struct security_options options; // its texts are the program's
    void (*refused)(const char *who, const char *method, const char *peer, const char *why);
    int audit_fd; // -1: none
    char *token;  // "Bearer ..." that is shown, or NULL
    grpc_tls_certificate_verifier_external server_check;

    pthread_mutex_t lock; // guards what follows
    struct token_record *tokens;
    size_t n_tokens;
    struct file_stamp tokens_stamp, ca_stamp, crl_stamp, certificate_stamp, key_stamp, named_ca_stamp;
    void *store;          // X509_STORE of the authorities, and of what they have revoked
    int64_t crl_until_s;  // when the first of these lists ends
    unsigned int n_lists; // how often they were read, and then looked for among open calls
    unsigned int n_lists_applied;
    struct verdict verdicts[VERDICTS];
};

enum status security_new(struct security **ret, const struct security_options *options, struct error *error);
struct security *security_free(struct security *security);
struct security *runtime_security(const struct rpc_runtime *runtime); // NULL: none was given

// ---- verify.c

// Reads the authorities again when their file has changed; under the lock.
enum status verify_reload(struct security *security, struct error *error);
void verify_release(struct security *security);
// Whether lists of revoked certificates have come since this was asked: then open calls want a look. Reads
// them when their file has changed.
bool verify_lists_changed(struct security *security);
// Whether the call's certificate is on one of them.
bool verify_is_revoked(struct security *security, grpc_call *grpc);
// Judges a caller's certificate, PEM text [n], with the certificates that came with it; under the lock.
// UNAUTHENTICATED says what is wrong with it.
enum status verify_certificate(struct security *security, const char *pem, size_t n, const char *chain_pem,
                               size_t chain_n, struct verdict *ret, struct error *error);
// The same of a server, PEM texts (`chain_pem` may be NULL), in the handshake of a channel; takes the lock.
enum status verify_server(struct security *security, const char *pem, const char *chain_pem,
                          struct error *error);
enum status verify_peer(struct security *security, grpc_call *grpc, bool *ret_present, struct identity *ret,
                        struct error *error);

// ---- crl.c

// Adds the lists of a PEM file to an X509_STORE. `ret_until_s`: when the first of them ends. False for a file
// that holds none.
bool crl_load(void *store, const char *path, int64_t *ret_until_s);

// ---- guard.c

enum status guard_admit(struct security *security, grpc_call *grpc, const grpc_metadata_array *metadata,
                        const char *path, struct identity *ret, struct error *error);
