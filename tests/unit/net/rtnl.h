#pragma once

/* Changes of a network namespace of the test's own: link 1 (lo), its
 * addresses, routes. Each is asked of the kernel and acknowledged. */

#include <linux/rtnetlink.h>
#include <stdbool.h>

struct loop;

/* Enters a new namespace; false: not allowed to. */
bool rtnl_unshare(void);

/* RTM_NEWADDR, RTM_DELADDR: an IPv4 or IPv6 address of lo. */
void rtnl_addr(int type, const char *ip, unsigned prefix);

/* RTM_NEWROUTE, RTM_DELROUTE: what the table takes in (RTN_LOCAL) or does not
 * (RTN_UNICAST), by lo. */
void rtnl_route(
    int type, const char *range, unsigned char table, unsigned char kind);

void rtnl_lo(bool is_up);

/* The loop for so long, at least one turn. After it weir has heard of a change:
 * that was in its socket when the kernel acknowledged it. */
void rtnl_hear(struct loop *loop, double seconds);
