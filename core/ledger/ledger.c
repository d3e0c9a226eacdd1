/*
 * Rows, records, and the reaping of dead rows. The files are ledger_file.c's,
 * header slots in a record are ledger_slot.c's.
 *
 * A row's word (`rows` in the base) has three states. Each change is one
 * compare-and-swap or one store; there is no lock:
 *   free  0                    → alive, by the process itself: ledger_claim()
 *   alive PID                  → dead, by a master: ledger_reap()
 *   dead  ROW_DEAD|REAPER|PID  → free, by the reaper that the word names, once
 *                                every record has been given back
 * Two masters (of two generations, during an upgrade) share the rows: the word
 * names a reaper so that one of them alone gives back.
 *
 * A record is changed by whoever has its lock, a live row or the reaper who
 * inherited the lock from a dead one:
 *   untouched  all zeroes; its bit in `touched` is 0
 *   in use     `serial` is its sandbox's; serials only grow
 * `reach` grows only, and is above every row that ever locked the record for
 * this serial. What may stand in a record is ledger_slot.c's.
 *
 * A row's `pending` bits are set by anyone, by one atomic OR, after the record
 * was changed and unlocked, and then its bell rings. The row alone clears
 * them, after it has stilled the bell: so no wake is lost.
 */

#include "ledger/ledger.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/ledger_file.h"
#include "ledger/ledger_slot.h"
#include "os/sock.h"

#define LEDGER_MAGIC 0x1ed6e21du /* of struct ledger */

/* A row's word beside the pid: ROW_DEAD, and the reaper's row from bit
 * ROW_REAPER on. */
#define ROW_DEAD (1ull << 63)
#define ROW_REAPER 32

/* How long the master waits for the lock of a record, in seconds: a process may
 * have been stopped while it holds it, and must not hold up the master. After
 * one wait in vain the reaping waits for no other lock; the row stays dead, and
 * the next ledger_reap() tries again. */
#define REAP_PATIENCE 0.05

#define FOREVER 1e9

/* Sizes are kept here, in this process's own memory: an attacker who took over
 * a worker can write what he likes into the files. */
struct ledger {
    unsigned magic;
    unsigned n_segments;
    unsigned n_fds; /* the base, the bell of each row, the segments */
    int fds[LEDGER_ROWS + LEDGER_SEGMENTS_MAX];
    unsigned row; /* this process's; 0: none */
    struct ledger_base *base;
    struct ledger_segment *segments[LEDGER_SEGMENTS_MAX];
};

static void
close_all(const int *fds, unsigned n)
{
    int err = errno;
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    errno = err;
}

static void
unmap_all(struct ledger *l)
{
    if (l->base != NULL) {
        shm_unmap(l->base, sizeof *l->base);
    }
    while (l->n_segments != 0) {
        l->n_segments--;
        shm_unmap(l->segments[l->n_segments], sizeof **l->segments);
    }
}

static int
segment_add(struct ledger *l, int fd)
{
    AN(l->n_segments < LEDGER_SEGMENTS_MAX);
    struct ledger_segment *s = ledger_segment_map(fd);
    if (s == NULL) {
        return -1;
    }
    l->segments[l->n_segments++] = s;
    l->fds[l->n_fds++] = fd;
    AN(l->n_fds == LEDGER_ROWS + l->n_segments);
    return 0;
}

static int
map_all(struct ledger *l, const int *fds, unsigned n)
{
    l->base = ledger_base_map(fds[0]);
    bool ok = l->base != NULL;
    for (unsigned i = LEDGER_ROWS; ok && i < n; i++) {
        ok = segment_add(l, fds[i]) == 0;
    }
    return ok ? 0 : -1;
}

static bool
all_are_known(const struct ledger *l)
{
    bool ok = ledger_base_is_known(l->base);
    for (unsigned i = 0; ok && i < l->n_segments; i++) {
        ok = ledger_segment_is_known(l->segments[i], i);
    }
    return ok;
}

struct ledger *
ledger_open(const int *fds, unsigned n)
{
    AN(n > LEDGER_ROWS && n <= LEDGER_ROWS + LEDGER_SEGMENTS_MAX);
    struct ledger *l = xcalloc(sizeof *l);
    l->magic = LEDGER_MAGIC;
    l->n_fds = LEDGER_ROWS;
    memcpy(l->fds, fds, LEDGER_ROWS * sizeof *fds);
    int r = map_all(l, fds, n);
    if (r == 0 && all_are_known(l)) {
        return l;
    }
    int err = r == 0 ? EPROTO : errno;
    unmap_all(l);
    xfree(l);
    errno = err;
    return NULL;
}

struct ledger *
ledger_new(void)
{
    int fds[LEDGER_ROWS + 1];
    unsigned n = 1;
    fds[0] = ledger_base_create();
    bool ok = fds[0] >= 0;
    for (; ok && n < LEN(fds); n++) {
        fds[n] = n < LEDGER_ROWS ? sock_bell() : ledger_segment_create(0);
        ok = fds[n] >= 0;
    }
    struct ledger *l = ok ? ledger_open(fds, n) : NULL;
    if (l == NULL) {
        close_all(fds, n);
        return NULL;
    }
    AZ(ledger_claim(l));
    return l;
}

void
ledger_free(struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    unmap_all(l);
    close_all(l->fds, l->n_fds);
    l->magic = 0;
    xfree(l);
}

int
ledger_grow(struct ledger *l, int *fd)
{
    CHECK(l, LEDGER_MAGIC);
    if (l->n_segments == LEDGER_SEGMENTS_MAX) {
        errno = ENOSPC;
        return -1;
    }
    *fd = ledger_segment_create(l->n_segments);
    if (*fd < 0 || segment_add(l, *fd) != 0) {
        close_all(fd, 1);
        return -1;
    }
    return 0;
}

int
ledger_extend(struct ledger *l, uint64_t number, int fd)
{
    CHECK(l, LEDGER_MAGIC);
    if (number != l->n_segments || number == LEDGER_SEGMENTS_MAX) {
        errno = EPROTO;
        return -1;
    }
    return segment_add(l, fd);
}

unsigned
ledger_segments(const struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    return l->n_segments;
}

const int *
ledger_fds(const struct ledger *l, unsigned *n)
{
    CHECK(l, LEDGER_MAGIC);
    *n = l->n_fds;
    return l->fds;
}

unsigned
ledger_row(const struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    return l->row;
}

int
ledger_wake_fd(const struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    AN(l->row != 0);
    return l->fds[l->row];
}

void
ledger_take_pending(struct ledger *l, struct ledger_pending *pending)
{
    CHECK(l, LEDGER_MAGIC);
    AN(l->row != 0);
    sock_hush(l->fds[l->row]);
    for (unsigned i = 0; i < LEN(pending->bits); i++) {
        _Atomic uint64_t *word = &l->base->pending[l->row][i];
        pending->bits[i] = *word != 0 ? atomic_exchange(word, 0) : 0;
    }
}

/* The caller has set the row's pending bits. */
static void
row_wake(const struct ledger *l, unsigned row)
{
    AN(row != 0 && row < LEDGER_ROWS);
    sock_ring(l->fds[row]);
}

/* The segment of that index; NULL: there is none. */
static struct ledger_segment *
segment_of(const struct ledger *l, unsigned index)
{
    unsigned i = index / LEDGER_SEGMENT;
    return i < l->n_segments ? l->segments[i] : NULL;
}

/* Something in the record of that index is for the row. */
static void
row_notify(const struct ledger *l, unsigned row, unsigned index)
{
    unsigned bit = index % LEDGER_PENDING;
    atomic_fetch_or(&l->base->pending[row][bit / 64], 1ull << bit % 64);
    row_wake(l, row);
}

static bool
row_is_dead(uint64_t word)
{
    return (word & ROW_DEAD) != 0;
}

/* The word of a dead row that this process reaps. */
static uint64_t
row_dead_word(const struct ledger *l, uint64_t pid)
{
    AN(l->row != 0);
    return ROW_DEAD | (uint64_t)l->row << ROW_REAPER | pid;
}

static bool
row_is_ours_to_reap(const struct ledger *l, uint64_t word)
{
    return row_is_dead(word) && word == row_dead_word(l, (uint32_t)word);
}

/* Gives back what a dead row has of a record. False: another process held the
 * lock for longer than `patience`. */
static bool
record_return(struct ledger *l, unsigned index, unsigned row, double patience)
{
    struct ledger_record *r =
        &segment_of(l, index)->records[index % LEDGER_SEGMENT];
    struct ledger_wakes wakes = { { 0 } };
    bool was_held = shm_lock_inherit(&r->lock, row, l->row);
    if (!was_held && !shm_lock(&r->lock, l->row, patience)) {
        return false;
    }
    if (was_held || ledger_record_is_used(r, row)) {
        ledger_record_return(r, row, &wakes);
    }
    ledger_unlock(l, index, &wakes);
    return true;
}

/* Gives back all that a dead row has in the n-th segment. False: not all, as
 * record_return(), and *patience is 0 then. */
static bool
segment_return(struct ledger *l, unsigned n, unsigned row, double *patience)
{
    bool is_all = true;
    for (unsigned i = 0; i < LEDGER_SEGMENT; i++) {
        uint64_t bits = l->segments[n]->touched[i / 64];
        if (bits == 0) {
            i |= 63;
        } else if ((bits >> i % 64 & 1) != 0 &&
                   !record_return(l, n * LEDGER_SEGMENT + i, row, *patience)) {
            is_all = false;
            *patience = 0;
        }
    }
    return is_all;
}

/* Gives back all that a dead row has. False: not all, as record_return(). */
static bool
row_return(struct ledger *l, unsigned row, double patience)
{
    bool is_all = true;
    AN(l->row != 0 && row != l->row);
    for (unsigned i = 0; i < l->n_segments; i++) {
        is_all &= segment_return(l, i, row, &patience);
    }
    return is_all;
}

/* One change of a row's word. False: it was not `from` any more. */
static bool
row_change(struct ledger *l, unsigned row, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(&l->base->rows[row], &from, to);
}

uint32_t
ledger_generation(struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    return atomic_fetch_add(&l->base->generation, 1) + 1;
}

int
ledger_claim(struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    uint64_t pid = (uint64_t)getpid();
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        if (row_change(l, i, 0, pid)) {
            l->row = i;
            return 0;
        }
    }
    return -1;
}

/* Sets all bits of all other rows that live, and wakes them. */
static void
wake_all(const struct ledger *l)
{
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        uint64_t row = l->base->rows[i];
        if (row == 0 || row_is_dead(row) || i == l->row) {
            continue;
        }
        for (unsigned k = 0; k < LEDGER_PENDING / 64; k++) {
            l->base->pending[i][k] = UINT64_MAX;
        }
        row_wake(l, i);
    }
}

/* Gives back all dead rows that this process reaps, those of earlier deaths
 * too: one dead row may have locked a record in which another has a share.
 * Whether there was any. */
static bool
return_dead_rows(struct ledger *l, double patience)
{
    bool is_any = false;
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        if (i == l->row || !row_is_ours_to_reap(l, l->base->rows[i])) {
            continue;
        }
        is_any = true;
        if (row_return(l, i, patience)) {
            l->base->rows[i] = 0;
        }
    }
    return is_any;
}

void
ledger_reap(struct ledger *l, pid_t pid)
{
    CHECK(l, LEDGER_MAGIC);
    AN(pid > 0);
    uint64_t alive = (uint64_t)pid;
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        if (i != l->row) {
            (void)!row_change(l, i, alive, row_dead_word(l, alive));
        }
    }
    if (return_dead_rows(l, 0)) {
        return_dead_rows(l, REAP_PATIENCE);
        wake_all(l);
    }
}

bool
ledger_is_touched(const struct ledger *l, unsigned index)
{
    CHECK(l, LEDGER_MAGIC);
    const struct ledger_segment *s = segment_of(l, index);
    unsigned i = index % LEDGER_SEGMENT;
    return s != NULL && (s->touched[i / 64] >> i % 64 & 1) != 0;
}

/* `i`: of the segment's. */
static void
record_touch(struct ledger_segment *s, unsigned i)
{
    _Atomic uint64_t *word = &s->touched[i / 64];
    uint64_t bit = 1ull << i % 64;
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
        atomic_fetch_or(word, bit);
    }
}

void
ledger_forget(struct ledger *l, unsigned index)
{
    CHECK(l, LEDGER_MAGIC);
    unsigned i = index % LEDGER_SEGMENT, n = index / LEDGER_SEGMENT;
    struct ledger_segment *s = segment_of(l, index);
    AN(s != NULL);
    if (!ledger_is_touched(l, index)) {
        return;
    }
    size_t at = (size_t)((char *)&s->records[i] - (char *)s);
    atomic_fetch_and(&s->touched[i / 64], ~(1ull << i % 64));
    shm_punch(l->fds[LEDGER_ROWS + n], at, sizeof *s->records);
}

/* Clears a record for a new sandbox: the shares that were ever used, so that
 * the others' pages stay untouched. The serial is stored last: if this process
 * dies before that, the record still has the old serial, whose sandbox has
 * ended, and the next process clears it again. */
static void
record_clear(struct ledger_record *r, uint64_t serial)
{
    unsigned reach = ledger_record_reach(r);
    r->n_waiting = 0;
    r->limit = 0;
    r->active = 0;
    r->ends[0] = r->ends[1] = 0;
    memset(&r->total, 0, sizeof r->total);
    memset(r->buckets, 0, sizeof r->buckets);
    memset(r->rows, 0, reach * sizeof *r->rows);
    r->reach = 0;
    atomic_signal_fence(memory_order_seq_cst);
    r->serial = serial;
}

struct ledger_record *
ledger_lock(struct ledger *l, unsigned index, uint64_t serial)
{
    CHECK(l, LEDGER_MAGIC);
    AN(l->row != 0 && serial != 0);
    struct ledger_segment *s = segment_of(l, index);
    if (s == NULL) {
        return NULL;
    }
    struct ledger_record *r = &s->records[index % LEDGER_SEGMENT];
    record_touch(s, index % LEDGER_SEGMENT);
    AN(shm_lock(&r->lock, l->row, FOREVER));
    if (r->serial < serial) {
        record_clear(r, serial);
    }
    if (r->serial != serial) {
        shm_unlock(&r->lock, l->row);
        return NULL;
    }
    if (r->reach <= l->row) {
        r->reach = l->row + 1;
    }
    return r;
}

void
ledger_unlock(
    struct ledger *l, unsigned index, const struct ledger_wakes *wakes)
{
    CHECK(l, LEDGER_MAGIC);
    struct ledger_segment *s = segment_of(l, index);
    AN(s != NULL);
    shm_unlock(&s->records[index % LEDGER_SEGMENT].lock, l->row);
    for (unsigned i = 0; wakes != NULL && i < LEN(wakes->rows); i++) {
        uint64_t bits = wakes->rows[i];
        while (bits != 0) {
            unsigned row = i * 64 + (unsigned)__builtin_ctzll(bits);
            bits &= bits - 1;
            if (row != l->row) {
                row_notify(l, row, index);
            }
        }
    }
}
