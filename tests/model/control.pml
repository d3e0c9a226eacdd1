/*
 * How a change of policy comes into force on every worker (SPEC 11, rule 1;
 * CONTROL.md 1 to 11): validate, commit, send, acknowledgements, answer. For
 * spin (auto/model). Three workers: SERVES, DRAINS (of an older generation,
 * without the handler that a change may set) and STARTS. Up to CONTROLS
 * instances of control, one after the other: after a death, and after a reload,
 * where the old one hands the state over. Bounds: CALLS changes, DEATHS of
 * controls, STOPS of workers (a stopped one is killed by the master), RELOADS.
 *
 * Checked: after the answer at a revision no worker sends a request that was
 * judged by an older one; what a worker judges by is in the store; a revision
 * has one content; a worker applies the records of one control at a time; an
 * index is given out only when no live worker knows the sandbox that had it; a
 * handler is in force nowhere before the secret that it needs; every call ends
 * (a client that waits for ever would be an invalid end state).
 *
 * Mutants, of each of which an error must be found:
 *   NO_GO           a worker serves once it has its snapshot
 *   SENDS_FIRST     records are sent before the commit
 *   JUDGES_ONCE     a request that waited is not judged again
 *   LEAVES_AT_KILL  a worker counts no more once it is killed, not once reaped
 *   KEEPS_LINK      a worker reads the old control's link beside the new one
 *   FREES_AT_COMMIT an index is free once the end is committed
 *   OPENS_EARLY     a new control opens the state before the old one closed it
 *   COUNTS_LATE     a new control counts who serves already only from its
 *                   acknowledgement of the snapshot on
 *   SECRET_LATER    a handler is committed before its secret is everywhere
 */

#ifndef CALLS
#define CALLS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef STOPS
#define STOPS 1
#endif
#ifndef RELOADS
#define RELOADS 0
#endif
#define CONTROLS (1 + DEATHS + RELOADS)
#define WORKERS 3
#define DRAINER 1
#define STARTER 2

/* What a change does. The first sandbox has index 0 and serial 1. */
#define TIGHTEN 1 /* denies what was allowed */
#define END 2     /* the sandbox ends; its index becomes free */
#define CREATE 3  /* another sandbox gets the index */
#define HANDLER 4 /* a handler that needs a secret */

mtype = { ABSENT, STARTING, SERVING, KILLED, GONE };
mtype = { SNAPSHOT, RECORD, GO };

/* The store: the newest revision, each one's content, and who has it open. */
byte committed, owner;
byte content[CALLS + 1];
bool index_is_used = true, index_is_free = false; /* by the state; by control */

/* The master. */
byte instances = 1;
bool has_custody, hands_over;
bool joined[WORKERS], left[WORKERS], kill[WORKERS];

/* The workers. */
mtype state[WORKERS] = ABSENT;
bool stopped[WORKERS], serves[WORKERS];
byte requests; /* one is enough: sent by any worker, at any time */
byte link[WORKERS], offered[WORKERS];
byte applied[WORKERS], applied_content[WORKERS];
bool knows_serial[WORKERS], has_secret[WORKERS], hands_on[WORKERS];

/* A link for each control and worker, and what was acknowledged on it. */
chan links[CONTROLS * WORKERS] = [CALLS + 2] of { mtype, byte, byte };
byte acked[CONTROLS * WORKERS];
#define NONE 255 /* not even the snapshot */
#define LINK(c, w) ((c) * WORKERS + (w))

/* Calls and their ends. */
byte asked; /* a call that waits in the backlog */
byte answered, dying;
bool is_dead[CONTROLS + 1], call_ended;

#define IS_LIVE(w) \
    (state[w] == STARTING || state[w] == SERVING || state[w] == KILLED)

/* What snapshot or record `what` (0: none) at revision `rev` changes. */
inline apply(w, rev, what)
{
    assert(content[rev] == what);
    applied[w] = rev;
    applied_content[w] = what;
    if
    :: what == END -> knows_serial[w] = false
    :: what == CREATE -> knows_serial[w] = true
    :: what == HANDLER && w == DRAINER -> hands_on[w] = true
    :: what == HANDLER && w != DRAINER -> assert(has_secret[w])
    :: else
    fi
}

/* A snapshot has the effects of all revisions up to its own. */
inline apply_all(w, rev)
{
    r = 0;
    do
    :: r < rev ->
        r++;
        if
        :: r > applied[w] -> apply(w, r, content[r])
        :: else
        fi
    :: else -> break
    od;
    r = 0
}

inline take(w, c)
{
    if
    :: kind == SNAPSHOT ->
        knows_serial[w] = (applied[w] == 0 -> true : knows_serial[w]);
        apply_all(w, rev);
        acked[LINK(c, w)] = rev;
#ifdef NO_GO
        if
        :: state[w] == STARTING -> state[w] = SERVING; serves[w] = true
        :: else
        fi
#endif
    :: kind == RECORD ->
        if
        :: rev > applied[w] -> apply(w, rev, what)
        :: else
        fi;
        acked[LINK(c, w)] = rev
    :: kind == GO ->
        if
        :: state[w] == STARTING -> state[w] = SERVING; serves[w] = true
        :: else
        fi
    fi;
    kind = 0; rev = 0; what = 0
}

/* One request at a time: judged, then it waits for a slot, a name or a
 * connection, then it is sent. A killed worker runs until it is dead. */
proctype worker(byte w)
{
    mtype kind;
    byte rev, what, r, judged;
    bool waits = false;

end:
    do
    :: atomic { state[w] == GONE -> break }
    :: atomic { IS_LIVE(w) && !stopped[w] && offered[w] > link[w] ->
        link[w] = offered[w] }
    :: atomic { IS_LIVE(w) && !stopped[w] && link[w] > 0 &&
           nempty(links[LINK(link[w] - 1, w)]) ->
        links[LINK(link[w] - 1, w)] ? kind, rev, what;
        take(w, link[w] - 1) }
#ifdef KEEPS_LINK
    :: atomic { IS_LIVE(w) && !stopped[w] && link[w] > 1 &&
           nempty(links[LINK(link[w] - 2, w)]) ->
        links[LINK(link[w] - 2, w)] ? kind, rev, what;
        assert(offered[w] == link[w] - 1);
        take(w, link[w] - 2) }
#endif
    :: atomic { IS_LIVE(w) && !stopped[w] && has_custody && !has_secret[w] ->
        has_secret[w] = true }
    :: atomic { IS_LIVE(w) && serves[w] && !stopped[w] && requests == 0 ->
        requests = 1;
        judged = applied[w];
        waits = true }
    :: atomic { IS_LIVE(w) && !stopped[w] && waits ->
#ifndef JUDGES_ONCE
        judged = applied[w];
#endif
        if
        :: hands_on[w] /* 503, nothing leaves */
        :: else ->
            assert(judged >= answered);
            assert(content[applied[w]] == applied_content[w])
        fi;
        waits = false; judged = 0 }
    od
}

#ifdef LEAVES_AT_KILL
#define AT_KILL(w) left[w] = true;
#else
#define AT_KILL(w)
#endif
#define KILLS(w) \
    atomic { kill[w] && state[w] != KILLED && state[w] != GONE -> \
        AT_KILL(w) \
        state[w] = KILLED; \
        stopped[w] = false }
#define REAPS(w) \
    atomic { kill[w] && state[w] == KILLED -> \
        state[w] = GONE; \
        knows_serial[w] = false; \
        left[w] = true }

/* The master: starts the third worker at any time (the control in place is told
 * before), reaps, starts a control after a death or for a reload. */
proctype master()
{
    byte reloads = 0;

end:
    do
    :: atomic { state[STARTER] == ABSENT && !joined[STARTER] ->
        joined[STARTER] = true }
    :: atomic { state[STARTER] == ABSENT && joined[STARTER] ->
        has_secret[STARTER] = has_custody;
        state[STARTER] = STARTING }
    :: KILLS(0)
    :: KILLS(DRAINER)
    :: KILLS(STARTER)
    :: REAPS(0)
    :: REAPS(DRAINER)
    :: REAPS(STARTER)
    :: atomic { is_dead[instances] && instances < CONTROLS ->
        instances++;
        hands_over = false;
        run control(instances) }
    :: atomic { reloads < RELOADS && !is_dead[instances] &&
           owner == instances && instances < CONTROLS ->
        reloads++;
        hands_over = true;
        instances++;
        run control(instances) }
    od
}

/* What control sends each worker that it knows; it may die in between. */
#define SENDS(w, rev, what) \
    if \
    :: known[w] -> links[LINK(me - 1, w)] ! RECORD(rev, what) \
    :: else \
    fi
#define SENDS_ALL(rev, what) \
    SENDS(0, rev, what); \
    SENDS(DRAINER, rev, what); \
    SENDS(STARTER, rev, what)

#define ACKED(w, rev) \
    (acked[LINK(me - 1, w)] != NONE && acked[LINK(me - 1, w)] >= (rev))
#define IN_FORCE(w) (left[w] || !counted[w] || ACKED(w, pending))
#define FORGOTTEN(w) (left[w] || !known[w] || ACKED(w, ended))
#ifndef SECRET_LATER
#define MAY_COMMIT \
    (call != HANDLER || (HAS_SECRET(0) && HAS_SECRET(1) && HAS_SECRET(2)))
#else
#define MAY_COMMIT true
#endif
#define HAS_SECRET(w) (left[w] || !joined[w] || has_secret[w])

/* A worker that is started: snapshot and stream, then GO. */
#define JOINS(w) \
    atomic { joined[w] && !left[w] && !known[w] -> \
        known[w] = true; \
        offered[w] = me; \
        links[LINK(me - 1, w)] ! SNAPSHOT(rev, 0) }
#define GOES(w) \
    atomic { known[w] && !left[w] && !went[w] && \
           acked[LINK(me - 1, w)] != NONE -> \
        counted[w] = true; \
        went[w] = true; \
        links[LINK(me - 1, w)] ! GO(0, 0) }
#define TIMES_OUT(w) \
    atomic { joined[w] && !left[w] && stopped[w] && !kill[w] -> \
        kill[w] = true }

/* One instance. What it did not count yet, it learns of the master: `known` is
 * who was sent the snapshot, `counted` whose acknowledgement a call awaits. */
proctype control(byte me)
{
    bool known[WORKERS], counted[WORKERS], went[WORKERS];
    byte call = 0, pending = 0, ended = 0, x = 0;

    {
#ifndef OPENS_EARLY
        atomic { owner == 0 -> owner = me };
#else
        owner = me;
#endif
        byte rev = committed;
        /* Whoever is there is asked for each answer from the first call on: it
         * may serve, and what it serves by is not known. */
        d_step {
            x = 0;
            do
            :: x < WORKERS ->
                acked[LINK(me - 1, x)] = NONE;
                if
                :: joined[x] && !left[x] ->
                    known[x] = true;
#ifndef COUNTS_LATE
                    counted[x] = true;
#endif
                    offered[x] = me;
                    links[LINK(me - 1, x)] ! SNAPSHOT(rev, 0)
                :: else
                fi;
                x++
            :: else -> break
            od;
            x = 0;
            ended = (index_is_used || index_is_free -> 0 : rev)
        };

end:
        do
        :: JOINS(STARTER)
        :: GOES(0)
        :: GOES(DRAINER)
        :: GOES(STARTER)

        /* A call. One that no revision is left for is no matter here. */
        :: atomic { call == 0 && asked != 0 && !(hands_over && me < instances) ->
            call = asked;
            asked = 0;
            if
            :: committed == CALLS -> call = 0; call_ended = true
            :: call == CREATE && !index_is_free -> call = 0; call_ended = true
            :: call == END && !index_is_used -> call = 0; call_ended = true
            :: call == HANDLER -> has_custody = true
            :: else
            fi }
        :: call != 0 && pending == 0 && MAY_COMMIT ->
            rev++;
#ifdef SENDS_FIRST
            SENDS_ALL(rev, call);
#endif
            d_step {
                assert(content[rev] == 0);
                content[rev] = call;
                committed = rev;
                if
                :: call == END ->
                    index_is_used = false;
                    ended = rev
                :: call == CREATE ->
                    assert(!knows_serial[0] && !knows_serial[1] &&
                        !knows_serial[2]);
                    index_is_used = true;
                    index_is_free = false
                :: else
                fi
            };
#ifdef FREES_AT_COMMIT
            if
            :: call == END -> index_is_free = true; ended = 0
            :: else
            fi;
#endif
#ifndef SENDS_FIRST
            SENDS_ALL(rev, call);
#endif
            pending = rev
        :: atomic { pending != 0 && IN_FORCE(0) && IN_FORCE(1) && IN_FORCE(2) ->
            answered = (pending > answered -> pending : answered);
            pending = 0;
            call = 0;
            call_ended = true }
        :: atomic { ended != 0 && FORGOTTEN(0) && FORGOTTEN(1) &&
               FORGOTTEN(2) ->
            index_is_free = true;
            ended = 0 }

        /* A worker that is silent is killed. */
        :: TIMES_OUT(0)
        :: TIMES_OUT(DRAINER)
        :: TIMES_OUT(STARTER)

        :: atomic { hands_over && me < instances && call == 0 ->
            owner = 0;
            break }
        od
    } unless {
        atomic {
            dying == me ->
            dying = 0;
            is_dead[me] = true;
            owner = (owner == me -> 0 : owner);
            call_ended = (call != 0 || call_ended)
        }
    }
}

/* A client of the API. A call ends with an answer or with its connection. */
proctype client()
{
    byte n = 0;
    do
    :: n < CALLS ->
        n++;
        if
        :: asked = TIGHTEN
        :: asked = END
        :: asked = CREATE
        :: asked = HANDLER
        fi;
        atomic { call_ended -> call_ended = false }
    :: n == CALLS -> break
    od
}

proctype nemesis()
{
    byte deaths = 0, stops = 0;

end:
    do
    :: atomic { deaths < DEATHS && dying == 0 && !is_dead[instances] &&
           owner == instances ->
        deaths++;
        dying = instances }
    :: atomic { stops < STOPS -> stops++;
        if
        :: IS_LIVE(0) -> stopped[0] = true
        :: IS_LIVE(DRAINER) -> stopped[DRAINER] = true
        :: IS_LIVE(STARTER) -> stopped[STARTER] = true
        fi }
    od
}

init
{
    atomic {
        state[0] = SERVING; serves[0] = true; joined[0] = true; knows_serial[0] = true;
        state[DRAINER] = SERVING; serves[DRAINER] = true;
        joined[DRAINER] = true;
        knows_serial[DRAINER] = true;
        knows_serial[STARTER] = false;
        run worker(0);
        run worker(DRAINER);
        run worker(STARTER);
        run master();
        run control(1);
        run client();
        run nemesis()
    }
}
