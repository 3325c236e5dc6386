/* SPDX-License-Identifier: Apache-2.0
 * test_team.c - every part of every run is done once and before the run returns: by members that are awake, that have
 * gone to sleep, that are more than there are processors, and by several teams at once. */
#include "help.h"

#include "nn/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 9 };

static nn_team *team_of(int threads)
{
    nn_team *t;
    simile_error err;
    if (team_new(threads, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void pause_for(int64_t microseconds)
{
    nanosleep(&(struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000}, NULL);
}

/* Plain numbers: were a run to return early, or two to overlap, TSan would see it too. */
typedef struct {
    int64_t sum[MOST], add;
    int parts;
    atomic_int slow; /* the part that takes its time; -1: none */
} tally;

static void count(void *user, int part, int parts)
{
    tally *c = user;
    if (atomic_load(&c->slow) == part) pause_for(400);
    c->sum[part] += c->add;
    if (part == 0) c->parts = parts;
}

static void run_many(int threads, int runs, int sleep_every, int slow)
{
    nn_team *t = team_of(threads);
    tally c = {.slow = slow};
    int64_t want = 0;
    for (int i = 0; i < runs; i++) {
        c.add = i;
        want += i;
        team_run(t, count, &c);
        assert_int_equal(c.parts, threads);
        for (int p = 0; p < threads; p++) assert_int_equal(c.sum[p], want);
        if (sleep_every && i % sleep_every == 0) pause_for(300);
    }
    team_free(t);
}

static void each_part_is_done_once(void **state)
{
    for (int threads = 1; threads <= MOST; threads++) run_many(threads, 2000, 0, -1);
}

static void members_that_slept_come_back(void **state)
{
    for (int threads = 2; threads <= 4; threads++) run_many(threads, 100, 1, -1);
}

/* The caller, or a member, is so slow that the others go to sleep. */
static void a_slow_part_is_waited_for(void **state)
{
    for (int threads = 2; threads <= 4; threads++)
        for (int slow = 0; slow < threads; slow++) run_many(threads, 50, 7, slow);
}

/* So slow that the caller works alone for a while, and then with the others again. */
static void late_members_are_left_alone(void **state)
{
    nn_team *t = team_of(3);
    tally c = {.add = 1, .slow = -1};
    for (int i = 1; i <= 400; i++) {
        atomic_store(&c.slow, i % 40 == 0 ? 2 : -1);
        team_run(t, count, &c);
        for (int p = 0; p < 3; p++) assert_int_equal(c.sum[p], i);
    }
    team_free(t);
}

static void *one_of_several(void *unused)
{
    run_many(3, 1000, 100, -1);
    return unused;
}

static void teams_do_not_meet(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, one_of_several, NULL), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

/* A member that does a part of the first run is still there when the second has another function and other data. */
static void add_up(void *user, int part, int parts)
{
    int64_t *sums = user;
    for (int i = 0; i <= part; i++) sums[part] += parts;
}

static void runs_may_differ(void **state)
{
    nn_team *t = team_of(4);
    tally c = {.add = 1, .slow = -1};
    int64_t sums[4] = {0};
    for (int i = 1; i <= 1000; i++) {
        team_run(t, count, &c);
        team_run(t, add_up, sums);
        for (int p = 0; p < 4; p++) {
            assert_int_equal(c.sum[p], i);
            assert_int_equal(sums[p], 4 * (p + 1) * i);
        }
    }
    team_free(t);
}

static void signals_are_the_programs(void **state)
{
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    nn_team *t = team_of(3);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < NSIG; i++) assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    team_free(t);
}

/* A child has none of the members: it does all parts itself, and gives the team up without waiting for anyone. */
static void a_forked_child_is_alone(void **state)
{
    nn_team *t = team_of(3);
    tally c = {.add = 1, .slow = -1};
    team_run(t, count, &c);
    pause_for(20000); /* they sleep */
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(5); /* or it would wait for ever */
        for (int i = 0; i < 100; i++) team_run(t, count, &c);
        team_free(t);
        _exit(c.sum[0] == 101 && c.sum[1] == 101 && c.sum[2] == 101 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    team_run(t, count, &c);
    for (int p = 0; p < 3; p++) assert_int_equal(c.sum[p], 2);
    team_free(t);
}

static void memory_and_threads_may_be_refused(void **state)
{
    nn_team *t;
    simile_error err;
    assert_int_equal(team_new(0, &t, &err), SIMILE_E_ARG);
    assert_int_equal(team_new(TEAM_MOST + 1, &t, &err), SIMILE_E_ARG);
    for (int n = 1; n <= 4; n++) { /* itself, its list, two members */
        mem_fault_after(n, false);
        assert_int_equal(team_new(3, &t, &err), SIMILE_E_NOMEM);
        assert_true(mem_fault_hit());
        assert_null(t);
    }
    mem_fault_after(0, false);
    team_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_is_done_once),      cmocka_unit_test(members_that_slept_come_back),
        cmocka_unit_test(a_slow_part_is_waited_for),   cmocka_unit_test(teams_do_not_meet),
        cmocka_unit_test(late_members_are_left_alone), cmocka_unit_test(runs_may_differ),
        cmocka_unit_test(signals_are_the_programs),    cmocka_unit_test(memory_and_threads_may_be_refused),
        cmocka_unit_test(a_forked_child_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
