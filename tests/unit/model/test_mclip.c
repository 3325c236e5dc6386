/* SPDX-License-Identifier: Apache-2.0
 * test_mclip.c - models of Multilingual-CLIP (tools/fixtures/mclip_fixtures.py).
 *
 *     test_mclip                 the committed tiny models
 *     test_mclip --full DIR      one model at full size with its expected.json */
#include "variant.h"

static const char *const tiny[] = {"mclip-xlmr", "mclip-labse", "mclip-bert", "mclip-distil"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, TINY);
}

static void batches_and_threads_change_nothing(void **state)
{
    check_text_batches(tiny, TINY);
}

static void digests_tell_models_apart(void **state)
{
    check_digests_differ(tiny, TINY);
}

static void survives_short_memory(void **state)
{
    for (size_t i = 0; i < TINY; i++) check_short_memory(tiny[i]);
}

static void reads_as_long_texts_as_there_are_places(void **state)
{
    static const int context[TINY] = {32, 26, 28, 24};
    for (size_t i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        model *m = open_model(directory);
        assert_int_equal(model_info(m)->context, context[i]);
        assert_int_equal(model_info(m)->image_size, 0);
        assert_true(model_info(m)->logit_scale == 100);
        assert_string_equal(model_info(m)->family, "bert");
        model_close(m);
        mem_free(directory);
    }
}

#define NAMED(base, width, dim) "{\"modelBase\":\"" base "\",\"transformerDimensions\":" width ",\"numDims\":" dim "}"

static void encoders_that_are_not_known_are_refused(void **state)
{
    static const char config[] = "config.json";
    check_refused("mclip-labse", config, NAMED("t5-base", "64", "10"), SIMILE_E_UNSUPPORTED, "'t5-base'");
    check_refused("mclip-labse", config, NAMED("LaBSE", "768", "10"), SIMILE_E_FORMAT,
                  "\"transformerDimensions\" is 768");
    check_refused("mclip-labse", config, NAMED("LaBSE", "64", "11"), SIMILE_E_FORMAT, "text_projection.weight");
    check_refused("mclip-labse", config, "{\"modelBase\":\"LaBSE\"}", SIMILE_E_FORMAT, "how long");
    check_refused("mclip-labse", config, "{\"modelBase\":\"LaBSE\",\"numDims\":0}", SIMILE_E_FORMAT, "numDims");
    check_refused("mclip-labse", config, "{\"modelBase\":7}", SIMILE_E_UNSUPPORTED, "no model_type");
}

static void a_head_that_is_missing_is_named(void **state)
{
    static const char bert[] = "M-BERT-Base-69-ViT Linear Weights.pkl",
                      distil[] = "heads/M-BERT Distil 40 Linear Weights.pkl";
    check_refused("mclip-bert", bert, NULL, SIMILE_E_NOT_FOUND,
                  "'M-BERT-Base-69-ViT Linear Weights.pkl', which legacy_get-weights.sh");
    check_refused("mclip-distil", distil, NULL, SIMILE_E_NOT_FOUND, "'M-BERT Distil 40 Linear Weights.pkl'");
    check_refused("mclip-bert", "heads/two.pkl", "x", SIMILE_E_FORMAT, "not the only .pkl");
    check_refused("mclip-bert", bert, "\x80\3cposix\nsystem\n.", SIMILE_E_UNSUPPORTED, "'posix.system'");
    check_refused("mclip-bert", bert, "x", SIMILE_E_FORMAT, "");
}

/* Only pickles beside the model and in its "heads" are looked at. */
static void pickles_elsewhere_do_not_matter(void **state)
{
    static const char *const places[] = {"old/x.pkl", "heads/old/x.pkl", ".pkl", "heads/.pkl", "x.pkl.txt"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        variant v;
        variant_new(&v, "mclip-bert", places[i], "x");
        model_close(open_model(v.folder));
        variant_remove(&v);
    }
}

#define MODULE(name, path) "{\"name\":\"x\",\"path\":\"" path "\",\"type\":\"sentence_transformers.models." name "\"}"

/* The same encoder and the same last layer, as sentence-transformers would have them. */
static void one_network_in_two_layouts_is_one_model(void **state)
{
    static const char head[] = "M-BERT-Base-69-ViT Linear Weights.pkl";
    char *directory = fixture("mclip-bert"), *pickle = path_join(directory, head);
    variant v;
    variant_new(&v, "mclip-bert", head, NULL);
    variant_put(&v, "modules.json",
                "[" MODULE("Transformer", "") "," MODULE("Pooling", "1_P") "," MODULE("Dense", "2_D") "]");
    variant_put(&v, "1_P/config.json", "{\"pooling_mode_mean_tokens\":true}");
    variant_put(&v, "2_D/config.json", "{\"out_features\":15,\"activation_function\":\"torch.nn.Identity\"}");
    variant_link(&v, "2_D/pytorch_model.bin", pickle);
    model *a = open_model(directory), *b = open_model(v.folder);
    check_same(a, b);
    check_converted(v.folder, "2_D/model.safetensors");
    model_close(a);
    model_close(b);
    variant_remove(&v);
    mem_free(pickle);
    mem_free(directory);
}

/* A last layer that lay elsewhere comes among the other weights. */
static void converts_to_one_file(void **state)
{
    for (size_t i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        check_converted(directory, "model.safetensors");
        mem_free(directory);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(digests_tell_models_apart),
        cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(reads_as_long_texts_as_there_are_places),
        cmocka_unit_test(encoders_that_are_not_known_are_refused),
        cmocka_unit_test(a_head_that_is_missing_is_named),
        cmocka_unit_test(pickles_elsewhere_do_not_matter),
        cmocka_unit_test(one_network_in_two_layouts_is_one_model),
        cmocka_unit_test(converts_to_one_file),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
