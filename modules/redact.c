/*
 * Takes out of a response's head and trailers what the origin echoes of a
 * secret that is bound to it (SPEC 7), in every form that echo.h finds, and
 * says so in the log. Against accidents: what an origin splits or transforms
 * in its own way passes. Bodies pass as they are in this version.
 *
 * It reads the values in the store's locked memory and keeps nothing of them.
 */

#include "module.h"

extern const unsigned redact_module_index;

struct redact {
    bool is_on;
};

/* A secret that this exchange's log has named. */
struct told {
    const struct secret_def *secret;
    struct told *next;
};

struct state {
    struct told *told;
};

/* One value's work. */
struct mask {
    struct arena *arena;
    struct str *text;
    char *copy; /* NULL: nothing was found yet */
};

/* One secret's work on one head. */
struct work {
    struct arena *arena;
    struct echo echo;
    bool has_found;
};

static void
on_found(void *arg, uint64_t from, uint64_t to)
{
    struct mask *m = arg;
    if (m->copy == NULL) {
        struct str copy = arena_dup(m->arena, *m->text);
        m->copy = (char *)copy.p;
        *m->text = copy;
    }
    memset(m->copy + from, '*', (size_t)(to - from));
}

static void
mask(struct work *w, struct str *text)
{
    struct mask m = { w->arena, text, NULL };
    struct str bytes = *text;
    if (text->n < w->echo.secret.n) {
        return; /* no form is shorter */
    }
    echo_reset(&w->echo);
    echo_feed(&w->echo, bytes, on_found, &m);
    if (w->echo.has_missed) {
        on_found(&m, 0, bytes.n);
    }
    w->has_found = w->has_found || m.copy != NULL;
}

/* A length means the framing, and stays a number. */
static void
mask_fields(struct work *w, struct field *fields, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fields[i].id != FIELD_CONTENT_LENGTH) {
            mask(w, &fields[i].value);
        }
    }
}

static bool
was_told(const struct state *st, const struct secret_def *d)
{
    const struct told *t = st->told;
    while (t != NULL && t->secret != d) {
        t = t->next;
    }
    return t != NULL;
}

/* Once for each secret, however often a response has it. */
static void
tell(struct tx *tx, const struct secret_def *d, const char *where)
{
    struct state *st = module_state(tx, redact_module_index);
    if (was_told(st, d)) {
        return;
    }
    struct told *t = arena_alloc(tx->arena, sizeof *t);
    *t = (struct told){ d, st->told };
    st->told = t;
    conn_log(tx->conn, LOG_WARN,
        "secret_echoed: secret \"%.*s\" was in the response's %s and is "
        "taken out, host: \"%.*s\"",
        STR_ARG(d->name), where, STR_ARG(tx->authority.host));
}

/* A class's own secrets are for its sandboxes. */
static bool
is_own(const struct tx *tx, const struct secret_def *d)
{
    const struct scope *s = tx->sandbox->class->scope;
    while (s != NULL && s != d->scope) {
        s = s->parent;
    }
    return s != NULL;
}

/* Masks one secret in one head. */
static bool
has_echo(struct tx *tx, struct head *h, bool is_trailers, struct str value)
{
    struct work w;
    w.arena = tx->arena;
    w.has_found = false;
    echo_init(&w.echo, value);
    if (is_trailers) {
        mask_fields(&w, h->trailers, h->n_trailers);
    } else {
        mask_fields(&w, h->fields, h->n);
        mask(&w, &h->reason);
    }
    echo_fini(&w.echo);
    return w.has_found;
}

static void
redact(struct tx *tx, struct head *h, bool is_trailers, const char *where)
{
    const struct redact *rc = module_where(tx, redact_module_index);
    const struct worker *w = tx->conn->worker;
    const struct addr *literal =
        tx->authority.kind == HOST_NAME ? NULL : &tx->authority.ip;
    if (!rc->is_on) {
        return;
    }
    const struct secret_def *d =
        secret_next_bound(w->conf, NULL, tx->authority.host, literal);
    for (; d != NULL;
         d = secret_next_bound(w->conf, d, tx->authority.host, literal)) {
        struct str value = is_own(tx, d)
                               ? secret_get(w->secrets, d->index, tx->sandbox)
                               : STR_NONE;
        if (value.n >= ECHO_MIN && has_echo(tx, h, is_trailers, value)) {
            tell(tx, d, where);
        }
    }
}

static enum verdict
on_response(struct tx *tx, struct head *h)
{
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
is_on_in(const struct scope *s)
{
    const struct redact *rc = scope_part(s, module_part(redact_module_index));
    return rc->is_on;
}

_Static_assert(ECHO_MIN == 12, "too_short says 12");

static const char too_short[] =
    "is shorter than 12 bytes, which needs \"redact off\" where it is used";

static int
check(struct conf *c, struct scope *s, void *part)
{
    (void)part;
    if (s->context == CONF_EGRESS) {
        secret_require(c, ECHO_MIN, too_short, is_on_in);
    }
    return 0;
}

static const struct cmd cmds[] = {
    CMD_FLAG("redact", CONF_WHERE, struct redact, is_on),
    { 0 },
};

static const struct redact defaults = { .is_on = true };

const struct module redact_module = {
    .conf = { .name = "redact",
        .cmds = cmds,
        .defaults = &defaults,
        .size = sizeof(struct redact),
        .check = check },
    .tx_size = sizeof(struct state),
    .on_response = on_response,
    .on_interim = on_interim,
    .on_trailers = on_trailers,
};
