// The door of every server: who calls (verify.c tells by certificate, tokens.c by token), whether it may, and
// a line of it in the audit file. Without TLS nobody is asked.
#include "rpc/guard.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/call_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- join tokens ----------------------------------------------------------------------------------------

static enum status reload_tokens(struct security *security, struct error *error)
{
    struct token_record *records = NULL;
    size_t n = 0;
    if (!file_stamp_changed(security->options.tokens, &security->tokens_stamp))
        return STATUS_OK;
    enum status status = token_list(security->options.tokens, &records, &n, error);
    memory_free(security->tokens); // a damaged file lets nobody in
    security->tokens = records;
    security->n_tokens = n;
    if (status != STATUS_OK)
        security->tokens_stamp = (struct file_stamp){0};
    return status;
}

static enum status check_token(struct security *security, const char *token, struct identity *ret,
                               struct error *error)
{
    if (!security->options.tokens)
        return error_set(error, STATUS_UNAUTHENTICATED,
                         "join tokens are not accepted here; show a certificate of the authority");
    pthread_mutex_lock(&security->lock);
    enum status status = reload_tokens(security, error);
    if (status == STATUS_OK)
        status = token_check(security->tokens, security->n_tokens, token, clock_unix_ms() / 1000, ret, error);
    pthread_mutex_unlock(&security->lock);
    return status == STATUS_OK ? status : (error->status = STATUS_UNAUTHENTICATED);
}

// "Bearer TOKEN" of the call's metadata; false when there is none.
static bool find_token(const grpc_metadata_array *metadata, char *ret, size_t bytes)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof scheme - 1;
    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_metadata *row = &metadata->metadata[i];
        if (grpc_slice_str_cmp(row->key, "authorization") != 0)
            continue;
        size_t n = GRPC_SLICE_LENGTH(row->value);
        const char *value = (const char *)GRPC_SLICE_START_PTR(row->value);
        bool fits = n > skip && n - skip < bytes && strncasecmp(value, scheme, skip) == 0;
        snprintf(ret, bytes, "%.*s", fits ? (int)(n - skip) : 0, fits ? value + skip : "");
        return true;
    }
    return false;
}

// ---- who ------------------------------------------------------------------------------------------------

static enum status identify(struct security *security, grpc_call *grpc, const grpc_metadata_array *metadata,
                            struct identity *ret, struct error *error)
{
    char token[TOKEN_BYTES * 2] = "";
    bool has_token = find_token(metadata, token, sizeof token), has_certificate = false;
    enum status status = verify_peer(security, grpc, &has_certificate, ret, error);
    if (has_certificate) // which decides, whatever token comes with it
        return status;
    if (has_token && security->options.client == CLIENTS_REQUEST)
        return check_token(security, token, ret, error);
    return error_set(error, STATUS_UNAUTHENTICATED,
                     security->options.client == CLIENTS_REQUIRE
                         ? "a client certificate is required; set tls.certificate and tls.key"
                         : "nobody without an identity may call; show a certificate or a join token");
}

static enum status authorise(const struct identity *who, const char *path, struct error *error)
{
    if (method_roles(path) & who->role)
        return STATUS_OK;
    return error_set(error, STATUS_PERMISSION_DENIED,
                     "%s '%s' may not call '%s'; docs/security.md tells which role may", role_name(who->role),
                     who->name, path);
}

static void audit(struct security *security, const struct identity *who, const char *path, const char *peer,
                  enum status status, const char *why)
{
    struct bytes line = BYTES_INIT;
    char text[32];
    if (status != STATUS_OK && security->refused)
        security->refused(who->role ? who->name : "nobody", path, peer, why);
    if (security->audit_fd < 0)
        return;
    clock_format_utc(clock_unix_ms(), text);
    bytes_format(&line, "{\"time\":\"%s\",\"role\":\"%s\",\"name\":", text, role_name(who->role));
    bytes_json(&line, who->name);
    bytes_text(&line, ",\"method\":");
    bytes_json(&line, path);
    bytes_text(&line, ",\"peer\":");
    bytes_json(&line, peer);
    bytes_format(&line, ",\"allowed\":%s,\"status\":\"%s\",\"reason\":", status ? "false" : "true",
                 status_name(status));
    bytes_json(&line, why);
    bytes_text(&line, "}\n");
    // One write a line: lines of several threads do not mix. A full disk must not stop the service.
    if (!line.failed && write(security->audit_fd, line.data, line.n) < 0 && security->refused)
        security->refused(who->name, path, peer, "the audit file cannot be written");
    bytes_release(&line);
}

enum status guard_admit(struct security *security, grpc_call *grpc, const grpc_metadata_array *metadata,
                        const char *path, struct identity *ret, struct error *error)
{
    *ret = (struct identity){0};
    enum status status = identify(security, grpc, metadata, ret, error);
    if (status != STATUS_OK)
        *ret = (struct identity){0};
    else
        status = authorise(ret, path, error);
    char *peer = grpc_call_get_peer(grpc);
    audit(security, ret, path, peer ? peer : "", status, status == STATUS_OK ? "" : error->message);
    gpr_free(peer);
    return status;
}

enum status rpc_call_speaks_for(struct rpc_call *call, const char *learner, struct error *error)
{
    struct security *security = call->security;
    if (!security || identity_speaks_for(&call->identity, learner))
        return STATUS_OK;
    error_set(error, STATUS_PERMISSION_DENIED,
              "%s '%s' may not act for learner '%s'; use that learner's certificate or token",
              role_name(call->identity.role), call->identity.name, learner);
    audit(security, &call->identity, call->served_path, rpc_call_peer(call), STATUS_PERMISSION_DENIED,
          error->message);
    return STATUS_PERMISSION_DENIED;
}
