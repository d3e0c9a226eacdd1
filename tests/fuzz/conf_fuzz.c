/*
 * The lexer and the tree from memory, without includes. A tree's tokens must
 * lie in the text's lines and be terminated, and written out again, quoted,
 * it must read as the same tree.
 */

#include "conf/tree.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
token_write(struct buf *b, const struct token *t)
{
    AN(t->text.p[t->text.n] == '\0');
    AN(memchr(t->text.p, '\0', t->text.n) == NULL);
    AN(t->line > 0 && t->column > 0);
    AN(buf_addc(b, '"'));
    for (size_t i = 0; i < t->text.n; i++) {
        char c = t->text.p[i];
        if (c == '"' || c == '\\') {
            AN(buf_addc(b, '\\'));
        }
        AN(buf_addc(b, c));
    }
    AN(buf_add(b, STR("\" ")));
}

static void
tree_write(struct buf *b, const struct directive *d)
{
    for (; d != NULL; d = d->next) {
        token_write(b, &d->name);
        for (unsigned i = 0; i < d->n_args; i++) {
            token_write(b, &d->args[i]);
        }
        AN(buf_addc(b, d->is_block ? '{' : ';'));
        if (d->is_block) {
            tree_write(b, d->children);
            AN(buf_addc(b, '}'));
        }
    }
}

static void
again(const struct buf *first)
{
    char err[256];
    struct buf second;
    struct arena *a = arena_new(4096);
    struct directive *d =
        tree_parse(a, buf_str(first), "again", err, sizeof err);
    buf_init(&second, first->max);
    tree_write(&second, d);
    AN(str_eq(buf_str(first), buf_str(&second)));
    buf_fini(&second);
    arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[256];
    struct buf text;
    if (size > 8192) {
        return 0; /* escaped it must fit in a word again */
    }
    struct arena *a = arena_new(4096);
    struct directive *d =
        tree_parse(a, str_n((const char *)data, size), "fuzz", err, sizeof err);
    AN(d == NULL || err[0] == '\0');
    buf_init(&text, 1 << 20);
    tree_write(&text, d);
    if (d != NULL) {
        again(&text);
    }
    buf_fini(&text);
    arena_free(a);
    return 0;
}
