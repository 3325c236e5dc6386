/* SPDX-License-Identifier: Apache-2.0
 * test_clip.c - whole models against the reference library's vectors (tools/fixtures/model_fixtures.py).
 *
 *     test_clip                 the committed tiny models: every component within 2e-5
 *     test_clip --full DIR      one model at full size with its expected.json: cosine at least 0.99999 */
#include "check_model.h"

static const char *const tiny[] = {"tiny-quick", "tiny-gelu", "tiny-sharded", "tiny-f16", "tiny-bf16"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, TINY);
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
        cmocka_unit_test(equals_the_reference),           cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(picture_batches_change_nothing), cmocka_unit_test(digests_tell_models_apart),
        cmocka_unit_test(refuses_tokens_that_do_not_fit), cmocka_unit_test(says_what_a_directory_lacks),
        cmocka_unit_test(survives_short_memory),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
