/* SPDX-License-Identifier: Apache-2.0
 * test_bert.c - text towers that are BERTs, alone and in whole models (tools/fixtures/bert_fixtures.py).
 *
 *     test_bert                 the committed tiny models
 *     test_bert --full DIR      one model at full size with its expected.json */
#include "check_model.h"

#include "model/bert.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const char *const tiny[] = {"chinese-hf",     "chinese-hf-64",  "chinese-ofa",    "chinese-flash",
                                   "chinese-resnet", "open-clip-xlmr", "open-clip-bert", "open-clip-roberta"};
static const char *const distinct[] = {"chinese-hf",     "chinese-hf-64",  "chinese-resnet",
                                       "open-clip-xlmr", "open-clip-bert", "open-clip-roberta"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, COUNT(tiny));
}

static void batches_and_threads_change_nothing(void **state)
{
    check_text_batches(tiny, COUNT(tiny));
}

static void picture_batches_change_nothing(void **state)
{
    check_picture_batches(distinct, COUNT(distinct));
}

static void digests_tell_models_apart(void **state)
{
    check_digests_differ(distinct, COUNT(distinct));
}

/* As the hub has it, as training leaves it, and as training with FlashAttention does. */
static void every_form_is_the_same_model(void **state)
{
    static const char *const forms[] = {"chinese-hf-64", "chinese-ofa", "chinese-flash"};
    static const char text[] = "\xe4\xb8\x80\xe5\x8f\xaa\xe7\x8c\xab two dogs";
    char digests[COUNT(forms)][DIGEST_HEX];
    float vector[COUNT(forms)][MAX_DIM];
    for (size_t i = 0; i < COUNT(forms); i++) {
        char *directory = fixture(forms[i]);
        model *m = open_model(directory);
        model_encoder *e = new_encoder(m, 1);
        assert_string_equal(model_info(m)->family, "chinese_clip");
        assert_int_equal(model_info(m)->context, i ? 52 : 56);
        assert_int_equal(model_digest(m, digests[i], NULL), 0);
        assert_string_equal(digests[i], digests[0]);
        encode_text(e, text, vector[i]);
        assert_memory_equal(vector[i], vector[0], (size_t)model_info(m)->dim * sizeof(float));
        model_encoder_free(e);
        model_close(m);
        mem_free(directory);
    }
}

static void survives_short_memory(void **state)
{
    check_short_memory("chinese-flash");
    check_short_memory("open-clip-xlmr");
}

/* Padding tokens alone: the first of them is seen. */
static void a_text_of_padding_has_a_vector(void **state)
{
    char *directory = fixture("open-clip-roberta");
    model *m = open_model(directory);
    model_encoder *e = new_encoder(m, 1);
    int32_t ids[28];
    float one[MAX_DIM], many[MAX_DIM];
    const size_t dim = (size_t)model_info(m)->dim;
    for (int i = 0; i < 28; i++) ids[i] = 1;
    assert_int_equal(model_encode_tokens(e, &(token_list){.ids = ids, .n = 1}, 1, one, NULL), 0);
    assert_int_equal(model_encode_tokens(e, &(token_list){.ids = ids, .n = 28}, 1, many, NULL), 0);
    for (size_t i = 0; i < dim; i++) assert_true(isfinite(one[i]));
    assert_memory_equal(one, many, dim * sizeof *one);
    model_encoder_free(e);
    model_close(m);
    mem_free(directory);
}

/* ---- encoders alone ---- */

typedef struct {
    weights *files;
    param_list params;
    tower *tower;
    nn_context *ctx;
    arena memory;
} encoder;

static void open_encoder(encoder *e, const char *directory, bert_pooling pooling, int threads)
{
    simile_error err;
    json_t *root;
    bert_config c = {.pooling = pooling, .projection = BERT_PROJECT_NONE};
    *e = (encoder){.files = NULL};
    char *path = path_join(directory, "config.json");
    if (weights_open(directory, &e->files, &err) || json_read_object(path, 1 << 20, &root, &err) ||
        bert_config_read((json_from){root, path}, NULL, &c, &err))
        fail_msg("%s", err.message);
    loader l = {.files = e->files, .list = &e->params, .err = &err};
    packer how = packer_for(NN_COMPUTE_F32);
    if (bert_new(&l, &c, NULL, 0, &e->tower) || weights_all_used(e->files, &err) ||
        e->tower->ops->pack(e->tower, &how, &err) || nn_context_new(threads, &e->ctx, &err))
        fail_msg("%s: %s", directory, err.message);
    packer_close(&how);
    assert_true(arena_init(&e->memory, e->tower->ops->memory(e->tower)));
    json_decref(root);
    mem_free(path);
}

static void close_encoder(encoder *e)
{
    nn_context_free(e->ctx);
    tower_free(e->tower);
    arena_release(&e->memory);
    param_list_release(&e->params);
    weights_close(e->files);
}

/* All texts of expected.json in one call, and each by itself: the largest difference of a component. */
static double check_encoder(const char *directory, const json_t *root, int threads)
{
    enum { MOST = 8, LONGEST = 32, DIM = 32 };
    const json_t *texts = json_object_get(root, "texts");
    const size_t n = json_array_size(texts);
    int32_t ids[MOST][LONGEST];
    token_list lists[MOST];
    float out[MOST * DIM], alone[DIM];
    double worst = 0;
    encoder e;
    open_encoder(&e, directory, (bert_pooling)json_integer_value(json_object_get(root, "pooling")), threads);
    const size_t dim = (size_t)e.tower->dim;
    assert_true(n > 3 && n <= MOST && dim <= DIM);
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_object_get(json_array_get(texts, i), "ids");
        lists[i] = (token_list){.ids = ids[i], .n = json_array_size(row)};
        for (size_t k = 0; k < lists[i].n; k++) ids[i][k] = (int32_t)json_integer_value(json_array_get(row, k));
    }
    assert_int_equal(e.tower->ops->read(e.tower, e.ctx, &e.memory, lists, n, out, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        const json_t *want = json_object_get(json_array_get(texts, i), "vector");
        float *got = out + i * dim;
        assert_int_equal(e.tower->ops->read(e.tower, e.ctx, &e.memory, &lists[i], 1, alone, NULL), 0);
        for (size_t k = 0; k < dim; k++) assert_float_equal(alone[k], got[k], 1e-5);
        normalize(got, dim);
        assert_int_equal(json_array_size(want), dim);
        for (size_t k = 0; k < dim; k++)
            worst = fmax(worst, fabs(json_number_value(json_array_get(want, k)) - (double)got[k]));
    }
    close_encoder(&e);
    return worst;
}

static void encoders_equal_the_reference(void **state)
{
    static const char *const names[] = {"text-bert", "text-distilbert", "text-xlm-roberta", "text-roberta",
                                        "text-first"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char *directory = fixture(names[i]), *path = path_join(directory, "expected.json");
        json_t *root;
        simile_error err;
        if (json_read_object(path, 1 << 20, &root, &err)) fail_msg("%s", err.message);
        for (int threads = 1; threads <= 2; threads++) {
            const double worst = check_encoder(directory, root, threads);
            print_message("%-20s %d threads: largest difference %.2g\n", names[i], threads, worst);
            assert_true(worst <= 2e-5);
        }
        json_decref(root);
        mem_free(path);
        mem_free(directory);
    }
}

/* ---- what is refused ---- */

static void refuse_config(const char *json, const char *part)
{
    json_t *root;
    bert_config c = {.pooling = BERT_POOL_FIRST};
    simile_error err = {0};
    assert_int_equal(json_parse_object(json, strlen(json), "config.json", &root, NULL), 0);
    if (!bert_config_read((json_from){root, "config.json"}, NULL, &c, &err))
        fail_msg("accepted, though it wants '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    json_decref(root);
}

static void refuses_configurations_that_it_does_not_know(void **state)
{
    refuse_config("{}", "model_type ''");
    refuse_config("{\"model_type\": \"mt5\"}", "model_type 'mt5'");
    refuse_config("{\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\"}", "relative_key");
    refuse_config("{\"model_type\": \"bert\", \"is_decoder\": true}", "is_decoder");
    refuse_config("{\"model_type\": \"bert\", \"hidden_act\": \"mish\"}", "mish");
    refuse_config("{\"model_type\": \"distilbert\", \"activation\": \"mish\"}", "mish");
    refuse_config("{\"model_type\": \"distilbert\", \"n_heads\": 7}", "impossible sizes");
    refuse_config("{\"model_type\": \"roberta\", \"pad_token_id\": 600}", "impossible sizes");
    refuse_config("{\"model_type\": \"bert\", \"vocab_size\": 99999999999}", "vocab_size");
    refuse_config("{\"model_type\": \"bert\", \"hidden_size\": 100}", "12 heads");
}

/* The directory open-clip-bert with another text_cfg: what opening it says. */
static void refuse_open_clip(const char *text_cfg, const char *part)
{
    static const char *const files[] = {"open_clip_model.safetensors", "vocab.txt"};
    char folder[] = "/tmp/simile-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *config = path_join(folder, "open_clip_config.json");
    FILE *f = fopen(config, "w");
    assert_non_null(f);
    fprintf(
        f,
        "{\"model_cfg\": {\"embed_dim\": 20, \"quick_gelu\": true, \"vision_cfg\": {\"image_size\": 16, \"layers\": 1,"
        "\"width\": 24, \"head_width\": 8, \"patch_size\": 4, \"mlp_ratio\": 2.0}, \"text_cfg\": %s}}",
        text_cfg);
    assert_int_equal(fclose(f), 0);
    char *from = fixture("open-clip-bert"), *links[2];
    for (int i = 0; i < 2; i++) {
        char *target = path_join(from, files[i]);
        links[i] = path_join(folder, files[i]);
        assert_int_equal(symlink(target, links[i]), 0);
        mem_free(target);
    }
    model *m = NULL;
    simile_error err = {0};
    const simile_status status = model_open(folder, NULL, &m, &err);
    for (int i = 0; i < 2; i++) unlink(links[i]);
    unlink(config);
    rmdir(folder);
    if ((status == 0) != (part == NULL)) fail_msg("'%s': status %d: %s", text_cfg, status, err.message);
    if (part && !strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    model_close(m);
    for (int i = 0; i < 2; i++) mem_free(links[i]);
    mem_free(config);
    mem_free(from);
}

static void refuses_text_towers_that_it_does_not_know(void **state)
{
    refuse_open_clip(
        "{\"hf_model_name\": \"me/bert-base-own\", \"proj\": \"linear\", \"hf_pooler_type\": \"cls_pooler\"}", NULL);
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"proj\": \"linear\", \"pooler_type\": null}", NULL);
    refuse_open_clip("{\"hf_model_name\": \"google/mt5-base\"}", "'google/mt5-base' is not known");
    refuse_open_clip("{\"hf_model_name\": \"facebook/xlm-roberta-xl\"}", "xlm-roberta-xl");
    refuse_open_clip("{\"hf_model_name\": 3}", "hf_model_name");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"hf_pooler_type\": \"max_pooler\"}", "max_pooler");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"hf_pooler_type\": 3}", "hf_pooler_type");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"hf_proj_type\": \"deep\"}", "deep");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"hf_proj_type\": null}", "impossible sizes");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\"}", "'text_projection.0.weight' is missing");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"proj\": \"linear\"}", NULL);
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"tokenizer_kwargs\": {\"clean\": \"upper\"}}", "'upper'");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"tokenizer_kwargs\": {\"strip_sep_token\": true}}",
                     "strip_sep_token");
    refuse_open_clip("{\"hf_model_name\": \"bert-base-x\", \"context_length\": 1}", "context_length");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(picture_batches_change_nothing),
        cmocka_unit_test(digests_tell_models_apart),
        cmocka_unit_test(every_form_is_the_same_model),
        cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(a_text_of_padding_has_a_vector),
        cmocka_unit_test(encoders_equal_the_reference),
        cmocka_unit_test(refuses_configurations_that_it_does_not_know),
        cmocka_unit_test(refuses_text_towers_that_it_does_not_know),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
