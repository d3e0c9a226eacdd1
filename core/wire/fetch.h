#pragma once

/*
 * weir as a client of HTTP/1.1: one request of its own, and its whole response.
 * It uses net/dial (names, the guard, TLS with a verified certificate) and the
 * proxy's codec for origins. Each fetch has a connection of its own; redirects
 * are not followed but are results. A fetch is a task; the task that started it
 * is woken when there is a result.
 */

#include "http/head.h"
#include "net/dial.h"

/* Name and value of a field of the request. */
struct fetch_field {
    struct str name, value;
};

struct fetch_args {
    struct loop *loop;
    struct dns *dns;
    struct guard *guard;
    struct guard_policy policy; /* borrowed until the fetch is freed */
    struct tls_client *tls;     /* for https; NULL: https is refused */
    struct str method;
    struct str url; /* http: or https:, in canonical escapes; no userinfo */
    const struct fetch_field
        *fields; /* without Host and fields that frame the body */
    unsigned n_fields;
    struct str body; /* p NULL: none; else sent with its length. Copied, as are
                        all strings here */
    bool is_secret;  /* a field or the body is one: copies are wiped */
    size_t max;      /* bytes of the response's body, 1 or more */
    double timeout;  /* in seconds, for all of it */
};

enum fetch_error {
    FETCH_OK,      /* a whole response came, whatever its status */
    FETCH_REQUEST, /* URL, method or a field cannot be sent */
    FETCH_DIAL,    /* no connection: `dial` says why */
    FETCH_TIMEOUT,
    FETCH_BROKEN, /* the connection ended before the response did */
    FETCH_BAD,    /* what came is not HTTP */
    FETCH_LARGE   /* the body is larger than `max` */
};

struct fetch_result {
    enum fetch_error error;
    enum dial_error dial;
    char text[256];          /* what went wrong, for a log */
    unsigned status;         /* 200 to 999; 0: no head came */
    const struct head *head; /* of the response; NULL: none came */
    struct str body;         /* FETCH_OK: all of it, as it was sent */
    struct addr addr;        /* the last one that was dialled; family 0: none */
};

struct fetch;

/* `waiter` gets task_wake() once there is a result, never before this
 * returns. */
struct fetch *fetch_start(const struct fetch_args *args, struct task *waiter);

/* NULL: not yet. Lent until fetch_free(), with all in it. */
const struct fetch_result *fetch_result(const struct fetch *f);

/* May be called at any time, but not from the fetch's own task. Closes what is
 * open. */
void fetch_free(struct fetch *f);
