/* SPDX-License-Identifier: Apache-2.0
 * jscan.h - a pull reader over JSON bytes that builds nothing.
 *
 * For large or hostile JSON whose shape is known (weight headers, vocabularies): memory stays what the caller keeps.
 * Strict RFC 8259. The first error sticks: every later call returns false, and jscan_error() tells what and where.
 *
 *     jscan_object(&s);
 *     while (jscan_key(&s, &key)) ... one value call ...
 *     if (!jscan_end(&s)) return jscan_error(&s, subject, err);
 */
#ifndef SIMILE_BASE_JSCAN_H
#define SIMILE_BASE_JSCAN_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *text;
    size_t len, at;
    const char *problem; /* NULL while all is well */
    bool no_memory;
    bool fresh; /* the next item of the innermost container is its first */
} jscan;

void jscan_init(jscan *s, const void *text, size_t len);

/* Enter a container; then call jscan_key / jscan_item until it returns false: at its end, or at an error. */
bool jscan_object(jscan *s);
bool jscan_array(jscan *s);
bool jscan_key(jscan *s, buf *key); /* replaces the content of *key by the decoded name */
bool jscan_item(jscan *s);

bool jscan_string(jscan *s, buf *out);          /* replaces the content of *out; NUL bytes are refused */
bool jscan_uint(jscan *s, uint64_t *out);       /* digits alone, at most 2^64-1 */
bool jscan_skip(jscan *s);                      /* any value, nested at most 256 deep */
char jscan_peek(jscan *s);                      /* the next byte that is not white space, 0 at the end */
bool jscan_fail(jscan *s, const char *problem); /* for the caller's own checks; problem is a constant; returns false */

/* True if there was no error and nothing but white space is left. */
bool jscan_end(jscan *s);
simile_status jscan_error(const jscan *s, const char *subject, simile_error *err);

#endif
