/* SPDX-License-Identifier: Apache-2.0
 * test_translate.c - encoder-decoders against the reference library (tools/fixtures/marian_fixtures.py): the tokens of
 * the sources, the encoder's states, the greedy answer and the five best of five beams with their scores.
 *
 *     test_translate              the committed tiny models
 *     test_translate --dir DIR    others of the same kind, for instance with 200 inputs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/translator.h"

#include <math.h>
#include <stdio.h>

static const char *const names[] = {"swish", "gelu", "renormalize"};
enum { MODELS = sizeof names / sizeof *names, BEAMS = 5 };
static const char *folder = SIMILE_FIXTURES "/translate";

typedef struct {
    translator *t;
    marian *network;
    nn_context *ctx;
    json_t *texts, *root;
} fixture;

static fixture open_fixture(const char *name, int threads)
{
    fixture f = {0};
    simile_error err;
    char *path = mem_printf("%s/%s", folder, name), *expected = path_join(path, "expected.json");
    if (translator_open(path, &f.t, &err) || json_read_object(expected, 64 << 20, &f.root, &err) ||
        nn_context_new(threads, &f.ctx, &err))
        fail_msg("%s", err.message);
    f.network = translator_network(f.t);
    f.texts = json_object_get(f.root, "texts");
    assert_true(json_array_size(f.texts) >= 3);
    mem_free(expected);
    mem_free(path);
    return f;
}

static void close_fixture(fixture *f)
{
    nn_context_free(f->ctx);
    translator_close(f->t);
    json_decref(f->root);
}

static token_list tokens_of(const fixture *f, const json_t *item)
{
    const char *text = json_string_value(json_object_get(item, "text"));
    const json_t *ids = json_object_get(item, "ids");
    token_list list;
    simile_error err;
    if (tokenizer_encode(translator_words(f->t), text, strlen(text), 512, &list, &err)) fail_msg("%s", err.message);
    assert_int_equal(list.n, json_array_size(ids));
    for (size_t i = 0; i < list.n; i++) assert_int_equal(list.ids[i], json_integer_value(json_array_get(ids, i)));
    return list;
}

static void same_ids(const beam_answer *a, const json_t *ids, const char *name, size_t text)
{
    bool same = a->n == json_array_size(ids);
    for (size_t i = 0; same && i < a->n; i++) same = a->ids[i] == json_integer_value(json_array_get(ids, i));
    if (!same) {
        for (size_t i = 0; i < a->n; i++) print_message("%d ", a->ids[i]);
        fail_msg("%s, text %zu: another answer (%f)", name, text, (double)a->score);
    }
}

/* Largest difference of the encoder's states. */
static double check_states(const marian_run *run, const json_t *states, int64_t width)
{
    const float *got = marian_run_states(run);
    double largest = 0;
    for (size_t row = 0; row < json_array_size(states); row++) {
        const json_t *want = json_array_get(states, row);
        assert_int_equal(json_array_size(want), width);
        for (int64_t i = 0; i < width; i++)
            largest = fmax(largest, fabs((double)got[(int64_t)row * width + i] -
                                         json_number_value(json_array_get(want, (size_t)i))));
    }
    return largest;
}

typedef struct {
    double states, score;
} difference;

static void check_text(const fixture *f, const char *name, size_t text, difference *d)
{
    const json_t *item = json_array_get(f->texts, text), *best = json_object_get(item, "best");
    const marian_config *c = marian_get_config(f->network);
    token_list list = tokens_of(f, item);
    const int32_t starts[2] = {0, (int32_t)list.n};
    for (int beams = 1; beams <= BEAMS; beams += BEAMS - 1) {
        marian_run *run;
        beam_answers answers;
        simile_error err;
        if (marian_run_new(f->network, f->ctx, list.ids, starts, 1, &run, &err) ||
            beam_search(run, f->ctx, c, 1, &(beam_options){.beams = beams}, &answers, &err))
            fail_msg("%s", err.message);
        d->states = fmax(d->states, check_states(run, json_object_get(item, "states"), c->encoder.width));
        assert_int_equal(answers.n, beams);
        if (beams == 1) same_ids(&answers.items[0], json_object_get(item, "greedy"), name, text);
        for (size_t i = 0; beams > 1 && i < answers.n; i++) {
            const json_t *want = json_array_get(best, i);
            same_ids(&answers.items[i], json_object_get(want, "ids"), name, text);
            const double score = json_number_value(json_object_get(want, "score"));
            d->score = fmax(d->score, fabs(score - (double)answers.items[i].score));
        }
        beam_answers_release(&answers);
        marian_run_free(run);
    }
    mem_free(list.ids);
}

static void answers_as_the_reference_does(void **state)
{
    for (int k = 0; k < MODELS; k++) {
        for (int threads = 1; threads <= 2; threads++) {
            fixture f = open_fixture(names[k], threads);
            difference d = {0};
            for (size_t i = 0; i < json_array_size(f.texts); i++) check_text(&f, names[k], i, &d);
            print_message("%-12s %zu texts, %d threads: states within %.2g, scores within %.2g\n", names[k],
                          json_array_size(f.texts), threads, d.states, d.score);
            assert_true(d.states <= 2e-5);
            assert_true(d.score <= 1e-4);
            close_fixture(&f);
        }
    }
}

/* Texts together, and each alone: the same candidates, and scores that differ by rounding at most. */
static void neighbours_change_nothing(void **state)
{
    for (int k = 0; k < MODELS; k++) {
        fixture f = open_fixture(names[k], 1);
        translator_session *s;
        simile_error err;
        const char *texts[16];
        translations all[16], one;
        const size_t n = json_array_size(f.texts) < 16 ? json_array_size(f.texts) : 16;
        for (size_t i = 0; i < n; i++)
            texts[i] = json_string_value(json_object_get(json_array_get(f.texts, i), "text"));
        if (translator_session_new(f.t, 2, &s, &err) || translator_run(s, texts, n, BEAMS, BEAMS, all, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(translator_run(s, &texts[i], 1, BEAMS, BEAMS, &one, NULL), SIMILE_OK);
            assert_int_equal(one.n, all[i].n);
            for (size_t c = 0; c < one.n; c++) {
                assert_string_equal(one.items[c].text, all[i].items[c].text);
                assert_float_equal(one.items[c].score, all[i].items[c].score, 1e-5);
                if (c) assert_true(one.items[c].score <= one.items[c - 1].score);
            }
            translations_release(&one);
            translations_release(&all[i]);
        }
        translator_session_free(s);
        close_fixture(&f);
    }
}

static void refuses_what_cannot_be(void **state)
{
    fixture f = open_fixture(names[0], 1);
    translator_session *s;
    translations out;
    translator *other;
    simile_error err;
    const char *text = "gato";
    assert_int_equal(translator_session_new(f.t, 1, &s, NULL), SIMILE_OK);
    assert_int_equal(translator_run(s, &text, 1, 0, 0, &out, &err), SIMILE_E_ARG);
    assert_int_equal(translator_run(s, &text, 1, 5, 3, &out, &err), SIMILE_E_ARG);
    assert_int_equal(translator_run(s, &text, 1, 5, 1000, &out, &err), SIMILE_E_ARG);
    assert_int_equal(translator_open(SIMILE_FIXTURES "/models/tiny-quick", &other, &err), SIMILE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "clip"));
    assert_int_equal(translator_open("/nonexistent/model", &other, &err), SIMILE_E_NOT_FOUND);
    translator_session_free(s);
    close_fixture(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_reference_does),
        cmocka_unit_test(neighbours_change_nothing),
        cmocka_unit_test(refuses_what_cannot_be),
    };
    if (argc == 3 && !strcmp(argv[1], "--dir")) folder = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
