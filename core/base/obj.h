#pragma once

/*
 * Used by every file: magics of objects, asserts that stay in release builds,
 * the kinds of result. Includes nothing of weir's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member)                                          \
    ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* The result of one read or write. IO_AGAIN: not now, the stream wakes its task
 * later. IO_EOF: the other end has closed in order. */
enum io { IO_OK, IO_AGAIN, IO_EOF, IO_ERR };

/* What a module's hook decides. V_WAIT: the hook will wake the task and is
 * called again then. V_REPLY: it has set a reply by tx_reply(). */
enum verdict { V_NEXT, V_WAIT, V_REPLY, V_ABORT };

/* Ends the process. Writes to the error log why and where, the step that ran,
 * and the last log lines. Only for our own bugs, never on input. */
_Noreturn void panic_at(const char *file, int line, const char *why);

/* Tells panic_at() the step that runs now; NULL between steps. */
void panic_set_step(const char *name);

#define PANIC(why) panic_at(__FILE__, __LINE__, why)

#define AN(e)                                                                  \
    do {                                                                       \
        if (!(e)) {                                                            \
            PANIC("failed: " #e);                                              \
        }                                                                      \
    } while (0)

#define AZ(e)                                                                  \
    do {                                                                       \
        if (e) {                                                               \
            PANIC("not zero: " #e);                                            \
        }                                                                      \
    } while (0)

/* Long-lived structs carry `unsigned magic` as their first field. */
#define CHECK(p, m)                                                            \
    do {                                                                       \
        if ((p) == NULL || (p)->magic != (m)) {                                \
            PANIC("bad object: " #p " is no " #m);                             \
        }                                                                      \
    } while (0)
