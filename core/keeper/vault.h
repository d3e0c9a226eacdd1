#pragma once

/*
 * The CA keys of all sandboxes: records of one size in memory files that the
 * master holds open and never maps, and that each new keeper maps. A record is
 * the one of a sandbox's index, which the master allots: so nothing is searched
 * for. Each file has the records of VAULT_SEGMENT indexes, and the vault grows
 * by files, since the size of secret memory can be set once only.
 *
 * A sandbox takes 192 bytes of locked memory, by pages of a file that has all
 * of them at once where it is not secret memory.
 */

#include "base/cert.h"
#include "base/str.h"

#define VAULT_ID_MAX 64         /* bytes of a sandbox's id (SPEC 11) */
#define VAULT_KEY_SIZE 32       /* a P-256 private scalar, big-endian */
#define VAULT_SEGMENT 4096u     /* records in a file */
#define VAULT_SEGMENTS_MAX 256u /* files */

/* How much memory so many files take, to be within RLIMIT_MEMLOCK. */
size_t vault_bytes(unsigned segments);

/* The master's: the files in the order of their indexes; zeroed to begin with.
 */
struct vault_files {
    unsigned n;
    int fds[VAULT_SEGMENTS_MAX];
};

/* One file more, which is the last: secret memory where the kernel has it. -1
 * with errno. */
must_check int vault_files_grow(struct vault_files *f);
void vault_files_close(struct vault_files *f);

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

/* The keeper: maps and locks the files, writes the header of one that is new,
 * else checks its magic, version, place and size. The descriptors stay the
 * caller's. NULL after a log line: the first cannot be used. Another that
 * cannot be has no records until vault_add() has tried again. */
struct vault *vault_open(const struct vault_files *f);
void vault_close(struct vault *v);

/* One file more, of which it takes the descriptor. False: `number`, counted
 * from 0, is not the next one. */
must_check bool vault_extend(struct vault *v, uint64_t number, int fd);

/* The record at that index. False: it is not that serial's. */
must_check bool vault_get(const struct vault *v, unsigned index,
    uint64_t serial, struct vault_record *out);

/* Writes a record, valid by one last store. Where one of that serial is there
 * already (another generation's keeper was faster) it stays. -1: another
 * sandbox has the index, or no file that can be used has it. */
must_check int vault_add(
    struct vault *v, unsigned index, const struct vault_record *r);

/* Wipes that serial's record, if it is there. -1: the index's file cannot be
 * used, so that nobody knows. */
must_check int vault_drop(struct vault *v, unsigned index, uint64_t serial);
