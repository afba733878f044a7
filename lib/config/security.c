#include "config/security.h"
#include <stddef.h>

#define ROW(member) .offset = offsetof(struct security_options, member)

static const char *const clients[] = {"require", "request", NULL};

const struct field tls_fields[] = {
    {.name = "certificate",
     .type = FIELD_TEXT,
     ROW(certificate),
     .help = "PEM file of this process's certificate and its chain, read again when it changes; absent: no "
             "TLS on its own ports"},
    {.name = "key", .type = FIELD_TEXT, ROW(key), .help = "PEM file of the certificate's private key"},
    {.name = "ca",
     .type = FIELD_TEXT,
     ROW(ca),
     .help = "PEM file of the authorities that others' certificates must come from; absent: no TLS towards "
             "those that it calls"},
    {.name = "crl",
     .type = FIELD_TEXT,
     ROW(crl),
     .help = "PEM file of the authorities' lists of revoked certificates (CRL), read again when it changes: "
             "callers and servers that show one of these are refused; absent: none is"},
    {.name = "client",
     .type = FIELD_WORD,
     ROW(client),
     .fallback = "request",
     .words = clients,
     .help = "require: callers must show a certificate; request: a certificate or a join token"},
    {.name = "name",
     .type = FIELD_TEXT,
     ROW(name),
     .help = "name that the certificates of those it calls must bear; absent: the host of their address"},
    {0},
};
