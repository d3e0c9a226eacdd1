#pragma once

/*
 * A roster, and a keeper of the test's.
 */

#include "os/link.h"
#include "proc/roster.h"

struct roster_fixture {
    struct roster roster;
    struct ledger *ledger;
    struct link keeper; /* the master's end */
    int end;            /* the keeper's */
    struct str dir;
    char path[512];
};

#define CLASS_A "sandbox_class a { }"
#define BOX_X "sandbox x { class a; address 10.0.0.1; }"
#define BOX_Y "sandbox y { class a; address 10.0.0.2; }"
#define BOX_Z "sandbox z { class a; address 10.0.0.3; }"

void fx_new_keeper(struct roster_fixture *s);
void fx_begin(void **state, struct roster_fixture *s);
void fx_end(struct roster_fixture *s);
struct sandbox_set *fx_set_of(void **state, const char *sandboxes);

/* What the keeper says: it waits in the socket. */
void fx_says(struct roster_fixture *s, enum chan_type type, uint64_t number,
    const char *data);

/* The next question, of that id and *index; its number. */
uint64_t fx_asked_at(struct roster_fixture *s, enum chan_type type,
    const char *id, unsigned *index);
uint64_t fx_asked(
    struct roster_fixture *s, enum chan_type type, const char *id);

/* The master's turn: asks, and takes what was said. -1: it hangs up. */
int fx_turn(struct roster_fixture *s);
void fx_enrol(struct roster_fixture *s, struct sandbox_set *set);
void fx_is_enrolled(struct roster_fixture *s);
void fx_is_refused(struct roster_fixture *s);

/* Of x alone. */
struct sandbox_set *fx_enrol_x(
    void **state, struct roster_fixture *s, struct str der);
void fx_nothing_is_asked(struct roster_fixture *s);
