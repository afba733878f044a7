#include "learner/channels.h"
#include "base/memory.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum { KEPT_MAX = 128 };

static void make_room(struct host *host)
{
    size_t n = 0;
    struct peer_channel **oldest = NULL;
    for (struct peer_channel **link = &host->peer_channels; *link; link = &(*link)->next) {
        n++;
        if ((*link)->n_users == 0)
            oldest = link;
    }
    if (n < KEPT_MAX || !oldest)
        return;
    struct peer_channel *channel = *oldest;
    *oldest = channel->next;
    rpc_channel_free(channel->channel);
    memory_free(channel);
}

static enum status make(struct host *host, const char *address, struct peer_channel **ret,
                        struct error *error)
{
    struct peer_channel *channel = memory_zalloc(sizeof *channel);
    if (!channel)
        return error_no_memory(error, sizeof *channel);
    snprintf(channel->address, sizeof channel->address, "%s", address);
    enum status status = rpc_channel_new(&channel->channel, host->runtime, address, error);
    if (status != STATUS_OK)
        memory_free(channel);
    else
        *ret = channel;
    return status;
}

enum status peer_channel_take(struct host *host, const char *address, struct peer_channel **ret,
                              struct error *error)
{
    struct peer_channel **link = &host->peer_channels, *channel = NULL;
    while (*link && strcmp((*link)->address, address) != 0)
        link = &(*link)->next;
    if (*link) {
        channel = *link;
        *link = channel->next;
    } else {
        make_room(host);
        TRY(make(host, address, &channel, error));
    }
    channel->next = host->peer_channels; // the lately used are in front
    host->peer_channels = channel;
    channel->n_users++;
    *ret = channel;
    return STATUS_OK;
}

void peer_channel_give(struct peer_channel *channel)
{
    channel->n_users--;
}

void peer_channels_free(struct host *host)
{
    while (host->peer_channels) {
        struct peer_channel *channel = host->peer_channels;
        host->peer_channels = channel->next;
        rpc_channel_free(channel->channel);
        memory_free(channel);
    }
}
