#pragma once

/*
 * Session tickets of intercepted connections, sealed with the keys that the
 * keeper rotates.
 */

struct ssl_ctx_st;
struct tls_tickets;

/* Maps the memory file; -1: random keys of this process. NULL after a log
 * line. */
struct tls_tickets *tls_tickets_new(int fd);
void tls_tickets_free(struct tls_tickets *t);

/* Makes `ctx` use the tickets, which outlive it. */
void tls_tickets_use(struct tls_tickets *t, struct ssl_ctx_st *ctx);
