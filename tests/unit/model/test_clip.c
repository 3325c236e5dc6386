/* SPDX-License-Identifier: Apache-2.0
 * test_clip.c - whole models against the reference library's vectors (tools/fixtures/model_fixtures.py).
 *
 *     test_clip                 the committed tiny models: every component within 2e-5
 *     test_clip --full DIR      one model at full size with its expected.json: cosine at least 0.99999 */
#include "check_model.h"

#include "model/positions.h"

#include <stdio.h>

static const char *const tiny[] = {"tiny-quick", "tiny-gelu", "tiny-sharded", "tiny-f16", "tiny-bf16", "tiny-reader"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, TINY);
}

static void other_resolutions_equal_the_reference(void **state)
{
    static const char *const names[] = {"tiny-quick", "tiny-gelu"};
    check_resized(names, 2);
}

static void each_resolution_is_a_model_of_its_own(void **state)
{
    static const int64_t sizes[] = {0, 16, 17, 24}; /* 16: that of training; 17: the same grid of patches */
    char digests[4][DIGEST_HEX], *directory = fixture("tiny-quick");
    for (int i = 0; i < 4; i++) {
        model *m = open_at(directory, sizes[i]);
        assert_int_equal(model_digest(m, digests[i], NULL), 0);
        assert_int_equal(model_image_spec(m)->resize_short, sizes[i] ? sizes[i] : 16);
        for (int k = 0; k < i; k++) assert_int_equal(!strcmp(digests[k], digests[i]), i == 1);
        model_close(m);
    }
    mem_free(directory);
}

static void refuses_a_resolution_that_does_not_go(void **state)
{
    static const struct {
        int64_t size;
        const char *why;
    } wrong[] = {{3, "its patches are larger"}, {8193, "too large"}, {8192, "too large"}, {INT64_MAX, "too large"}};
    char *directory = fixture("tiny-quick");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        model *m;
        simile_error err;
        const model_options options = {.image_size = wrong[i].size};
        assert_int_equal(model_open(directory, &options, &m, &err), SIMILE_E_ARG);
        assert_null(m);
        if (!strstr(err.message, wrong[i].why)) fail_msg("%s", err.message);
    }
    mem_free(directory);
}

/* A grid of twice the size lies a quarter of a cell to either side of the old centres, where the four weights of
 * a = -0.75 are -0.10546875, 0.87890625, 0.26171875 and -0.03515625: on a slope of 1 they give 0.296875. */
static void positions_are_interpolated(void **state)
{
    enum { GRID = 5, WANTED = 10, DIM = 2 };
    static const float slope[WANTED] = {-0.10546875f, 0.19140625f, 0.66796875f, 1.296875f,   1.703125f,
                                        2.296875f,    2.703125f,   3.33203125f, 3.80859375f, 4.10546875f};
    float in[(1 + GRID * GRID) * DIM] = {7, -7}; /* the class token's row */
    for (int i = 0; i < GRID * GRID; i++) {
        in[(1 + i) * DIM] = 3;
        in[(1 + i) * DIM + 1] = (float)(i / GRID);
    }
    const nn_tensor table = {.data = in, .dtype = NN_F32, .rank = 2, .dim = {1 + GRID * GRID, DIM}};
    float *out = positions_on_grid(&table, GRID, WANTED), *same = positions_on_grid(&table, GRID, GRID);
    assert_true(out[0] == 7 && out[1] == -7);
    for (int i = 0; i < WANTED * WANTED; i++) {
        assert_float_equal(out[(1 + i) * DIM], 3, 1e-6);
        assert_float_equal(out[(1 + i) * DIM + 1], slope[i / WANTED], 1e-6);
    }
    assert_memory_equal(same, in, sizeof in);
    mem_free(out);
    mem_free(same);
}

static void batches_and_threads_change_nothing(void **state)
{
    check_text_batches(tiny, TINY);
}

static void picture_batches_change_nothing(void **state)
{
    check_picture_batches(tiny, TINY);
}

static void digests_tell_models_apart(void **state)
{
    check_digests_differ(tiny, TINY);
}

static void refuses_tokens_that_do_not_fit(void **state)
{
    char *directory = fixture("tiny-quick");
    model *m = open_model(directory);
    model_encoder *e = new_encoder(m, 1);
    float out[MAX_DIM];
    int32_t ids[100] = {0};
    token_list list = {.ids = ids, .n = 100};
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_ARG);
    list.n = 0;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_ARG);
    list.n = 2;
    ids[1] = 1000000;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_FORMAT);
    ids[1] = -1;
    assert_int_equal(model_encode_tokens(e, &list, 1, out, NULL), SIMILE_E_FORMAT);
    model_encoder_free(e);
    model_close(m);
    mem_free(directory);
}

static void says_what_a_directory_lacks(void **state)
{
    model *m;
    simile_error err = {0};
    assert_int_equal(model_open("/nonexistent/model", NULL, &m, &err), SIMILE_E_NOT_FOUND);
    assert_null(m);
    assert_non_null(strstr(err.message, "config.json"));
}

static void survives_short_memory(void **state)
{
    check_short_memory("tiny-sharded");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(picture_batches_change_nothing),
        cmocka_unit_test(digests_tell_models_apart),
        cmocka_unit_test(refuses_tokens_that_do_not_fit),
        cmocka_unit_test(says_what_a_directory_lacks),
        cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(other_resolutions_equal_the_reference),
        cmocka_unit_test(each_resolution_is_a_model_of_its_own),
        cmocka_unit_test(refuses_a_resolution_that_does_not_go),
        cmocka_unit_test(positions_are_interpolated),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
