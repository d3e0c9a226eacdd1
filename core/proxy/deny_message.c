/*
 * See deny_message.h. Rendered when an answer is made, at which time a request
 * may bear a credential already: so of variables it has only those that tell
 * the sandbox what it said itself.
 */

#include "proxy/deny_message.h"

#include "base/json.h"
#include "conf/value.h"
#include "policy/block.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"

/* C0, DEL, and C1 as UTF-8 writes it. */
static bool
is_control(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    return c < 0x20 || c == 0x7f ||
           (c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] < 0xa0);
}

static bool
has_control(struct str s)
{
    while (s.n != 0 && !is_control(s)) {
        s = str_skip(s, 1);
    }
    return s.n != 0;
}

static bool
check_vars(struct bind *b, const struct token *t, const struct value *v)
{
    const struct var_def *def;
    struct str name;
    void *arg;
    for (unsigned i = 0; value_var(v, i, &def, &name, &arg); i++) {
        if (!(def->flags & VAR_PUBLIC)) {
            const char *prefix = def->flags & VAR_PREFIX ? def->name : "";
            return conf_error(b, t,
                "\"$%s%.*s\" may not stand in \"deny_message\": a sandbox must "
                "not be told it",
                prefix, STR_ARG(name));
        }
    }
    return true;
}

bool
deny_message_set(struct bind *b, const struct directive *d, void *field)
{
    struct value **v = field;
    const struct token *t = &d->args[0];
    if (t->text.n > DENY_MESSAGE_MAX || has_control(t->text)) {
        return conf_error(b, t,
            "\"deny_message\" must be one line of %u bytes at most",
            DENY_MESSAGE_MAX);
    }
    *v = value_compile(b, t, false);
    return *v != NULL && check_vars(b, t, *v);
}

/* What a block has inherited is its surroundings', and there the sandbox's own
 * is nearer. */
static const struct value *
nearest(const struct tx *tx)
{
    const struct scope *where =
        tx->decision.where != NULL ? tx->decision.where : tx->where;
    const struct block *b = block_outermost(where);
    const struct proxy_conf *who = tx_who(tx, PART_PROXY);
    if (b == NULL) {
        return who->deny_message;
    }
    const struct proxy_conf *own = scope_part(where, PART_PROXY);
    const struct proxy_conf *around = scope_part(b->scope->parent, PART_PROXY);
    return own->deny_message != around->deny_message ? own->deny_message
                                                     : who->deny_message;
}

static struct str
as_text(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, DENY_MESSAGE_MAX);
    size_t n = 0;
    while (s.n != 0) {
        size_t size = utf8_length(s);
        bool is_text = size != 0 && !is_control(s);
        size = size != 0 ? size : 1;
        if (n + size > DENY_MESSAGE_MAX) {
            break;
        }
        memcpy(out + n, is_text ? s.p : "?", is_text ? size : 1);
        n += is_text ? size : 1;
        s = str_skip(s, size);
    }
    return str_n(out, n);
}

struct str
deny_message(struct tx *tx)
{
    CHECK(tx, TX_MAGIC);
    const struct value *v = nearest(tx);
    struct str s;
    if (v == NULL || !value_eval(v, tx, tx->xfer.arena, &s)) {
        return STR_NONE;
    }
    return as_text(tx->xfer.arena, s);
}
