/*
 * Addresses and ranges: text of addr_format() reads as the same address, the
 * kernel's form and back changes nothing, a range contains its own address.
 * The input is text, and its first bytes an address.
 */

#include "fuzz.h"

#include <arpa/inet.h>

#include "base/addr.h"

static void
check_sockaddr(const struct addr *a)
{
    struct sockaddr_storage sa;
    struct addr again;
    socklen_t n = addr_to_sockaddr(a, &sa);
    AN(n == (a->family == 4 ? sizeof(struct sockaddr_in)
                            : sizeof(struct sockaddr_in6)));
    addr_from_sockaddr((struct sockaddr *)&sa, &again);
    AN(addr_eq(a, &again));
}

static void
check_addr(const struct addr *a)
{
    char text[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];
    struct addr again;
    struct addr_carried carried;
    struct addr with_port = *a;
    with_port.port = a->port != 0 ? a->port : 65535;
    AN(a->family == 4 || a->family == 6);
    AN(addr_parse(addr_format(a, false, text), &again));
    AN(addr_eq_ip(a, &again));
    AN(str_eq(str_of(text), addr_format(&again, false, other)));
    AN(addr_parse_port(addr_format(&with_port, true, text), 0, &again));
    AN(addr_eq(&with_port, &again));
    check_sockaddr(a);
    addr_carries(a, &carried);
    AN(carried.n <= LEN(carried.items) && (carried.n != 0 || !carried.is_sure));
    for (unsigned i = 0; i < carried.n; i++) {
        AN(carried.items[i].family == 4);
    }
}

static void
check_cidr(struct str s)
{
    struct cidr c;
    if (!cidr_parse(s, &c)) {
        return;
    }
    AN(c.bits <= (c.addr.family == 4 ? 32 : 128));
    AN(cidr_contains(&c, &c.addr));
    check_addr(&c.addr);
}

/* Ours against the C library's where both write the same form. */
static void
check_format(const uint8_t ip[16])
{
    char text[ADDR_TEXT_MAX], theirs[INET6_ADDRSTRLEN];
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
    struct addr a;
    memcpy(&sa.sin6_addr, ip, 16);
    addr_from_sockaddr((struct sockaddr *)&sa, &a);
    check_addr(&a);
    AN(inet_ntop(AF_INET6, ip, theirs, sizeof theirs) != NULL);
    if (a.family == 6 && strchr(theirs, '.') == NULL) {
        AN(str_eq(addr_format(&a, false, text), str_of(theirs)));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct addr a;
    struct arena *arena = arena_new(512);
    struct str s = arena_dup(arena, str_n((const char *)data, size));
    if (addr_parse(s, &a)) {
        check_addr(&a);
    }
    if (addr_parse_port(s, 0, &a)) {
        AN(a.port != 0);
        check_addr(&a);
    }
    if (addr_parse_port(s, 80, &a)) {
        check_addr(&a);
    }
    check_cidr(s);
    if (size >= 16) {
        check_format(data);
    }
    arena_free(arena);
    return 0;
}
