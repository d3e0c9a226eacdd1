/*
 * When the index of a sandbox that ended may be given to another one: its CA
 * key and what it used are kept by index (CONTROL.md 11). For spin
 * (auto/model).
 * Bounds: SERIALS of sandboxes that one index gets, DEATHS of control, STOPS of
 * a worker, which is then killed for its silence.
 *
 * What stands for what. control(): all its instances, one after the other; it
 * makes and ends a sandbox at that index whenever it may. keeper(): the vault's
 * record; it reads `keys`, a pair of sockets for each control, which can be
 * read past that control's death. worker(): what it knows at that index, by the
 * links of control.pml; one that serves and knows a sandbox uses the ledger's
 * record at any time. STARTER is forked at any time. The master's punch of the
 * ledger's record is a step of control, since it waits for it.
 *
 * Checked: no worker uses the record while it is another's, or finds its own
 * wiped; who is given the index finds neither key nor worker of another; after
 * a creation was committed its key is there; nobody waits for ever.
 *
 * Left out: acknowledgements and GO of changes that are not an end or a
 * creation (control.pml); secrets of the sandbox, which the master drops where
 * it punches; a death of the keeper, whose records outlive it: it is asked
 * again, and both orders may come twice.
 *
 * Mutants, of each of which an error must be found:
 *   FREES_AT_COMMIT the index is free once the end is committed
 *   FREES_UNCOUNTED the end waits for those that serve, not for who starts
 *   FREES_AT_START  a new control takes for free what the store has not
 *   PUNCHES_FIRST   the ledger's record is wiped before all have forgotten
 *   KEEPS_ORPHAN    a new control does not drop a key that the store has not
 *   READS_LATE      the keeper reads what a dead control sent after it told the
 *                   next one which keys there are
 *   COMMITS_FIRST   a creation is committed before its key is made, and no
 *                   successor makes it
 *   NO_TIMEOUT      a worker may be silent for ever
 */

#ifndef STOPS
#define STOPS 1
#endif
#define CONTROLS (1 + DEATHS)
#define STARTER 1

mtype = { ABSENT, STARTING, SERVING, GONE };
mtype = { MAKE, DROP };
mtype = { IDLE, MAKING, ENDING, DROPPING };

/* The store: the serial that has the index, 0: none; serials are never given
 * twice, as they are reserved before. */
byte stored, serials;

/* Control: what it does with the index; the index is free when it is IDLE and
 * nothing is stored. */
mtype doing = IDLE;
byte instance = 1, deaths;
bool known[2], counted[2];

/* The keeper and the master: whose key and whose record is there. */
byte key, record;
bool has_replied;
chan keys[CONTROLS] = [2] of { mtype, byte };

/* Workers. */
mtype state[2] = ABSENT;
bool stopped[2], killed[2], uses[2];
byte stops, link[2], offered[2], knows[2];
chan links[CONTROLS * 2] = [2 * SERIALS + 1] of { byte };
#define LINK(c, w) links[((c) - 1) * 2 + (w)]

#define IS_LIVE(w) (state[w] == STARTING || state[w] == SERVING)
#define RUNS(w) (IS_LIVE(w) && !stopped[w])

inline drain(c, w)
{
    do
    :: nempty(LINK(c, w)) -> LINK(c, w) ? _
    :: empty(LINK(c, w)) -> break
    od
}

proctype worker(byte w)
{
    byte serial;

end:
    do
    :: atomic { state[w] == GONE -> break }
    :: atomic { RUNS(w) && offered[w] > link[w] ->
        if
        :: link[w] > 0 -> drain(link[w], w)
        :: else
        fi;
        link[w] = offered[w] }
    :: atomic { RUNS(w) && link[w] > 0 && nempty(LINK(link[w], w)) ->
        LINK(link[w], w) ? serial;
        if
        :: uses[w] && serial != knows[w] -> /* it closes what it has */
            assert(record == knows[w]);
            uses[w] = false
        :: else
        fi;
        assert(serial == knows[w] || serial == 0 || knows[w] == 0);
        knows[w] = serial;
        serial = 0 }
    :: atomic { RUNS(w) && state[w] == SERVING && knows[w] != 0 && !uses[w] ->
        assert(record == 0 || record == knows[w]);
        record = knows[w];
        uses[w] = true }
    :: atomic { RUNS(w) && uses[w] ->
        assert(record == knows[w]);
        uses[w] = false }
    od
}

inline obey(c)
{
    keys[(c) - 1] ? what, serial;
    if
    :: what == MAKE ->
        assert(key == 0 || key == serial);
        key = serial
    :: what == DROP && key == serial -> key = 0
    :: what == DROP && key != serial
    fi;
    has_replied = (c == instance -> true : has_replied);
    what = 0; serial = 0
}

proctype keeper()
{
    mtype what;
    byte serial;

end:
    do
    :: atomic { nempty(keys[instance - 1]) -> obey(instance) }
#ifdef READS_LATE
    :: atomic { instance > 1 && nempty(keys[instance - 2]) ->
        obey(instance - 1) }
#endif
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
    stopped[w] = false; killed[w] = false; uses[w] = false;
    link[w] = 0; offered[w] = 0; knows[w] = 0;
    known[w] = false; counted[w] = false
}

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
    :: STOPS_ONE(STARTER)
    :: REAPS(0)
    :: REAPS(STARTER)
    /* when nothing can happen any more */
    :: atomic { timeout -> assert(doing == IDLE && key == stored); break }
    od
}

inline join(w)
{
    known[w] = true;
    offered[w] = instance;
    LINK(instance, w) ! stored
}

inline send(w)
{
    if
    :: known[w] -> LINK(instance, w) ! stored
    :: else
    fi
}

inline succeed(w)
{
    known[w] = false;
    counted[w] = false;
    if
    :: IS_LIVE(w) -> join(w); counted[w] = true
    :: else
    fi
}

/* The keeper drops what the dead one still asked for. All that the store has
 * not is taken for what is about to end. */
inline die()
{
    deaths++;
    assert(stored == 0 || key == stored);
#ifndef READS_LATE
    do
    :: nempty(keys[instance - 1]) -> keys[instance - 1] ? _, _
    :: empty(keys[instance - 1]) -> break
    od;
#endif
    instance++;
    has_replied = false;
    succeed(0);
    succeed(STARTER);
#ifdef FREES_AT_START
    doing = IDLE
#else
    doing = (stored == 0 -> ENDING : IDLE)
#endif
}

/* All that was sent to it was applied and acknowledged. */
#define HAS_ALL(w) (link[w] == instance && len(LINK(instance, w)) == 0)
#ifdef FREES_AT_COMMIT
#define HAS_FORGOTTEN(w) true
#elif defined(FREES_UNCOUNTED)
#define HAS_FORGOTTEN(w) (state[w] == GONE || !counted[w] || HAS_ALL(w))
#else
#define HAS_FORGOTTEN(w) (state[w] == GONE || !known[w] || HAS_ALL(w))
#endif
#define KNOWS_NOTHING(w) (!IS_LIVE(w) || knows[w] == 0)

#define JOINS(w) \
    atomic { IS_LIVE(w) && !known[w] -> join(w) }
#define GOES(w) \
    atomic { state[w] == STARTING && known[w] && HAS_ALL(w) -> \
        counted[w] = true; \
        state[w] = SERVING }
#ifdef NO_TIMEOUT
#define TIMES_OUT(w) false
#else
#define TIMES_OUT(w) \
    d_step { known[w] && stopped[w] && !HAS_ALL(w) -> \
        killed[w] = true; \
        stopped[w] = false }
#endif
#ifdef KEEPS_ORPHAN
#define IS_ORPHAN (key != 0 && key == ended)
#else
#define IS_ORPHAN (key != 0)
#endif

inline commit(serial)
{
    stored = serial;
    send(0);
    send(STARTER)
}

proctype control()
{
    byte ended;

end:
    do
    :: JOINS(0)
    :: JOINS(STARTER)
    :: GOES(STARTER)
    :: TIMES_OUT(0)
    :: TIMES_OUT(STARTER)
    :: atomic { doing == IDLE && stored == 0 && serials < SERIALS ->
        assert(KNOWS_NOTHING(0) && KNOWS_NOTHING(STARTER));
        assert(record == 0);
        serials++;
        doing = MAKING;
#ifdef COMMITS_FIRST
        commit(serials);
#endif
        keys[instance - 1] ! MAKE(serials) }
    :: atomic { doing == MAKING && has_replied -> /* and 201, in time */
        has_replied = false;
        assert(key == serials);
#ifndef COMMITS_FIRST
        commit(serials);
#endif
        doing = IDLE }
    :: atomic { doing == IDLE && stored != 0 ->
        ended = stored;
        commit(0);
#ifdef PUNCHES_FIRST
        record = 0;
#endif
        doing = ENDING }
    :: atomic { doing == ENDING && HAS_FORGOTTEN(0) &&
           HAS_FORGOTTEN(STARTER) ->
        record = 0;
        if
        :: IS_ORPHAN ->
            keys[instance - 1] ! DROP(key);
            doing = DROPPING
        :: else -> doing = IDLE
        fi;
        ended = 0 }
    :: atomic { doing == DROPPING && has_replied -> /* 204: the index is free */
        has_replied = false;
        doing = IDLE }
    :: atomic { deaths < DEATHS -> ended = 0; die() }
    od
}

init
{
    atomic {
        state[0] = SERVING;
        known[0] = true; counted[0] = true;
        link[0] = 1; offered[0] = 1;
        run worker(0);
        run worker(STARTER);
        run keeper();
        run master();
        run control()
    }
}
