/* SPDX-License-Identifier: Apache-2.0
 * test_siglip.c - SigLIPs against the reference libraries' vectors (tools/fixtures/siglip_fixtures.py), in both
 * layouts; what their configurations may say, and how their tensors' names are changed.
 *
 *     test_siglip                 the committed tiny models
 *     test_siglip --full DIR      one model at full size with its expected.json: cosine at least 0.99999 */
#include "check_model.h"

#include "model/families/siglip.h"

#include <math.h>
#include <unistd.h>

static const char *const tiny[] = {"tiny-siglip", "tiny-siglip2", "tiny-siglip-timm", "tiny-siglip2-timm"};
enum { TINY = sizeof tiny / sizeof *tiny, LAYOUTS = 2 }; /* the same two models in two layouts */

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, TINY);
}

static void batches_and_threads_change_nothing(void **state)
{
    check_text_batches(tiny, TINY);
    check_picture_batches(tiny, TINY);
}

static void other_resolutions_equal_the_reference(void **state)
{
    check_resized(tiny, TINY / LAYOUTS);
}

static void survives_short_memory(void **state)
{
    check_short_memory("tiny-siglip");
    check_short_memory("tiny-siglip2-timm");
}

/* ---- identity ---- */

static void digest_of(const char *name, char out[DIGEST_HEX])
{
    char *directory = fixture(name);
    model *m = open_model(directory);
    assert_int_equal(model_digest(m, out, NULL), 0);
    assert_string_equal(model_info(m)->family, "siglip");
    model_close(m);
    mem_free(directory);
}

static void both_layouts_are_the_same_model(void **state)
{
    check_digests_differ(tiny, TINY / LAYOUTS);
    for (int i = 0; i < TINY / LAYOUTS; i++) {
        char of_one[DIGEST_HEX], of_other[DIGEST_HEX];
        digest_of(tiny[i], of_one);
        digest_of(tiny[i + TINY / LAYOUTS], of_other);
        assert_string_equal(of_one, of_other);
    }
}

/* ---- a folder that differs from a fixture in one file ---- */

typedef struct {
    char *folder;
    char *files[8]; /* paths; [0] is the one that differs */
    int n;
} altered;

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at) fail_msg("'%s' is not there", from);
    return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* from NULL: `to` is the whole file. */
static altered alter(const char *name, const char *file, const char *from, const char *to)
{
    static const char *const others[] = {"model.safetensors",     "open_clip_model.safetensors",
                                         "config.json",           "open_clip_config.json",
                                         "spiece.model",          "tokenizer.json",
                                         "tokenizer_config.json", "preprocessor_config.json"};
    altered a = {.folder = mem_strdup("/tmp/simile-siglip-XXXXXX")};
    char *source = fixture(name), *path = path_join(source, file), *text = NULL;
    size_t len;
    assert_non_null(mkdtemp(a.folder));
    a.files[a.n++] = path_join(a.folder, file);
    if (from) {
        assert_int_equal(file_read(path, 1 << 20, &text, &len, NULL), 0);
        char *changed = replaced(text, from, to);
        assert_int_equal(file_replace(a.files[0], changed, strlen(changed), NULL), 0);
        mem_free(changed);
    } else {
        assert_int_equal(file_replace(a.files[0], to, strlen(to), NULL), 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *target = path_join(source, others[i]);
        if (strcmp(others[i], file) != 0 && file_exists(target)) {
            a.files[a.n] = path_join(a.folder, others[i]);
            assert_int_equal(symlink(target, a.files[a.n++]), 0);
        }
        mem_free(target);
    }
    mem_free(source);
    mem_free(path);
    mem_free(text);
    return a;
}

static void remove_altered(altered *a)
{
    for (int i = 0; i < a->n; i++) {
        unlink(a->files[i]);
        mem_free(a->files[i]);
    }
    rmdir(a->folder);
    mem_free(a->folder);
}

static void refuse(const char *name, const char *file, const char *from, const char *to, const char *part)
{
    altered a = alter(name, file, from, to);
    model *m;
    simile_error err = {0};
    if (!model_open(a.folder, NULL, &m, &err)) fail_msg("'%s' for '%s' was accepted", to, from ? from : file);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    assert_null(strchr(err.message, '\n'));
    remove_altered(&a);
}

static void accept(const char *name, const char *file, const char *from, const char *to, char out[DIGEST_HEX])
{
    altered a = alter(name, file, from, to);
    model *m = open_model(a.folder);
    assert_int_equal(model_digest(m, out, NULL), 0);
    model_close(m);
    remove_altered(&a);
}

static void refuses_what_it_does_not_know(void **state)
{
    const char *one = "tiny-siglip", *timm = "tiny-siglip-timm", *config = "config.json";
    const char *open_clip = "open_clip_config.json", *words = "tokenizer_config.json";
    refuse(one, config, "\"siglip\"", "\"siglip2\"", "NaFlex");
    refuse(one, config, "\"patch_size\"", "\"vision_use_head\": false, \"patch_size\"", "pooling head");
    refuse(one, config, "\"patch_size\": 4", "\"patch_size\": 40", "patch_size");
    refuse(one, config, "\"max_position_embeddings\": 16", "\"max_position_embeddings\": 12", "position_embedding");
    refuse(one, config, "\"text_config\"", "\"other_config\"", "text_model");
    refuse(one, words, "\"pad_token\": \"</s>\"", "\"pad_token\": \"<blank>\"", "'<blank>'");
    refuse(one, words, "\"pad_token\": \"</s>\"", "\"pad_token\": 1", "pad_token");
    refuse(one, words, "\"eos_token\"", "\"padding_side\": \"left\", \"eos_token\"", "on the left");
    refuse(one, words, "\"pad_token\": \"</s>\"", "\"pad_token\": {\"content\": \"<none>\"}", "'<none>'");
    refuse(timm, open_clip, "vit_base_patch16_siglip_224", "vit_base_patch16_siglip_gap_224", "siglip_gap_224");
    refuse(timm, open_clip, "vit_base_patch16_siglip_224", "naflexvit_base_patch16_siglip", "naflexvit");
    refuse(timm, open_clip, "vit_base_patch16_siglip_224", "resnet50", "timm_model_name");
    refuse(timm, open_clip, "\"timm_pool\": \"map\"", "\"timm_pool\": \"avg\"", "timm_pool");
    refuse(timm, open_clip, "\"timm_proj\": \"none\"", "\"timm_proj\": \"linear\"", "timm_proj");
    refuse(timm, open_clip, "\"last\"", "\"argmax\"", "pool_type");
    refuse(timm, open_clip, "\"pool_type\"", "\"pool_kind\"", "pool_type");
    refuse(timm, open_clip, "\"canonicalize\"", "\"whitespace_underscore\"", "'whitespace_underscore'");
    refuse(timm, open_clip, "\"clean\"", "\"strip_sep_token\": true, \"clean\"", "strip_sep_token");
    refuse(timm, open_clip, "\"heads\": 3", "\"heads\": 5", "impossible sizes");
    refuse(timm, open_clip, "\"width\"", "\"hf_model_name\": \"x\", \"width\"", "hf_model_name");
    refuse(timm, open_clip, "\"init_logit_bias\": -10", "\"init_logit_bias\": null", "logit_bias");
}

/* What changes a vector changes the identity. */
static void identities_follow_the_configuration(void **state)
{
    char whole[DIGEST_HEX], other[DIGEST_HEX];
    const char *open_clip = "open_clip_config.json";
    digest_of("tiny-siglip2", whole);
    accept("tiny-siglip2", "tokenizer_config.json", "\"pad_token\"", "\"some_token\"",
           other); /* the default of Gemma */
    assert_string_equal(whole, other);
    accept("tiny-siglip2", "tokenizer_config.json", "\"<pad>\"", "{\"content\": \"<pad>\"}", other);
    assert_string_equal(whole, other);
    accept("tiny-siglip2", "tokenizer_config.json", "\"<pad>\"", "\"<bos>\"", other);
    assert_string_not_equal(whole, other);
    accept("tiny-siglip2-timm", open_clip, "\"approximate\": \"tanh\"", "\"approximate\": \"none\"", other);
    assert_string_not_equal(whole, other);
    accept("tiny-siglip2-timm", open_clip, "\"no_causal_mask\": true", "\"no_causal_mask\": false", other);
    assert_string_not_equal(whole, other);
    accept("tiny-siglip2-timm", open_clip, "\"bilinear\"", "\"bicubic\"", other);
    assert_string_not_equal(whole, other);
}

/* ---- config.json ---- */

static void fills_in_the_defaults(void **state)
{
    siglip_config c;
    assert_int_equal(siglip_config_parse("{\"model_type\":\"siglip\"}", 23, "x", &c, NULL), 0);
    assert_int_equal(c.vision.tower.width, 768);
    assert_int_equal(c.vision.tower.heads, 12);
    assert_int_equal(c.vision.tower.act, NN_ACT_GELU_TANH);
    assert_true(c.vision.tower.eps == 1e-6f);
    assert_int_equal(c.vision.image_size, 224);
    assert_int_equal(c.vision.patch, 16);
    assert_int_equal(c.text.vocab, 32000);
    assert_int_equal(c.text.context, 64);
    assert_int_equal(c.text_dim, 768);
    assert_true(c.text.pool_last && c.text.sees_all && c.text.padded && c.bias);
}

/* ---- how a score is made ---- */

static void scores_stand_for_themselves(void **state)
{
    char *folder = fixture("tiny-siglip");
    model_source s = {.path = folder, .folder = folder};
    param_list list = {0};
    model_parts parts = {0};
    simile_error err;
    loader l = {.list = &list, .err = &err};
    size_t i = 0;
    assert_int_equal(source_json(&s, "config.json", &s.config_path, &s.config, &err), 0);
    while (model_families[i] && !model_families[i]->claims(&s)) i++;
    assert_string_equal(model_families[i]->name, "siglip");
    if (model_families[i]->load(&s, &l, &parts, &err)) fail_msg("%s", err.message);
    assert_true(parts.sigmoid);
    assert_float_equal(parts.logit_scale, (float)exp(2.1), 1e-5);
    assert_float_equal(parts.logit_bias, -9.5f, 1e-6);
    assert_int_equal(parts.prepare.fit, IMAGE_FIT_SQUASH);
    tower_free(parts.image);
    tower_free(parts.text);
    tokenizer_close(parts.words);
    param_list_release(&list);
    weights_close(s.files[0]);
    json_decref(s.config);
    mem_free(s.config_path);
    mem_free(folder);
}

/* ---- names ---- */

static const float numbers[64];

static void add(weight_table *t, const char *name, nn_dtype dtype, int64_t rows, int64_t cols)
{
    weight_entry *e = weight_table_add(t, name, strlen(name));
    assert_non_null(e);
    e->tensor = (nn_tensor){.data = numbers, .dtype = dtype, .rank = cols ? 2 : 1, .dim = {rows, cols}};
    e->end = (uint64_t)nn_tensor_count(&e->tensor) * nn_dtype_size(dtype);
    e->usable = true;
}

/* The parts q and kv, of which kv has this form, beside the mark of the layout. */
static simile_status join(nn_dtype dtype, int64_t rows, int64_t cols, weight_table *t, simile_error *err)
{
    *t = (weight_table){0};
    add(t, "visual.trunk.attn_pool.latent", NN_F32, 4, 0);
    add(t, "visual.trunk.attn_pool.q.weight", NN_F32, 4, 4);
    if (rows) add(t, "visual.trunk.attn_pool.kv.weight", dtype, rows, cols);
    return names_canonical(&(named_table){t, "x", 1000}, 1, err);
}

static void refuse_join(nn_dtype dtype, int64_t rows, int64_t cols)
{
    weight_table t;
    simile_error err = {0};
    assert_int_equal(join(dtype, rows, cols, &t, &err), SIMILE_E_FORMAT);
    assert_non_null(strstr(err.message, "'visual.trunk.attn_pool.q.weight'"));
    weight_table_release(&t);
}

static void joins_only_what_fits(void **state)
{
    weight_table t;
    assert_int_equal(join(NN_F32, 8, 4, &t, NULL), 0);
    const weight_entry *e = weight_table_find(&t, "vision_model.head.attention.in_proj_weight");
    assert_non_null(e);
    assert_int_equal(e->tensor.dim[0], 12);
    assert_int_equal(e->end - e->begin, 12 * 4 * 4);
    weight_table_release(&t);
    refuse_join(NN_F32, 0, 0);
    refuse_join(NN_F32, 8, 3);
    refuse_join(NN_F32, 16, 0);
    refuse_join(NN_F16, 8, 4);
    refuse_join(NN_F32, INT64_MAX, 0);
}

static void a_position_has_one_table(void **state)
{
    weight_table t = {0};
    simile_error err = {0};
    add(&t, "visual.trunk.attn_pool.latent", NN_F32, 4, 0);
    add(&t, "visual.trunk.pos_embed", NN_F32, 2, 4);
    assert_int_equal(names_canonical(&(named_table){&t, "x", 1000}, 1, &err), SIMILE_E_FORMAT);
    assert_non_null(strstr(err.message, "visual.trunk.pos_embed"));
    weight_table_release(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(other_resolutions_equal_the_reference),
        cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(both_layouts_are_the_same_model),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(identities_follow_the_configuration),
        cmocka_unit_test(fills_in_the_defaults),
        cmocka_unit_test(scores_stand_for_themselves),
        cmocka_unit_test(joins_only_what_fits),
        cmocka_unit_test(a_position_has_one_table),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
