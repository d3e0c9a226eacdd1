/*
 * See ledger_file.h. Nothing here changes a row or a record.
 */

#include "ledger/ledger_file.h"

#include <errno.h>
#include <unistd.h>

#include "os/process.h"

#define BASE_MAGIC 0x51075107u
#define SEGMENT_MAGIC 0x5e65e651u
#define FILE_VERSION 3u

_Static_assert(sizeof(struct ledger_record) == 6 * 4096, "ledger.h says so");

static const struct ledger_header base_header = { .magic = BASE_MAGIC,
    .version = FILE_VERSION,
    .size = sizeof(struct ledger_base),
    .n_rows = LEDGER_ROWS,
    .pending = LEDGER_PENDING };

static struct ledger_header
segment_header(unsigned number)
{
    return (struct ledger_header){ .magic = SEGMENT_MAGIC,
        .version = FILE_VERSION,
        .size = sizeof(struct ledger_segment),
        .number = number,
        .n_records = LEDGER_SEGMENT,
        .record_size = sizeof(struct ledger_record),
        .n_rows = LEDGER_ROWS,
        .list = LEDGER_LIST,
        .pending = LEDGER_PENDING };
}

static int
file_create(const struct ledger_header *h)
{
    int fd = process_memory_file("weir: ledger", h->size);
    if (fd >= 0 && pwrite(fd, h, sizeof *h, 0) != sizeof *h) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
ledger_base_create(void)
{
    return file_create(&base_header);
}

int
ledger_segment_create(unsigned number)
{
    AN(number < LEDGER_SEGMENTS_MAX);
    struct ledger_header h = segment_header(number);
    return file_create(&h);
}

static void *
file_map(int fd, size_t size)
{
    size_t n = 0;
    void *p = shm_map(fd, &n);
    if (p != NULL && n != size) {
        shm_unmap(p, n);
        errno = EPROTO;
        p = NULL;
    }
    return p;
}

struct ledger_base *
ledger_base_map(int fd)
{
    return file_map(fd, sizeof(struct ledger_base));
}

struct ledger_segment *
ledger_segment_map(int fd)
{
    return file_map(fd, sizeof(struct ledger_segment));
}

bool
ledger_base_is_known(const struct ledger_base *f)
{
    return memcmp(&f->header, &base_header, sizeof base_header) == 0;
}

bool
ledger_segment_is_known(const struct ledger_segment *f, unsigned number)
{
    struct ledger_header known = segment_header(number);
    return memcmp(&f->header, &known, sizeof known) == 0;
}
