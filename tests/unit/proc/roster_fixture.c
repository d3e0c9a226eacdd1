#include "roster_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/ledger.h"
#include "os/declare.h"
#include "os/sock.h"
#include "sandbox/sandbox_conf.h"
#include "whole_conf.h"

#include <cmocka.h>

void
fx_new_keeper(struct roster_fixture *s)
{
    int ends[2];
    assert_int_equal(sock_pair(ends), 0);
    assert_int_equal(sock_set_nonblocking(ends[0], true), 0);
    link_init(&s->keeper, ends[0], CHAN_DATA_MAX);
    s->end = ends[1];
}

void
fx_begin(void **state, struct roster_fixture *s)
{
    struct whole *w = *state;
    clock_update();
    s->ledger = ledger_new();
    assert_non_null(s->ledger);
    roster_init(&s->roster, s->ledger);
    fx_new_keeper(s);
    snprintf(s->path, sizeof s->path, "%sca", w->dir.path);
    s->dir = str_of(s->path);
}

void
fx_end(struct roster_fixture *s)
{
    roster_fini(&s->roster);
    ledger_free(s->ledger);
    link_close(&s->keeper);
    close(s->end);
}

struct sandbox_set *
fx_set_of(void **state, const char *sandboxes)
{
    return sandbox_set_of(whole_egress(state, sandboxes) != NULL
                              ? ((struct whole *)*state)->conf
                              : NULL);
}

void
fx_says(struct roster_fixture *s, enum chan_type type, uint64_t number,
    const char *data)
{
    struct chan_msg m = {
        .type = type, .number = number, .data = str_of(data), .fd = -1
    };
    assert_int_equal(chan_send(s->end, &m), IO_OK);
}

uint64_t
fx_asked_at(struct roster_fixture *s, enum chan_type type, const char *id,
    unsigned *index)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    struct declare d;
    assert_int_equal(chan_recv_wait(s->end, &m, buf, 0), IO_OK);
    assert_int_equal(m.type, type);
    assert_int_equal(m.data.n, DECLARE_SIZE(strlen(id)));
    memcpy(&d, m.data.p, m.data.n);
    assert_memory_equal(d.id, id, strlen(id));
    assert_int_equal(m.fd, -1);
    *index = d.index;
    return m.number;
}

uint64_t
fx_asked(struct roster_fixture *s, enum chan_type type, const char *id)
{
    unsigned index;
    return fx_asked_at(s, type, id, &index);
}

int
fx_turn(struct roster_fixture *s)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    int result = roster_run(&s->roster, &s->keeper);
    while (result == 0 && link_recv(&s->keeper, &m, buf) == IO_OK) {
        result = roster_answer(&s->roster, &m);
        if (result == 0) {
            result = roster_run(&s->roster, &s->keeper);
        }
    }
    return result;
}

void
fx_enrol(struct roster_fixture *s, struct sandbox_set *set)
{
    assert_int_equal(roster_allot(&s->roster, set), 0);
    roster_enrol(&s->roster, set);
}

void
fx_is_enrolled(struct roster_fixture *s)
{
    assert_int_equal(fx_turn(s), 0);
    assert_int_equal(roster_state(&s->roster), ROSTER_ENROLLED);
    roster_assign(&s->roster);
}

void
fx_is_refused(struct roster_fixture *s)
{
    assert_int_equal(roster_state(&s->roster), ROSTER_REFUSED);
    roster_enrol_end(&s->roster);
}

struct sandbox_set *
fx_enrol_x(void **state, struct roster_fixture *s, struct str der)
{
    struct sandbox_set *set = fx_set_of(state, CLASS_A BOX_X);
    struct chan_msg m = {
        .type = CHAN_CA, .number = s->roster.next_serial, .data = der, .fd = -1
    };
    fx_enrol(s, set);
    assert_int_equal(fx_turn(s), 0);
    assert_int_equal(fx_asked(s, CHAN_DECLARE, "x"), m.number);
    assert_int_equal(chan_send(s->end, &m), IO_OK);
    fx_is_enrolled(s);
    return set;
}

void
fx_nothing_is_asked(struct roster_fixture *s)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    assert_int_equal(fx_turn(s), 0);
    assert_int_equal(chan_recv_wait(s->end, &m, buf, 0), IO_AGAIN);
}
