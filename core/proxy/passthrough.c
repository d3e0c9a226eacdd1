/*
 * A passthrough tunnel (`intercept off`): what is inside is passed on as it is,
 * as long as each ClientHello asks for the name that was judged. A server may
 * want a second one (RFC 8446 4.1.4) and go by its name: it is held until it is
 * whole. Called by sniff.c; splice.c carries the bytes.
 */

#include "base/clock.h"
#include "net/hello.h"
#include "net/server_hello.h"
#include "net/tls_record.h"
#include "proxy/conn.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/tx.h"
#include "proxy/upstream.h"

#define HELLOS 2

/* What the log says, and what the client is told. */
struct refusal {
    const char *why;
    enum tls_alert alert;
};

/* What the filters of both ways share. */
struct passthrough {
    struct conn *conn;
    struct server_hello answer;
    unsigned hellos; /* of the client, that were passed on */
    size_t skip;     /* bytes of a record that need not be looked at */
    bool is_over;    /* no other hello can follow */
    const struct refusal *refusal; /* the client's bytes may not pass */
};

/* A passthrough tunnel is for the name that was judged, and shows it. A name
 * inside an encrypted ClientHello is what such a tunnel hides anyway; browsers
 * send one with every hello, be it greased (SPEC 6). */
static const struct refusal *
hello_refusal(
    const struct conn *c, const struct hello *h, const struct authority *au)
{
    static const struct refusal none = { "no SNI", ALERT_MISSING_EXTENSION },
                                other = { "an SNI of another host",
                                    ALERT_UNRECOGNIZED_NAME },
                                ech = { "an encrypted ClientHello with an SNI "
                                        "of another host",
                                    ALERT_UNRECOGNIZED_NAME };
    if (h->sni_len == 0 || au->kind != HOST_NAME) {
        return &none;
    }
    if (authority_eq(au, &c->target)) {
        return NULL;
    }
    finding(c, FINDING_SNI, au->host, "sni");
    return h->has_ech ? &ech : &other;
}

static void
on_init(void *owner, void *state)
{
    const struct tx *tx = owner;
    *(struct passthrough **)state = tx->passthrough;
}

static const char *
on_why(const void *state)
{
    const struct passthrough *b = *(struct passthrough *const *)state;
    return b->refusal != NULL ? b->refusal->why : NULL;
}

/* Passes on what is no handshake's: early data, change_cipher_spec. True where
 * a handshake's record begins. */
static bool
pass_records(struct passthrough *b, struct bufq *in, struct bufq *out)
{
    for (;;) {
        uint8_t head[TLS_RECORD_HEAD];
        b->skip -= bufq_move(out, in, b->skip);
        if (b->skip != 0 ||
            bufq_copy(in, (char *)head, sizeof head) < sizeof head) {
            return false;
        }
        size_t size = tls_record_size(head);
        if (head[0] == TLS_RECORD_HANDSHAKE && size != 0) {
            return true;
        }
        b->skip = sizeof head + size;
    }
}

static const struct refusal *
hello_again_refusal(struct conn *c, const struct hello *h)
{
    static const struct refusal malformed = { "a malformed SNI",
        ALERT_UNRECOGNIZED_NAME };
    struct authority au;
    return conn_read_sni(c, h, &au) ? hello_refusal(c, h, &au) : &malformed;
}

/* Until its handshake goes on, hellos are all that a client has to say in
 * handshake records. */
static enum hello_result
judge_hello(struct passthrough *b, struct bufq *in)
{
    static const struct refusal malformed = { "a malformed second ClientHello",
        ALERT_DECODE_ERROR };
    char bytes[HELLO_BYTES_MAX];
    struct hello h;
    enum hello_result r =
        hello_parse(str_n(bytes, bufq_copy(in, bytes, sizeof bytes)), &h);
    if (r != HELLO_OK) {
        b->refusal = &malformed;
        return r;
    }
    b->refusal = hello_again_refusal(b->conn, &h);
    b->skip = h.size;
    b->is_over = ++b->hellos == HELLOS;
    return b->refusal == NULL ? HELLO_OK : HELLO_BAD;
}

static enum flow
pass_rest(struct bufq *in, struct bufq *out, enum need need)
{
    bufq_move(out, in, SIZE_MAX);
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

static enum flow
on_client_bytes(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct passthrough *b = *(struct passthrough **)state;
    while (!b->is_over && pass_records(b, in, out)) {
        enum hello_result r = judge_hello(b, in);
        if (r == HELLO_MORE && need != END) {
            return F_NEED;
        }
        if (r != HELLO_OK) {
            return F_ERROR;
        }
    }
    if (b->is_over || need == END) { /* too little is left for a hello */
        return pass_rest(in, out, need);
    }
    return bufq_is_full(out) ? F_FULL : F_NEED;
}

/* Read before it is passed on, so what the client says to it comes later. */
static enum flow
on_server_bytes(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct passthrough *b = *(struct passthrough **)state;
    while (b->answer.answer == SERVER_UNKNOWN && !bufq_is_empty(in) &&
           !bufq_is_full(out)) {
        struct str bytes = bufq_peek_for(in, out);
        enum server_answer answer = server_hello_read(&b->answer, bytes);
        b->is_over = b->is_over || answer == SERVER_HELLO;
        size_t n = bufq_move(out, in, bytes.n);
        AN(n == bytes.n);
    }
    return pass_rest(in, out, need);
}

static const struct filter client_filter = { .name = "passthrough",
    .state_size = sizeof(struct passthrough *),
    .init = on_init,
    .run = on_client_bytes,
    .why = on_why };

static const struct filter server_filter = { .name = "passthrough",
    .state_size = sizeof(struct passthrough *),
    .init = on_init,
    .run = on_server_bytes };

static struct tx *
passthrough_tx(struct conn *c)
{
    struct tx *tx = tx_new(c);
    tx->is_passthrough = true;
    tx->xfer.must_close = true;
    tx->xfer.request.method = STR("CONNECT");
    tx->xfer.request.method_id = METHOD_CONNECT;
    tx->authority = c->target;
    tx->path = STR("");
    tx->t_request = clock_mono();
    tx->xfer.is_head_ready = true; /* the CONNECT was answered */
    tx->xfer.response.status = 200;
    tx->xfer.task.step = &tx_step_passthrough;
    tx->passthrough = arena_calloc(tx->xfer.arena, sizeof *tx->passthrough);
    tx->passthrough->conn = c;
    pump_add(&tx->xfer.up, tx, tx->xfer.arena, &client_filter);
    pump_add(&tx->xfer.down, tx, tx->xfer.arena, &server_filter);
    return tx;
}

/* Whether the tunnel may be; the answer of a hook that says no is not sent, but
 * logged. */
static bool
is_allowed(
    struct conn *c, struct tx *tx, const struct hello *h, struct target *target)
{
    const struct refusal *r = hello_refusal(c, h, &target->authority);
    if (r == NULL) {
        return hooks_target(c, target, &tx->hook_at) == V_NEXT;
    }
    tx->passthrough->refusal = r;
    tx->xfer.response.status = 421;
    tx_fail(tx, FAULT_POLICY, "%s in a passthrough tunnel", r->why);
    return false;
}

static const struct step *
run_passthrough(struct task *t)
{
    struct conn *c = conn_of(t);
    const struct step *next;
    struct hello h;
    struct target target = { .kind = T_SNI };
    if (!conn_read_hello(c, &h, &target.authority, &next)) {
        return next;
    }
    c->tx = target.tx = passthrough_tx(c);
    if (!is_allowed(c, c->tx, &h, &target)) {
        c->tx->client = TX_CLIENT_DONE; /* an alert is not the tx's */
        c->tx->xfer.task.step = &tx_step_done;
    }
    task_wake(&c->tx->xfer.task);
    return &conn_step_splice;
}

static enum tls_alert
alert_of(const struct tx *tx)
{
    return tx->passthrough->refusal != NULL  ? tx->passthrough->refusal->alert
           : tx->xfer.response.status == 403 ? ALERT_ACCESS_DENIED
                                             : ALERT_INTERNAL_ERROR;
}

/* A client that was refused, or for whom no origin could be reached, still
 * waits for its ServerHello. */
const struct step *
passthrough_end(struct conn *c)
{
    struct tx *tx = c->tx;
    bool is_waiting =
        tx->xfer.response.status != 200 && tx->client != TX_CLIENT_GONE;
    enum tls_alert alert = alert_of(tx);
    c->tx = NULL;
    tx_free(tx);
    return is_waiting ? conn_alert(c, alert) : &task_end;
}

const struct step conn_step_passthrough = { "conn: passthrough",
    run_passthrough };
