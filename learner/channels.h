// Connections to other learners' services, kept between exchanges. Under the host's lock.
#pragma once

#include "rpc/rpc.h"

struct host;

struct peer_channel {
    struct peer_channel *next;
    char address[256];
    struct rpc_channel *channel;
    unsigned int n_users;
};

// The one to `address`, with a user more. Of those without a user the least lately used goes when there are
// too many.
enum status peer_channel_take(struct host *host, const char *address, struct peer_channel **ret,
                              struct error *error);
void peer_channel_give(struct peer_channel *channel);
void peer_channels_free(struct host *host); // none is used
