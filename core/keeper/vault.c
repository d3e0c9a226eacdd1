/*
 * The records and who may write them when. Two generations' keepers may have
 * the same files mapped: they add and drop under a lock of the process (not of
 * the open file, which both inherited), and read without one.
 */

#include "keeper/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/process.h"

#define VAULT_MAGIC 0x7a017a01u /* of struct vault */
#define FILE_MAGIC 0x7eeb7eebu
#define FILE_VERSION 3u
#define RECORD_VALID 0x900d900du

struct record {
    _Atomic uint32_t state; /* RECORD_VALID; anything else: free */
    uint8_t n_id, n_signature;
    uint8_t unused[2];
    uint64_t serial;
    int64_t created;
    uint8_t key[VAULT_KEY_SIZE];
    char id[VAULT_ID_MAX];
    uint8_t signature[CERT_SIGNATURE_MAX];
};

_Static_assert(sizeof(struct record) == 192, "vault.h says so");

struct file {
    _Atomic uint32_t magic;
    uint32_t version, number, n, record_size;
    uint32_t unused[11];
    struct record records[VAULT_SEGMENT];
};

struct segment {
    int fd;
    bool is_taken;     /* the descriptor is to be closed */
    struct file *file; /* NULL: it cannot be used */
};

struct vault {
    unsigned magic;
    unsigned n; /* segments */
    struct segment segments[VAULT_SEGMENTS_MAX];
};

static bool
record_is_valid(const struct record *r)
{
    return atomic_load_explicit(&r->state, memory_order_acquire) ==
           RECORD_VALID;
}

/* Everything but the state; nobody reads it meanwhile. */
static void
record_wipe(struct record *r)
{
    mem_wipe((char *)r + sizeof r->state, sizeof *r - sizeof r->state);
}

static void
segment_lock(const struct segment *s, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    int r;
    do {
        r = fcntl(s->fd, F_SETLKW, &lock);
    } while (r != 0 && errno == EINTR);
    AZ(r);
}

size_t
vault_bytes(unsigned segments)
{
    AN(segments <= VAULT_SEGMENTS_MAX);
    return segments * sizeof(struct file);
}

int
vault_files_grow(struct vault_files *f)
{
    AN(f->n <= VAULT_SEGMENTS_MAX);
    if (f->n == VAULT_SEGMENTS_MAX) {
        errno = ENOSPC;
        return -1;
    }
    int fd = process_secret_file("weir vault", sizeof(struct file));
    if (fd < 0) {
        return -1;
    }
    f->fds[f->n++] = fd;
    return 0;
}

void
vault_files_close(struct vault_files *f)
{
    AN(f->n <= VAULT_SEGMENTS_MAX);
    while (f->n != 0) {
        close(f->fds[--f->n]);
    }
}

/* What is not valid was left by a keeper that died in the middle of adding or
 * of dropping; under the lock nobody else is. */
static void
file_tidy(struct file *f)
{
    for (unsigned i = 0; i < VAULT_SEGMENT; i++) {
        if (!record_is_valid(&f->records[i])) {
            record_wipe(&f->records[i]);
        }
    }
}

/* A header that was never written is zeroes: the master cannot write it, since
 * secret memory has no write(2). */
static void
file_begin(struct file *f, unsigned number)
{
    f->version = FILE_VERSION;
    f->number = number;
    f->n = VAULT_SEGMENT;
    f->record_size = sizeof(struct record);
    atomic_store_explicit(&f->magic, FILE_MAGIC, memory_order_release);
}

static bool
file_is_known(const struct file *f, unsigned number)
{
    return f->magic == FILE_MAGIC && f->version == FILE_VERSION &&
           f->number == number && f->n == VAULT_SEGMENT &&
           f->record_size == sizeof(struct record);
}

static struct file *
file_map(int fd)
{
    size_t size = 0;
    struct file *f = process_secret_map(fd, &size);
    if (f == NULL) {
        bool is_limit = errno == EAGAIN || errno == ENOMEM || errno == EPERM;
        log_errno(LOG_EMERG, errno,
            "cannot map and lock the CA keys (%zu bytes)%s", size,
            is_limit ? ": RLIMIT_MEMLOCK is too low" : "");
        return NULL;
    }
    if (size != sizeof *f) {
        log_at(LOG_EMERG, "a file of CA keys has %zu bytes", size);
        process_secret_unmap(f, size);
        return NULL;
    }
    return f;
}

/* False after a log line. */
static bool
segment_map(struct segment *s, unsigned number)
{
    AZ(s->file);
    struct file *f = file_map(s->fd);
    if (f == NULL) {
        return false;
    }
    segment_lock(s, F_WRLCK);
    bool is_new = f->magic == 0; /* zeroes: no page of it is touched yet */
    bool is_known = is_new || file_is_known(f, number);
    if (is_new) {
        file_begin(f, number);
    } else if (is_known) {
        file_tidy(f);
    }
    segment_lock(s, F_UNLCK);
    if (!is_known) {
        log_at(LOG_EMERG, "a file of CA keys is of another version");
        process_secret_unmap(f, sizeof *f);
        return false;
    }
    s->file = f;
    return true;
}

struct vault *
vault_open(const struct vault_files *f)
{
    AN(f->n != 0 && f->n <= VAULT_SEGMENTS_MAX);
    struct vault *v = xcalloc(sizeof *v);
    v->magic = VAULT_MAGIC;
    for (; v->n < f->n; v->n++) {
        struct segment *s = &v->segments[v->n];
        s->fd = f->fds[v->n];
        if (!segment_map(s, v->n) && v->n == 0) {
            vault_close(v);
            return NULL;
        }
    }
    return v;
}

void
vault_close(struct vault *v)
{
    CHECK(v, VAULT_MAGIC);
    for (unsigned i = 0; i < v->n; i++) {
        struct segment *s = &v->segments[i];
        if (s->file != NULL) {
            process_secret_unmap(s->file, sizeof *s->file);
        }
        if (s->is_taken) {
            close(s->fd);
        }
    }
    v->magic = 0;
    xfree(v);
}

bool
vault_extend(struct vault *v, uint64_t number, int fd)
{
    CHECK(v, VAULT_MAGIC);
    if (number != v->n || v->n == VAULT_SEGMENTS_MAX) {
        return false;
    }
    struct segment *s = &v->segments[v->n];
    *s = (struct segment){ .fd = fd, .is_taken = true };
    (void)!segment_map(s, v->n++);
    return true;
}

/* NULL: no file that is mapped has that index. */
static struct record *
record_at(const struct vault *v, unsigned index)
{
    unsigned i = index / VAULT_SEGMENT;
    bool is_there = i < v->n && v->segments[i].file != NULL;
    return is_there ? &v->segments[i].file->records[index % VAULT_SEGMENT]
                    : NULL;
}

/* The segment of that index, which is mapped; NULL: there is none. */
static const struct segment *
segment_use(struct vault *v, unsigned index)
{
    unsigned i = index / VAULT_SEGMENT;
    if (i >= v->n) {
        return NULL;
    }
    struct segment *s = &v->segments[i];
    return s->file != NULL || segment_map(s, i) ? s : NULL;
}

bool
vault_get(const struct vault *v, unsigned index, uint64_t serial,
    struct vault_record *out)
{
    CHECK(v, VAULT_MAGIC);
    const struct record *r = record_at(v, index);
    if (r == NULL || !record_is_valid(r) || r->serial != serial) {
        return false;
    }
    AN(r->n_id <= VAULT_ID_MAX && r->n_signature <= CERT_SIGNATURE_MAX);
    out->serial = r->serial;
    out->created = r->created;
    out->id = str_n(r->id, r->n_id);
    out->key = r->key;
    out->signature = str_n((const char *)r->signature, r->n_signature);
    return true;
}

static void
record_fill(struct record *to, const struct vault_record *r)
{
    to->serial = r->serial;
    to->created = r->created;
    to->n_id = (uint8_t)r->id.n;
    to->n_signature = (uint8_t)r->signature.n;
    memcpy(to->key, r->key, VAULT_KEY_SIZE);
    memcpy(to->id, r->id.p, r->id.n);
    memcpy(to->signature, r->signature.p, r->signature.n);
    atomic_store_explicit(&to->state, RECORD_VALID, memory_order_release);
}

int
vault_add(struct vault *v, unsigned index, const struct vault_record *r)
{
    CHECK(v, VAULT_MAGIC);
    AN(r->id.n <= VAULT_ID_MAX && r->signature.n <= CERT_SIGNATURE_MAX);
    const struct segment *s = segment_use(v, index);
    if (s == NULL) {
        return -1;
    }
    struct record *to = record_at(v, index);
    segment_lock(s, F_WRLCK);
    if (!record_is_valid(to)) {
        record_fill(to, r);
    }
    bool is_there = to->serial == r->serial;
    segment_lock(s, F_UNLCK);
    return is_there ? 0 : -1;
}

int
vault_drop(struct vault *v, unsigned index, uint64_t serial)
{
    CHECK(v, VAULT_MAGIC);
    const struct segment *s = segment_use(v, index);
    if (s == NULL) {
        return -1;
    }
    struct record *r = record_at(v, index);
    segment_lock(s, F_WRLCK);
    if (record_is_valid(r) && r->serial == serial) {
        atomic_store_explicit(&r->state, 0, memory_order_release);
        atomic_thread_fence(memory_order_seq_cst); /* invalid, then gone */
        record_wipe(r);
    }
    segment_lock(s, F_UNLCK);
    return 0;
}
