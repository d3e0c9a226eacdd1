#pragma once

/*
 * What this room's files share while a configuration is bound and checked.
 * Nothing here is for a request.
 */

#include "policy/block.h"
#include "policy/class.h"

/* lists.c */

/* Appends a directive's words to a struct str_list. */
bool set_words(struct bind *b, const struct directive *d, void *field);

/* allowed_hosts, denied_hosts: a struct host_list, compiled when its block is
 * checked. Without a word the list is empty, which is not the same as none. */
bool set_hosts(struct bind *b, const struct directive *d, void *field);

/* A set that goes with the arena. */
struct pattern_set *hosts_new(struct arena *a, enum pattern_kind kind);

/* Adds a token's pattern; false after conf_error(). Of a list that allows, a
 * pattern that takes in names of strangers is warned of. */
must_check bool hosts_add(struct bind *b, struct pattern_set *s,
    const struct token *t, bool is_allow);

/* That warning alone. */
void hosts_warn(struct bind *b, const struct token *t, struct str pattern);

/* The argument that a field's text was taken from, among those of the scope's
 * own directives: for errors that only a check can find. */
const struct token *scope_token(const struct scope *s, struct str text);

/* host.c */

/* Names of a host block, compiled, and its regex for captures. */
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

/* How many there are. */
unsigned class_count(const struct scope *egress);
