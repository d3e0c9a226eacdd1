/*
 * Ticket keys under the sequence protocol of os/ticket_keys.h. Two
 * generations' keepers write one file, so writing is under a lock of the
 * process, which a dead one has lost: a sequence that is odd under the lock is
 * a write that nobody will end.
 */

#include "keeper/tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/ticket_keys.h"

#define TICKETS_MAGIC 0x71c4e757u

struct tickets {
    unsigned magic;
    int fd;
    struct ticket_keys *keys;
};

static void
tickets_lock(struct tickets *t, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    int r;
    do {
        r = fcntl(t->fd, F_SETLKW, &lock);
    } while (r != 0 && errno == EINTR);
    AZ(r);
}

static bool
is_torn(const struct ticket_keys *k)
{
    return atomic_load(&k->sequence) % 2 != 0;
}

/* Under the lock. Keys before the `kept` ones are new. */
static void
write_keys(struct ticket_keys *k, uint32_t kept)
{
    uint32_t before = atomic_load(&k->sequence) | 1;
    atomic_store_explicit(&k->sequence, before, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memmove(&k->keys[1], &k->keys[0], kept * sizeof k->keys[0]);
    random_bytes(&k->keys[0], sizeof k->keys[0]);
    k->n = kept + 1;
    mem_wipe(&k->keys[k->n], (TICKET_KEYS_N - k->n) * sizeof k->keys[0]);
    atomic_store_explicit(&k->sequence, before + 1, memory_order_release);
}

/* False if the file is of another version. */
static bool
keys_begin(struct ticket_keys *k)
{
    bool is_new = k->magic == 0 && k->version == 0;
    if (!is_new &&
        (k->magic != TICKET_KEYS_MAGIC || k->version != TICKET_KEYS_VERSION)) {
        return false;
    }
    if (is_new || is_torn(k) || k->n == 0 || k->n > TICKET_KEYS_N) {
        write_keys(k, 0);
    }
    k->version = TICKET_KEYS_VERSION;
    k->magic = TICKET_KEYS_MAGIC;
    return true;
}

static struct ticket_keys *
keys_map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 ||
        (size_t)st.st_size < sizeof(struct ticket_keys)) {
        return NULL;
    }
    void *p = mmap(NULL, sizeof(struct ticket_keys), PROT_READ | PROT_WRITE,
        MAP_SHARED, fd, 0);
    return p != MAP_FAILED ? p : NULL;
}

struct tickets *
tickets_open(int fd)
{
    struct ticket_keys *keys = keys_map(fd);
    if (keys == NULL) {
        log_errno(LOG_EMERG, errno, "cannot map the ticket keys");
        return NULL;
    }
    struct tickets *t = xcalloc(sizeof *t);
    t->magic = TICKETS_MAGIC;
    t->fd = fd;
    t->keys = keys;
    tickets_lock(t, F_WRLCK);
    bool is_known = keys_begin(keys);
    tickets_lock(t, F_UNLCK);
    if (!is_known) {
        log_at(LOG_EMERG, "the ticket keys are of another version");
        tickets_close(t);
        return NULL;
    }
    return t;
}

void
tickets_close(struct tickets *t)
{
    CHECK(t, TICKETS_MAGIC);
    munmap(t->keys, sizeof *t->keys);
    t->magic = 0;
    xfree(t);
}

void
tickets_rotate(struct tickets *t)
{
    CHECK(t, TICKETS_MAGIC);
    tickets_lock(t, F_WRLCK);
    uint32_t n = t->keys->n < TICKET_KEYS_N ? t->keys->n : TICKET_KEYS_N - 1;
    write_keys(t->keys, is_torn(t->keys) ? 0 : n);
    tickets_lock(t, F_UNLCK);
}
