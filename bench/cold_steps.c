/* SPDX-License-Identifier: Apache-2.0
 * cold_steps.c - what `simile search` does, call by call, with the clock read between the calls.
 *
 *     cold_steps CATALOGUE MODEL TEXT THREADS STARTED
 *
 * STARTED is what the clock showed when the program that asks made this process, in seconds. Prints the milliseconds of
 * each step, in the order of cold_step_names in bench_cold.c, and the peak of memory in KiB after each. Like the
 * command it is linked against the shared library and sees nothing but simile.h. */
#include "measure.h"

#include <simile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { STEPS = 7 };

static double milliseconds[STEPS], last;
static long peak[STEPS];
static int n_steps;

static void step(void)
{
    struct rusage used;
    const double now = bench_now();
    getrusage(RUSAGE_SELF, &used);
    milliseconds[n_steps] = 1e3 * (now - last);
    peak[n_steps++] = used.ru_maxrss;
    last = bench_now();
}

static void check(simile_status status, const simile_error *err)
{
    if (!status) return;
    fprintf(stderr, "cold_steps: %s\n", err->message);
    exit(1);
}

/* As the command reads it. */
static int32_t wanted_compute(void)
{
    const char *name = getenv("SIMILE_DTYPE"), *known;
    for (int32_t i = 0; name && (known = simile_compute_name(i)); i++)
        if (!strcmp(name, known)) return i;
    return SIMILE_COMPUTE_AUTO;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    simile_error err;
    simile_model *model;
    simile_encoder *encoder;
    simile_library *library;
    simile_results *results;
    static float vector[65536];
    const char *const texts[] = {argv[3]};
    const int threads = atoi(argv[4]);
    last = strtod(argv[5], NULL);
    step();
    const simile_model_options how = {.struct_size = sizeof how, .compute = wanted_compute()};
    check(simile_model_open(argv[2], &how, &model, &err), &err);
    step();
    const simile_library_options opening = {.struct_size = sizeof opening, .read_only = 1, .threads = threads};
    check(simile_library_open(argv[1], model, &opening, &library, &err), &err);
    step();
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = threads};
    check(simile_encoder_new(model, &options, &encoder, &err), &err);
    step();
    check(simile_encode_texts(encoder, texts, 1, vector, NULL, &err), &err);
    step();
    const simile_term term = {.kind = SIMILE_TERM_VECTOR, .weight = 1, .vector = vector};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1, .limit = 10};
    check(simile_search(library, encoder, &query, &results, &err), &err);
    step();
    simile_results_free(results);
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(model);
    step();
    for (int i = 0; i < STEPS; i++) printf("%.3f %ld\n", milliseconds[i], peak[i]);
    return 0;
}
