#pragma once

/*
 * The origin's side of HTTP/1.1.
 */

#include "base/obj.h"

struct addr;
struct peer;
struct stream;

/* Takes the stream. */
struct peer *up_h1_new(struct stream *s, const struct addr *a);
