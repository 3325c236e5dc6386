/* SPDX-License-Identifier: Apache-2.0
 * zip.h - the entries of a ZIP archive, as torch writes it: all that matters is stored, not compressed. */
#ifndef SIMILE_MODEL_ZIP_H
#define SIMILE_MODEL_ZIP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name; /* not NUL-terminated; the folder that all entries share is taken off */
    size_t name_len;
    uint64_t header, begin, end; /* of its local header and of its bytes, within the file */
    bool packed;                 /* the bytes are compressed: no reader here looks at them */
} zip_entry;

typedef struct {
    zip_entry *entries; /* sorted by name */
    size_t n;
} zip_archive;

simile_status zip_read(const uint8_t *data, size_t len, const char *subject, zip_archive *out, simile_error *err);
const zip_entry *zip_find(const zip_archive *zip, const char *name, size_t len); /* NULL: not there */
void zip_release(zip_archive *zip);

#endif
