/* SPDX-License-Identifier: Apache-2.0
 *
 * gate.c - see gate.h. A counting semaphore of a mutex and a condition, which unlike POSIX' own never returns early for
 * a signal, and which thread sanitizers understand.
 *
 * Threads: any. Nobody may be inside or wait when it is destroyed. */
#include "base/gate.h"

void gate_init(gate *g, int room)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->left, NULL);
    g->room = room;
}

void gate_destroy(gate *g)
{
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
}

void gate_enter(gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->room) pthread_cond_wait(&g->left, &g->lock);
    g->room--;
    pthread_mutex_unlock(&g->lock);
}

void gate_leave(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->room++;
    pthread_cond_signal(&g->left);
    pthread_mutex_unlock(&g->lock);
}
