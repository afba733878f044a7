// Who may talk to a service and how it shows who it is: what programs are told, as their settings fill it.
#pragma once

#include <stdbool.h>

enum client_certificates { CLIENTS_REQUIRE, CLIENTS_REQUEST };

struct security_options {
    const char *certificate; // PEM file, with the chain; NULL: this end shows none and serves without TLS
    const char *key;         // PEM file
    const char *ca;          // PEM file: who is trusted, on either side
    const char *crl;         // PEM file: certificates that those in `ca` have revoked; NULL: none
    const char *name;        // that servers' certificates must bear; NULL: the host of the address
    int client;              // enum client_certificates
    bool insecure;           // serve without TLS on addresses that others reach
    const char *tokens;      // file of the join tokens that are accepted; NULL: none
    const char *token;       // that this end shows, or file:PATH; NULL: none
    const char *audit;       // file of decisions, a JSON line each; NULL: none
};
