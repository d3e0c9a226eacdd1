#pragma once

/*
 * What every file leans on: object magics, assertions that stay in release
 * builds, the four kinds of result. Includes nothing of weir's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member)                                          \
    ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* The outcome of one step of input or output. IO_AGAIN: nothing now, the
 * stream wakes its task; IO_EOF: the peer's orderly end. */
enum io { IO_OK, IO_AGAIN, IO_EOF, IO_ERR };

/* What a module's hook decides. V_WAIT: the hook has arranged for a wake and
 * is called again then; V_REPLY: a reply was set with tx_reply(). */
enum verdict { V_NEXT, V_WAIT, V_REPLY, V_ABORT };

/* Ends the process: prints why, where, the step that ran and the last log
 * lines to the error log. Only for our own bugs, never on input. */
_Noreturn void panic_at(const char *file, int line, const char *why);

/* The step that runs now, for panic_at(); NULL between steps. */
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
