#pragma once

/*
 * The ledger's files: the base, with the rows of processes, and segments, each
 * with the records of LEDGER_SEGMENT indexes. How they lie in memory, and how
 * they are made, mapped and known again; for ledger.c.
 *
 * A program uses only files that it would have made itself (their header says
 * so). It asks when it opens inherited ones; later the header is not read,
 * since an attacker who took over a worker can write what he likes into a file.
 * The size of a file is sealed.
 */

#include "ledger/ledger.h"

struct ledger_header {
    uint32_t magic, version;
    uint64_t size;
    uint32_t number; /* of a segment, from 0 on */
    uint32_t n_records, record_size, n_rows, list, pending;
    uint32_t unused[6];
};

struct ledger_base {
    struct ledger_header header;
    _Atomic uint32_t generation; /* the last that was given out */
    uint32_t unused;
    _Atomic uint64_t rows[LEDGER_ROWS];
    _Atomic uint64_t pending[LEDGER_ROWS][LEDGER_PENDING / 64];
};

/* Zeroed pages that nobody touched take no memory. */
struct ledger_segment {
    struct ledger_header header;
    _Atomic uint64_t touched[LEDGER_SEGMENT / 64]; /* a bit for each record */
    struct ledger_record records[LEDGER_SEGMENT];
};

/* A new file with its header. -1 with errno. */
must_check int ledger_base_create(void);
must_check int ledger_segment_create(unsigned number);

/* Maps a file. NULL with errno; EPROTO: it is of another size. */
must_check struct ledger_base *ledger_base_map(int fd);
must_check struct ledger_segment *ledger_segment_map(int fd);

/* Whether this program would have made it. */
bool ledger_base_is_known(const struct ledger_base *f);
bool ledger_segment_is_known(const struct ledger_segment *f, unsigned number);
