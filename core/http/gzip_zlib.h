#pragma once

/*
 * For the files that call zlib: its memory is the house's, so it never fails.
 */

void *gzip_zalloc(void *opaque, unsigned n, unsigned size);
void gzip_zfree(void *opaque, void *p);
