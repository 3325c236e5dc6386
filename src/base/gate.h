/* SPDX-License-Identifier: Apache-2.0
 * gate.h - lets so many threads in at once, and no more; the others wait. For work that takes much memory. */
#ifndef SIMILE_BASE_GATE_H
#define SIMILE_BASE_GATE_H

#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t left; /* somebody left */
    int room;
} gate;

void gate_init(gate *g, int room);
void gate_destroy(gate *g);
void gate_enter(gate *g);
void gate_leave(gate *g);

#endif
