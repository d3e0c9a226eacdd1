/*
 * Calls the modules' hooks in the order of auto/modules. Which module has
 * which hook is collected once, so that a request costs no call for the others.
 */

#include "proxy/hook.h"

#include <stddef.h>

#include "base/log.h"
#include "proxy/conn.h"
#include "proxy/parts.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"
#include "proxy/tx.h"
#include "proxy/worker.h"

#define MODULES_MAX 64

enum hook {
    H_FRONT_END,
    H_ACCEPT,
    H_CLOSE,
    H_TARGET,
    H_TUNNEL,
    H_REQUEST,
    H_UPSTREAM,
    H_SEND,
    H_UPSTREAM_END,
    H_RESPONSE,
    H_INTERIM,
    H_TRAILERS,
    H_LOG,
    H_SANDBOX_END,
    H_TRANSCODER,
    HOOKS
};

static const struct module *const *known;
static unsigned n_known;
static unsigned char hook_modules[HOOKS][MODULES_MAX];
static unsigned hook_count[HOOKS];

/* The first so many modules of H_TARGET are those that identify. */
static unsigned n_identify;

/* Each exchange, connection and worker has one block for the states of all
 * modules: the offset of each state in it, and the block's size. */
static size_t state_at[LIVES][MODULES_MAX], state_bytes[LIVES];

#define STATE_ALIGN _Alignof(max_align_t)

static void
state_collect(enum life l, unsigned module, size_t size)
{
    state_at[l][module] = state_bytes[l];
    state_bytes[l] += (size + STATE_ALIGN - 1) & ~(STATE_ALIGN - 1);
}

static void
hook_collect(enum hook h, unsigned module, bool has_it)
{
    if (has_it) {
        hook_modules[h][hook_count[h]++] = (unsigned char)module;
    }
}

static void
collect_target(bool identifies)
{
    for (unsigned i = 0; i < n_known; i++) {
        const struct module *m = known[i];
        hook_collect(
            H_TARGET, i, m->on_target != NULL && m->identifies == identifies);
    }
}

void
hooks_init(const struct module *const *list, unsigned n)
{
    AN(n <= MODULES_MAX);
    known = list;
    n_known = n;
    memset(hook_count, 0, sizeof hook_count);
    memset(state_bytes, 0, sizeof state_bytes);
    collect_target(true);
    n_identify = hook_count[H_TARGET];
    collect_target(false);
    for (unsigned i = 0; i < n_known; i++) {
        const struct module *m = known[i];
        hook_collect(H_FRONT_END, i, m->on_front_end != NULL);
        hook_collect(H_ACCEPT, i, m->on_accept != NULL);
        hook_collect(H_CLOSE, i, m->on_close != NULL);
        hook_collect(H_TUNNEL, i, m->tunnel != NULL);
        hook_collect(H_REQUEST, i, m->on_request != NULL);
        hook_collect(H_UPSTREAM, i, m->on_upstream != NULL);
        hook_collect(H_SEND, i, m->on_send != NULL);
        hook_collect(H_UPSTREAM_END, i, m->on_upstream_end != NULL);
        hook_collect(H_RESPONSE, i, m->on_response != NULL);
        hook_collect(H_INTERIM, i, m->on_interim != NULL);
        hook_collect(H_TRAILERS, i, m->on_trailers != NULL);
        hook_collect(H_LOG, i, m->on_log != NULL);
        hook_collect(H_SANDBOX_END, i, m->on_sandbox_end != NULL);
        hook_collect(H_TRANSCODER, i, m->transcoders != NULL);
        state_collect(LIFE_TX, i, m->tx_size);
        state_collect(LIFE_CONN, i, m->conn_size);
        state_collect(LIFE_WORKER, i, m->worker_size);
    }
}

static const struct module *
hook_module(enum hook h, unsigned i)
{
    return known[hook_modules[h][i]];
}

unsigned
module_part(unsigned module_index)
{
    return PART_ROOMS + module_index;
}

const void *
module_where(const struct tx *tx, unsigned module_index)
{
    return tx_where(tx, module_part(module_index));
}

const void *
module_who(const struct tx *tx, unsigned module_index)
{
    return tx_who(tx, module_part(module_index));
}

size_t
modules_state_size(enum life l)
{
    AN(l < LIVES);
    return state_bytes[l];
}

static void *
state_of(void *block, enum life l, unsigned module_index)
{
    AN(module_index < n_known);
    return (char *)block + state_at[l][module_index];
}

void *
module_state(const struct tx *tx, unsigned module_index)
{
    CHECK(tx, TX_MAGIC);
    return state_of(tx->module_state, LIFE_TX, module_index);
}

void *
module_conn(const struct conn *c, unsigned module_index)
{
    CHECK(c, CONN_MAGIC);
    return state_of(c->module_state, LIFE_CONN, module_index);
}

void *
module_worker(const struct worker *w, unsigned module_index)
{
    CHECK(w, WORKER_MAGIC);
    return state_of(w->module_state, LIFE_WORKER, module_index);
}

int
hooks_worker_init(struct worker *w)
{
    for (unsigned i = 0; i < n_known; i++) {
        if (known[i]->worker_init != NULL && known[i]->worker_init(w) != 0) {
            return -1;
        }
    }
    return 0;
}

void
hooks_worker_exit(struct worker *w)
{
    for (unsigned i = n_known; i-- > 0;) {
        if (known[i]->worker_exit != NULL) {
            known[i]->worker_exit(w);
        }
    }
}

/* What a hook with a verdict is asked about. */
struct subject {
    struct conn *conn;
    struct tx *tx;
    const struct target *target;
};

static enum verdict
hook_ask(enum hook h, const struct module *m, const struct subject *s)
{
    switch (h) {
    case H_FRONT_END:
        return m->on_front_end(s->conn);
    case H_ACCEPT:
        return m->on_accept(s->conn);
    case H_TARGET:
        return m->on_target(s->conn, s->target);
    case H_REQUEST:
        return m->on_request(s->tx, &s->tx->xfer.request);
    case H_UPSTREAM:
        return m->on_upstream(s->tx);
    case H_SEND:
        return m->on_send(s->tx, &s->tx->xfer.request);
    case H_RESPONSE:
        return m->on_response(s->tx, &s->tx->xfer.response);
    default:
        PANIC("this hook has no verdict");
    }
}

/* Asks the modules from *at (the one that waited) up to the n-th, until one
 * says something other than V_NEXT. */
static enum verdict
hooks_ask_some(enum hook h, const struct subject *s, unsigned *at, unsigned n)
{
    unsigned i = *at;
    enum verdict v = V_NEXT;
    AN(i <= n && n <= hook_count[h]);
    for (; i < n; i++) {
        v = hook_ask(h, hook_module(h, i), s);
        if (v != V_NEXT) {
            break;
        }
    }
    *at = v == V_WAIT ? i : 0;
    return v;
}

static enum verdict
hooks_ask(enum hook h, const struct subject *s, unsigned *at)
{
    return hooks_ask_some(h, s, at, hook_count[h]);
}

/* For hooks that may not wait: nobody would ask them again. */
static enum verdict
hooks_ask_at_once(enum hook h, struct conn *c)
{
    unsigned at = 0;
    CHECK(c, CONN_MAGIC);
    enum verdict v = hooks_ask(h, &(struct subject){ .conn = c }, &at);
    AN(v == V_NEXT || v == V_ABORT);
    return v;
}

static enum verdict
hooks_ask_tx(enum hook h, struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    return hooks_ask(h, &(struct subject){ .tx = tx }, &tx->hook_at);
}

enum verdict
hooks_front_end(struct conn *c)
{
    return hooks_ask_at_once(H_FRONT_END, c);
}

enum verdict
hooks_accept(struct conn *c)
{
    return hooks_ask_at_once(H_ACCEPT, c);
}

void
hooks_close(struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    for (unsigned i = 0; i < hook_count[H_CLOSE]; i++) {
        hook_module(H_CLOSE, i)->on_close(c);
    }
}

/* Whether a decision allows the target. A build may lack the module that asks
 * the rules: what nobody has judged must not leave. A CONNECT that is denied
 * passes here, since it sends nothing itself, and its denial may be shown
 * inside. */
static bool
was_judged(const struct target *t)
{
    const struct decision *d = t->tx != NULL ? &t->tx->decision : NULL;
    return d == NULL || d->outcome == DECIDE_ALLOW ||
           (t->kind == T_CONNECT && d->rule != 0);
}

/* Whether the tunnel that this ClientHello begins may be passed through. */
static bool
may_pass(const struct target *t)
{
    return t->kind != T_SNI || t->tx == NULL ||
           tunnel_may_pass(&t->tx->decision);
}

static bool
is_nobodys(const struct conn *c, const struct target *t)
{
    return c->sandbox == NULL ||
           (t->tx != NULL && (t->tx->sandbox == NULL || t->tx->policy == NULL));
}

/* No module has said whose the request is, so no rule can be asked. */
static enum verdict
refuse_nobodys(const struct conn *c, struct tx *tx)
{
    static const char why[] = "no module has said whose the request is";
    struct reply r = { .status = 500,
        .error = "proxy_internal_error",
        .rule = "identity",
        .detail = STR("this proxy does not know whose the request is") };
    if (tx == NULL) {
        conn_log(c, LOG_ERR, "%s", why);
        return V_ABORT;
    }
    tx->xfer.must_close = true;
    tx_fail(tx, FAULT_OWN, "%s", why);
    tx_reply(tx, &r);
    return V_REPLY;
}

/* Asks the modules that identify, and then the others. */
static enum verdict
ask_target(struct conn *c, const struct target *t, unsigned *at)
{
    struct subject s = { .conn = c, .target = t };
    if (*at < n_identify) {
        enum verdict v = hooks_ask_some(H_TARGET, &s, at, n_identify);
        if (v != V_NEXT) {
            return v;
        }
        *at = n_identify;
    }
    return is_nobodys(c, t) ? refuse_nobodys(c, t->tx)
                            : hooks_ask(H_TARGET, &s, at);
}

enum verdict
hooks_target(struct conn *c, const struct target *t, unsigned *at)
{
    CHECK(c, CONN_MAGIC);
    enum verdict v = ask_target(c, t, at);
    if (v == V_NEXT && !was_judged(t)) {
        tx_fail(t->tx, FAULT_POLICY, "no module has judged the request");
        v = V_ABORT;
    }
    return v == V_NEXT && !may_pass(t) ? tunnel_refuse(t->tx) : v;
}

enum tunnel
hooks_tunnel(const struct conn *c, const struct decision *d)
{
    enum tunnel answer = TUNNEL_NEXT;
    CHECK(c, CONN_MAGIC);
    for (unsigned i = 0; i < hook_count[H_TUNNEL] && answer == TUNNEL_NEXT;
         i++) {
        answer = hook_module(H_TUNNEL, i)->tunnel(c, d);
    }
    return answer == TUNNEL_PASS && !tunnel_may_pass(d) ? TUNNEL_REFUSE
                                                        : answer;
}

bool
hooks_identify(void)
{
    bool is_any = false;
    for (unsigned i = 0; i < modules_count; i++) {
        is_any = is_any || modules[i]->identifies;
    }
    return is_any;
}

bool
hooks_open_tunnels(void)
{
    bool is_any = false;
    for (unsigned i = 0; i < modules_count; i++) {
        is_any = is_any || modules[i]->tunnel != NULL;
    }
    return is_any;
}

enum verdict
hooks_request(struct tx *tx)
{
    return hooks_ask_tx(H_REQUEST, tx);
}

enum verdict
hooks_upstream(struct tx *tx)
{
    tx->owes_upstream_end = true;
    return hooks_ask_tx(H_UPSTREAM, tx);
}

enum verdict
hooks_send(struct tx *tx)
{
    AN(tx->owes_upstream_end);
    return hooks_ask_tx(H_SEND, tx);
}

void
hooks_upstream_end(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    for (unsigned i = 0;
         i < hook_count[H_UPSTREAM_END] && tx->owes_upstream_end; i++) {
        hook_module(H_UPSTREAM_END, i)->on_upstream_end(tx);
    }
    tx->owes_upstream_end = false;
}

enum verdict
hooks_response(struct tx *tx)
{
    return hooks_ask_tx(H_RESPONSE, tx);
}

void
hooks_interim(struct tx *tx)
{
    for (unsigned i = 0; i < hook_count[H_INTERIM]; i++) {
        hook_module(H_INTERIM, i)->on_interim(tx, &tx->xfer.response);
    }
}

void
hooks_trailers(struct tx *tx)
{
    for (unsigned i = 0; i < hook_count[H_TRAILERS]; i++) {
        hook_module(H_TRAILERS, i)->on_trailers(tx, &tx->xfer.response);
    }
}

void
hooks_log(const struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    for (unsigned i = 0; i < hook_count[H_LOG]; i++) {
        hook_module(H_LOG, i)->on_log(tx);
    }
}

void
hooks_sandbox_end(struct worker *w, uint64_t serial)
{
    CHECK(w, WORKER_MAGIC);
    for (unsigned i = 0; i < hook_count[H_SANDBOX_END]; i++) {
        hook_module(H_SANDBOX_END, i)->on_sandbox_end(w, serial);
    }
}

/* The next module, from i on, whose filter wants the body; n_known: none. */
static unsigned
next_filter(const struct tx *tx, bool is_request, unsigned i)
{
    while (i < n_known) {
        const struct filter *f =
            is_request ? known[i]->request_body : known[i]->response_body;
        if (f != NULL && f->want(tx)) {
            break;
        }
        i++;
    }
    return i;
}

static void
add_request_filters(struct tx *tx)
{
    for (unsigned i = next_filter(tx, true, 0); i < n_known;
         i = next_filter(tx, true, i + 1)) {
        pump_add(&tx->xfer.up, tx, tx->xfer.arena, known[i]->request_body);
    }
}

static bool
has_name(const struct transcoder *t, struct str name)
{
    const char *const *n = t->names;
    while (*n != NULL && !str_ieq(str_of(*n), name)) {
        n++;
    }
    return *n != NULL;
}

const struct transcoder *
hooks_transcoder(struct str name)
{
    for (unsigned i = 0; i < hook_count[H_TRANSCODER]; i++) {
        const struct transcoder *t = hook_module(H_TRANSCODER, i)->transcoders;
        for (; t->names != NULL; t++) {
            if (has_name(t, name)) {
                return t;
            }
        }
    }
    return NULL;
}

static void
add_response_filters(struct tx *tx)
{
    const struct transcoder *t = tx->transcoder;
    bool only_looks = true;
    const struct filter *found[PUMP_STAGES_MAX];
    unsigned n = 0, first = PUMP_STAGES_MAX, last = PUMP_STAGES_MAX;
    for (unsigned i = next_filter(tx, false, 0); i < n_known;
         i = next_filter(tx, false, i + 1)) {
        AN(n < LEN(found));
        found[n] = known[i]->response_body;
        if (found[n]->flags & FILTER_IDENTITY && t != NULL) {
            first = first < n ? first : n;
            last = n;
        }
        n++;
    }
    for (unsigned i = first; i < n && i <= last; i++) {
        only_looks = only_looks && found[i]->flags & FILTER_LOOKS;
    }
    for (unsigned i = 0; i < n; i++) {
        if (i == first) {
            pump_add(&tx->xfer.down, tx, tx->xfer.arena,
                only_looks ? t->look : t->decode);
        }
        pump_add(&tx->xfer.down, tx, tx->xfer.arena, found[i]);
        if (i == last) {
            pump_add(&tx->xfer.down, tx, tx->xfer.arena,
                only_looks ? t->leave : t->encode);
        }
    }
}

void
hooks_filters(struct tx *tx, bool is_request)
{
    CHECK(tx, TX_MAGIC);
    if (is_request) {
        add_request_filters(tx);
    } else {
        add_response_filters(tx);
    }
}

unsigned
hooks_wishes(const struct tx *tx)
{
    unsigned any = 0, all = FILTER_KEEPS_LENGTH | FILTER_LOOKS;
    bool is_early = tx->xfer.response.status == 0;
    for (unsigned i = 0; i < n_known; i++) {
        const struct filter *f = known[i]->response_body;
        bool can_tell =
            f != NULL && (!is_early || (f->flags & FILTER_IDENTITY));
        if (can_tell && f->want(tx)) {
            any |= f->flags;
            all &=
                f->flags & FILTER_IDENTITY ? f->flags : f->flags | FILTER_LOOKS;
        }
    }
    return (any & FILTER_IDENTITY) | all;
}

void
hooks_explain(struct explanation *e)
{
    for (unsigned i = 0; i < modules_count; i++) {
        if (modules[i]->explain != NULL) {
            modules[i]->explain(e);
        }
    }
}
