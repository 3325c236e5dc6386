/* SPDX-License-Identifier: Apache-2.0
 *
 * workers.c - threads that take requests from two rings, see workers.h.
 *
 * One mutex guards both rings. A thread that serves everything prefers the quick ring; the last thread serves that one
 * alone, so that the server tells that it lives while every other thread is at work on pictures. */
#include "serve/workers.h"

#include "base/mem.h"

#include <pthread.h>

typedef struct {
    void **items;
    size_t first, count;
} ring;

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t any, quick_one; /* something came; into the quick ring */
    ring slow, quick;
    size_t capacity;
    worker_fn fn;
    void *user;
    bool stopping, joined;
    pthread_t *threads;
    int started, wanted;
};

static void *take(workers *w, ring *r)
{
    void *item = r->items[r->first];
    r->first = (r->first + 1) % w->capacity;
    r->count--;
    return item;
}

/* Blocks; NULL: it was stopped, and nothing is left for this thread. */
static void *next(workers *w, bool only_quick)
{
    void *item = NULL;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (w->quick.count)
            item = take(w, &w->quick);
        else if (!only_quick && w->slow.count)
            item = take(w, &w->slow);
        if (item || w->stopping) break;
        pthread_cond_wait(only_quick ? &w->quick_one : &w->any, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return item;
}

static void serve(workers *w, bool only_quick)
{
    for (void *item; (item = next(w, only_quick));) w->fn(w->user, item);
}

static void *serve_all(void *user)
{
    serve(user, false);
    return NULL;
}

static void *serve_quick(void *user)
{
    serve(user, true);
    return NULL;
}

static simile_status start(workers *w, simile_error *err)
{
    while (w->started < w->wanted) {
        const bool last = w->started == w->wanted - 1;
        if (pthread_create(&w->threads[w->started], NULL, last ? serve_quick : serve_all, w))
            return err_set(err, SIMILE_E_NOMEM, "cannot start a thread");
        w->started++;
    }
    return SIMILE_OK;
}

simile_status workers_new(int n, size_t capacity, worker_fn fn, void *user, workers **out, simile_error *err)
{
    *out = NULL;
    workers *w = mem_new(workers);
    if (!w) return err_nomem(err);
    *w = (workers){.capacity = capacity, .fn = fn, .user = user, .wanted = n + 1};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->any, NULL);
    pthread_cond_init(&w->quick_one, NULL);
    w->slow.items = mem_zero_array(capacity, sizeof *w->slow.items);
    w->quick.items = mem_zero_array(capacity, sizeof *w->quick.items);
    w->threads = mem_zero_array((size_t)w->wanted, sizeof *w->threads);
    const simile_status status = w->slow.items && w->quick.items && w->threads ? start(w, err) : err_nomem(err);
    if (status)
        workers_free(w);
    else
        *out = w;
    return status;
}

bool workers_push(workers *w, void *item, bool quick)
{
    pthread_mutex_lock(&w->lock);
    ring *r = quick ? &w->quick : &w->slow;
    const bool room = !w->stopping && r->count < w->capacity;
    if (room) {
        r->items[(r->first + r->count++) % w->capacity] = item;
        pthread_cond_signal(&w->any);
        if (quick) pthread_cond_signal(&w->quick_one);
    }
    pthread_mutex_unlock(&w->lock);
    return room;
}

void workers_stop(workers *w)
{
    if (!w || w->joined) return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->any);
    pthread_cond_broadcast(&w->quick_one);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->started; i++) pthread_join(w->threads[i], NULL);
    w->joined = true;
}

void workers_free(workers *w)
{
    if (!w) return;
    workers_stop(w);
    pthread_cond_destroy(&w->any);
    pthread_cond_destroy(&w->quick_one);
    pthread_mutex_destroy(&w->lock);
    mem_free(w->slow.items);
    mem_free(w->quick.items);
    mem_free(w->threads);
    mem_free(w);
}
