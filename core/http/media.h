#pragma once

/*
 * The type of a body according to its head, for filters that read bodies.
 */

#include "http/head.h"

enum media { MEDIA_OTHER, MEDIA_JSON, MEDIA_FORM };

/* MEDIA_JSON: application/json, application/…+json. MEDIA_FORM:
 * application/x-www-form-urlencoded. MEDIA_OTHER: any other type, and each body
 * that the origin may read as another type: it has several types, a charset
 * other than UTF-8 and ASCII, or a content coding. */
enum media media_of(const struct head *h);

/* The same as a static text that follows "it": "is JSON"; for MEDIA_OTHER the
 * reason: "has a content coding". */
const char *media_says(const struct head *h);

/* Whether a response's body is text: text/, message/ and multipart/ of any
 * kind, JSON, XML, JavaScript and similar types, forms, and a body with no type
 * or a malformed one. Images, archives and octet streams are not. Of several
 * types one that is text is enough. */
bool media_is_text(const struct head *h);
