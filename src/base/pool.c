/* SPDX-License-Identifier: Apache-2.0
 * pool.c - see pool.h.
 *
 * One mutex guards everything but the next item's number, which is atomic. A run is announced by raising `round`;
 * each thread takes part once a round and the last one to leave wakes the caller. */
#include "base/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

typedef struct {
    pool *owner;
    pthread_t thread;
    int number;
} member;

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t start, finished;
    member *members; /* threads - 1 of them */
    int threads, started, busy;
    unsigned long round;
    bool stopping;
    pool_fn fn;
    void *user;
    size_t items;
    atomic_size_t next;
};

int cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    const int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

int pool_threads(const pool *p)
{
    return p->threads;
}

static void work(pool *p, int worker)
{
    for (;;) {
        const size_t item = atomic_fetch_add(&p->next, 1);
        if (item >= p->items) return;
        p->fn(p->user, item, worker);
    }
}

static void *member_main(void *argument)
{
    member *m = argument;
    pool *p = m->owner;
    unsigned long seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->round == seen && !p->stopping) pthread_cond_wait(&p->start, &p->lock);
        if (p->stopping) break;
        seen = p->round;
        pthread_mutex_unlock(&p->lock);
        work(p, m->number);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0) pthread_cond_signal(&p->finished);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Threads of the library take no signals: those are the program's. */
static int start_member(member *m)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int failed = mem_fault_now() ? 1 : pthread_create(&m->thread, NULL, member_main, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

simile_status pool_new(int threads, pool **out, simile_error *err)
{
    *out = NULL;
    if (threads < 1) threads = 1;
    pool *p = mem_new(pool);
    if (!p) return err_nomem(err);
    p->threads = threads;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->finished, NULL);
    p->members = mem_zero_array((size_t)threads, sizeof *p->members);
    for (int i = 0; p->members && i < threads - 1; i++) {
        p->members[i] = (member){.owner = p, .number = i + 1};
        if (start_member(&p->members[i])) break;
        p->started++;
    }
    if (!p->members || p->started < threads - 1) {
        const bool no_memory = !p->members;
        pool_free(p);
        return no_memory ? err_nomem(err) : err_set(err, SIMILE_E_NOMEM, "cannot start %d threads", threads);
    }
    *out = p;
    return SIMILE_OK;
}

void pool_free(pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++) pthread_join(p->members[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->members);
    mem_free(p);
}

void pool_run(pool *p, size_t items, pool_fn fn, void *user)
{
    if (p->threads == 1 || items <= 1) {
        for (size_t i = 0; i < items; i++) fn(user, i, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->user = user;
    p->items = items;
    atomic_store(&p->next, 0);
    p->busy = p->started;
    p->round++;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    work(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->busy) pthread_cond_wait(&p->finished, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
