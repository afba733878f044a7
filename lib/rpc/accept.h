// How many connections this process takes, and how many from one host. gRPC's listener gives up for good when
// an accept fails for want of a descriptor, and takes as many as come before that; so accept4, which every
// listener here calls, is this file's: it closes at once what is too much, and never fails for want of one.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACCEPT_SPARE_DESCRIPTORS = 64 }; // for files and what else the process opens

// Raises the process's bound on descriptors as far as it may, keeps one in reserve, and bounds connections to
// `max` (0, or more than descriptors allow: what they allow) and those from one host, unless it is this one,
// to `max_a_host` (0: half of all). For the whole process; the last call counts.
void accept_limit(size_t max, size_t max_a_host);

// Bytes that an accepted connection has moved, both ways, as far as the other end has them. False when there
// is no such connection, from this address (IPv4 in IPv6's form) and port.
bool accept_moved_bytes(const struct in6_addr *address, uint16_t port, uint64_t *ret);

// Connections that were closed at once, since the start.
unsigned long accept_n_refused(void);
