/*
 * How a change of policy comes into force on every worker (SPEC 11, rule 1;
 * CONTROL.md 1 to 9): validate, commit, send, acknowledgements, answer. For
 * spin (auto/model). Bounds: CALLS, DEATHS of control, STOPS of workers (each
 * is then killed for its silence), WORKERS.
 *
 * What stands for what. control(): all instances of control, one after the
 * other, as after a crash; the store's thread is the step from `staged` to a
 * revision. master(): forks, reaps. worker(): a turn of its loop is one step.
 * Worker 0 serves, and has one request, which waits, is sent, and runs; STARTER
 * is forked at any time; a third one serves where WORKERS is 3. links: the
 * socket pair of a control and a worker, which can be read past the death of
 * the control. Requests of the other workers are OBEYS.
 *
 * Checked: after the answer at a revision no worker sends a request, or a byte
 * of one, that was judged by an older one; a worker has only what is in the
 * store, and a revision has one content; the records on a link follow each
 * other; every call ends, also of several at once.
 *
 * Left out, since it changes nothing here: generations (one that drains
 * acknowledges as others do); the path of acknowledgements, JOIN and LEAVE (a
 * control that is slow to read them is a control that is slow to act); a crash
 * of a worker (it is a stop and a kill in one); clients that wait in a queue.
 *
 * Mutants, of each of which an error must be found:
 *   NO_GO           a worker serves once it has its snapshot
 *   GO_OVERTAKES    GO comes by another way than the records before it
 *   SENDS_FIRST     records are sent before the commit
 *   SNAPSHOT_STAGED a snapshot has what is not committed
 *   TRUSTS_ERROR    a commit that said an error is taken for none
 *   JUDGES_ONCE     a request that waited is not judged again
 *   RUNS_ON         a request that runs is not judged again
 *   ACKS_FIRST      a revision is acknowledged when it came, not when applied
 *   LEAVES_AT_KILL  a worker counts no more once it is killed, not once reaped
 *   KEEPS_LINK      a worker reads the old control's link beside the new one
 *   COUNTS_LATE     a new control counts who was there before it only from its
 *                   GO on
 *   CALLS_EARLY     a new control takes calls before it was told of all workers
 *   NO_TIMEOUT      a worker may be silent for ever
 *
 * README.md has the rules of the protocol, each with its mutant.
 */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef STOPS
#define STOPS 1
#endif
#define STARTER (WORKERS - 1)
#define CONTROLS (1 + DEATHS)

mtype = { ABSENT, STARTING, SERVING, GONE };
mtype = { SNAPSHOT, RECORD, GO };

/* The store: the newest revision; which control committed each one, which
 * stands for what is in it. Revision 1 is there from the beginning. */
byte committed = 1;
byte content[CALLS + 2];

/* Control: each has a number. Links are the control's and the worker's. */
byte instance = 1, deaths, stops;
byte sent = 1, done = 1; /* revisions: sent to all; answered by this control */
bool staged;             /* a change that is not committed yet */
bool known[WORKERS], counted[WORKERS], went[WORKERS];
byte acked[WORKERS]; /* 0: not even the snapshot */
chan links[CONTROLS * WORKERS] = [CALLS + 2] of { mtype, byte, byte };
#define LINK(c, w) links[((c) - 1) * WORKERS + (w)]

/* Workers: the control whose link it reads, the newest such that the master
 * gave it, and what is applied. */
mtype state[WORKERS] = ABSENT;
bool stopped[WORKERS], killed[WORKERS];
byte link[WORKERS], offered[WORKERS], applied[WORKERS];

/* For the assertions: the newest revision that was answered; by which one the
 * request of worker 0 was judged, which waits or runs (0: there is none). */
byte answered = 1, judged;
bool runs;

#define IS_LIVE(w) (state[w] != ABSENT && state[w] != GONE)
#define RUNS(w) (IS_LIVE(w) && !stopped[w])
#ifdef LEAVES_AT_KILL
#define LEFT(w) (killed[w] || state[w] == GONE)
#else
#define LEFT(w) (state[w] == GONE)
#endif

inline drain(c, w)
{
    do
    :: nempty(LINK(c, w)) -> LINK(c, w) ? _, _, _
    :: empty(LINK(c, w)) -> break
    od
}

/* All of a revision in one turn of the loop, and what runs is judged by it:
 * it is closed, or goes on. */
inline apply(w, rev, by)
{
    assert(content[rev] == by);
    applied[w] = rev;
#ifndef RUNS_ON
    if
    :: w == 0 && runs -> judged = rev
    :: w == 0 && runs -> judged = 0; runs = false
    :: else
    fi
#endif
}

inline serve(w)
{
    if
    :: state[w] == STARTING ->
        assert(applied[w] >= answered);
        state[w] = SERVING
    :: else
    fi
}

inline acknowledge(c, w, rev)
{
    if
    :: c == instance -> acked[w] = rev
    :: else
    fi
}

inline take(c, w)
{
    LINK(c, w) ? kind, rev, by;
    if
    :: kind == SNAPSHOT ->
        assert(rev >= applied[w]);
        apply(w, rev, by);
        acknowledge(c, w, rev);
#ifdef NO_GO
        serve(w)
#endif
    :: kind == RECORD ->
        assert(rev == applied[w] + 1);
        apply(w, rev, by);
        acknowledge(c, w, rev)
    :: kind == GO -> serve(w)
    fi;
    kind = 0; rev = 0; by = 0
}

proctype worker(byte w)
{
    mtype kind;
    byte rev, by;

end:
    do
    :: atomic { state[w] == GONE -> break }
    :: atomic { RUNS(w) && offered[w] > link[w] ->
#ifndef KEEPS_LINK
        if
        :: link[w] > 0 -> drain(link[w], w)
        :: else
        fi;
#endif
        link[w] = offered[w] }
    :: atomic { RUNS(w) && link[w] > 0 && nempty(LINK(link[w], w)) ->
        take(link[w], w) }
#ifdef KEEPS_LINK
    :: atomic { RUNS(w) && link[w] > 1 && nempty(LINK(link[w] - 1, w)) ->
        take(link[w] - 1, w) }
#endif
#ifdef ACKS_FIRST
    :: atomic { RUNS(w) && link[w] == instance &&
           LINK(link[w], w) ? [RECORD, rev, by] ->
        LINK(link[w], w) ? <kind, rev, by>;
        acked[w] = rev;
        kind = 0; rev = 0; by = 0 }
#endif
    :: atomic { w == 0 && RUNS(0) && judged == 0 -> judged = applied[0] }
    :: atomic { w == 0 && RUNS(0) && judged != 0 && !runs ->
        /* it waited for a slot, a name or a connection, and is sent */
#ifndef JUDGES_ONCE
        judged = applied[0];
#endif
        assert(judged >= answered);
        runs = true }
    :: atomic { w == 0 && RUNS(0) && runs -> /* one byte more, or the end */
        assert(judged >= answered);
        if
        :: true
        :: judged = 0; runs = false
        fi }
    od
}

inline reap(w)
{
    n = 0;
    do
    :: n < CONTROLS -> n++; drain(n, w)
    :: else -> break
    od;
    n = 0;
    state[w] = GONE;
    killed[w] = false; stopped[w] = false;
    link[w] = 0; offered[w] = 0; applied[w] = 0;
    known[w] = false; counted[w] = false; went[w] = false; acked[w] = 0;
    if
    :: w == 0 -> judged = 0; runs = false
    :: else
    fi
}

/* The master, and what happens to workers: the third is forked, one is stopped,
 * a killed one, which may have run until then, is reaped. */
#define STOPS_ONE(w) \
    atomic { stops < STOPS && RUNS(w) && !killed[w] -> \
        stops++; \
        stopped[w] = true }
#define REAPS(w) \
    d_step { killed[w] -> reap(w) }

proctype master()
{
    byte n;

end:
    do
    :: atomic { state[STARTER] == ABSENT -> state[STARTER] = STARTING }
    :: STOPS_ONE(0)
    :: STOPS_ONE(1)
    :: REAPS(0)
    :: REAPS(1)
#if WORKERS > 2
    :: STOPS_ONE(2)
    :: REAPS(2)
#endif
    /* when nothing can happen any more, each call has ended */
    :: atomic { timeout -> assert(!staged && done == sent); break }
    od
}

/* A record to each worker that is known; `some`: control dies before the next
 * one, so any may be without. */
inline send(w, some)
{
    if
    :: known[w] -> LINK(instance, w) ! RECORD(rev, instance)
    :: !known[w] || some
    fi
}

inline send_all(some)
{
    send(0, some);
    send(1, some);
#if WORKERS > 2
    send(2, some);
#endif
}

/* Whoever was sent the snapshot is told all that follows. */
inline join(w, revision)
{
    known[w] = true;
    offered[w] = instance;
    LINK(instance, w) ! SNAPSHOT(revision, content[revision])
}

#ifdef SNAPSHOT_STAGED
#define SNAPSHOT_OF (sent + staged)
#else
#define SNAPSHOT_OF sent
#endif
#ifdef CALLS_EARLY
#define WAS_THERE(w) (w != STARTER && instance > 1)
#else
#define WAS_THERE(w) false
#endif
#define JOINS(w) \
    atomic { state[w] != ABSENT && !LEFT(w) && !known[w] -> \
        counted[w] = WAS_THERE(w); \
        join(w, SNAPSHOT_OF) }

/* From here on it serves, so calls wait for it. */
#ifdef GO_OVERTAKES
#define GO_TO(w) serve(w)
#else
#define GO_TO(w) LINK(instance, w) ! GO(0, 0)
#endif
#define GOES(w) \
    atomic { known[w] && !LEFT(w) && !went[w] && acked[w] > 0 -> \
        counted[w] = true; \
        went[w] = true; \
        GO_TO(w) }

/* Silence of a worker that has something to acknowledge. */
#ifdef NO_TIMEOUT
#define TIMES_OUT(w) false
#else
#define TIMES_OUT(w) \
    d_step { known[w] && stopped[w] && acked[w] < sent -> \
        killed[w] = true; \
        stopped[w] = false }
#endif

#define IN_FORCE(w) (LEFT(w) || !counted[w] || acked[w] > done)
#if WORKERS > 2
#define ALL(CLAIM) (CLAIM(0) && CLAIM(1) && CLAIM(2))
#else
#define ALL(CLAIM) (CLAIM(0) && CLAIM(1))
#endif
#define OBEYS(w) (!IS_LIVE(w) || state[w] == STARTING || applied[w] >= answered)

/* A control that starts: the store is read; it takes no call before it was told
 * of all workers, and each of them counts at once: it may serve, by whatever
 * its predecessor sent. */
inline start(w)
{
    known[w] = false; counted[w] = false; went[w] = false; acked[w] = 0;
#ifndef CALLS_EARLY
    if
    :: state[w] != ABSENT && !LEFT(w) ->
#ifndef COUNTS_LATE
        counted[w] = true;
#endif
        join(w, sent)
    :: else
    fi
#endif
}

inline succeed()
{
    d_step {
        deaths++;
        instance++;
        staged = false;
        sent = committed;
        done = committed;
        rev = 0;
        start(0);
        start(1);
#if WORKERS > 2
        start(2);
#endif
    }
}

/* All instances, one after the other: the next begins when the last is reaped,
 * and how long that takes is anyone's guess anyhow. */
proctype control()
{
    byte rev;

end:
    do
    :: JOINS(0)
    :: JOINS(1)
    :: GOES(0)
    :: GOES(1)
    :: TIMES_OUT(0)
    :: TIMES_OUT(1)
#if WORKERS > 2
    :: JOINS(2)
    :: GOES(2)
    :: TIMES_OUT(2)
#endif
    :: atomic { !staged && committed < 1 + CALLS -> /* a call */
        staged = true;
#ifdef SENDS_FIRST
        rev = sent + 1;
        send_all(false);
        rev = 0
#endif
        }
    :: atomic { staged -> /* the store's thread is done */
        staged = false;
        if
#ifndef SENDS_FIRST
        :: true -> /* it failed, and nothing was changed */
#endif
        :: true ->
            rev = sent + 1;
            assert(content[rev] == 0);
            content[rev] = instance;
            committed = rev;
            if
#ifdef TRUSTS_ERROR
            :: true /* an error, which was the one after the commit */
#endif
            :: deaths < DEATHS -> send_all(true); succeed()
            :: true ->
#ifndef SENDS_FIRST
                send_all(false);
#endif
                sent = rev
            fi;
            rev = 0
        fi }
    :: atomic { done < sent && ALL(IN_FORCE) -> /* 200 */
        done++;
        answered = (done > answered -> done : answered);
        assert(ALL(OBEYS));
        assert(!runs || judged >= answered) }
    :: atomic { deaths < DEATHS -> succeed() }
    od
}

init
{
    byte w;
    atomic {
        content[1] = 1;
        do
        :: w < STARTER ->
            state[w] = SERVING;
            link[w] = 1; offered[w] = 1; applied[w] = 1;
            known[w] = true; counted[w] = true; went[w] = true; acked[w] = 1;
            w++
        :: else -> break
        od;
        w = 0;
        do
        :: w < WORKERS -> run worker(w); w++
        :: else -> break
        od;
        w = 0;
        run master();
        run control()
    }
}
