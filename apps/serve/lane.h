/* SPDX-License-Identifier: Apache-2.0
 * lane.h - one thread with one encoder of a model, and the queue in front of it: where micro-batches are formed. A
 * loaded tower (towers.h) has two lanes, one for texts and one for pictures. */
#ifndef SIMILE_SERVE_LANE_H
#define SIMILE_SERVE_LANE_H

#include "serve/serve.h"

#include <pthread.h>

typedef struct lane lane;

typedef struct {
    const simile_model *model; /* must outlive the lane */
    const char *search_path;   /* of what a reader opens */
    bool force_pairing;
    int threads;
    metrics *metrics;
} lane_options;

simile_status lane_new(const lane_options *options, lane **out, simile_error *err);
/* What waits is cancelled, and from now on nothing is accepted. Does not wait for anybody. */
void lane_stop(lane *l);
void lane_free(lane *l); /* nobody may be in lane_do any more */

typedef enum { WORK_TEXTS, WORK_READ, WORK_IMAGES } work_kind;

/* What a caller wants, as in towers.h. The rest is the lane's. */
typedef struct work {
    work_kind kind;
    size_t n;
    const char *const *texts;
    const simile_image *const *images;
    const simile_read_options *how;
    float *out;
    uint8_t *truncated;
    simile_readings **readings;

    simile_read_options options; /* a copy of *how, or all defaults */
    size_t taken, finished;      /* pieces: texts or pictures */
    bool foreign;                /* some text may have to be translated, which takes longer */
    bool ended;
    double since;
    simile_status status;
    simile_error why;
    pthread_cond_t done;
    struct work *next;
} work;

/* Somebody is on the way with work: until lane_do, or lane_expect_less. */
void lane_expect(lane *l);
void lane_expect_less(lane *l);
/* Waits until it is done. BUSY: too much waits already. CANCELLED: the lane was stopped. */
simile_status lane_do(lane *l, work *w, simile_error *err);

#endif
