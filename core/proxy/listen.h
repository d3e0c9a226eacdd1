#pragma once

/*
 * The `listen` directives of the egress block. The sockets are the master's;
 * a worker knows which of them it serves by number.
 */

#include "base/addr.h"
#include "conf/bind.h"

struct guard;
struct loop;

#define LISTENS_MAX 16384

struct listen {
    struct addr addr;       /* family 0: a unix socket */
    struct str path;        /* of the unix socket; absolute */
    struct str text;        /* as written, for messages */
    unsigned mode;          /* of the unix socket's file; 0 to 0777 */
    bool has_mode;          /* it was told */
    int backlog;            /* 1 to 65535 */
    bool proxy_protocol;    /* connections begin with a PROXY header */
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

struct listen_conf {
    struct listen *first;
    struct front_ends front_ends;
};

extern const struct conf_part listen_part;

/* The n-th of a conf, NULL past the last; and how many there are. */
const struct listen *listen_get(const struct conf *c, unsigned n);
unsigned listen_count(const struct conf *c);

/* A guard that knows all listeners of a conf; NULL after a log line. */
struct guard *listen_guard(const struct conf *c, struct loop *l);

/* Whether a PROXY header from there is believed. */
bool listen_trusts(const struct conf *c, const struct addr *front);
