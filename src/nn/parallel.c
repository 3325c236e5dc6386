/* SPDX-License-Identifier: Apache-2.0
 * parallel.c - the team of a context.
 *
 * Where products are kernels of our own, so is the team (team.h): a part begins a fraction of a microsecond after it
 * was announced, and nobody waits for a member that has no processor.
 *
 * Elsewhere they are oneDNN's, which runs on OpenMP. Kernels run on the same team, so that its waiting threads and ours
 * never compete for the processors: a parallel region here and one in there, with the same count, are served by the
 * same threads. For that reason a region always has the context's full count or is not opened at all (a smaller team
 * would make the runtime retire threads).
 *
 * The count is a property of the calling thread (OpenMP's nthreads-var): it is set around the library's calls and put
 * back. Threads inherit the signal mask of the one that starts them, so the first region that a thread opens for a
 * context is opened with all signals blocked: signals are the program's.
 *
 * Without OpenMP (meson option openmp=false: ThreadSanitizer cannot see into its runtime) the team is our own too, and
 * the product library gets one thread, where its count can be set. */
#include "nn/context.h"

#include <signal.h>

#if defined(SIMILE_NN_OPENMP) || defined(SIMILE_NN_OMP_API)
#include <omp.h>

int nn_library_enter(int threads)
{
#ifndef SIMILE_NN_OPENMP
    threads = 1;
#endif
    const int before = omp_get_max_threads();
    if (threads != before) omp_set_num_threads(threads);
    return before;
}

void nn_library_leave(int before)
{
    if (before != omp_get_max_threads()) omp_set_num_threads(before);
}
#else
int nn_library_enter(int threads)
{
    return threads;
}

void nn_library_leave(int before)
{
    (void)before;
}
#endif

#ifdef SIMILE_NN_OPENMP

bool nn_team_is_own(void)
{
    return gemm_pick(NN_COMPUTE_F32) != gemm_plain(NN_COMPUTE_F32);
}

void nn_team_settle(nn_context *ctx)
{
    const pthread_t self = pthread_self();
    if (ctx->team || ctx->threads == 1 || (ctx->settled && pthread_equal(ctx->settler, self))) return;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
#pragma omp parallel num_threads(ctx->threads)
    {
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    ctx->settled = true;
    ctx->settler = self;
}

static void run_on_openmp(nn_context *ctx, nn_team_fn fn, void *user)
{
    nn_team_settle(ctx);
#pragma omp parallel num_threads(ctx->threads)
    fn(user, omp_get_thread_num(), omp_get_num_threads());
}

#else

bool nn_team_is_own(void)
{
    return true;
}

void nn_team_settle(nn_context *ctx)
{
    (void)ctx;
}

static void run_on_openmp(nn_context *ctx, nn_team_fn fn, void *user)
{
    (void)ctx, (void)fn, (void)user; /* contexts have teams */
}

#endif

void nn_team_run(nn_context *ctx, bool alone, nn_team_fn fn, void *user)
{
    if (alone || ctx->threads == 1)
        fn(user, 0, 1);
    else if (ctx->team)
        team_run(ctx->team, fn, user);
    else
        run_on_openmp(ctx, fn, user);
}

typedef struct {
    int64_t items;
    nn_parallel_fn fn;
    void *user;
} loop;

static void loop_part(void *user, int worker, int workers)
{
    const loop *l = user;
    const int64_t end = nn_part_begin(l->items, worker + 1, workers);
    for (int64_t i = nn_part_begin(l->items, worker, workers); i < end; i++) l->fn(l->user, i);
}

void nn_parallel(nn_context *ctx, int64_t items, nn_parallel_fn fn, void *user)
{
    loop l = {items, fn, user};
    nn_team_run(ctx, items <= 1, loop_part, &l);
}
