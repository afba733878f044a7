// The text that Prometheus scrapes (exposition format 0.0.4), and the HTTP server that offers it.
#pragma once

#include "base/bytes.h"

// Appends a family's HELP and TYPE lines; its samples follow at once. `type`: "counter" (its name ends in
// _total), "gauge" or "summary" (samples NAME_sum and NAME_count).
void prometheus_family(struct bytes *ret, const char *name, const char *type, const char *help);
// Appends one sample. `labels` is name, value, name, value, ..., NULL; NULL for none. Values of labels may be
// any text.
void prometheus_sample(struct bytes *ret, const char *name, const char *const *labels, double value);
// A family that is one sample without labels.
void prometheus_single(struct bytes *ret, const char *name, const char *type, const char *help, double value);
// What every process tells: its version, and its memory now and at most.
void prometheus_process(struct bytes *ret, const char *program);

struct prometheus_server;

// Serves GET and HEAD of /metrics at `address` (host:port or [ipv6]:port; port 0 takes a free one, which
// `ret_port` holds) on a thread of its own; everything else is refused. `collect` appends all families; it is
// called on that thread, once a scrape, and may block for moments. At most a few connections at once, which
// are dropped when idle.
enum status prometheus_server_new(struct prometheus_server **ret, const char *address,
                                  void (*collect)(void *self, struct bytes *ret), void *self, int *ret_port,
                                  struct error *error);
// The same for a program whose setting `metrics` is `address`: logs where it listens; NULL: offers nothing.
enum status prometheus_offer(struct prometheus_server **ret, const char *address,
                             void (*collect)(void *self, struct bytes *ret), void *self, struct error *error);
// Waits for a scrape under way. NULL is fine.
struct prometheus_server *prometheus_server_free(struct prometheus_server *server);
