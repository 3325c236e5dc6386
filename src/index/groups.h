/* SPDX-License-Identifier: Apache-2.0
 * groups.h - rows that are alike, as groups: the connected components of "their dot product is at least so much".
 *
 * Exact: every pair is computed. Knows vectors only. */
#ifndef SIMILE_INDEX_GROUPS_H
#define SIMILE_INDEX_GROUPS_H

#include "base/err.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct groups groups;

typedef struct {
    const float *rows; /* [n, stride], dim used; borrowed until the groups are freed */
    size_t n, dim, stride;
    const uint64_t *allow; /* bitmap over rows, or NULL: all */
    float min_score;
} groups_set;

/* Begins with every row alone. */
simile_status groups_new(const groups_set *set, groups **out, simile_error *err);
void groups_free(groups *g);

/* The work comes in steps of about the same length: step i, i < groups_steps(), in any order, one at a time. threads
 * may be NULL. *done (added to): pairs compared. */
size_t groups_steps(const groups *g);
void groups_step(groups *g, size_t step, pool *threads, int64_t *done);
int64_t groups_pairs(const groups *g); /* in all */

/* When all steps are done: the smallest row of the group that a row belongs to; itself when it is alone. */
size_t groups_of(groups *g, size_t row);

#endif
