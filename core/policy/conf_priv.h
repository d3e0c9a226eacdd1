#pragma once

/*
 * What the files of this room share while a configuration is bound and checked.
 * No request comes here.
 */

#include "policy/block.h"
#include "policy/class.h"

/* lists.c */

/* Appends the directive's arguments to a struct str_list. */
bool set_words(struct bind *b, const struct directive *d, void *field);

/* For allowed_hosts and denied_hosts: fills a struct host_list, which is
 * compiled when its block is checked. A directive without arguments is an empty
 * list, which is not the same as no list. */
bool set_hosts(struct bind *b, const struct directive *d, void *field);

/* A set that is freed with the arena. */
struct pattern_set *hosts_new(struct arena *a, enum pattern_kind kind);

/* Adds a token's pattern; false after conf_error(). With `is_allow` it warns of
 * a pattern that matches names of strangers (stranger.h). */
must_check bool hosts_add(struct bind *b, struct pattern_set *s,
    const struct token *t, bool is_allow);

/* That warning alone. */
void hosts_warn(struct bind *b, const struct token *t, struct str pattern);

/* The argument, among those of the scope's own directives, of which `text` is
 * the text (the same memory). Gives a place to errors that only a check finds.
 */
const struct token *scope_token(const struct scope *s, struct str text);

/* host.c */

/* Reads and compiles the names of a host block, and its regex for captures. */
must_check bool host_read(
    struct bind *b, const struct directive *d, struct block *h);

/* Adds a host block's names to the set of its scope; -1 after conf_fail() when
 * another block has one of them. */
must_check int host_add(
    struct conf *c, struct pattern_set *s, const struct block *h);

/* access.c */

bool set_access(struct bind *b, const struct directive *d, void *field);
void access_compile(struct conf *c, struct block_conf *bc);

/* location.c */

must_check bool location_read(
    struct bind *b, const struct directive *d, struct block *l);
must_check int location_index_build(struct conf *c, struct block *b);

/* class.c */

/* How many classes there are. */
unsigned class_count(const struct scope *egress);
