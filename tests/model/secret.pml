/*
 * How a secret reaches every worker before the policy that names it, and how
 * it outlives control (SPEC 11, rules 1, 8 and 9; CONTROL.md 3 and 19). For
 * spin (auto/model). Bounds: CALLS that set the one secret, DEATHS of control,
 * STOPS of a worker, which is then killed for its silence.
 *
 * What stands for what. control(): all its instances, one after the other; it
 * sets the secret at any time, and at any time it commits the handler that
 * needs it. master(): has the values; forks worker 1; it reads `orders`, a pair
 * of sockets for each control, which can be read past that control's death.
 * told: from the master to control, in order: JOIN before the fork, SENT once
 * all that are there were sent the value. values: from the master to a worker,
 * in order; LINK brings the pair of a new control, on which it gets policies
 * and acknowledges: first what it has, then what it gets. A value is the number
 * of the call.
 *
 * Checked: no worker applies the handler without the secret; a version has one
 * value; after the answer whoever serves has that version; every call ends.
 *
 * Left out: revisions, and whether a policy is in force (control.pml; here a
 * link's policy is the handler or nothing); a second secret, which is like the
 * first, since each call waits for its own version.
 *
 * Mutants, of each of which an error must be found:
 *   SECRET_LATER    the handler is committed before its secret is everywhere
 *   NO_SENT         control asks for no word of the master that all were sent
 *                   the value, so it may not know a worker that was just forked
 *   TRUSTS_LIST     a new control takes what the master has for what all have
 *   SNAPSHOT_FIRST  a worker applies a snapshot before it has what the master
 *                   had when it was forked
 *   READS_LATE      the master reads what a dead control sent after it told the
 *                   next one which versions there are
 *   NO_HELLO        a worker does not say on a new link what it has
 *   NO_TIMEOUT      a worker may be silent about a secret for ever
 */

#ifndef STOPS
#define STOPS 1
#endif
#define CONTROLS (1 + DEATHS)
#define STARTER 1

mtype = { ABSENT, LIVE, GONE };
mtype = { LINK, SECRET, JOIN, SENT };

/* The store: whether the handler is there. */
bool committed;

/* Control. `version`: the newest; `sent`: up to which the master has sent. */
byte instance = 1, deaths, n_calls;
byte version, sent;
bool calls; /* one waits for `version` */
bool known[2];
byte acked[2];
bool has_handler[CONTROLS * 2]; /* sent on that link */
#define HANDLER(c, w) has_handler[((c) - 1) * 2 + (w)]

/* The master. */
byte custody, custody_value; /* version, value */
chan orders[CONTROLS] = [CALLS] of { byte, byte };
chan told = [3] of { mtype, byte };

/* Workers. Worker 0 may be stopped. */
mtype state[2] = ABSENT;
bool stopped, killed, applied[2];
byte stops, link[2], has[2], has_value[2];
chan values[2] = [CALLS + DEATHS + 2] of { mtype, byte, byte };

byte answered; /* for the assertions */

#define IS_LIVE(w) (state[w] == LIVE)
#define RUNS(w) (IS_LIVE(w) && !(w == 0 && stopped))

/* What is newer. A version that is there already is the same. */
inline keep(has_version, has_what, v, value)
{
    assert(v != has_version || value == has_what);
    if
    :: v > has_version -> has_version = v; has_what = value
    :: else
    fi
}

inline acknowledge(w)
{
    if
    :: link[w] == instance -> acked[w] = has[w]
    :: else
    fi
}

proctype worker(byte w)
{
    mtype kind;
    byte v, value;

end:
    do
    :: atomic { state[w] == GONE -> break }
    :: atomic { RUNS(w) && nempty(values[w]) ->
        values[w] ? kind, v, value;
        if
        :: kind == LINK ->
            link[w] = v;
            assert(has[w] >= answered);
#ifndef NO_HELLO
            acknowledge(w)
#endif
        :: kind == SECRET ->
            keep(has[w], has_value[w], v, value);
            acknowledge(w)
        fi;
        kind = 0; v = 0; value = 0 }
    :: atomic { RUNS(w) && link[w] > 0 && HANDLER(link[w], w) &&
           !applied[w] ->
        assert(has[w] > 0);
        applied[w] = true }
    od
}

inline obey(c)
{
    orders[(c) - 1] ? v, value;
    keep(custody, custody_value, v, value);
    n = 0;
    do
    :: n < 2 ->
        if
        :: IS_LIVE(n) -> values[n] ! SECRET(v, value)
        :: else
        fi;
        n++
    :: else -> break
    od;
    if
    :: c == instance -> told ! SENT(v)
    :: else
    fi;
    n = 0; v = 0; value = 0
}

/* JOIN before the fork; what the worker reads first are the values. */
inline fork()
{
    told ! JOIN(STARTER);
    state[STARTER] = LIVE;
#ifdef SNAPSHOT_FIRST
    values[STARTER] ! LINK(instance, 0);
#endif
    if
    :: custody > 0 -> values[STARTER] ! SECRET(custody, custody_value)
    :: else
    fi;
#ifndef SNAPSHOT_FIRST
    values[STARTER] ! LINK(instance, 0)
#endif
}

proctype master()
{
    byte n, v, value;

end:
    do
    :: atomic { nempty(orders[instance - 1]) -> obey(instance) }
#ifdef READS_LATE
    :: atomic { instance > 1 && nempty(orders[instance - 2]) ->
        obey(instance - 1) }
#endif
    :: atomic { state[STARTER] == ABSENT -> fork() }
    :: atomic { stops < STOPS && IS_LIVE(0) && !killed ->
        stops++;
        stopped = true }
    :: d_step { killed -> /* reaped */
        killed = false; stopped = false;
        state[0] = GONE;
        link[0] = 0; has[0] = 0; has_value[0] = 0; acked[0] = 0;
        applied[0] = false; known[0] = false;
        do
        :: nempty(values[0]) -> values[0] ? _, _, _
        :: empty(values[0]) -> break
        od }
    /* when nothing can happen any more, each call has ended */
    :: atomic { timeout -> assert(!calls); break }
    od
}

#ifdef NO_SENT
#define IS_SENT(v) true
#else
#define IS_SENT(v) (sent >= (v))
#endif
#define HAS(w, v) (state[w] == GONE || !known[w] || acked[w] >= (v))
#define ALL_HAVE(v) (IS_SENT(v) && HAS(0, v) && HAS(STARTER, v))

#ifdef SECRET_LATER
#define MAY_COMMIT (version > 0)
#elif defined(TRUSTS_LIST)
#define MAY_COMMIT (version > 0 && (ALL_HAVE(1) || deaths > 0))
#else
#define MAY_COMMIT (version > 0 && ALL_HAVE(1))
#endif

#ifdef NO_TIMEOUT
#define IS_SILENT false
#else
#define IS_SILENT \
    (stopped && !killed && calls && known[0] && acked[0] < version)
#endif

inline join(w)
{
    known[w] = true;
    HANDLER(instance, w) = committed
}

inline succeed(w)
{
    acked[w] = 0;
    known[w] = false;
    if
    :: IS_LIVE(w) -> join(w); values[w] ! LINK(instance, 0)
    :: else
    fi
}

/* The master drops what the dead one still asked for, tells the next one of all
 * workers and of the versions that it has, and gives out the links. */
inline die()
{
    deaths++;
    calls = false;
    do
    :: nempty(told) -> told ? _, _
    :: empty(told) -> break
    od;
#ifndef READS_LATE
    do
    :: nempty(orders[instance - 1]) -> orders[instance - 1] ? _, _
    :: empty(orders[instance - 1]) -> break
    od;
#endif
    instance++;
    version = custody;
    sent = custody;
    succeed(0);
    succeed(STARTER)
}

proctype control()
{
    byte v, value;

end:
    do
    :: atomic { told ? [JOIN, _] -> told ? _, v; join(v); v = 0 }
    :: atomic { told ? [SENT, _] -> told ? _, sent }
    :: atomic { !calls && n_calls < CALLS -> /* the secret is set */
        calls = true;
        n_calls++;
        version++;
        orders[instance - 1] ! version, n_calls }
    :: atomic { calls && ALL_HAVE(version) -> /* 200 */
        calls = false;
        answered = version;
        assert(!IS_LIVE(0) || has[0] >= answered);
        assert(link[STARTER] == 0 || has[STARTER] >= answered);
        assert(custody >= answered) }
    :: atomic { !committed && MAY_COMMIT -> /* the handler is set */
        committed = true;
        HANDLER(instance, 0) = known[0];
        HANDLER(instance, STARTER) = known[STARTER] }
    :: atomic { IS_SILENT -> killed = true; stopped = false }
    :: d_step { deaths < DEATHS -> die() }
    od
}

init
{
    atomic {
        state[0] = LIVE;
        known[0] = true;
        link[0] = 1;
        run worker(0);
        run worker(STARTER);
        run master();
        run control()
    }
}
