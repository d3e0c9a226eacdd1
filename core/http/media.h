#pragma once

/*
 * What a body is, as its head says it: for filters that read one.
 */

#include "http/head.h"

enum media { MEDIA_OTHER, MEDIA_JSON, MEDIA_FORM };

/* MEDIA_JSON: application/json, application/…+json. MEDIA_FORM:
 * application/x-www-form-urlencoded. MEDIA_OTHER: anything else, and whatever
 * is not sure to be read so: several types, a charset that is neither UTF-8 nor
 * ASCII, a content coding. */
enum media media_of(const struct head *h);

/* Which it is, or why it is MEDIA_OTHER: what is said of "it"; static. */
const char *media_says(const struct head *h);

/* Whether a response's body is text, as what people or programs write is: text/
 * and multipart/ of any kind, JSON, XML, JavaScript and their like, forms, and
 * what says no type or none that can be read. Not images, archives, packs,
 * octet streams. Where there are several types one that is text is enough. */
bool media_is_text(const struct head *h);
