#pragma once

/*
 * The CA keys of all sandboxes: records of one size in a memory file that the
 * master holds open and never maps, and that each new keeper maps. A record's
 * number is the sandbox's index everywhere.
 */

#include "base/cert.h"
#include "base/str.h"

#define VAULT_ID_MAX 64   /* bytes of a sandbox's id (SPEC 11) */
#define VAULT_KEY_SIZE 32 /* a P-256 private scalar, big-endian */

/* What a record tells; what vault_get() lends is good until vault_drop(). The
 * certificate is a function of it: made again, it is the same bytes. */
struct vault_record {
    uint64_t serial;
    int64_t created; /* seconds since 1970 */
    struct str id;
    const uint8_t *key;
    struct str signature; /* of the CA's own certificate */
};

struct vault;

/* How much memory `records` take, to be within RLIMIT_MEMLOCK. */
size_t vault_bytes(unsigned records);

/* The master: a file of `records` (1 to 1048576), secret memory where the
 * kernel has it. -1 with errno. */
must_check int vault_create(unsigned records);

/* The keeper: maps and locks it, writes its header if it is new, else checks
 * magic, version and size. NULL after a log line. */
struct vault *vault_open(int fd);
void vault_close(struct vault *v);

unsigned vault_size(const struct vault *v);

/* A valid record; false if there is none at that index. */
must_check bool vault_get(
    const struct vault *v, unsigned index, struct vault_record *out);

/* The index of a serial, -1 if there is none. */
int vault_find(const struct vault *v, uint64_t serial);

/* Adds a record, valid by one last store; its index, or -1 when full. Where
 * the serial is there already (another generation's keeper was faster), that
 * record stays and its index is returned. */
must_check int vault_add(struct vault *v, const struct vault_record *r);

/* Wipes it. */
void vault_drop(struct vault *v, unsigned index);
