#pragma once

/*
 * Two ends of a TLS connection, both weir's or one of them OpenSSL's own, and
 * what they are made of; for the tests of net/tls.c.
 */

#include "cert.h"
#include "drive.h"
#include "net/tls.h"

extern struct loop *pair_loop;
extern struct tls_server *pair_server;
extern struct cert pair_ca, pair_other_ca; /* the client trusts the first */

/* Both ends of one connection. */
struct pair {
    struct drive drive;
    struct stream *server, *client;
    enum io server_io, client_io;
    struct cert cert;
    int wait; /* how often the certificate is not there yet */
    int asked;
};

struct sides {
    const char *sni;     /* what the server judged; NULL: none */
    const char *sid_ctx; /* what its tickets are for */
    const char *name;    /* whom the client wants; NULL: `ip` */
    const char *ip;
    const char *san;
    const struct cert *ca; /* NULL: the trusted one */
    uint64_t serial;
    int wait;
};

/* One name on all sides. */
extern const struct sides pair_usual;

/* What is sent to `from` comes out of it, or how it ended. */
struct receipt {
    struct stream *from;
    char text[64];
    size_t n, want;
    enum io io;
};

int pair_setup_all(void **state);
int pair_teardown_all(void **state);
int pair_setup(void **state);
int pair_teardown(void **state);

/* The server's end alone, over `fd`. */
void pair_open_server(struct pair *p, const struct sides *s, int fd);
enum io pair_shake_one(struct stream **s, enum io before);

/* Connects; runs both handshakes to their ends; both. */
void pair_open(struct pair *p, const struct sides *s);
void pair_go_on(struct pair *p);
void pair_shake(struct pair *p, const struct sides *s);

/* TLS over the TLS that there is, with the same certificate. */
void pair_shake_within(struct pair *p, const struct sides *s);
void pair_close(struct pair *p);

/* Waits for `want` bytes from that end, or its own end. */
enum io pair_receive(
    struct pair *p, struct stream *from, struct receipt *r, size_t want);
void pair_assert_talk(struct pair *p, struct stream *from, struct stream *to);
