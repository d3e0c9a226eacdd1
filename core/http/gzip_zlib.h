#pragma once

/*
 * zalloc and zfree for the files that call zlib: they use xcalloc(), so that
 * no allocation of zlib's fails.
 */

void *gzip_zalloc(void *opaque, unsigned n, unsigned size);
void gzip_zfree(void *opaque, void *p);
