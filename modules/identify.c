/*
 * Identifies the sandbox of a connection (SPEC 4): by its listener, by its
 * source address, or by the Proxy-Authorization of a head. That field is not
 * sent on.
 */

#include "module.h"

static struct sandbox *
listener_sandbox(const struct conn *c)
{
    struct str id = c->listen->sandbox;
    return id.n != 0 ? sandbox_by_id(c->worker->sandboxes, id) : NULL;
}

/* The address of a PROXY protocol's sender identifies no sandbox, whatever
 * range it lies in. */
static const struct addr *
source(const struct conn *c)
{
    static const struct addr nobodys = { .family = ADDR_UNIX };
    return c->has_client ? &c->client : &nobodys;
}

static enum verdict
on_accept(struct conn *c)
{
    struct sandbox *sb = NULL, *fixed = listener_sandbox(c);
    if (fixed == NULL && c->listen->sandbox.n != 0) {
        conn_log(c, LOG_WARN, "the sandbox of this listener has ended");
        return V_ABORT;
    }
    switch (sandbox_identify(
        c->worker->sandboxes, fixed, source(c), NULL, true, &sb)) {
    case IDENTITY_OK:
        conn_join(c, sb);
        return V_NEXT;
    case IDENTITY_NEEDED:
        return V_NEXT; /* a head may bring credentials */
    case IDENTITY_CONFLICT:
    case IDENTITY_REFUSED:
        break;
    }
    conn_log(c, LOG_WARN, "no sandbox has this address");
    return V_ABORT;
}

/* Answers 407. A client that sent no credentials may send them when it is
 * asked: git begins each connection like that. */
static enum verdict
demand(struct tx *tx, enum tx_fault fault, const char *why)
{
    struct reply r = { .status = 407,
        .error = "proxy_authentication_required",
        .rule = "identity",
        .detail = str_of(why) };
    tx_fail(tx, fault, "%s", why);
    tx_reply(tx, &r);
    head_add(&tx->xfer.response, STR("Proxy-Authenticate"),
        STR("Basic realm=\"weir\""));
    return V_REPLY;
}

/* Reads the credentials. Two fields could be read in two ways: they prove
 * nothing. */
static void
read_credentials(const struct head *h, struct credentials *out)
{
    const struct field *f = head_next(h, FIELD_PROXY_AUTHORIZATION, NULL);
    bool is_twice =
        f != NULL && head_next(h, FIELD_PROXY_AUTHORIZATION, f) != NULL;
    credentials_parse(is_twice    ? STR("")
                      : f != NULL ? f->value
                                  : STR_NONE,
        out);
}

static void
belong(struct tx *tx, struct sandbox *sb)
{
    if (tx->conn->sandbox == NULL) {
        conn_join(tx->conn, sb);
    }
    if (tx->sandbox == NULL) {
        tx->sandbox = sb;
        tx_take_policy(tx);
    }
}

static enum verdict
on_target(struct conn *c, const struct target *t)
{
    struct credentials cr;
    struct sandbox *sb = NULL;
    if (t->kind == T_SNI || c->tunnel != CONN_NO_TUNNEL) {
        return c->sandbox != NULL ? V_NEXT : V_ABORT;
    }
    read_credentials(t->head, &cr);
    switch (sandbox_identify(
        c->worker->sandboxes, c->sandbox, source(c), &cr, true, &sb)) {
    case IDENTITY_OK:
        belong(t->tx, sb);
        return V_NEXT;
    case IDENTITY_NEEDED:
        return cr.kind == CREDENTIALS_NONE
                   ? demand(t->tx, FAULT_CLIENT,
                         "this proxy needs a sandbox's credentials")
                   : demand(t->tx, FAULT_POLICY,
                         cr.kind == CREDENTIALS_BAD
                             ? "the proxy credentials cannot be read"
                             : "the proxy credentials are no sandbox's");
    case IDENTITY_CONFLICT:
        t->tx->xfer.must_close = true;
        return demand(t->tx, FAULT_POLICY,
            "the credentials are not those of this connection's sandbox");
    case IDENTITY_REFUSED:
        break;
    }
    return V_ABORT;
}

/* Checks that the sandbox of a listener exists; without it nobody could use the
 * listener. */
static int
check(struct conf *c, struct scope *s, void *part)
{
    (void)part;
    if (s->context != CONF_EGRESS) {
        return 0;
    }
    for (unsigned i = 0; i < listen_count(c); i++) {
        const struct listen *l = listen_get(c, i);
        if (l->sandbox.n != 0 &&
            sandbox_by_id(sandbox_set_of(c), l->sandbox) == NULL) {
            return conf_fail(
                c, l->at, "unknown sandbox \"%.*s\"", STR_ARG(l->sandbox));
        }
    }
    return 0;
}

const struct module identify_module = {
    .conf = { .name = "identify", .check = check },
    .identifies = true,
    .on_accept = on_accept,
    .on_target = on_target,
};
