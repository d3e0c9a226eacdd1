/*
 * How one control follows another, at a reload and after deaths (CONTROL.md 7).
 * For spin (auto/model). Bounds: RELOADS, DEATHS of controls (a time-out of the
 * master's is one), FAILS to open the state.
 *
 * What stands for what. master(): its loop, of which `phase` is the state.
 * control(): one process; several at a time; CALLS of them all. `to`, `from`:
 * the pair of sockets of the master and a control. `link`: whose end of the
 * pairs all workers have, of both generations, which is changed in one step,
 * since what is read from an older pair is control.pml's.
 *
 * Checked: two never have the state open; what can be undone is undone: then
 * the workers still have the old control and none of them drains; in the end
 * one control has the state and the workers; every call ends with an answer,
 * but those of a control that was killed.
 *
 * Left out: the workers of the new generation, which are all READY before the
 * hand-over begins; connections of the API, which wait in the backlog.
 *
 * That the old control ends at once when it has closed, and that a reload is
 * undone by another one of the old configuration, has no error either: REOPEN
 * is for a short pause alone.
 *
 * Mutants, of each of which an error must be found:
 *   FORKS_EARLY     the new control opens before the old one said CLOSED
 *   CLOSES_BUSY     the old control closes while calls are in flight
 *   LINKS_EARLY     workers get the new control's pairs before it said OPEN
 *   DRAINS_EARLY    old workers drain before the new control said OPEN
 *   REOPENS_EARLY   the old control may open again before the new one, killed,
 *                   is reaped
 */

#ifndef CALLS
#define CALLS 2
#endif
#define CONTROLS (1 + RELOADS + DEATHS + FAILS)

mtype = { HAND_OVER, REOPEN, ROSTER, END, CLOSED, OPEN };
mtype = { STEADY, CLOSING, OPENING, REOPENING };

byte owner = 1; /* of the state */
byte link = 1;
byte n_controls = 1, fails, deaths, n_calls;
bool killed[CONTROLS + 1], dead[CONTROLS + 1], has_call[CONTROLS + 1];
chan to[CONTROLS + 1] = [3] of { mtype };
chan from[CONTROLS + 1] = [2] of { mtype };

mtype phase = STEADY;
byte cur = 1, next;
bool is_reload, drains;

/* It exits where it cannot. */
inline open()
{
    if
    :: fails < FAILS -> fails++; dead[me] = true
    :: true ->
        assert(owner == 0);
        owner = me;
        from[me] ! OPEN
    fi
}

#define TAKES(m) !dead[me] && to[me] ? [m] -> to[me] ? m

proctype control(byte me)
{
    if
    :: me != 1 ->
        if
        :: atomic { !dead[me] -> open() }
        :: atomic { dead[me] -> goto gone }
        fi;
        if
        :: atomic { TAKES(ROSTER) }
        :: atomic { dead[me] -> goto gone }
        fi
    :: me == 1
    fi;

end:
    do
    :: atomic { !dead[me] && !has_call[me] && n_calls < CALLS ->
        n_calls++;
        has_call[me] = true }
    :: atomic { !dead[me] && has_call[me] && link == me ->
        has_call[me] = false }
    :: atomic { TAKES(HAND_OVER); goto closing }
    :: atomic { dead[me] -> goto gone }
    od;

closing:
    do
#ifdef CLOSES_BUSY
    :: atomic { !dead[me] ->
#else
    :: atomic { !dead[me] && !has_call[me] ->
#endif
        owner = 0;
        from[me] ! CLOSED;
        break }
    :: atomic { !dead[me] && has_call[me] && link == me ->
        has_call[me] = false }
    :: atomic { dead[me] -> goto gone }
    od;
    if
    :: atomic { TAKES(REOPEN); open() };
        goto end
    :: atomic { TAKES(END);
        assert(!has_call[me]);
        dead[me] = true }
    :: atomic { dead[me] }
    fi;
gone:
    skip
}

inline fork()
{
    n_controls++;
    next = n_controls;
    phase = OPENING;
#ifdef LINKS_EARLY
    link = next;
#endif
#ifdef DRAINS_EARLY
    drains = is_reload;
#endif
    run control(next)
}

#ifdef REOPENS_EARLY
#define HAS_ENDED(c) (dead[c] || killed[c])
#else
#define HAS_ENDED(c) dead[c]
#endif

proctype master()
{
    byte reloads;

end:
    do
    :: atomic { phase == STEADY && reloads < RELOADS && !dead[cur] ->
        reloads++;
        is_reload = true;
        drains = false;
        to[cur] ! HAND_OVER;
        phase = CLOSING }
    :: atomic { phase == STEADY && dead[cur] -> is_reload = false; fork() }
#ifdef FORKS_EARLY
    :: atomic { phase == CLOSING -> fork() }
#endif
    :: atomic { phase == CLOSING && from[cur] ? [CLOSED] ->
        from[cur] ? CLOSED;
        fork() }
    :: atomic { phase == CLOSING && dead[cur] -> fork() }

    /* from here on there is no way back */
    :: atomic { phase == OPENING && !HAS_ENDED(next) && from[next] ? [OPEN] ->
        from[next] ? OPEN;
        to[next] ! ROSTER;
        link = next;
        drains = is_reload;
        if
        :: !dead[cur] -> to[cur] ! END
        :: else
        fi;
        cur = next;
        next = 0;
        phase = STEADY }
    :: atomic { phase == OPENING && HAS_ENDED(next) ->
        if
        :: is_reload && !dead[cur] ->
            assert(!drains);
            assert(link == cur);
            to[cur] ! REOPEN;
            next = 0;
            phase = REOPENING
        :: else -> is_reload = false; fork()
        fi }
    :: atomic { phase == REOPENING && from[cur] ? [OPEN] ->
        from[cur] ? OPEN;
        phase = STEADY }
    :: atomic { phase == REOPENING && dead[cur] -> is_reload = false; fork() }

    /* when nothing can happen any more */
    :: atomic { timeout ->
        assert(phase == STEADY && owner == cur && link == cur && !dead[cur]);
        assert(!has_call[cur]);
        break }
    od
}

/* A control is killed, by whomever, and is reaped; until then it may run. */
#define DIES(c) \
    atomic { deaths < DEATHS && !dead[c] && !killed[c] && (c) <= n_controls -> \
        deaths++; \
        killed[c] = true }
#define IS_REAPED(c) \
    atomic { killed[c] && !dead[c] -> \
        dead[c] = true; \
        has_call[c] = false; \
        owner = (owner == (c) -> 0 : owner) }

proctype death()
{
end:
    do
    :: DIES(1)
    :: DIES(2)
    :: DIES(3)
    :: IS_REAPED(1)
    :: IS_REAPED(2)
    :: IS_REAPED(3)
#if RELOADS + DEATHS + FAILS > 2
    :: DIES(4)
    :: IS_REAPED(4)
#endif
#if RELOADS + DEATHS + FAILS > 3
    :: DIES(5)
    :: IS_REAPED(5)
#endif
#if RELOADS + DEATHS + FAILS > 4
    :: DIES(6)
    :: IS_REAPED(6)
#endif
    od
}

init
{
    atomic {
        run control(1);
        run master();
        run death()
    }
}
