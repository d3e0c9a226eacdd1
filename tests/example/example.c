/*
 * A module from outside the tree, to begin one's own from: it has every hook,
 * in the order in which they are called, a filter for bodies, a content coding,
 * a directive of each chain and a variable. Built by
 *     ./configure --add-module=tests/example
 * and by tests/lifecycle/example_test.py, which shows what each part does.
 */

#include "module.h"

/* The place of this module among all; configure makes it. */
extern const unsigned example_module_index;

/* What the directives fill; inherited from block to block by copying. */
struct example {
    struct value *note; /* where-chain; NULL: none */
    bool shouts;        /* where-chain */
    double pause;       /* where-chain: of a body that is shouted */
    bool is_closed;     /* who-chain */
};

/* Of one exchange; zeroed. */
struct state {
    bool has_waited;
    unsigned interims, trailers;
    unsigned begun, ended; /* upstream */
    unsigned tries;        /* to send it */
};

/* Of one connection; zeroed. */
struct conn_state {
    unsigned exchanges;
};

/* Of the worker; zeroed. */
struct worker_state {
    unsigned connections, closed, exchanges;
};

static const struct example *
where_conf(const struct tx *tx)
{
    return module_where(tx, example_module_index);
}

static struct state *
state_of(const struct tx *tx)
{
    return module_state(tx, example_module_index);
}

static struct conn_state *
conn_state_of(const struct conn *c)
{
    return module_conn(c, example_module_index);
}

static struct worker_state *
worker_state_of(const struct worker *w)
{
    return module_worker(w, example_module_index);
}

static int
worker_init(struct worker *w)
{
    AZ(worker_state_of(w)->connections);
    log_at(LOG_INFO, "example: a worker begins");
    return 0;
}

/* Behind a front end (proxy_protocol): the header that says whose it is has
 * not been read. on_accept comes when it has. */
static enum verdict
on_front_end(struct conn *c)
{
    conn_log(c, LOG_INFO, "example: a front end's connection");
    return V_NEXT;
}

/* No V_REPLY here: nothing has been read yet. */
static enum verdict
on_accept(struct conn *c)
{
    (void)c;
    worker_state_of(c->worker)->connections++;
    return V_NEXT;
}

/* For a CONNECT, for the SNI inside (then without a tx) and for each request.
 * The host_match module has had its say: `config` puts this one behind it. */
static enum verdict
on_target(struct conn *c, const struct target *t)
{
    (void)c;
    if (t->kind == T_SNI) {
        return V_NEXT;
    }
    const struct example *ex = module_who(t->tx, example_module_index);
    if (!ex->is_closed) {
        return V_NEXT;
    }
    struct reply r = { .status = 403,
        .error = "http_request_denied",
        .rule = "example_closed",
        .is_denial = true,
        .detail = STR("this sandbox is closed for today") };
    tx_fail(t->tx, FAULT_POLICY, "example_closed");
    tx_reply(t->tx, &r);
    return V_REPLY;
}

/* Of each CONNECT that may go on. Others may say more of it: TUNNEL_NEXT. */
static enum tunnel
tunnel(const struct conn *c, const struct decision *d)
{
    conn_log(c, LOG_INFO, "example: a tunnel to \"%.*s\"", STR_ARG(d->host));
    return TUNNEL_NEXT;
}

/* Whoever waits has arranged for a wake and is called again. */
static enum verdict
on_request(struct tx *tx, struct head *h)
{
    struct state *st = state_of(tx);
    struct str note = STR_NONE;
    if (!st->has_waited) {
        st->has_waited = true;
        task_yield(&tx->xfer.task);
        return V_WAIT;
    }
    const struct example *ex = where_conf(tx);
    if (ex->note != NULL && value_eval(ex->note, tx, tx->xfer.arena, &note)) {
        head_remove(h, STR("X-Example"));
        head_add(h, STR("X-Example"), note);
    }
    return V_NEXT;
}

/* Before it goes upstream; and in any case, when its head has come or will not:
 * the place to count what goes on between the two. */
static enum verdict
on_upstream(struct tx *tx)
{
    state_of(tx)->begun++;
    return V_NEXT;
}

/* The last word on the head, for each try: the place for a signature. */
static enum verdict
on_send(struct tx *tx, struct head *h)
{
    struct state *st = state_of(tx);
    head_set(h, STR("X-Example-Try"),
        arena_printf(tx->xfer.arena, "%u", ++st->tries));
    return V_NEXT;
}

static void
on_upstream_end(struct tx *tx)
{
    state_of(tx)->ended++;
}

static void
on_interim(struct tx *tx, struct head *h)
{
    head_add(h, STR("X-Example"), STR("interim"));
    state_of(tx)->interims++;
}

/* Whatever it is, also a 101: V_REPLY takes what tx_reply() has set for it. */
static enum verdict
on_response(struct tx *tx, struct head *h)
{
    struct state *st = state_of(tx);
    if (head_find(h, STR("X-Example-Refuse")).n != 0) {
        struct reply r = { .status = 502,
            .error = "http_protocol_error",
            .rule = "example_refuse",
            .detail = STR("this response is not passed on") };
        tx_fail(tx, FAULT_ORIGIN, "example_refuse");
        tx_reply(tx, &r);
        return V_REPLY;
    }
    head_add(h, STR("X-Example-Interims"),
        arena_printf(tx->xfer.arena, "%u", st->interims));
    return V_NEXT;
}

static void
on_trailers(struct tx *tx, struct head *h)
{
    state_of(tx)->trailers = h->n_trailers;
}

static void
on_log(const struct tx *tx)
{
    const struct state *st = state_of(tx);
    conn_state_of(tx->conn)->exchanges++;
    worker_state_of(tx->conn->worker)->exchanges++;
    conn_log(tx->conn, LOG_INFO,
        "example: status %u, %u trailers, upstream %u to %u", tx_status(tx),
        st->trailers, st->begun, st->ended);
}

/* Also of one that a module before this has refused: on_accept missed it. */
static void
on_close(struct conn *c)
{
    struct worker_state *st = worker_state_of(c->worker);
    st->closed++;
    conn_log(c, LOG_INFO, "example: closed connection %u, it had %u exchanges",
        st->closed, conn_state_of(c)->exchanges);
}

static void
worker_exit(struct worker *w)
{
    const struct worker_state *st = worker_state_of(w);
    log_at(LOG_NOTICE, "example: %u connections, %u closed, %u exchanges",
        st->connections, st->closed, st->exchanges);
}

/* What is kept by serial is forgotten: here nothing but for the log. */
static void
on_sandbox_end(struct worker *w, uint64_t serial)
{
    (void)w;
    log_at(LOG_INFO, "example: sandbox %llu is no more",
        (unsigned long long)serial);
}

/* weir -E: what would be done, and no value. */
static void
explain(struct explanation *e)
{
    const struct example *ex =
        scope_part(e->where, module_part(example_module_index));
    if (ex->note != NULL) {
        e->say("a note in X-Example");
    }
}

static bool
wants(const void *owner)
{
    const struct tx *tx = owner;
    return where_conf(tx)->shouts;
}

struct shout {
    double pause, until; /* 0: it has not begun */
};

static void
init(void *owner, void *state)
{
    struct shout *s = state;
    s->pause = where_conf(owner)->pause;
}

/* When it goes on though no byte comes. */
static double
wait(void *state)
{
    const struct shout *s = state;
    return s->until > clock_mono() ? s->until : TASK_NEVER;
}

/* Turns the case, after its pause; cannot bear a '!'. */
static enum flow
run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch;
    struct shout *s = state;
    s->until = s->until == 0 ? clock_mono() + s->pause : s->until;
    if (clock_mono() < s->until) {
        return F_WAIT;
    }
    while (!bufq_is_full(out) && bufq_copy(in, &ch, 1) == 1) {
        if (ch == '!') {
            return F_ERROR;
        }
        bufq_consume(in, 1);
        ch = ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch;
        bufq_append(out, str_n(&ch, 1));
    }
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

/* Why it gave up; for the log. */
static const char *
why(const void *state)
{
    (void)state;
    return "it will not shout that";
}

static const struct filter shout = { .name = "shout",
    .state_size = sizeof(struct shout),
    .flags = FILTER_IDENTITY | FILTER_KEEPS_LENGTH,
    .want = wants,
    .init = init,
    .run = run,
    .wait = wait,
    .why = why };

static char
rotated(char ch)
{
    char first = ch >= 'a' && ch <= 'z' ? 'a' : 'A';
    return ch >= first && ch < first + 26
               ? (char)((ch - first + 13) % 26 + first)
               : ch;
}

/* What undoes rot13 does it again. */
static enum flow
rotate(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch;
    (void)state;
    while (!bufq_is_full(out) && bufq_copy(in, &ch, 1) == 1) {
        bufq_consume(in, 1);
        ch = rotated(ch);
        bufq_append(out, str_n(&ch, 1));
    }
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

static const struct filter rot13 = { .name = "rot13", .run = rotate };

static const char *const rot13_names[] = { "rot13", NULL };

/* The content codings that it reads. */
static const struct transcoder transcoders[] = {
    { .names = rot13_names,
        .decode = &rot13,
        .encode = &rot13,
        .look = &rot13,
        .leave = &rot13 },
    { 0 },
};

static bool
get_interims(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)name, (void)arg;
    *out = arena_printf(a, "%u", state_of(ctx)->interims);
    return true;
}

static const struct var_def vars[] = {
    { .name = "example_interims", .get = get_interims },
    { 0 },
};

/* Called for each block when all below it is bound: the place for what one
 * directive alone cannot know. */
static int
check(struct conf *c, struct scope *s, void *part)
{
    const struct example *ex = part;
    if (ex->shouts && ex->note != NULL) {
        return conf_fail(c, s->directive != NULL ? &s->directive->name : NULL,
            "\"example_note\" and \"example_shout\" exclude each other");
    }
    return 0;
}

static const struct cmd cmds[] = {
    CMD_VALUE("example_note", CONF_WHERE, struct example, note),
    CMD_FLAG("example_shout", CONF_WHERE, struct example, shouts),
    CMD_SECONDS("example_pause", CONF_WHERE, struct example, pause),
    CMD_FLAG("example_closed", CONF_WHO, struct example, is_closed),
    { 0 },
};

const struct module example_module = {
    .conf = { .name = "example",
        .cmds = cmds,
        .vars = vars,
        .size = sizeof(struct example),
        .check = check },
    .identifies = false, /* whose a request is it leaves to others */
    .tx_size = sizeof(struct state),
    .conn_size = sizeof(struct conn_state),
    .worker_size = sizeof(struct worker_state),
    .worker_init = worker_init,
    .on_front_end = on_front_end,
    .on_accept = on_accept,
    .on_target = on_target,
    .tunnel = tunnel,
    .on_request = on_request,
    .on_upstream = on_upstream,
    .on_send = on_send,
    .on_upstream_end = on_upstream_end,
    .on_interim = on_interim,
    .on_response = on_response,
    .on_trailers = on_trailers,
    .on_log = on_log,
    .on_sandbox_end = on_sandbox_end,
    .on_close = on_close,
    .worker_exit = worker_exit,
    .explain = explain,
    .request_body = &shout,
    .response_body = &shout,
    .transcoders = transcoders,
};
