/*
 * Limits what a sandbox may have in all workers together: connections, requests
 * in progress, new requests a second (SPEC 14). Denied requests count, too:
 * they are work. If a worker's connections, or descriptors for them, run short,
 * the sandboxes that have the most are refused first.
 *
 * A connection whose sandbox is not known yet is silent. Silent connections are
 * counted by their source (SPEC 4): an IPv4 address, the /64 of an IPv6
 * address, a unix listener; with the PROXY protocol the sender, until its
 * header names the client. If there is no room for a new connection, the oldest
 * one is closed of the source that has the most silent ones: so a client that
 * soon says who it is gets in, however many others say nothing.
 */

#include "module.h"

extern const unsigned limit_module_index;

/* A connection beyond the limit is answered; at most so many at a time, others
 * are closed without an answer. */
#define TOLD_MAX 16

/* A sandbox may have at most so many times the connections that are still free
 * in a worker. Alone it gets 8/9 of all; so there is always room for a sandbox
 * that has few. */
#define SHARE 8

struct limit {
    unsigned requests;  /* in progress; 0: any number */
    double rate, burst; /* new ones a second; rate 0: any number */
};

struct state {
    bool is_counted; /* in the requests in progress */
};

/* For each connection: it is silent, or is counted for its sandbox. */
struct client {
    struct conn *conn;
    struct share silent; /* in worker_state.silent, while it is silent */
    bool is_counted;     /* in its sandbox's connections */
    bool is_beyond;      /* beyond their limit: answered, and closed */
};

struct worker_state {
    struct shares *silent; /* silent connections, by their source */
};

static struct client *
client_of(const struct conn *c)
{
    return module_conn(c, limit_module_index);
}

static struct shares *
silent_of(const struct worker *w)
{
    struct worker_state *st = module_worker(w, limit_module_index);
    AN(st->silent != NULL);
    return st->silent;
}

static int
worker_init(struct worker *w)
{
    struct worker_state *st = module_worker(w, limit_module_index);
    AZ(st->silent);
    st->silent = shares_new();
    return 0;
}

static void
worker_exit(struct worker *w)
{
    struct worker_state *st = module_worker(w, limit_module_index);
    if (st->silent != NULL) {
        shares_free(st->silent);
        st->silent = NULL;
    }
}

static struct ledger_record *
lock_of(const struct worker *w, const struct sandbox *sb)
{
    return ledger_lock(w->setup.ledger, sb->index, sb->serial);
}

static void
unlock_of(const struct worker *w, const struct sandbox *sb)
{
    ledger_unlock(w->setup.ledger, sb->index, NULL);
}

/* False: the sandbox has ended, and another one has its record. */
must_check static bool
count_more(const struct worker *w, const struct sandbox *sb,
    enum ledger_count what, struct ledger_counted *n)
{
    struct ledger_record *r = lock_of(w, sb);
    if (r == NULL) {
        return false;
    }
    *n = ledger_count_more(r, ledger_row(w->setup.ledger), what);
    unlock_of(w, sb);
    return true;
}

static void
count_less(
    const struct worker *w, const struct sandbox *sb, enum ledger_count what)
{
    struct ledger_record *r = lock_of(w, sb);
    if (r != NULL) {
        ledger_count_less(r, ledger_row(w->setup.ledger), what);
        unlock_of(w, sb);
    }
}

static void
log_short(const struct conn *c, unsigned own, const char *whose)
{
    const struct worker_setup *s = &c->worker->setup;
    conn_log(c, LOG_WARN, "%s run short: %u of %u in use, %u of them %s",
        s->shared_conns < s->max_conns ? "descriptors for connections"
                                       : "worker_connections",
        c->worker->n_conns, s->shared_conns, own, whose);
}

/* Whether a sandbox that has `own` connections may have so many. */
static bool
has_room(const struct worker *w, unsigned own)
{
    unsigned most = w->setup.shared_conns;
    unsigned left = most > w->n_conns ? most - w->n_conns : 0;
    return own <= SHARE * left;
}

/* Makes room for this connection, which is new and one of `own` of its sandbox
 * or source: closes silent ones of a source that has as many or more. False:
 * the next to be closed would be this one itself, or there is none. */
static bool
make_room(const struct conn *c, unsigned own)
{
    const struct client *cl = client_of(c);
    bool is_silent = shares_count(&cl->silent) != 0;
    while (!has_room(c->worker, own)) {
        struct share *oldest = shares_oldest(silent_of(c->worker), NULL);
        if (oldest == NULL || oldest == &cl->silent ||
            shares_count(oldest) < own) {
            return false;
        }
        struct conn *other = container_of(oldest, struct client, silent)->conn;
        CHECK(other, CONN_MAGIC);
        AN(other != c);
        log_short(other, shares_count(oldest),
            "from its source, of no known sandbox yet");
        conn_free(other);
        own = is_silent ? shares_count(&cl->silent) : own;
    }
    return true;
}

/* With a single sandbox there is no other to keep room for. */
static bool
is_alone(const struct worker *w)
{
    return sandbox_set_count(w->sandboxes) < 2;
}

/* Counts a connection, once, when its sandbox is known. */
static enum verdict
count_connection(struct conn *c)
{
    const struct worker *w = c->worker;
    unsigned limit = c->sandbox->policy->connections;
    struct ledger_counted n;
    struct client *cl = client_of(c);
    AZ(cl->is_counted);
    shares_drop(silent_of(w), &cl->silent);
    if (!count_more(w, c->sandbox, LEDGER_CONNECTIONS, &n)) {
        return V_ABORT;
    }
    cl->is_counted = true;
    cl->is_beyond = n.all > limit;
    if (n.all > limit + TOLD_MAX) {
        conn_log(c, LOG_WARN, "connections: more than %u", limit);
        finding(c, FINDING_LIMIT, STR_NONE, "connections");
        return V_ABORT;
    }
    if (is_alone(w) || make_room(c, n.own)) {
        return V_NEXT;
    }
    log_short(c, n.own, "this sandbox's");
    return V_ABORT;
}

/* The source of a connection. Processes at a unix socket are one source: with a
 * user namespace a process could have any number of uids. */
static struct str
source_of(const struct conn *c, char key[SHARE_KEY_MAX])
{
    const struct addr *a = &c->client;
    bool is_unix = a->family == ADDR_UNIX;
    size_t n = is_unix ? sizeof c->listen->number : a->family == 4 ? 4 : 8;
    key[0] = (char)a->family;
    memcpy(key + 1, is_unix ? (const void *)&c->listen->number : a->ip, n);
    return str_n(key, 1 + n);
}

static enum verdict
count_silent(struct conn *c)
{
    char key[SHARE_KEY_MAX];
    struct client *cl = client_of(c);
    AZ(cl->is_counted);
    cl->conn = c;
    shares_give(silent_of(c->worker), &cl->silent, source_of(c, key));
    unsigned own = shares_count(&cl->silent);
    AN(own != 0);
    if (make_room(c, own) || is_alone(c->worker)) {
        return V_NEXT;
    }
    log_short(c, own, "from its source, of no known sandbox yet");
    return V_ABORT;
}

static enum verdict
on_accept(struct conn *c)
{
    return c->sandbox != NULL ? count_connection(c) : count_silent(c);
}

static void
on_close(struct conn *c)
{
    struct client *cl = client_of(c);
    shares_drop(silent_of(c->worker), &cl->silent);
    if (cl->is_counted) {
        AN(c->sandbox != NULL);
        count_less(c->worker, c->sandbox, LEDGER_CONNECTIONS);
    }
}

static unsigned
round_up(double x)
{
    unsigned n = (unsigned)x;
    return n + (n < x);
}

static enum verdict
refuse(struct tx *tx, const char *rule, double seconds, struct str detail)
{
    struct reply r = { .status = 503,
        .error = "connection_limit_reached",
        .rule = rule,
        .detail = detail };
    tx_fail(tx, FAULT_POLICY, "%s exceeded", rule);
    finding(tx->conn, FINDING_LIMIT, tx->authority.host, rule);
    tx_reply(tx, &r);
    head_add(&tx->xfer.response, STR("Retry-After"),
        arena_printf(tx->xfer.arena, "%u", round_up(seconds)));
    return V_REPLY;
}

static enum verdict
refuse_connection(struct tx *tx)
{
    tx->xfer.must_close = true;
    return refuse(tx, "connections", 1,
        arena_printf(tx->xfer.arena,
            "connections: this sandbox has more than %u at a time",
            tx->policy->connections));
}

static enum verdict
limit_rate(struct tx *tx, const struct limit *l)
{
    const struct worker *w = tx->conn->worker;
    struct ledger_rate rate = { l->rate, l->burst,
        worker_revision(w, tx->policy) };
    struct ledger_record *r = lock_of(w, tx->sandbox);
    if (r == NULL) {
        return V_ABORT;
    }
    double wait =
        ledger_bucket_take(&r->buckets[LEDGER_RATE], &rate, clock_mono());
    unlock_of(w, tx->sandbox);
    return wait <= 0 ? V_NEXT
                     : refuse(tx, "rate", wait,
                           STR("rate: this sandbox begins requests faster than "
                               "it may"));
}

static enum verdict
limit_requests(struct tx *tx, const struct limit *l)
{
    struct state *st = module_state(tx, limit_module_index);
    struct ledger_counted n;
    if (!count_more(tx->conn->worker, tx->sandbox, LEDGER_REQUESTS, &n)) {
        return V_ABORT;
    }
    AZ(st->is_counted);
    st->is_counted = true;
    return n.all <= l->requests
               ? V_NEXT
               : refuse(tx, "requests", 1,
                     arena_printf(tx->xfer.arena,
                         "requests: this sandbox has more than %u in progress",
                         l->requests));
}

static enum verdict
on_target(struct conn *c, const struct target *t)
{
    enum verdict v = V_NEXT;
    const struct client *cl = client_of(c);
    if (t->kind == T_SNI || t->is_again) {
        return V_NEXT;
    }
    AN(c->sandbox != NULL);
    if (shares_count(&cl->silent) != 0) {
        v = count_connection(c);
    }
    if (v == V_NEXT && cl->is_beyond) {
        return refuse_connection(t->tx);
    }
    const struct limit *l = module_who(t->tx, limit_module_index);
    if (v == V_NEXT && l->rate > 0) {
        v = limit_rate(t->tx, l);
    }
    if (v == V_NEXT && l->requests != 0 && t->kind == T_REQUEST) {
        v = limit_requests(t->tx, l);
    }
    return v;
}

static void
on_log(const struct tx *tx)
{
    const struct state *st = module_state(tx, limit_module_index);
    if (st->is_counted) {
        count_less(tx->conn->worker, tx->sandbox, LEDGER_REQUESTS);
    }
}

static void
explain(struct explanation *e)
{
    const struct limit *l =
        scope_part(e->sandbox->scope, module_part(limit_module_index));
    e->limit("connections %u", e->decision->policy->connections);
    if (l->requests != 0) {
        e->limit("requests %u", l->requests);
    }
    if (l->rate > 0) {
        e->limit("rate %gr/s burst=%g", l->rate, l->burst);
    }
}

static bool
set_requests(struct bind *b, const struct directive *d, void *field)
{
    if (str_eq(d->args[0].text, STR("off"))) {
        *(unsigned *)field = 0;
        return true;
    }
    return set_count(b, d, field);
}

/* Reads NUMBERr/s or NUMBERr/m, like nginx's limit_req_zone. */
static bool
rate_parse(struct str s, double *rate)
{
    uint64_t n;
    bool is_minute = str_ends(s, STR("r/m"));
    if (!is_minute && !str_ends(s, STR("r/s"))) {
        return false;
    }
    if (!str_u64(str_n(s.p, s.n - 3), &n) || n == 0 || n > 1000000) {
        return false;
    }
    *rate = is_minute ? (double)n / 60 : (double)n;
    return true;
}

static bool
burst_parse(struct str s, double *burst)
{
    uint64_t n;
    if (!str_starts(s, STR("burst=")) || !str_u64(str_skip(s, 6), &n) ||
        n == 0 || n > 1000000) {
        return false;
    }
    *burst = (double)n;
    return true;
}

static bool
set_rate(struct bind *b, const struct directive *d, void *field)
{
    struct limit *l = bind_part(b);
    (void)field;
    l->burst = 0;
    if (d->n_args == 1 && str_eq(d->args[0].text, STR("off"))) {
        l->rate = 0;
        return true;
    }
    if (!rate_parse(d->args[0].text, &l->rate)) {
        return conf_error(
            b, &d->args[0], "invalid rate \"%.*s\"", STR_ARG(d->args[0].text));
    }
    if (d->n_args == 2 && !burst_parse(d->args[1].text, &l->burst)) {
        return conf_error(
            b, &d->args[1], "invalid burst \"%.*s\"", STR_ARG(d->args[1].text));
    }
    l->burst = l->burst != 0 ? l->burst : round_up(l->rate);
    return true;
}

/* `connections` is in the policy, as it may change at run time. */
static const struct cmd cmds[] = {
    CMD_LENT("connections", CONF_WHO, struct class_conf, connections, unsigned,
        set_count, &class_part),
    CMD("requests", CONF_WHO, 1, 1, struct limit, requests, unsigned,
        set_requests),
    CMD("rate", CONF_WHO, 1, 2, struct limit, rate, double, set_rate),
    { 0 },
};

const struct module limit_module = {
    .conf = { .name = "limit", .cmds = cmds, .size = sizeof(struct limit) },
    .tx_size = sizeof(struct state),
    .conn_size = sizeof(struct client),
    .worker_size = sizeof(struct worker_state),
    .worker_init = worker_init,
    .worker_exit = worker_exit,
    .on_front_end = count_silent,
    .on_accept = on_accept,
    .on_close = on_close,
    .on_target = on_target,
    .on_log = on_log,
    .explain = explain,
};
