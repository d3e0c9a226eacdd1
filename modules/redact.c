/*
 * Takes out of a response what the origin echoes of a secret that the sandbox's
 * requests to it may carry (SPEC 7), in every form that redact/scan.h finds:
 * heads, body, trailers; and says so in the log. Against accidents: what an
 * origin splits or transforms in its own way passes.
 *
 * What is looked for are the values that there were when the request left, and
 * the newest: a body may come for hours. They are held in the store's locked
 * memory; what scan_set.h keeps of them beside it is wiped with them.
 */

#include "module.h"

extern const unsigned redact_module_index;

/* Bytes that are not worth a TLS record of their own when more come at once. */
#define SMALL_REST 1024

/* Bodies of text, or all. */
enum mode { REDACT_OFF, REDACT_TEXT, REDACT_ON };

static const char *const modes[] = { "off", "text", "on" };

struct redact {
    enum mode mode;
    double hold; /* seconds */
};

/* What became of a response's body, for $redact. */
enum outcome { NOT_LOOKED_AT, PASSED, UNREAD, LOOKED_AT };

static const char *const outcomes[] = { "-", "passed", "unread", "clean" };

/* What the log says of a secret in a response. */
static const struct {
    const char *how, *then;
} tellings[] = {
    [FINDING_SECRET_ECHOED] = { "was", "and is taken out" },
    [FINDING_SECRET_PROBED] = { "was in part",
        "and is left there: it may be guessed" },
};

/* A secret that this exchange's log has named. */
struct told {
    enum finding_kind kind;
    const struct secret_spec *secret;
    struct told *next;
};

struct state {
    const struct secret_spec **secrets; /* whose echo is looked for */
    unsigned n;
    unsigned changes;       /* of the store, when `now` was made */
    struct scan_set *first; /* the values when the request left, and ... */
    struct scan_set *now;   /* ... with the newest behind them; NULL: none */
    struct told *told;
    enum mode mode;
    enum outcome outcome;
};

/* The work on one head. */
struct work {
    struct tx *tx;
    struct redact_scan scan;
    const char *where;
    struct str *text; /* the value that is looked through, and ... */
    char *copy;       /* NULL: nothing was found in it yet */
};

/* Offsets in a body: bytes to be masked. */
struct range {
    uint64_t from, to;
};

/* The body's filter. */
struct body {
    struct tx *tx;
    struct scan_set *set; /* what is looked for */
    struct redact_scan scan;
    struct bufq kept;    /* looked through, and not given on */
    struct hold hold;    /* ... while it may begin a secret */
    struct range *found; /* by this run, and not masked yet */
    unsigned n_found;
    enum need need; /* of the last run */
    bool is_sent;   /* what it gives is what leaves, not compressed */
    bool has_masked;
    uint64_t given;
};

static void
end_state(void *arg)
{
    struct state *st = arg;
    scan_set_put(st->first);
    scan_set_put(st->now);
}

/* Where a secret has changed since, with its newest value. */
static struct state *
current_state(struct tx *tx)
{
    struct secret_store *store = tx->conn->worker->secrets;
    struct state *st = module_state(tx, redact_module_index);
    if (st->now != NULL && st->changes != secret_changes(store)) {
        scan_set_put(st->now);
        st->now =
            scan_set_get(store, st->first, st->secrets, st->n, tx->sandbox->id);
        st->changes = secret_changes(store);
    }
    return st;
}

/* Whether this response is looked through: not a plain one, on whose connection
 * no secret may go. Before the origin was dialled: whether it may be. */
static bool
is_looked_through(const struct tx *tx)
{
    const struct state *st = module_state(tx, redact_module_index);
    const struct addr *peer = tx->t_connected != 0 ? &tx->peer_addr : NULL;
    return st->now != NULL && st->now->n != 0 &&
           route_is_safe(&tx->route, peer);
}

static bool
was_told(
    const struct state *st, enum finding_kind kind, const struct secret_spec *d)
{
    const struct told *t = st->told;
    while (t != NULL && (t->secret != d || t->kind != kind)) {
        t = t->next;
    }
    return t != NULL;
}

/* Once for each secret, however often a response has it. */
static void
tell(struct tx *tx, enum finding_kind kind, unsigned i, const char *where)
{
    struct state *st = module_state(tx, redact_module_index);
    AN(i < st->now->n);
    const struct secret_spec *d = st->now->secrets[i];
    if (was_told(st, kind, d)) {
        return;
    }
    struct told *t = arena_alloc(tx->xfer.arena, sizeof *t);
    *t = (struct told){ kind, d, st->told };
    st->told = t;
    conn_log(tx->conn, LOG_WARN,
        "%s: secret \"%.*s\" %s in the response's %s %s, host: \"%.*s\"",
        finding_name(kind), STR_ARG(d->name), tellings[kind].how, where,
        tellings[kind].then, STR_ARG(tx->authority.host));
    finding(tx->conn, kind, tx->authority.host, "redact");
}

/* The finding for what the scan reports. */
static enum finding_kind
finding_of(enum redact_event event)
{
    return event == REDACT_FOUND ? FINDING_SECRET_ECHOED
                                 : FINDING_SECRET_PROBED;
}

static void
on_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    struct work *w = arg;
    tell(w->tx, finding_of(event), secret, w->where);
    if (event != REDACT_FOUND) {
        return;
    }
    if (w->copy == NULL) {
        struct str copy = arena_dup(w->tx->xfer.arena, *w->text);
        w->copy = (char *)copy.p;
        *w->text = copy;
    }
    memset(w->copy + from, '*', (size_t)(to - from));
}

static void
mask(struct work *w, struct str *text)
{
    struct str bytes = *text;
    if (text->n < w->scan.keys->shortest) {
        return;
    }
    w->text = text;
    w->copy = NULL;
    redact_scan_text(&w->scan, bytes, on_report, w);
}

/* A length has too few digits to be worth looking for, and stays a number. In
 * a name asterisks are as good as letters (RFC 9110 5.6.2). */
static void
mask_fields(struct work *w, struct field *fields, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fields[i].id == FIELD_OTHER) {
            mask(w, &fields[i].name);
        }
        mask(w, &fields[i].value);
    }
}

static void
redact(struct tx *tx, struct head *h, bool is_trailers, const char *where)
{
    struct state *st = current_state(tx);
    struct work w = { .tx = tx, .where = where };
    if (!is_looked_through(tx)) {
        return;
    }
    redact_scan_init(&w.scan, &st->now->keys);
    if (is_trailers) {
        mask_fields(&w, h->trailers, h->n_trailers);
    } else {
        mask_fields(&w, h->fields, h->n);
        mask(&w, &h->reason);
    }
    redact_scan_fini(&w.scan);
}

/* Those that this sandbox's requests to the host may carry, by the block that
 * serves them; not all that are bound to it (SPEC 7). */
static void
list_secrets(struct tx *tx, struct state *st)
{
    const struct addr *literal =
        tx->authority.kind == HOST_NAME ? NULL : &tx->authority.ip;
    struct policy_secret_walk w;
    unsigned room = 0;
    policy_secret_walk_init(
        &w, tx->decision.block, tx->authority.host, literal);
    const struct policy_secret *d = policy_secret_walk_next(&w);
    for (; d != NULL; d = policy_secret_walk_next(&w)) {
        if (st->n == room) {
            const struct secret_spec **before = st->secrets;
            room = room != 0 ? room * 2 : 4;
            st->secrets =
                arena_alloc(tx->xfer.arena, room * sizeof *st->secrets);
            for (unsigned i = 0; i < st->n; i++) {
                st->secrets[i] = before[i];
            }
        }
        st->secrets[st->n++] = &d->spec;
    }
}

/* Behind credential and substitute, in the step in which they read what they
 * send: what is held is that. */
static enum verdict
on_request(struct tx *tx, struct head *h)
{
    const struct redact *rc = module_where(tx, redact_module_index);
    struct state *st = module_state(tx, redact_module_index);
    (void)h;
    AZ(st->now);
    st->mode = rc->mode;
    if (st->mode != REDACT_OFF &&
        (tx->needs_tls || route_is_safe(&tx->route, NULL))) {
        list_secrets(tx, st);
    }
    if (st->n == 0) {
        return V_NEXT;
    }
    struct secret_store *store = tx->conn->worker->secrets;
    st->first = scan_set_get(store, NULL, st->secrets, st->n, tx->sandbox->id);
    st->now = scan_set_ref(st->first);
    st->changes = secret_changes(store);
    arena_on_free(tx->xfer.arena, end_state, st);
    tx->needs_whole = st->mode == REDACT_ON && st->now->n != 0;
    return V_NEXT;
}

static enum outcome
judge_body(const struct tx *tx, const struct head *h)
{
    const struct state *st = module_state(tx, redact_module_index);
    const struct transcoder *coding;
    bool is_read = coding_of(h, &coding);
    if (st->mode == REDACT_ON) {
        return LOOKED_AT; /* what cannot be read is refused */
    }
    if (!media_is_text(h)) {
        return PASSED;
    }
    bool is_unread = !is_read || (h->status == 206 && coding != NULL);
    return is_unread ? UNREAD : LOOKED_AT;
}

static enum verdict
on_response(struct tx *tx, struct head *h)
{
    struct state *st = current_state(tx);
    if (!is_looked_through(tx)) {
        return V_NEXT;
    }
    st->outcome = judge_body(tx, h); /* by the head as it came */
    if (st->outcome == UNREAD) {
        /* not its name, which is the origin's and may be anything */
        conn_log(tx->conn, LOG_INFO,
            "a body in a content coding that cannot be read is looked through "
            "as it comes, host: \"%.*s\"",
            STR_ARG(tx->authority.host));
    }
    redact(tx, h, false, "head");
    return V_NEXT;
}

static void
on_interim(struct tx *tx, struct head *h)
{
    redact(tx, h, false, "interim head");
}

static void
on_trailers(struct tx *tx, struct head *h)
{
    redact(tx, h, true, "trailers");
}

static bool
body_want(const void *owner)
{
    const struct tx *tx = owner;
    const struct state *st = module_state(tx, redact_module_index);
    return tx->t_connected == 0 ? is_looked_through(tx) : st->outcome >= UNREAD;
}

static void
body_init(void *owner, void *state)
{
    struct tx *tx = owner;
    struct body *b = state;
    b->tx = tx;
    b->set = scan_set_ref(current_state(tx)->now);
    b->is_sent = tx->transcoder == NULL;
    redact_scan_init(&b->scan, &b->set->keys);
    bufq_init(&b->kept, SIZE_MAX); /* what one call takes, and a tail */
    const struct redact *rc = module_where(tx, redact_module_index);
    hold_init(&b->hold, rc->hold);
}

/* A secret has changed: what began of the first values goes on. */
static void
body_change(struct body *b, const struct state *st)
{
    struct scan_set *before = b->set;
    b->set = scan_set_ref(st->now);
    redact_scan_change(&b->scan, &b->set->keys, st->first->n);
    scan_set_put(before);
}

static void
body_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    struct body *b = arg;
    tell(b->tx, finding_of(event), secret, "body");
    if (event != REDACT_FOUND) {
        return;
    }
    struct range *last = b->n_found != 0 ? &b->found[b->n_found - 1] : NULL;
    if (last != NULL && from <= last->to && to >= last->from) {
        last->from = from < last->from ? from : last->from;
        last->to = to > last->to ? to : last->to;
        return;
    }
    b->found = xgrow(b->found, b->n_found, sizeof *b->found);
    b->found[b->n_found++] = (struct range){ from, to };
}

/* Not while the text is looked through: what is found may overlap, and would
 * not be found in asterisks. */
static void
body_mask(struct body *b)
{
    for (unsigned i = 0; i < b->n_found; i++) {
        struct range r = b->found[i];
        if (r.from < b->given) {
            r.from = b->given; /* it was held for so long that it went */
        }
        if (r.to > r.from) {
            bufq_fill(&b->kept, (size_t)(r.from - b->given),
                (size_t)(r.to - r.from), '*');
            b->has_masked = true;
        }
    }
    b->n_found = 0;
}

static void
body_take(struct body *b, struct bufq *in, bool is_end)
{
    size_t at = b->kept.len, n = bufq_move(&b->kept, in, SIZE_MAX);
    struct str run = STR("");
    for (; at < b->kept.len; at += run.n) {
        redact_scan_feed(&b->scan, run, body_report, b);
        run = bufq_peek_at(&b->kept, at);
    }
    if (is_end) {
        redact_scan_last(&b->scan, run, body_report, b);
    } else {
        redact_scan_feed(&b->scan, run, body_report, b);
    }
    AN(b->scan.offset == b->given + b->kept.len);
    body_mask(b);
    hold_feed(&b->hold, clock_mono(), n, redact_scan_open(&b->scan));
}

/* Each record's bytes by themselves, so that they are written from where they
 * lie. */
static bool
body_move(struct body *b, struct bufq *out, size_t n)
{
    size_t moved = 1;
    for (; n != 0 && moved != 0; n -= moved) {
        size_t record = bufq_peek(&b->kept).n;
        record = record < CHUNK_SIZE ? record : CHUNK_SIZE;
        moved = bufq_move(out, &b->kept, record < n ? record : n);
        b->given += moved;
    }
    return n == 0;
}

/* What is decided; at the end, all. False: there is no room for it. */
static bool
body_give(struct body *b, struct bufq *out, enum need need)
{
    if (hold_is_over(&b->hold)) {
        redact_scan_release(&b->scan);
    }
    size_t held = need == END ? 0 : redact_scan_held(&b->scan);
    size_t n = b->kept.len > held ? b->kept.len - held : 0;
    size_t rest = n % CHUNK_SIZE;
    n -= b->is_sent && need == MORE && rest < SMALL_REST ? rest : 0;
    return body_move(b, out, n);
}

static enum flow
body_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct body *b = state;
    struct state *st = current_state(b->tx);
    if (b->set != st->now) {
        body_change(b, st);
    }
    b->need = need;
    if (b->kept.len != 0 && !body_give(b, out, MORE)) {
        return F_FULL; /* before more is taken, so that it stays bounded */
    }
    body_take(b, in, need == END);
    if (!body_give(b, out, need)) {
        return F_FULL;
    }
    if (need == END && b->has_masked) {
        head_remove_digests(&b->tx->xfer.response); /* of its trailers; its
                                                  fields have been sent */
    }
    return need == END ? F_DONE : F_NEED;
}

static double
body_wait(void *state)
{
    struct body *b = state;
    double now = clock_mono(), until = hold_wait(&b->hold, now);
    if (b->is_sent && b->need == MORE) {
        return now; /* the source had none after all */
    }
    return b->kept.len != 0 ? until : TASK_NEVER;
}

static void
body_fini(void *state)
{
    struct body *b = state;
    redact_scan_fini(&b->scan);
    scan_set_put(b->set);
    bufq_fini(&b->kept);
    xfree(b->found);
}

static const struct filter body_filter = { .name = "redact",
    .state_size = sizeof(struct body),
    .flags = FILTER_IDENTITY | FILTER_KEEPS_LENGTH | FILTER_LOOKS,
    .want = body_want,
    .init = body_init,
    .run = body_run,
    .fini = body_fini,
    .wait = body_wait };

static bool
is_on_in(const struct scope *s)
{
    const struct redact *rc = scope_part(s, module_part(redact_module_index));
    return rc->mode != REDACT_OFF;
}

static bool
set_mode(struct bind *b, const struct directive *d, void *field)
{
    for (unsigned i = 0; i < LEN(modes); i++) {
        if (str_eq(d->args[0].text, str_of(modes[i]))) {
            *(enum mode *)field = (enum mode)i;
            return true;
        }
    }
    return conf_error(b, &d->args[0],
        "invalid value \"%.*s\" in \"redact\" directive, it must be \"off\", "
        "\"text\" or \"on\"",
        STR_ARG(d->args[0].text));
}

static bool
has_masked(const struct state *st)
{
    const struct told *t = st->told;
    while (t != NULL && t->kind != FINDING_SECRET_ECHOED) {
        t = t->next;
    }
    return t != NULL;
}

/* "masked" where a secret was found, be it in the head. */
static bool
var_redact(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct state *st = module_state(ctx, redact_module_index);
    (void)a, (void)name, (void)arg;
    *out = has_masked(st) ? STR("masked") : str_of(outcomes[st->outcome]);
    return true;
}

static const struct var_def vars[] = {
    { .name = "redact", .get = var_redact },
    { 0 },
};

static int
check(struct conf *c, struct scope *s, void *part)
{
    (void)part;
    if (s->context == CONF_EGRESS) {
        policy_secret_look_for(c, is_on_in);
    }
    return 0;
}

static const struct cmd cmds[] = {
    CMD("redact", CONF_WHERE, 1, 1, struct redact, mode, enum mode, set_mode),
    CMD_SECONDS("redact_hold", CONF_WHERE, struct redact, hold),
    { 0 },
};

static const struct redact defaults = { .mode = REDACT_TEXT, .hold = 0.1 };

const struct module redact_module = {
    .conf = { .name = "redact",
        .cmds = cmds,
        .vars = vars,
        .defaults = &defaults,
        .size = sizeof(struct redact),
        .check = check },
    .tx_size = sizeof(struct state),
    .on_request = on_request,
    .on_response = on_response,
    .on_interim = on_interim,
    .on_trailers = on_trailers,
    .response_body = &body_filter,
};
