/*
 * The records and who may write them when. Two generations' keepers may have
 * the same file mapped: they add and drop under a lock of the process (not of
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
#define FILE_VERSION 2u
#define RECORDS_MAX 1048576u
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

/* A serial's home is the record serial mod n, or the next free one after it:
 * no record is further from its home than `reach`, which never shrinks. */
struct file {
    _Atomic uint32_t magic;
    uint32_t version, n, record_size;
    _Atomic uint32_t reach;
    uint32_t unused[11];
    struct record records[];
};

struct vault {
    unsigned magic;
    int fd;
    unsigned n;
    size_t size;
    struct file *file;
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
vault_lock(struct vault *v, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    int r;
    do {
        r = fcntl(v->fd, F_SETLKW, &lock);
    } while (r != 0 && errno == EINTR);
    AZ(r);
}

size_t
vault_bytes(unsigned records)
{
    return sizeof(struct file) + records * sizeof(struct record);
}

int
vault_create(unsigned records)
{
    AN(records != 0 && records <= RECORDS_MAX);
    return process_secret_file("weir vault", vault_bytes(records));
}

/* What is not valid was left by a keeper that died in the middle of adding or
 * of dropping; under the lock nobody else is. */
static void
file_tidy(struct file *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!record_is_valid(&f->records[i])) {
            record_wipe(&f->records[i]);
        }
    }
}

/* A header that was never written is zeroes: the master cannot write it, since
 * secret memory has no write(2). */
static void
file_begin(struct file *f, unsigned n)
{
    f->version = FILE_VERSION;
    f->n = n;
    f->record_size = sizeof(struct record);
    atomic_store_explicit(&f->magic, FILE_MAGIC, memory_order_release);
}

static bool
file_is_known(const struct file *f, unsigned n)
{
    return f->magic == FILE_MAGIC && f->version == FILE_VERSION && f->n == n &&
           f->record_size == sizeof(struct record);
}

static struct file *
file_map(int fd, size_t *size)
{
    struct file *f = process_secret_map(fd, size);
    if (f == NULL) {
        bool is_limit = errno == EAGAIN || errno == ENOMEM || errno == EPERM;
        log_errno(LOG_EMERG, errno,
            "cannot map and lock the CA keys (%zu bytes)%s", *size,
            is_limit ? ": RLIMIT_MEMLOCK is too low" : "");
        return NULL;
    }
    if (*size < vault_bytes(1) || *size > vault_bytes(RECORDS_MAX)) {
        log_at(LOG_EMERG, "the CA keys' file has %zu bytes", *size);
        process_secret_unmap(f, *size);
        return NULL;
    }
    return f;
}

struct vault *
vault_open(int fd)
{
    size_t size = 0;
    struct file *f = file_map(fd, &size);
    if (f == NULL) {
        return NULL;
    }
    struct vault *v = xcalloc(sizeof *v);
    v->magic = VAULT_MAGIC;
    v->fd = fd;
    v->n = (unsigned)((size - sizeof *f) / sizeof(struct record));
    v->size = size;
    v->file = f;
    vault_lock(v, F_WRLCK);
    bool is_new = f->magic == 0; /* zeroes: no page of it is touched yet */
    bool is_known = is_new || file_is_known(f, v->n);
    if (is_new) {
        file_begin(f, v->n);
    } else if (is_known) {
        file_tidy(f, v->n);
    }
    vault_lock(v, F_UNLCK);
    if (!is_known) {
        log_at(LOG_EMERG, "the CA keys' file is of another version");
        vault_close(v);
        return NULL;
    }
    return v;
}

void
vault_close(struct vault *v)
{
    CHECK(v, VAULT_MAGIC);
    process_secret_unmap(v->file, v->size);
    v->magic = 0;
    xfree(v);
}

unsigned
vault_size(const struct vault *v)
{
    CHECK(v, VAULT_MAGIC);
    return v->n;
}

bool
vault_get(const struct vault *v, unsigned index, struct vault_record *out)
{
    CHECK(v, VAULT_MAGIC);
    if (index >= v->n || !record_is_valid(&v->file->records[index])) {
        return false;
    }
    const struct record *r = &v->file->records[index];
    AN(r->n_id <= VAULT_ID_MAX && r->n_signature <= CERT_SIGNATURE_MAX);
    out->serial = r->serial;
    out->created = r->created;
    out->id = str_n(r->id, r->n_id);
    out->key = r->key;
    out->signature = str_n((const char *)r->signature, r->n_signature);
    return true;
}

static unsigned
home_of(const struct vault *v, uint64_t serial, unsigned distance)
{
    return (unsigned)((serial % v->n + distance) % v->n);
}

int
vault_find(const struct vault *v, uint64_t serial)
{
    CHECK(v, VAULT_MAGIC);
    unsigned reach = atomic_load(&v->file->reach);
    for (unsigned d = 0; d <= reach; d++) {
        unsigned i = home_of(v, serial, d);
        const struct record *r = &v->file->records[i];
        if (record_is_valid(r) && r->serial == serial) {
            return (int)i;
        }
    }
    return -1;
}

static int
find_free(const struct vault *v, uint64_t serial, unsigned *distance)
{
    for (unsigned d = 0; d < v->n; d++) {
        unsigned i = home_of(v, serial, d);
        if (!record_is_valid(&v->file->records[i])) {
            *distance = d;
            return (int)i;
        }
    }
    return -1;
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

static int
add_locked(struct vault *v, const struct vault_record *r)
{
    unsigned distance = 0;
    int i = vault_find(v, r->serial);
    if (i >= 0) {
        return i;
    }
    i = find_free(v, r->serial, &distance);
    if (i < 0) {
        return -1;
    }
    if (distance > atomic_load(&v->file->reach)) {
        atomic_store(&v->file->reach, distance);
    }
    record_fill(&v->file->records[i], r);
    return i;
}

int
vault_add(struct vault *v, const struct vault_record *r)
{
    CHECK(v, VAULT_MAGIC);
    AN(r->id.n <= VAULT_ID_MAX && r->signature.n <= CERT_SIGNATURE_MAX);
    vault_lock(v, F_WRLCK);
    int i = add_locked(v, r);
    vault_lock(v, F_UNLCK);
    return i;
}

void
vault_drop(struct vault *v, unsigned index)
{
    CHECK(v, VAULT_MAGIC);
    AN(index < v->n);
    struct record *r = &v->file->records[index];
    vault_lock(v, F_WRLCK);
    atomic_store_explicit(&r->state, 0, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* invalid before it is gone */
    record_wipe(r);
    vault_lock(v, F_UNLCK);
}
