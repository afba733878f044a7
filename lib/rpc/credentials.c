// How the two ends trust each other: TLS by the runtime's security, else plain text.
#include "base/bytes.h"
#include "base/memory.h"
#include "rpc/guard.h"
#include <errno.h>
#include <fcntl.h>
#include <grpc/support/string_util.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PEM_BYTES_MAX = 1 << 20, RELOAD_S = 1 };

bool file_stamp_changed(const char *path, struct file_stamp *stamp)
{
    struct stat info;
    struct file_stamp now = {.known = true};
    if (stat(path, &info) == 0) {
        now.changed = info.st_mtim;
        now.inode = info.st_ino;
        now.bytes = info.st_size;
    }
    bool same = stamp->known && stamp->inode == now.inode && stamp->bytes == now.bytes &&
                stamp->changed.tv_sec == now.changed.tv_sec && stamp->changed.tv_nsec == now.changed.tv_nsec;
    *stamp = now;
    return !same;
}

// ---- servers --------------------------------------------------------------------------------------------

static enum status read_pair(const struct security *security, grpc_ssl_server_certificate_config **ret,
                             struct error *error)
{
    struct bytes certificate = BYTES_INIT, key = BYTES_INIT, ca = BYTES_INIT;
    enum status status = bytes_read_file(&certificate, security->options.certificate, PEM_BYTES_MAX, error);
    if (status == STATUS_OK)
        status = bytes_read_file(&key, security->options.key, PEM_BYTES_MAX, error);
    if (status == STATUS_OK)
        status = bytes_read_file(&ca, security->options.ca, PEM_BYTES_MAX, error);
    if (status == STATUS_OK) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = key.data, .cert_chain = certificate.data};
        *ret = grpc_ssl_server_certificate_config_create(ca.data, &pair, 1);
    }
    bytes_release(&certificate);
    bytes_release(&key);
    bytes_release(&ca);
    return status;
}

// Asked for at every handshake.
static grpc_ssl_certificate_config_reload_status fetch_pair(void *user,
                                                            grpc_ssl_server_certificate_config **ret)
{
    struct security *security = user;
    pthread_mutex_lock(&security->lock);
    bool changed = file_stamp_changed(security->options.certificate, &security->certificate_stamp);
    changed |= file_stamp_changed(security->options.key, &security->key_stamp);
    changed |= file_stamp_changed(security->options.ca, &security->named_ca_stamp);
    pthread_mutex_unlock(&security->lock);
    if (!changed)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    if (read_pair(security, ret, NULL) == STATUS_OK)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    pthread_mutex_lock(&security->lock);
    security->certificate_stamp.known = false; // it is tried again, whether or not a file changes
    pthread_mutex_unlock(&security->lock);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
}

grpc_server_credentials *credentials_for_server(struct security *security)
{
    if (!security || !security->options.certificate)
        return grpc_insecure_server_credentials_create();
    grpc_ssl_server_credentials_options *options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY, fetch_pair, security); // verify.c does
    return grpc_ssl_server_credentials_create_with_options(options);
}

// ---- channels -------------------------------------------------------------------------------------------

// Looks for a server's certificate in the lists of revoked ones, of which gRPC knows folders alone, then has
// gRPC judge its names.
static int check_server(void *user, grpc_tls_custom_verification_check_request *request,
                        grpc_tls_on_custom_verification_check_done_cb callback, void *callback_arg,
                        grpc_status_code *ret_status, char **ret_details)
{
    struct security *security = user;
    struct error error = ERROR_INIT;
    if (verify_server(security, request->peer_info.peer_cert, request->peer_info.peer_cert_full_chain,
                      &error) != STATUS_OK) {
        if (security->refused)
            security->refused("a server", "TLS", request->target_name, error.message);
        *ret_status = GRPC_STATUS_UNAUTHENTICATED;
        *ret_details = gpr_strdup(error.message);
        return 1;
    }
    grpc_tls_certificate_verifier *names = grpc_tls_certificate_verifier_host_name_create();
    int done =
        grpc_tls_certificate_verifier_verify(names, request, callback, callback_arg, ret_status, ret_details);
    grpc_tls_certificate_verifier_release(names);
    return done;
}

static void nothing_to_cancel(void *user, grpc_tls_custom_verification_check_request *request)
{
}

static void nothing_to_free(void *user)
{
}

static void look_for_revoked(grpc_tls_credentials_options *options, struct security *security)
{
    grpc_tls_certificate_verifier *made =
        grpc_tls_certificate_verifier_external_create(&security->server_check);
    grpc_tls_credentials_options_set_certificate_verifier(options, made);
    grpc_tls_certificate_verifier_release(made);
}

// gRPC looks at the files every RELOAD_S seconds; a new connection uses what is there then.
grpc_channel_credentials *credentials_for_channel(struct security *security)
{
    if (!security || !security->options.ca)
        return grpc_insecure_credentials_create();
    const struct security_options *given = &security->options;
    grpc_tls_certificate_provider *files = grpc_tls_certificate_provider_file_watcher_create(
        given->key, given->certificate, given->ca, RELOAD_S);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, files);
    grpc_tls_credentials_options_watch_root_certs(options);
    if (given->certificate)
        grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    if (given->crl)
        look_for_revoked(options, security);
    grpc_tls_certificate_provider_release(files);
    return grpc_tls_credentials_create(options);
}

// ---- the runtime's --------------------------------------------------------------------------------------

static enum status check(const struct security_options *options, struct error *error)
{
    if (!options->certificate != !options->key)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tls.certificate and tls.key go together; give both or neither");
    if (options->certificate && !options->ca)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tls.certificate needs tls.ca, the authority that callers' certificates come from");
    if (options->token && !options->ca)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "a join token is shown over TLS alone; set tls.ca to the authority of the server");
    if (options->crl && !options->ca)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tls.crl '%s' is of no use without tls.ca, the authorities whose lists it holds",
                         options->crl);
    if (!options->certificate && (options->tokens || options->audit))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' is of no use without TLS, where nobody is asked who he is; set "
                         "tls.certificate, tls.key and tls.ca, or leave it out",
                         options->tokens ? options->tokens : options->audit);
    if (options->tokens && options->client == CLIENTS_REQUIRE)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "tokens '%s' are not looked at where tls.client is require; set it to request, or "
                         "leave tokens out",
                         options->tokens);
    return STATUS_OK;
}

static enum status read_token(struct security *security, struct error *error)
{
    static const char prefix[] = "file:";
    const char *token = security->options.token;
    struct bytes text = BYTES_INIT;
    if (!token)
        return STATUS_OK;
    if (strncmp(token, prefix, sizeof prefix - 1) == 0)
        TRY(bytes_read_file(&text, token + sizeof prefix - 1, 4096, error));
    else
        bytes_text(&text, token);
    size_t n = text.data ? strcspn(text.data, " \r\n") : 0;
    security->token = memory_format("Bearer %.*s", (int)n, text.data ? text.data : "");
    bytes_release(&text);
    return security->token ? STATUS_OK : error_no_memory(error, n);
}

static enum status open_all(struct security *security, struct error *error)
{
    const struct security_options *options = &security->options;
    TRY(check(options, error));
    TRY(read_token(security, error));
    if (options->certificate) {
        grpc_ssl_server_certificate_config *pair = NULL;
        TRY(read_pair(security, &pair, error));
        grpc_ssl_server_certificate_config_destroy(pair);
    }
    if (options->ca)
        TRY(verify_reload(security, error));
    if (!options->audit)
        return STATUS_OK;
    security->audit_fd = open(options->audit, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return security->audit_fd < 0 ? error_errno(error, errno, "cannot write the audit file", options->audit)
                                  : STATUS_OK;
}

enum status security_new(struct security **ret, const struct security_options *options, struct error *error)
{
    struct security *security = memory_zalloc(sizeof *security);
    if (!security)
        return error_no_memory(error, sizeof *security);
    security->options = *options;
    security->audit_fd = -1;
    security->server_check = (grpc_tls_certificate_verifier_external){.user_data = security,
                                                                      .verify = check_server,
                                                                      .cancel = nothing_to_cancel,
                                                                      .destruct = nothing_to_free};
    pthread_mutex_init(&security->lock, NULL);
    enum status status = open_all(security, error);
    if (status != STATUS_OK)
        security_free(security);
    else
        *ret = security;
    return status;
}

struct security *security_free(struct security *security)
{
    if (!security)
        return NULL;
    if (security->audit_fd >= 0)
        close(security->audit_fd);
    verify_release(security);
    memory_free(security->tokens);
    memory_free(security->token);
    pthread_mutex_destroy(&security->lock);
    return memory_free(security);
}
