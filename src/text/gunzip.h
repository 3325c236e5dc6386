/* SPDX-License-Identifier: Apache-2.0
 * gunzip.h - what a .gz file holds. */
#ifndef SIMILE_TEXT_GUNZIP_H
#define SIMILE_TEXT_GUNZIP_H

#include "base/buf.h"
#include "base/err.h"

bool gunzip_is(const char *data, size_t len); /* by its first two bytes */

/* Unpacks one gzip member, which has to be the whole file and to have its checksum, into an empty buffer. What would be
 * larger than out->max, whole megabytes, is refused. */
simile_status gunzip(const char *data, size_t len, const char *path, buf *out, simile_error *err);

#endif
