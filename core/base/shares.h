#pragma once

/*
 * Who holds how much of what many share and what is bounded: the entries of a
 * cache by sandbox, silent connections by where they come from. When one has
 * to go it is the largest holder's that was used longest ago, so that one who
 * takes much pushes out its own. All in constant time, but for the search
 * where some may not go.
 */

#include "base/list.h"
#include "base/str.h"

struct shares;
struct holder;

/* What the shared thing embeds; zeroed, it is nobody's. */
struct share {
    struct list node;      /* of its holder's; used longest ago first */
    struct holder *holder; /* NULL: nobody's */
};

struct shares *shares_new(void);
void shares_free(struct shares *s); /* nothing is held any more */

/* It is the holder's of that name (1 to SHARE_KEY_MAX bytes, copied) from here
 * on, as the most recently used; another's or its own before. */
#define SHARE_KEY_MAX 32
void shares_give(struct shares *s, struct share *e, struct str holder);

/* It was used. */
void shares_touch(struct share *e);

/* It is nobody's; may be called twice. */
void shares_drop(struct shares *s, struct share *e);

/* How many its holder has, this one included; 0: it is nobody's. */
unsigned shares_count(const struct share *e);

/* Of all holders together. */
unsigned shares_total(const struct shares *s);

/* The one of that holder's that was used longest ago; NULL: it has none. */
struct share *shares_of(const struct shares *s, struct str holder);

/* The largest holder's that was used longest ago, of holders with the same
 * number that of the one that has had so many for longest. `may_go` (NULL: all
 * may) says no to some: then the next one. NULL: there is none. */
struct share *shares_oldest(
    const struct shares *s, bool (*may_go)(const struct share *e));
