/* SPDX-License-Identifier: Apache-2.0
 * search_file.h - vectors and codes kept in a file beside the catalogue. Private to engine/. */
#ifndef SIMILE_ENGINE_SEARCH_FILE_H
#define SIMILE_ENGINE_SEARCH_FILE_H

#include "engine/internal.h"
#include "index/mapped.h"

/* With fewer numbers in the vectors (4 MiB) they are read, and scanned, in no time. */
enum { SEARCH_FILE_LEAST_NUMBERS = 1 << 20 };

/* The vectors as of the reader's open transaction or of an earlier moment since which some were only added; NULL: there
 * are none to be had so. For mapped_close(). */
mapped *search_file_open(const simile_library *library, int32_t kind, catalog *reader);

/* Brings the file up to date with the catalogue, of which the caller is the writer; what fails is logged. threads may
 * be NULL. */
void search_file_update(const simile_library *library, int32_t kind, catalog *c, pool *threads);

/* A vector as the catalogue has it to a row, zeros behind it; false: damaged, no unit vector. */
bool vector_take(const scan_kernels *kernels, const void *vector, size_t bytes, int32_t dim, size_t stride, float *row);

#endif
