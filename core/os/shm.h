#pragma once

/*
 * Memory that several processes map, and the lock that lies in it. The lock
 * is a word with the number of its holder: no pointer is read out of shared
 * memory, as a pthread mutex's would be by whoever unlocks it, so a process
 * that was taken over can spoil the figures there and nothing else.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "base/obj.h"

/* Maps all of a memory file (process_memory_file()), shared and in no core; its
 * size in `size`. NULL with errno. */
must_check void *shm_map(int fd, size_t *size);
void shm_unmap(void *p, size_t size);

/* Zeroed is free. */
struct shm_lock {
    _Atomic uint32_t word;
};

#define SHM_OWNERS_MAX 65535u /* numbers of holders: 1 to that */

/* Waits for the lock at most `seconds`. False: somebody has it still. */
must_check bool shm_lock(struct shm_lock *l, unsigned owner, double seconds);
void shm_unlock(struct shm_lock *l, unsigned owner);

/* Takes over what `dead`, whose process is gone, has locked. False: that is
 * not locked by it. What the lock protects may be half done. */
must_check bool shm_lock_inherit(
    struct shm_lock *l, unsigned dead, unsigned owner);
