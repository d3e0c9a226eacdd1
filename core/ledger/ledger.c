/*
 * The ledger's file: whose the rows are, which records were ever touched, and
 * the burial of the dead. What one record says of header slots is
 * ledger_slot.c's.
 */

#include "ledger/ledger.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/process.h"
#include "os/sock.h"
#include "ledger/ledger_slot.h"

#define LEDGER_MAGIC 0x1ed6e21du /* of struct ledger */
#define FILE_MAGIC 0x51075107u
#define FILE_VERSION 2u
#define RECORDS_MAX 1048576u
#define PAGE 4096u

/* In a row's word beside the pid: it has ended, and what it held is not all
 * given back. To do that is one process's alone, whose row is named, too: two
 * generations' masters have the same rows. */
#define ROW_DEAD (1ull << 63)
#define ROW_BURIER 32

/* How long a record's lock is waited for by whoever buries, until one was
 * waited for in vain: a process that was stopped in the middle must not hold
 * up the master. The row stays dead then, and is looked at again with the next
 * death. */
#define REAP_PATIENCE 0.05

#define FOREVER 1e9

/* What says of which form the file is. */
struct ledger_header {
    uint32_t magic, version;
    uint64_t size, records_at;
    uint32_t n_records, record_size, n_rows, list;
    uint32_t mail, unused[3];
};

/* At the start of the file; records follow from `records_at` on. */
struct ledger_file {
    struct ledger_header header;
    _Atomic uint32_t generation; /* of the configuration: the last */
    uint32_t unused;
    _Atomic uint64_t rows[LEDGER_ROWS]; /* a pid; 0: free */
    _Atomic uint64_t mail[LEDGER_ROWS][LEDGER_PENDING / 64];
    _Atomic uint64_t touched[]; /* a bit for each record */
};

/* What must hold for memory's sake is here: the file may be overwritten by a
 * process that was taken over. */
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
        .mail = LEDGER_PENDING };
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

/* Writes the header of a file that nobody else has yet. */
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
ledger_take_pending(struct ledger *l, struct ledger_pending *mail)
{
    CHECK(l, LEDGER_MAGIC);
    AN(l->row != 0);
    sock_hush(l->fds[l->row]);
    for (unsigned i = 0; i < LEN(mail->bits); i++) {
        _Atomic uint64_t *word = &l->file->mail[l->row][i];
        mail->bits[i] = *word != 0 ? atomic_exchange(word, 0) : 0;
    }
}

/* The bits of its mail first. */
static void
wake(const struct ledger *l, unsigned row)
{
    sock_ring(l->fds[row]);
}

/* What a dead row has of a record goes back. False: somebody does not let go
 * of the lock. */
static bool
return_record(
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

/* Gives back all of a row that is dead; false where that is not done. */
static bool
return_row(struct ledger *l, unsigned row, double patience)
{
    bool is_all = true;
    AN(l->row != 0 && row != l->row);
    for (unsigned i = 0; i < l->n_records; i++) {
        uint64_t bits = l->file->touched[i / 64];
        if (bits == 0) {
            i |= 63;
        } else if ((bits >> i % 64 & 1) != 0 &&
                   !return_record(l, &l->records[i], row, patience)) {
            is_all = false;
            patience = 0;
        }
    }
    return is_all;
}

static bool
row_take(struct ledger *l, unsigned row, uint64_t from, uint64_t to)
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
        if (row_take(l, i, 0, pid)) {
            l->row = i;
            return 0;
        }
    }
    return -1;
}

static bool
is_dead(uint64_t row)
{
    return (row & ROW_DEAD) != 0;
}

/* The word of a dead row that this process buries. */
static uint64_t
dead_word(const struct ledger *l, uint64_t pid)
{
    return ROW_DEAD | (uint64_t)l->row << ROW_BURIER | pid;
}

static bool
is_mine(const struct ledger *l, uint64_t row)
{
    return is_dead(row) && row == dead_word(l, (uint32_t)row);
}

static void
wake_all(const struct ledger *l)
{
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        uint64_t row = l->file->rows[i];
        if (row == 0 || is_dead(row) || i == l->row) {
            continue;
        }
        for (unsigned k = 0; k < LEDGER_PENDING / 64; k++) {
            l->file->mail[i][k] = UINT64_MAX;
        }
        wake(l, i);
    }
}

/* All rows that are this process's to reap, and not only the last: one may
 * have locked what another has a share of. Whether there was any. */
static bool
return_dead(struct ledger *l, double patience)
{
    bool is_any = false;
    for (unsigned i = 1; i < LEDGER_ROWS; i++) {
        if (i == l->row || !is_mine(l, l->file->rows[i])) {
            continue;
        }
        is_any = true;
        if (return_row(l, i, patience)) {
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
            (void)!row_take(l, i, alive, dead_word(l, alive));
        }
    }
    if (return_dead(l, 0)) {
        return_dead(l, REAP_PATIENCE);
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
touch(struct ledger *l, unsigned index)
{
    _Atomic uint64_t *word = &l->file->touched[index / 64];
    uint64_t bit = 1ull << index % 64;
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
        atomic_fetch_or(word, bit);
    }
}

/* Last of all the serial: until then it is the old one's, which is no more. */
static void
record_begin(struct ledger_record *r, uint64_t serial)
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
    touch(l, index);
    AN(shm_lock(&r->lock, l->row, FOREVER));
    if (r->serial < serial) {
        record_begin(r, serial);
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
                atomic_fetch_or(&l->file->mail[row][word], bit);
                wake(l, row);
            }
        }
    }
}
