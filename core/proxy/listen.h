#pragma once

/*
 * The `listen` directives of the egress block. The sockets are the master's;
 * a worker knows which of them it serves by number.
 */

#include "base/addr.h"
#include "conf/bind.h"

struct guard;
struct loop;
struct tls_server;

#define LISTENS_MAX 16384

struct listen {
    struct addr addr;       /* family 0: a unix socket */
    struct str path;        /* of the unix socket; absolute */
    struct str text;        /* as written, for messages */
    unsigned mode;          /* of the unix socket's file; 0 to 0777 */
    bool has_mode;          /* it was told */
    int backlog;            /* 1 to 65535 */
    bool proxy_protocol;    /* connections begin with a PROXY header */
    bool ssl;               /* then, or at once, with TLS to weir itself */
    struct str sandbox;     /* id of the one sandbox behind it; n 0: any */
    const struct token *at; /* its place in the file */
    unsigned number;        /* among the conf's, in file order, from 0 */
    struct listen *next;
};

/* `set_real_ip_from` */
struct front_ends {
    struct cidr *items;
    unsigned n;
    bool has_unix;
};

/* `ssl_certificate`, `ssl_certificate_key` */
struct listen_file {
    struct str path; /* NUL-terminated; n 0: none */
    const struct token *at;
};

struct listen_conf {
    struct listen *first;
    struct front_ends front_ends;
    struct listen_file certificate, certificate_key;
    struct tls_server *tls; /* made of them by check(); NULL: no certificate */
};

extern const struct conf_part listen_part;

/* The n-th of a conf, NULL past the last; and how many there are. */
const struct listen *listen_get(const struct conf *c, unsigned n);
unsigned listen_count(const struct conf *c);

/* weir's own TLS, of listeners with `ssl`. */
struct tls_server *listen_tls(const struct conf *c);

/* The paths of its certificate and key, n 0 where there is none. */
struct str listen_certificate(const struct conf *c);
struct str listen_certificate_key(const struct conf *c);

/* A guard that knows all listeners of a conf; NULL after a log line. */
struct guard *listen_guard(const struct conf *c, struct loop *l);

/* Whether a PROXY header from there is believed. */
bool listen_trusts(const struct conf *c, const struct addr *front);
