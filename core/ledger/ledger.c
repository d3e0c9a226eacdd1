/*
 * The ledger's file: rows, records, and the reaping of dead rows. Header slots
 * in a record are ledger_slot.c's.
 *
 * A row's word (`rows` in the file) has three states. Each change is one
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
#include "ledger/ledger_slot.h"
#include "os/process.h"
#include "os/sock.h"

#define LEDGER_MAGIC 0x1ed6e21du /* of struct ledger */
#define FILE_MAGIC 0x51075107u
#define FILE_VERSION 2u
#define RECORDS_MAX 1048576u
#define PAGE 4096u

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

/* The form of the file. A program uses only a file of its own form. */
struct ledger_header {
    uint32_t magic, version;
    uint64_t size, records_at;
    uint32_t n_records, record_size, n_rows, list;
    uint32_t pending, unused[3];
};

/* At the start of the file; records follow from `records_at` on. */
struct ledger_file {
    struct ledger_header header;
    _Atomic uint32_t generation; /* the last that was given out */
    uint32_t unused;
    _Atomic uint64_t rows[LEDGER_ROWS];
    _Atomic uint64_t pending[LEDGER_ROWS][LEDGER_PENDING / 64];
    _Atomic uint64_t touched[]; /* a bit for each record */
};

/* Sizes are kept here, in this process's own memory: an attacker who took over
 * a worker can write what he likes into the file. */
struct ledger {
    unsigned magic;
    unsigned n_records;
    int fds[LEDGER_ROWS]; /* the file, then the bell of each row */
    unsigned row;         /* this process's; 0: none */
    size_t size;
    struct ledger_file *file;
    struct ledger_record *records;
};

static size_t
records_offset(unsigned records)
{
    size_t n = sizeof(struct ledger_file) + (records + 63) / 64 * 8;
    return (n + PAGE - 1) / PAGE * PAGE;
}

static size_t
file_size(unsigned records)
{
    return records_offset(records) +
           (size_t)records * sizeof(struct ledger_record);
}

static struct ledger_header
header_of(unsigned records)
{
    return (struct ledger_header){ .magic = FILE_MAGIC,
        .version = FILE_VERSION,
        .size = file_size(records),
        .records_at = records_offset(records),
        .n_records = records,
        .record_size = sizeof(struct ledger_record),
        .n_rows = LEDGER_ROWS,
        .list = LEDGER_LIST,
        .pending = LEDGER_PENDING };
}

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

static bool
file_is_known(const struct ledger_file *f, size_t size)
{
    unsigned records = size < sizeof *f ? 0 : f->header.n_records;
    if (records == 0 || records > RECORDS_MAX) {
        return false;
    }
    struct ledger_header known = header_of(records);
    return known.size == size && memcmp(&f->header, &known, sizeof known) == 0;
}

struct ledger *
ledger_open(const int *fds, unsigned n)
{
    AN(n == LEDGER_ROWS);
    size_t size = 0;
    struct ledger_file *f = shm_map(fds[0], &size);
    if (f == NULL) {
        return NULL;
    }
    if (!file_is_known(f, size)) {
        shm_unmap(f, size);
        errno = EPROTO;
        return NULL;
    }
    struct ledger *l = xcalloc(sizeof *l);
    l->magic = LEDGER_MAGIC;
    memcpy(l->fds, fds, sizeof l->fds);
    l->size = size;
    l->n_records = f->header.n_records;
    l->file = f;
    l->records =
        (struct ledger_record *)(void *)((char *)f + f->header.records_at);
    return l;
}

/* A new file with its header; no other process has it yet. */
static int
file_make(unsigned records)
{
    struct ledger_header header = header_of(records);
    int fd = process_memory_file("weir: ledger", file_size(records));
    if (fd >= 0 && pwrite(fd, &header, sizeof header, 0) != sizeof header) {
        close_all(&fd, 1);
        return -1;
    }
    return fd;
}

struct ledger *
ledger_new(unsigned records)
{
    AN(records != 0 && records <= RECORDS_MAX);
    int fds[LEDGER_ROWS];
    unsigned n = 1;
    fds[0] = file_make(records);
    bool ok = fds[0] >= 0;
    for (; ok && n < LEDGER_ROWS; n++) {
        fds[n] = sock_bell();
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
    shm_unmap(l->file, l->size);
    close_all(l->fds, LEDGER_ROWS);
    l->magic = 0;
    xfree(l);
}

const int *
ledger_fds(const struct ledger *l, unsigned *n)
{
    CHECK(l, LEDGER_MAGIC);
    *n = LEDGER_ROWS;
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
        _Atomic uint64_t *word = &l->file->pending[l->row][i];
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
record_return(
    struct ledger *l, struct ledger_record *r, unsigned row, double patience)
{
    struct ledger_wakes wakes = { { 0 } };
    bool was_held = shm_lock_inherit(&r->lock, row, l->row);
    if (!was_held && !shm_lock(&r->lock, l->row, patience)) {
        return false;
    }
    if (was_held || ledger_record_is_used(r, row)) {
        ledger_record_return(r, row, &wakes);
    }
    ledger_unlock(l, r, &wakes);
    return true;
}

/* Gives back all that a dead row has. False: not all, as record_return(). */
static bool
row_return(struct ledger *l, unsigned row, double patience)
{
    bool is_all = true;
    AN(l->row != 0 && row != l->row);
    for (unsigned i = 0; i < l->n_records; i++) {
        uint64_t bits = l->file->touched[i / 64];
        if (bits == 0) {
            i |= 63;
        } else if ((bits >> i % 64 & 1) != 0 &&
                   !record_return(l, &l->records[i], row, patience)) {
            is_all = false;
            patience = 0;
        }
    }
    return is_all;
}

/* One change of a row's word. False: it was not `from` any more. */
static bool
row_change(struct ledger *l, unsigned row, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(&l->file->rows[row], &from, to);
}

uint32_t
ledger_generation(struct ledger *l)
{
    CHECK(l, LEDGER_MAGIC);
    return atomic_fetch_add(&l->file->generation, 1) + 1;
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
        uint64_t row = l->file->rows[i];
        if (row == 0 || row_is_dead(row) || i == l->row) {
            continue;
        }
        for (unsigned k = 0; k < LEDGER_PENDING / 64; k++) {
            l->file->pending[i][k] = UINT64_MAX;
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
        if (i == l->row || !row_is_ours_to_reap(l, l->file->rows[i])) {
            continue;
        }
        is_any = true;
        if (row_return(l, i, patience)) {
            l->file->rows[i] = 0;
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
    return index < l->n_records &&
           (l->file->touched[index / 64] >> index % 64 & 1) != 0;
}

static void
record_touch(struct ledger *l, unsigned index)
{
    _Atomic uint64_t *word = &l->file->touched[index / 64];
    uint64_t bit = 1ull << index % 64;
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
        atomic_fetch_or(word, bit);
    }
}

/* Clears a record for a new sandbox. The serial is stored last: if this process
 * dies before that, the record still has the old serial, whose sandbox has
 * ended, and the next process clears it again. */
static void
record_clear(struct ledger_record *r, uint64_t serial)
{
    r->n_waiting = 0;
    r->limit = 0;
    r->reach = 0;
    r->active = 0;
    r->ends[0] = r->ends[1] = 0;
    memset(&r->total, 0, sizeof r->total);
    memset(r->buckets, 0, sizeof r->buckets);
    memset(r->rows, 0, sizeof r->rows);
    atomic_signal_fence(memory_order_seq_cst);
    r->serial = serial;
}

struct ledger_record *
ledger_lock(struct ledger *l, unsigned index, uint64_t serial)
{
    CHECK(l, LEDGER_MAGIC);
    AN(l->row != 0 && serial != 0);
    if (index >= l->n_records) {
        return NULL;
    }
    struct ledger_record *r = &l->records[index];
    record_touch(l, index);
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
    struct ledger *l, struct ledger_record *r, const struct ledger_wakes *wakes)
{
    CHECK(l, LEDGER_MAGIC);
    AN(r >= l->records && r < l->records + l->n_records);
    unsigned index = (unsigned)(r - l->records) % LEDGER_PENDING;
    unsigned word = index / 64;
    uint64_t bit = 1ull << index % 64;
    shm_unlock(&r->lock, l->row);
    for (unsigned i = 0; wakes != NULL && i < LEN(wakes->rows); i++) {
        uint64_t bits = wakes->rows[i];
        while (bits != 0) {
            unsigned row = i * 64 + (unsigned)__builtin_ctzll(bits);
            bits &= bits - 1;
            if (row != l->row) {
                atomic_fetch_or(&l->file->pending[row][word], bit);
                row_wake(l, row);
            }
        }
    }
}
