#pragma once

/*
 * An intrusive doubly linked list. The head is a node of its own; a node that
 * is on no list points at itself, so that list_del() may be called twice.
 */

#include "base/obj.h"

struct list {
    struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* Whether a node is on a list. */
static inline bool
list_is_linked(const struct list *l)
{
    return l->next != l;
}

static inline void
list_add_tail(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void
list_add_head(struct list *head, struct list *node)
{
    list_add_tail(head->next, node);
}

static inline void
list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, unlinked; NULL when the list is empty. */
static inline struct list *
list_pop(struct list *head)
{
    struct list *node = head->next;
    if (node == head) {
        return NULL;
    }
    list_del(node);
    return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void
list_splice_tail(struct list *to, struct list *from)
{
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}
