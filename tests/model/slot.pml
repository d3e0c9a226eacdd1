/*
 * Header slots as core/ledger/ledger_slot.c and core/proxy/slot.c do them. A
 * worker may die between any two steps; stores to its own row alone are one,
 * since that is wiped then (ledger_crash_test.c dies between them, too). For
 * spin (auto/model); ROWS, ASKS, SLOTS and DEATHS bound it, and a newer policy
 * adds RAISE slots or takes LOWER of them away. That an older one changes
 * nothing is ledger_test.c's.
 *
 * Checked: never more than may hold one, or, after the limit was lowered, than
 * held one before (assert); when the lock is free no slot is while somebody
 * waits (assert); a grant reaches the waiter that it was for, the k-th entry is
 * the k-th waiter's (assert); nobody waits for ever (who does not leave by
 * itself would be an invalid end state).
 *
 * Mutants, of each of which an error must be found: FORGETS a dead worker's
 * slots, LOSES a wake-up, OVERTAKES one that waits longer in a worker,
 * EXCEEDS the limit by one.
 */

#ifndef LOWER
#define LOWER 0
#endif

#define ENTRIES (ROWS * ASKS)
#define MASTER (ROWS + 1)
#define SUCCESSOR (ROWS + 2)

/* The record. Rows are 1 to ROWS; a list entry 0 was taken out. */
byte lock;
byte limit = SLOTS;
byte used[ROWS + 1], asked[ROWS + 1], granted[ROWS + 1];
byte total, waiting; /* used and granted of all; entries */
byte most = SLOTS;   /* for the assertions: `total` of the last unlock, or the
                        limit */
byte list[ENTRIES], first, last;

bool woken[ROWS + 1]; /* eventfds */
bool dead[ROWS + 1];
byte deaths;

/* For the assertions alone: who has a slot as it sees itself, and whose entries
 * were granted, in their order. */
byte holds[ROWS + 1], holders;
chan given[ROWS + 1] = [ASKS] of { byte };

#ifdef EXCEEDS
#define IS_FREE (total <= limit)
#else
#define IS_FREE (total < limit)
#endif

inline unlocked()
{
    atomic {
        assert(total <= limit || total <= most);
        most = (total > limit -> total : limit);
        assert(!(IS_FREE && waiting > 0));
        lock = 0;
        r = 0; i = 0
    }
}

/* Wakes are sent after the unlock: a death in between loses them. */
inline wake()
{
    d_step {
        do
        :: r < ROWS ->
            r++;
            if
            :: (wakes & (1 << r)) && !dead[r] -> woken[r] = true
            :: else
            fi
        :: else -> break
        od;
        wakes = 0; r = 0
    }
}

inline done()
{
    unlocked();
    wake()
}

inline distribute()
{
    do
    :: first < last && (list[first] == 0 || IS_FREE) ->
        r = list[first];
        if
        :: r != 0 ->
            granted[r]++;
            total++;
            waiting--;
#ifndef LOSES
            wakes = wakes | (1 << r);
#endif
            atomic { given[r]!first; first++ } /* this store is the grant */
        :: else -> first++
        fi
    :: else -> break
    od
}

inline hold()
{
    holds[me]++;
    holders++;
    assert(holders <= total)
}

inline take()
{
    distribute();
    if
    :: waiting == 0 && IS_FREE ->
        atomic { used[me]++; total++; hold() }
    :: else ->
        list[last] = me;
        atomic { own!last; last++; waiting++; asked[me]++ }
    fi
}

inline collect()
{
    atomic {
        n = granted[me];
        used[me] = used[me] + n;
        granted[me] = 0;
        asked[me] = asked[me] - n;
        do
        :: n > 0 ->
            n--;
#ifdef OVERTAKES
            if
            :: len(own) > 1 -> own?k; own!k
            :: else
            fi;
#endif
            own?k;
            given[me]?i;
            assert(i == k);
            hold()
        :: else -> break
        od;
        k = 0; i = 0
    }
}

inline give()
{
    atomic { holds[me]--; holders--; used[me]--; total-- };
    distribute();
    collect()
}

/* The first or the last of this worker's waiters. */
inline leave()
{
    atomic {
        if
        :: own?k
        :: len(own) > 1 ->
            do
            :: n < len(own) - 1 -> own?k; own!k; n++
            :: else -> break
            od;
            own?k
        fi;
        i = first; /* its n-th entry */
        do
        :: list[i] == me && n == 0 -> break
        :: list[i] == me && n > 0 -> n--; i++
        :: list[i] != me -> i++
        od;
        assert(i == k);
        list[i] = 0;
        waiting--;
        asked[me]--;
        i = 0; k = 0
    }
}

/* What it does between two locks concerns nobody else, so it is one step with
 * the lock that follows. `leaves`: one of its waiters does. */
proctype worker(byte me; bit leaves)
{
    chan own = [ASKS] of { byte }; /* its waiters, by their entry */
    byte asks = ASKS, n, r, k, i, wakes;
    {
        do
        :: atomic { asks > 0 && lock == 0 -> lock = me; asks-- };
            take(); collect(); done()
        :: atomic { holds[me] > 0 && lock == 0 -> lock = me };
            collect(); give(); done()
        :: atomic { leaves && len(own) > 0 && lock == 0 ->
            lock = me; leaves = 0 };
            collect();
            if
            :: len(own) > 0 -> leave()
            :: else
            fi;
            done()
        :: atomic { woken[me] && lock == 0 -> lock = me; woken[me] = false };
            collect(); done()
        :: asks == 0 && holds[me] == 0 && len(own) == 0 -> break
        od
    } unless { dead[me] }
}

/* Whoever is the first to know a newer policy. */
active proctype successor()
{
    byte r, i, wakes;
    if
    :: RAISE > 0 || LOWER > 0 ->
        atomic {
            lock == 0 -> lock = SUCCESSOR; limit = SLOTS + RAISE - LOWER
        };
        distribute();
        done()
    :: else
    fi
}

inline reap(who)
{
    d_step {
        i = first;
        do
        :: i < last ->
            if
            :: list[i] == who -> list[i] = 0
            :: else
            fi;
            i++
        :: else -> break
        od;
#ifndef FORGETS
        used[who] = 0;
#endif
        asked[who] = 0; granted[who] = 0;
        /* what follows from the rows and the list */
        total = 0; waiting = 0; r = 1;
        do
        :: r <= ROWS ->
            granted[r] = asked[r];
            i = first;
            do
            :: i < last ->
                if
                :: list[i] == r -> granted[r]--; waiting++
                :: else
                fi;
                i++
            :: else -> break
            od;
            total = total + used[r] + granted[r];
            r++
        :: else -> break
        od;
        r = 0; i = 0
    }
}

/* SIGKILLs, as many as DEATHS, and the reapings that follow in time. */
active proctype master()
{
    byte who, r, i, wakes;
end:
    do
    :: atomic {
            deaths < DEATHS ->
            deaths++;
            who = 1;
            do
            :: who < ROWS -> who++
            :: !dead[who] -> break
            od;
            dead[who] = true;
            holders = holders - holds[who];
            holds[who] = 0
        };
        atomic { /* it is dead for certain: its lock is taken over */
            (lock == who || lock == 0) -> lock = MASTER
        };
        reap(who);
        distribute();
        unlocked();
        wakes = 255;
        wake()
    od
}

init
{
    byte n = 1;
    atomic {
        do
        :: n <= ROWS -> run worker(n, 0); n++
        :: n <= ROWS -> run worker(n, 1); n++
        :: else -> break
        od
    }
}
