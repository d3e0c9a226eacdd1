#pragma once

/*
 * The HTML error pages: html/STATUS.html or html/error.html under the prefix,
 * read once when the config is built. {{status}}, {{reason}}, {{error}},
 * {{detail}}, {{message}} and {{advice}} are filled in by reply_body.c.
 */

#include "base/mem.h"

struct pages;

/* Reads what there is; a directory without pages is fine. A page over 64 KiB
 * is an error: NULL with a message. In the arena. */
must_check struct pages *pages_read(
    struct arena *a, struct str dir, char *err, size_t err_size);

/* The page for a status, or the general one; n 0: none. */
struct str page_get(const struct pages *p, unsigned status);
