#include "rpc/quota.h"
#include <criterion/criterion.h>
#include <stdio.h>

static const char *name_of(const char *address)
{
    static struct rpc_peer peer;
    quota_peer(NULL, address, &peer);
    cr_assert(peer.own == (strcmp(peer.name, "this machine") == 0));
    return peer.name;
}

Test(quota, a_host_is_its_address_without_the_port)
{
    cr_assert_str_eq(name_of("ipv4:10.1.2.3:4711"), "10.1.2.3");
    cr_assert_str_eq(name_of("ipv4:10.1.2.3:4712"), "10.1.2.3");
}

Test(quota, a_host_of_ipv6_is_its_network)
{
    cr_assert_str_eq(name_of("ipv6:%5B2001:db8:1:2::7%5D:4711"), "2001:db8:1:2::/64");
    cr_assert_str_eq(name_of("ipv6:[2001:db8:1:2:ffff::1]:4712"), "2001:db8:1:2::/64");
    cr_assert_str_eq(name_of("ipv6:%5Bfe80::1%25eth0%5D:80"), "fe80::/64");
}

Test(quota, the_loopback_and_socket_files_are_this_machine)
{
    const char *const own[] = {
        "ipv4:127.0.0.1:1", "ipv4:127.8.8.8:1", "ipv6:%5B::1%5D:1", "unix:/a/b", "unix:", ""};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        cr_assert_str_eq(name_of(own[i]), "this machine", "%s", own[i]);
}

Test(quota, who_has_an_identity_is_that_wherever_it_calls_from)
{
    struct identity who = {.role = ROLE_LEARNER, .name = "ward-*"};
    struct rpc_peer peer;
    quota_peer(&who, "ipv4:127.0.0.1:1", &peer);
    cr_assert_str_eq(peer.name, "learner ward-*");
    cr_assert(!peer.own);
}

Test(quota, nothing_is_bounded_unless_it_is_asked_for)
{
    struct quota *quota = NULL;
    struct error error = ERROR_INIT;
    cr_assert(quota_new(&quota, &(struct rpc_server_options){.n_services = 0}, &error) == STATUS_OK);
    cr_assert(!quota && quota_n_refused(quota, RPC_QUOTA_CALLS_A_SECOND) == 0);
}
