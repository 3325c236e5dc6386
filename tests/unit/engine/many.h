/* SPDX-License-Identifier: Apache-2.0
 * many.h - a catalogue of thousands of items with drawn vectors, and what a search in it has to answer: for the tests
 * of what only large catalogues have. Item number i has id i + 1; every third lies in a folder of its own. */
#ifndef SIMILE_TESTS_ENGINE_MANY_H
#define SIMILE_TESTS_ENGINE_MANY_H

#include "help.h"

#include "index/scan.h"

enum { DIM = 128, FIRST = 9000, MORE = 3000, LIMIT = 12 };

/* Adds the items first .. end-1 to the lab's catalogue and, unless it is 0, deletes the one with the id `gone`. */
void change(int first, int end, int64_t gone);
/* What a scan of the vectors in memory finds among items 0 .. n-1 without `gone`; `third`: in that folder. */
size_t slow_top(int n, int64_t gone, bool third, const float *query, scan_hit *out);
void assert_search(simile_library *library, const float *vector, bool third, const scan_hit *expected, size_t n);
/* The vector that a search makes of a unit vector that is given: made unit again. */
void query_of(int number, float *x);
/* Some searches, with and without the folder. */
void assert_searches(simile_library *library, int n, int64_t gone);

#endif
