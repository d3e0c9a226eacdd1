#pragma once

/*
 * Who holds how much of a limited thing that many share: the entries of a cache
 * by sandbox, silent connections by address. When there are too many, the
 * holder with the most loses the share that was used longest ago: so who takes
 * much pushes out its own. Everything takes constant time, except the search
 * when some may not go.
 */

#include "base/list.h"
#include "base/str.h"

struct shares;
struct holder;

/* Embedded by what is shared; zeroed, it has no holder. */
struct share {
    struct list node; /* in the list of its holder, which begins with the one
                         that was used longest ago */
    struct holder *holder; /* NULL: none */
};

struct shares *shares_new(void);
void shares_free(struct shares *s); /* no share has a holder any more */

/* Gives the share to the holder of that name (1 to SHARE_KEY_MAX bytes,
 * copied), as its most recently used. It may have had a holder before. */
#define SHARE_KEY_MAX 32
void shares_give(struct shares *s, struct share *e, struct str holder);

/* The share was used. */
void shares_touch(struct share *e);

/* Takes the share from its holder; may be called twice. */
void shares_drop(struct shares *s, struct share *e);

/* How many shares its holder has, with this one; 0: it has no holder. */
unsigned shares_count(const struct share *e);

/* Of all holders together. */
unsigned shares_total(const struct shares *s);

/* The one of that holder's that was used longest ago; NULL: it has none. */
struct share *shares_of(const struct shares *s, struct str holder);

/* Of the holder with the most shares, the one that was used longest ago; of
 * several such holders, that of the one that has had so many for longest.
 * `may_go` (NULL: all may) may refuse one: then the next is taken. NULL: there
 * is none. */
struct share *shares_oldest(
    const struct shares *s, bool (*may_go)(const struct share *e));
