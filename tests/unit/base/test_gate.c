/* SPDX-License-Identifier: Apache-2.0
 * test_gate.c - never more inside than there is room for, and everybody gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/gate.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { THREADS = 8, TURNS = 50, ROOM = 2 };

typedef struct {
    gate gate;
    atomic_int inside, entered;
    atomic_bool crowded;
} house;

static void *visit(void *user)
{
    house *h = user;
    for (int i = 0; i < TURNS; i++) {
        gate_enter(&h->gate);
        if (atomic_fetch_add(&h->inside, 1) >= ROOM) atomic_store(&h->crowded, true);
        sched_yield();
        atomic_fetch_sub(&h->inside, 1);
        atomic_fetch_add(&h->entered, 1);
        gate_leave(&h->gate);
    }
    return NULL;
}

static void so_many_and_no_more(void **state)
{
    house h = {.inside = 0};
    pthread_t threads[THREADS];
    gate_init(&h.gate, ROOM);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, visit, &h), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_false(atomic_load(&h.crowded));
    assert_int_equal(atomic_load(&h.entered), THREADS * TURNS);
    assert_int_equal(h.gate.room, ROOM);
    gate_destroy(&h.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(so_many_and_no_more)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
