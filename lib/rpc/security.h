// Who calls, and what they may: identities from certificates and join tokens, roles, and the audit file.
//
// An identity is a role and a name. A certificate states it in its one subject alternative name of the form
// URI:cohort:ROLE/NAME, a token in the record that the tokens file keeps. A learner's name may end in '*':
// it then speaks for every learner whose name begins so. Nothing is allowed that the table below does not.
#pragma once

#include "base/error.h"
#include "base/security.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call;
struct rpc_runtime;

enum role { ROLE_NONE = 0, ROLE_LEARNER = 1, ROLE_RELAY = 2, ROLE_USER = 4, ROLE_READER = 8 };

enum {
    ROLE_ANY = ROLE_LEARNER | ROLE_RELAY | ROLE_USER | ROLE_READER,
    IDENTITY_NAME_BYTES = 64,
    TOKEN_ID_BYTES = 17,
    TOKEN_BYTES = 96,
};

struct identity {
    enum role role;
    char name[IDENTITY_NAME_BYTES];
};

const char *role_name(enum role role); // "none" for what is no role
enum role role_of_name(const char *name, size_t n);
// Letters, digits, '-', '_', '.', and for learners one '*' at the end.
enum status identity_check(const struct identity *identity, struct error *error);
// Whether it may act for the learner of this name.
bool identity_speaks_for(const struct identity *identity, const char *learner);

// Roles that may call a method ("/cohort.v1.Exchange/Attend"); 0 for one that is not in the table.
unsigned int method_roles(const char *path);

// ---- join tokens: records in a file of lines, replaced whole; the tokens themselves are nowhere -----------

struct token_record {
    char id[TOKEN_ID_BYTES];
    struct identity identity;
    int64_t created_s, expires_s, revoked_s; // since 1970; 0: never
    uint8_t hash[32];                        // SHA-256 of the token
};

// Draws a token of 256 random bits and adds its record; `lifetime_s` 0: it does not expire.
enum status token_create(const char *path, const struct identity *identity, int64_t lifetime_s,
                         char ret_token[TOKEN_BYTES], struct error *error);
// All records, freed with memory_free. A file that is not there holds none. DATA_LOSS names a damaged line.
enum status token_list(const char *path, struct token_record **ret, size_t *ret_n, struct error *error);
enum status token_revoke(const char *path, const char *id, struct error *error);
// UNAUTHENTICATED for a token that no record knows (compared in constant time), or that was revoked or
// expired.
enum status token_check(const struct token_record *records, size_t n, const char *token, int64_t now_s,
                        struct identity *ret, struct error *error);

// ---- a private authority, for trying out ------------------------------------------------------------------

struct certificate_request {
    const char *folder; // of ca.crt and ca.key, which are made when absent, and of NAME.crt and NAME.key
    const char *name;
    struct identity identity;
    const char *const *hosts; // names and addresses that it serves at; localhost, 127.0.0.1, ::1 come along
    size_t n_hosts;
    int64_t days; // 0: it has expired already
};

enum status certificate_make(const struct certificate_request *request, struct error *error);
// Adds NAME.crt of the folder to its ca.crl, the list that the authority there signs, for tls.crl. `ret_n`:
// how many it lists. NOT_FOUND names the file that is missing.
enum status certificate_revoke(const char *folder, const char *name, int *ret_n, struct error *error);

// ---- the runtime's
// -----------------------------------------------------------------------------------------

// Of all servers and channels made on this runtime from now on; call it before them. `refused` (may be NULL)
// is told of every refusal, on any thread. Files are read at once, so that faults show at the start.
enum status rpc_runtime_secure(struct rpc_runtime *runtime, const struct security_options *options,
                               void (*refused)(const char *who, const char *method, const char *peer,
                                               const char *why),
                               struct error *error);
// Whether the caller may act for this learner; PERMISSION_DENIED, which is audited, when not. OK without TLS.
enum status rpc_call_speaks_for(struct rpc_call *call, const char *learner, struct error *error);
