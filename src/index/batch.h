/* SPDX-License-Identifier: Apache-2.0
 * batch.h - many exact searches of one set of rows at once, for the time of a few.
 *
 * Each answer is that of scan_top() for its query alone: equal ids and equal scores, bit for bit, whatever the other
 * queries are. */
#ifndef SIMILE_INDEX_BATCH_H
#define SIMILE_INDEX_BATCH_H

#include "index/codes.h"

typedef struct {
    const float *query;    /* [dim] */
    const uint64_t *allow; /* bitmap over the rows, or NULL: all */
    float min_score;       /* as in scan_set */
    size_t k;
    scan_hit *hits; /* room for k or n, whichever is less */
    size_t found;   /* set here */
} batch_request;

/* Of all pairs of a query and a row that it lets pass, how many were scored as floats. */
typedef struct {
    size_t pairs, in_floats;
} batch_work;

/* The set's own allow and min_score are not looked at. c: codes of at least its rows, or NULL: floats are read, by a
 * block of rows for all queries; h: as in codes_top(), for queries that are better searched for alone. threads and work
 * may be NULL. On failure no request has found anything. */
simile_status batch_top(const scan_set *set, const codes *c, const habit *h, batch_request *requests, size_t n,
                        pool *threads, batch_work *work, simile_error *err);

#endif
