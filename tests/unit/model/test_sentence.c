/* SPDX-License-Identifier: Apache-2.0
 * test_sentence.c - models of texts alone, in the layout of sentence-transformers
 * (tools/fixtures/sentence_fixtures.py).
 *
 *     test_sentence                 the committed tiny models
 *     test_sentence --full DIR      one model at full size with its expected.json */
#include "variant.h"

static const char *const tiny[] = {"sentence-distil", "sentence-xlmr", "sentence-bert"};
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

#define MODULE(name, path)                                                                                             \
    "{\"idx\":0,\"name\":\"x\",\"path\":\"" path "\",\"type\":\"sentence_transformers.models." name "\"}"
#define FIRST   MODULE("Transformer", "")
#define POOLING MODULE("Pooling", "1_Pooling")
#define DENSE   MODULE("Dense", "2_Dense")

static void modules_that_are_not_known_are_refused_by_name(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{}", "not a JSON array"},
        {"[]", "lists no modules"},
        {"[1]", "no object"},
        {"[" MODULE("LSTM", "") "]", "'LSTM'"},
        {"[" FIRST "," POOLING "," MODULE("CNN", "2_CNN") "]", "'CNN'"},
        {"[" FIRST "]", "without a Pooling"},
        {"[" FIRST "," DENSE "," POOLING "]", "'Pooling' in this place"},
        {"[" FIRST "," POOLING "," DENSE "," DENSE "]", "'Dense' in this place"},
        {"[" FIRST "," POOLING "," MODULE("Normalize", "") "," DENSE "]", "'Dense' in this place"},
        {"[" FIRST "," MODULE("CLIPModel", "") "]", "'CLIPModel' in this place"},
        {"[" MODULE("CLIPModel", "") "," POOLING "]", "no CLIP alone"},
        {"[" MODULE("CLIPModel", "") "]", "no CLIP alone"},
        {"[" MODULE("Transformer", "..") "," POOLING "]", "not the name of a folder"},
        {"[" MODULE("Transformer", "/etc") "," POOLING "]", "not the name of a folder"},
        {"[" FIRST "," MODULE("Pooling", "../1_Pooling") "]", "not the name of a folder"},
        {"[" FIRST "," MODULE("Pooling", "a/b") "]", "not the name of a folder"},
        {"[{\"type\":1}]", "\"type\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool format =
            !strstr(cases[i].part, "'") && !strstr(cases[i].part, "without") && !strstr(cases[i].part, "alone");
        check_refused("sentence-distil", "modules.json", cases[i].text, format ? SIMILE_E_FORMAT : SIMILE_E_UNSUPPORTED,
                      cases[i].part);
    }
    check_refused("sentence-distil", "modules.json", "[" MODULE("Transformer", "0_Transformer") "," POOLING "]",
                  SIMILE_E_NOT_FOUND, "0_Transformer/config.json': no such file");
    check_refused("sentence-distil", "config.json", "{\"model_type\":\"t5\"}", SIMILE_E_UNSUPPORTED, "'t5'");
}

static void options_that_are_not_known_are_refused_by_name(void **state)
{
    static const char pool[] = "1_Pooling/config.json", dense[] = "2_Dense/config.json";
    static const struct {
        const char *file, *text, *part;
    } cases[] = {
        {pool, "{\"pooling_mode_lasttoken\":true}", "'lasttoken'"},
        {pool, "{\"pooling_mode_mean_sqrt_len_tokens\":true}", "'mean_sqrt_len_tokens'"},
        {pool, "{\"pooling_mode\":\"weightedmean\"}", "'weightedmean'"},
        {pool, "{\"pooling_mode\":[\"mean\",\"max\"]}", "of several kinds"},
        {pool, "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":true}", "of several kinds"},
        {dense, "{\"out_features\":14,\"bias\":false,\"activation_function\":\"torch.nn.ReLU\"}", "'ReLU'"},
        {dense, "{\"out_features\":14,\"use_residual\":true}", "beside others"},
        {dense, "{\"out_features\":14,\"module_input_name\":\"token_embeddings\"}", "beside others"},
        {"sentence_bert_config.json", "{\"transformer_task\":\"fill-mask\"}", "'fill-mask'"},
        {"config_sentence_transformers.json", "{\"default_prompt_name\":\"query\"}", "prompt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused("sentence-distil", cases[i].file, cases[i].text, SIMILE_E_UNSUPPORTED, cases[i].part);
    check_refused("sentence-distil", dense, "{\"bias\":false}", SIMILE_E_FORMAT, "\"out_features\" is missing");
    check_refused("sentence-distil", dense, "{\"out_features\":15,\"bias\":false}", SIMILE_E_FORMAT,
                  "text_projection.weight");
    check_refused("sentence-distil", dense, "{\"out_features\":14,\"bias\":true}", SIMILE_E_FORMAT,
                  "text_projection.bias");
    check_refused("sentence-distil", dense, NULL, SIMILE_E_NOT_FOUND, "2_Dense/config.json");
    check_refused("sentence-distil", pool, NULL, SIMILE_E_NOT_FOUND, "1_Pooling/config.json");
    check_refused("sentence-distil", "2_Dense/model.safetensors", NULL, SIMILE_E_NOT_FOUND, "no weight file");
    check_refused("sentence-distil", "sentence_bert_config.json", "{\"max_seq_length\":1}", SIMILE_E_FORMAT,
                  "max_seq_length");
}

/* ---- what a model of texts alone is ---- */

static void has_no_image_tower(void **state)
{
    for (size_t i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        model *m = open_model(directory);
        model_encoder *e = new_encoder(m, 1);
        simile_error err = {0};
        float pixels[3] = {0}, out[MAX_DIM];
        assert_int_equal(model_info(m)->image_size, 0);
        assert_true(model_info(m)->logit_scale == 100);
        assert_string_equal(model_info(m)->family, "bert");
        assert_null(model_image_spec(m));
        assert_int_equal(model_encode_pixels(e, pixels, 1, out, &err), SIMILE_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "has no image tower"));
        model_encoder_free(e);
        model_close(m);
        mem_free(directory);
    }
}

/* The bound of the longest text: what sentence_bert_config.json says, or tokenizer_config.json, or the places. */
static void a_text_is_as_long_as_somebody_says(void **state)
{
    static const struct {
        const char *file, *text;
        int context;
    } cases[] = {{"sentence_bert_config.json", "{\"max_seq_length\":9}", 9},
                 {"sentence_bert_config.json", "{\"max_seq_length\":4000}", 40},
                 {"sentence_bert_config.json", "{\"max_seq_length\":null}", 40},
                 {"sentence_bert_config.json", NULL, 40},
                 {"tokenizer_config.json", "{\"do_lower_case\":false,\"model_max_length\":7}", 32}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        variant v;
        variant_new(&v, "sentence-distil", cases[i].file, cases[i].text);
        model *m = open_model(v.folder);
        assert_int_equal(model_info(m)->context, cases[i].context);
        token_list list;
        assert_int_equal(tokenizer_encode(model_tokenizer(m), "a a a a a a a a a a a a a a a a a a a a a", 41,
                                          (size_t)cases[i].context, &list, NULL),
                         0);
        assert_int_equal(list.ids[list.n - 1], tokenizer_end_id(model_tokenizer(m)));
        mem_free(list.ids);
        model_close(m);
        variant_remove(&v);
    }
}

/* ---- a CLIP in a folder ---- */

/* The folder of a fixture of CLIP below one that lists it, or that list beside its files. */
static void a_clip_in_a_folder_is_that_clip(void **state)
{
    static const char *const below[] = {"[" MODULE("CLIPModel", "0_CLIPModel") "]",
                                        "[" MODULE("CLIPModel", "0_CLIPModel") "," MODULE("Normalize", "1_N") "]"};
    static const char *const beside[] = {"[" MODULE("CLIPModel", "") "]", "[" FIRST "]"};
    char *directory = fixture("tiny-gelu");
    model *plain = open_model(directory);
    for (size_t i = 0; i < 2; i++) {
        variant v;
        variant_new(&v, "tiny-gelu", "modules.json", beside[i]);
        model *m = open_model(v.folder);
        check_same(plain, m);
        model_close(m);
        variant_put(&v, "modules.json", below[i]);
        variant_link(&v, "0_CLIPModel", directory);
        m = open_model(v.folder);
        check_same(plain, m);
        model_close(m);
        char *single = path_join(v.folder, "model.safetensors");
        simile_error err = {0};
        assert_int_equal(model_open(single, NULL, &m, &err), SIMILE_E_FORMAT);
        assert_non_null(strstr(err.message, "name the folder"));
        mem_free(single);
        variant_remove(&v);
    }
    model_close(plain);
    mem_free(directory);
}

/* A file of weights that was named, and their folder. */
static void its_file_may_be_named(void **state)
{
    char *directory = fixture("sentence-distil"), *file = path_join(directory, "model.safetensors");
    model *folder = open_model(directory), *single = open_model(file);
    check_same(folder, single);
    model_close(folder);
    model_close(single);
    mem_free(directory);
    mem_free(file);
}

static void converts_module_by_module(void **state)
{
    static const char *const files[TINY] = {"2_Dense/model.safetensors", "0_Transformer/model.safetensors",
                                            "modules.json"};
    for (size_t i = 0; i < TINY; i++) {
        char *directory = fixture(tiny[i]);
        check_converted(directory, files[i]);
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
        cmocka_unit_test(modules_that_are_not_known_are_refused_by_name),
        cmocka_unit_test(options_that_are_not_known_are_refused_by_name),
        cmocka_unit_test(has_no_image_tower),
        cmocka_unit_test(a_text_is_as_long_as_somebody_says),
        cmocka_unit_test(a_clip_in_a_folder_is_that_clip),
        cmocka_unit_test(its_file_may_be_named),
        cmocka_unit_test(converts_module_by_module),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
