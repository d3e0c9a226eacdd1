#pragma once

/*
 * The proxy's own directives: time-outs, limits, upstream TLS, the resolver.
 * One struct for both chains; a field that only `egress` takes says so.
 */

#include "base/addr.h"
#include "conf/bind.h"
#include "net/tcp.h"
#include "net/tls_ctx.h"

struct logfile;
struct pages;
struct tls_client;
struct upstream_proxy;
struct value;

struct cidr_list {
    struct cidr *items;
    unsigned n;
};

struct addr_list {
    struct addr *items;
    unsigned n;
};

struct port_list {
    uint16_t *items;
    unsigned n;
};

/* `resolve NAME ADDR…` */
struct static_name {
    struct str name; /* canonical */
    struct addr_list addrs;
};

struct static_names {
    struct static_name *items;
    unsigned n;
};

struct proxy_conf {
    /* main */
    struct logfile *logs; /* logfile.c */

    /* egress */
    double keepalive_timeout;     /* idle client connection */
    double client_header_timeout; /* from the first byte to the head's end */
    double lingering_time; /* for what a client sends behind its answer, and
                              between bytes for one that sends no more */
    unsigned keepalive_requests;
    uint64_t client_header_buffer_size; /* a request head in all */
    struct pages *pages;
    struct addr_list resolver; /* empty: the system's */
    struct static_names names;
    struct tcp_keepalive so_keepalive; /* of clients and of origins */

    /* where and who */
    struct value *deny_message; /* deny_message.c's; NULL: none */

    /* where: egress, host, handler, location */
    double client_body_timeout;    /* between two reads */
    double send_timeout;           /* between two writes to the client */
    uint64_t client_max_body_size; /* 0: no limit */
    double proxy_connect_timeout;  /* DNS and TLS included */
    double proxy_send_timeout;     /* between two writes upstream */
    double proxy_header_timeout;   /* request sent to final head, 1xx included;
                                      below 0: as proxy_read_timeout */
    double proxy_read_timeout;     /* between two reads of a body;
                                      TASK_NEVER: off */
    double proxy_keepalive_timeout;
    bool via;
    struct port_list ports;
    struct cidr_list allow_address;
    const struct upstream_proxy *upstream_proxy; /* NULL: directly */
    struct tls_client_args proxy_ssl;
    struct tls_client *tls; /* made by check(), one for all equal proxy_ssl */
};

extern const struct conf_part proxy_part;

bool port_list_has(const struct port_list *l, uint16_t port);
