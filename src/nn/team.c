/* SPDX-License-Identifier: Apache-2.0
 * team.c - see team.h.
 *
 * A run is announced by one word, the ticket: its number, its parts and the next part to be taken. Whoever raises the
 * last by compare and exchange has a part of that run, and of no other: the run cannot end before the part is done, so
 * what is to be done may be read after that. What is done is counted, and the caller waits for the count.
 *
 * Who waits looks at the word for WAIT_NS in a loop, which is longer than anything between two runs of a network, and
 * then sleeps: nobody's processor is taken for longer than that. Where there are fewer processors than members, they
 * sleep at once. Before sleeping a member raises `asleep` and looks again; the caller writes the ticket and then reads
 * `asleep`: in the one order that all of these have, one of the two sees the other.
 *
 * A member may lose its processor in the middle of a part, and then all wait for it, milliseconds where the part takes
 * microseconds. Where other programs want the processors too that happens again and again, and a team is slower than
 * the caller alone. So once that was seen the caller works alone for a number of runs, twice as many each time until
 * one goes well. It does the same parts: nobody can tell from the results.
 *
 * A process that forks leaves the members behind. What the child has of them are a lock and counts of sleepers that
 * nobody will ever change: it leaves those alone, and takes all parts of its runs itself.
 *
 * Threads: the ticket and the counts are atomic, everything else is guarded by the lock or set before threads start.
 * Members take no signals: those are the program's. */
#include "nn/team.h"

#include "base/mem.h"
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_NS = 50000,
    LATE_NS = 200000, /* waited for members, and longer than the caller's own parts took: */
    LEAST_ALONE = 32,
    MOST_ALONE = 1024, /* so many runs alone */
    LINE = 64
};

struct nn_team {
    _Alignas(LINE) _Atomic uint64_t ticket; /* number << 32 | parts << 16 | next */
    _Atomic(team_fn) fn;
    _Atomic(void *) user;
    _Alignas(LINE) atomic_int done; /* parts of this run that members did */
    _Alignas(LINE) atomic_int asleep;
    atomic_bool caller_asleep, stopping;
    pthread_mutex_t lock;
    pthread_cond_t start, finished;
    pthread_t *members;
    pid_t process; /* that has the members */
    int threads, started;
    int alone, next_alone; /* runs that the caller does by itself; how many it will be the next time */
    bool patient;          /* there is a processor for each: waiting in a loop is worth while */
};

static void pause_processor(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int parts_of(uint64_t ticket)
{
    return (int)(ticket >> 16 & 0xffff);
}

static int next_of(uint64_t ticket)
{
    return (int)(ticket & 0xffff);
}

static bool work_waits(nn_team *t)
{
    const uint64_t ticket = atomic_load(&t->ticket);
    return next_of(ticket) < parts_of(ticket);
}

static void wake(nn_team *t, pthread_cond_t *who)
{
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(who);
    pthread_mutex_unlock(&t->lock);
}

/* Takes parts until none is left; how many that were. Members tell the caller of each. */
static int take_parts(nn_team *t, bool member)
{
    int taken = 0;
    uint64_t ticket = atomic_load(&t->ticket);
    while (next_of(ticket) < parts_of(ticket)) {
        if (!atomic_compare_exchange_weak(&t->ticket, &ticket, ticket + 1)) continue;
        const team_fn fn = atomic_load_explicit(&t->fn, memory_order_relaxed);
        fn(atomic_load_explicit(&t->user, memory_order_relaxed), next_of(ticket), parts_of(ticket));
        taken++;
        if (member) {
            atomic_fetch_add(&t->done, 1);
            if (atomic_load(&t->caller_asleep)) wake(t, &t->finished);
        }
        ticket = atomic_load(&t->ticket);
    }
    return taken;
}

/* ---- waiting ---- */

typedef struct {
    int turns;
    int64_t until;
} patience;

/* A short rest; false: that was long enough. */
static bool rest(const nn_team *t, patience *p)
{
    if (!t->patient) return false;
    pause_processor();
    if (++p->turns % 64) return true;
    const int64_t now = now_ns();
    if (!p->until) p->until = now + WAIT_NS;
    return now < p->until;
}

/* Until there is work; false: the team is dissolved. */
static bool wait_for_work(nn_team *t)
{
    patience p = {0};
    do {
        if (work_waits(t)) return true;
    } while (rest(t, &p));
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->asleep, 1);
    while (!work_waits(t) && !atomic_load(&t->stopping)) pthread_cond_wait(&t->start, &t->lock);
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->lock);
    return !atomic_load(&t->stopping);
}

/* Until members have done `parts`. */
static void wait_until_done(nn_team *t, int parts)
{
    patience p = {0};
    do {
        if (atomic_load(&t->done) >= parts) return;
    } while (rest(t, &p));
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->caller_asleep, true);
    while (atomic_load(&t->done) < parts) pthread_cond_wait(&t->finished, &t->lock);
    atomic_store(&t->caller_asleep, false);
    pthread_mutex_unlock(&t->lock);
}

/* ---- life ---- */

static void *member_main(void *argument)
{
    nn_team *t = argument;
    while (wait_for_work(t)) take_parts(t, true);
    return NULL;
}

static bool start_member(nn_team *t)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const bool started = !mem_fault_now() && !pthread_create(&t->members[t->started], NULL, member_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    t->started += started;
    return started;
}

simile_status team_new(int threads, nn_team **out, simile_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > TEAM_MOST) return err_set(err, SIMILE_E_ARG, "cannot run on %d threads", threads);
    nn_team *t = mem_aligned(sizeof *t);
    if (!t) return err_nomem(err);
    memset(t, 0, sizeof *t);
    t->process = getpid();
    t->threads = threads;
    t->next_alone = LEAST_ALONE;
    t->patient = cpu_count() >= threads;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->start, NULL);
    pthread_cond_init(&t->finished, NULL);
    t->members = mem_zero_array((size_t)threads, sizeof *t->members);
    const bool memory = t->members != NULL;
    while (memory && t->started < threads - 1 && start_member(t)) continue;
    if (t->started < threads - 1 || !memory) {
        team_free(t);
        return memory ? err_set(err, SIMILE_E_NOMEM, "cannot start %d threads", threads) : err_nomem(err);
    }
    *out = t;
    return SIMILE_OK;
}

static void dissolve(nn_team *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stopping, true);
    pthread_cond_broadcast(&t->start);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->started; i++) pthread_join(t->members[i], NULL);
    pthread_cond_destroy(&t->start);
    pthread_cond_destroy(&t->finished);
    pthread_mutex_destroy(&t->lock);
}

void team_free(nn_team *t)
{
    if (!t) return;
    if (t->process == getpid()) dissolve(t);
    mem_free(t->members);
    mem_free(t);
}

/* ---- runs ---- */

static void wait_for_members(nn_team *t, int parts, int64_t begun)
{
    if (atomic_load(&t->done) >= parts) return;
    const int64_t before = now_ns();
    wait_until_done(t, parts);
    const int64_t waited = now_ns() - before;
    if (waited < LATE_NS || waited < before - begun) {
        t->next_alone = LEAST_ALONE;
        return;
    }
    t->alone = t->next_alone;
    t->next_alone = t->next_alone < MOST_ALONE ? 2 * t->next_alone : MOST_ALONE;
}

static void announce(nn_team *t, team_fn fn, void *user)
{
    const uint64_t number = (atomic_load_explicit(&t->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&t->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&t->user, user, memory_order_relaxed);
    atomic_store_explicit(&t->done, 0, memory_order_relaxed);
    atomic_store(&t->ticket, number << 32 | (uint64_t)t->threads << 16 | 1);
    if (atomic_load(&t->asleep) && t->process == getpid()) wake(t, &t->start);
}

void team_run(nn_team *t, team_fn fn, void *user)
{
    const int parts = t->threads;
    if (parts == 1 || t->alone > 0) {
        for (int i = 0; i < parts; i++) fn(user, i, parts);
        t->alone -= t->alone > 0;
        return;
    }
    const int64_t begun = now_ns();
    announce(t, fn, user);
    fn(user, 0, parts);
    const int mine = 1 + take_parts(t, false);
    if (mine < parts) wait_for_members(t, parts - mine, begun);
}
