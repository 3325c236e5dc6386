/* SPDX-License-Identifier: Apache-2.0
 * conditional.h - headers with which a client asks for less: parts of a file (RFC 9110, 14), or nothing where what it
 * has is still right (13). Threads: pure. */
#ifndef SIMILE_SERVE_CONDITIONAL_H
#define SIMILE_SERVE_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

enum { RANGE_ALL, RANGE_PART, RANGE_BEYOND };
/* Of a Range header (NULL: there is none) for a file of `len` bytes: RANGE_PART with where it begins and how long it
 * is, at least 1; RANGE_BEYOND where the file has none of it. What is malformed, of another unit, or several ranges, is
 * RANGE_ALL. */
int range_parse(const char *header, int64_t len, int64_t *from, int64_t *part_len);
/* Does a header like If-None-Match (NULL: there is none) name this entity tag? By weak comparison; "*" names all. */
bool etag_listed(const char *header, const char *etag);

#endif
