/* SPDX-License-Identifier: Apache-2.0
 * test_config.c - config.json, preprocessor_config.json and open_clip_config.json: defaults, both forms of sizes, and
 * what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/families/open_clip.h"

static simile_status parse(const char *json, clip_config *out, simile_error *err)
{
    return clip_config_parse(json, strlen(json), "config.json", out, err);
}

static void refuse(const char *json, const char *part)
{
    clip_config c;
    simile_error err = {0};
    if (!parse(json, &c, &err)) fail_msg("accepted: %s", json);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
}

static void fills_in_the_defaults_of_vit_b_32(void **state)
{
    clip_config c;
    assert_int_equal(parse("{\"model_type\":\"clip\"}", &c, NULL), SIMILE_OK);
    assert_int_equal(c.dim, 512);
    assert_int_equal(c.vision.tower.width, 768);
    assert_int_equal(c.vision.tower.heads, 12);
    assert_int_equal(c.vision.patch, 32);
    assert_int_equal(c.text.vocab, 49408);
    assert_int_equal(c.text.context, 77);
    assert_int_equal(c.text.eos, 49407);
    assert_int_equal(c.text.tower.act, NN_ACT_QUICK_GELU);
}

static void older_sub_configurations_win(void **state)
{
    clip_config c;
    assert_int_equal(parse("{\"model_type\":\"clip\",\"text_config\":{\"hidden_size\":64,\"hidden_act\":\"gelu\"},"
                           "\"text_config_dict\":{\"hidden_size\":96,\"num_attention_heads\":6},"
                           "\"vision_config_dict\":null,\"vision_config\":{\"hidden_act\":\"gelu\"}}",
                           &c, NULL),
                     SIMILE_OK);
    assert_int_equal(c.text.tower.width, 96);
    assert_int_equal(c.text.tower.act, NN_ACT_QUICK_GELU);
    assert_int_equal(c.vision.tower.act, NN_ACT_GELU);
}

static void refuses_what_it_does_not_know(void **state)
{
    refuse("{}", "model_type");
    refuse("{\"model_type\":\"siglip\"}", "siglip");
    refuse("{\"model_type\":3}", "model_type");
    refuse("{\"model_type\":\"clip\",\"text_config\":[]}", "text_config");
    refuse("{\"model_type\":\"clip\",\"text_config\":{\"hidden_act\":\"swiglu\"}}", "swiglu");
    refuse("{\"model_type\":\"clip\",\"text_config\":{\"hidden_size\":100}}", "divide");
    refuse("{\"model_type\":\"clip\",\"text_config\":{\"hidden_size\":-8}}", "hidden_size");
    refuse("{\"model_type\":\"clip\",\"text_config\":{\"hidden_size\":1e9}}", "hidden_size");
    refuse("{\"model_type\":\"clip\",\"text_config\":{\"layer_norm_eps\":0}}", "layer_norm_eps");
    refuse("{\"model_type\":\"clip\",\"vision_config\":{\"patch_size\":0}}", "patch_size");
    refuse("{\"model_type\":\"clip\",\"vision_config\":{\"patch_size\":225}}", "patch_size");
    refuse("{\"model_type\":\"clip\",\"vision_config\":{\"num_channels\":4}}", "num_channels");
    refuse("{\"model_type\":\"clip\",\"vision_config\":{\"image_size\":8192,\"patch_size\":1}}", "patches");
    refuse("{\"model_type\":\"clip\",\"projection_dim\":99999999999}", "projection_dim");
    refuse("{\"model_type\":\"clip\",\"model_type\":\"clip\"}", "not JSON");
    refuse("[1]", "not a JSON object");
    refuse("{\"model_type\":\"clip\"", "not JSON");
}

static simile_status prepare(const char *json, image_prepare_spec *out, simile_error *err)
{
    return preprocess_parse(json, strlen(json), "p.json", 32, out, err);
}

static void reads_both_forms_of_sizes(void **state)
{
    image_prepare_spec s;
    assert_int_equal(prepare("{\"size\":40,\"crop_size\":32,\"resample\":2}", &s, NULL), SIMILE_OK);
    assert_int_equal(s.fit, IMAGE_FIT_SHORTEST);
    assert_int_equal(s.resize_short, 40);
    assert_int_equal(s.filter, IMAGE_FILTER_BILINEAR);
    assert_int_equal(prepare("{\"size\":{\"shortest_edge\":36},\"crop_size\":{\"height\":32,\"width\":32}}", &s, NULL),
                     SIMILE_OK);
    assert_int_equal(s.resize_short, 36);
    assert_int_equal(s.filter, IMAGE_FILTER_BICUBIC);
    assert_int_equal(prepare("{\"size\":{\"height\":32,\"width\":32},\"do_center_crop\":false,\"image_mean\":[0.5,0.5,"
                             "0.5],\"image_std\":[0.25,0.5,1]}",
                             &s, NULL),
                     SIMILE_OK);
    assert_int_equal(s.fit, IMAGE_FIT_SQUASH);
    assert_true(s.mean[1] == 0.5f && s.std[0] == 0.25f);
    assert_int_equal(prepare("{}", &s, NULL), SIMILE_OK);
    assert_int_equal(s.width, 32);
}

static void refuses_sizes_that_do_not_fit_the_network(void **state)
{
    image_prepare_spec s;
    assert_int_equal(prepare("{\"crop_size\":64}", &s, NULL), SIMILE_E_UNSUPPORTED);
    assert_int_equal(prepare("{\"size\":{\"height\":16,\"width\":32}}", &s, NULL), SIMILE_E_UNSUPPORTED);
    assert_int_equal(prepare("{\"size\":{\"height\":16}}", &s, NULL), SIMILE_E_FORMAT);
    assert_int_equal(prepare("{\"size\":{\"shortest_edge\":32,\"longest_edge\":64}}", &s, NULL), SIMILE_E_UNSUPPORTED);
    assert_int_equal(prepare("{\"do_center_crop\":false}", &s, NULL), SIMILE_E_UNSUPPORTED);
    assert_int_equal(prepare("{\"size\":0}", &s, NULL), SIMILE_E_FORMAT);
    assert_int_equal(prepare("{\"resample\":9}", &s, NULL), SIMILE_E_FORMAT);
    assert_int_equal(prepare("{\"image_std\":[1,0,1]}", &s, NULL), SIMILE_E_FORMAT);
    assert_int_equal(prepare("{\"image_mean\":[1,1]}", &s, NULL), SIMILE_E_FORMAT);
}

/* ---- OpenCLIP ---- */

static simile_status parse_open_clip(const char *vision, clip_config *out, image_prepare_spec *spec, simile_error *err)
{
    char *json = mem_printf("{\"model_cfg\":{\"embed_dim\":640,\"vision_cfg\":%s,\"text_cfg\":{}}}", vision);
    const simile_status status = open_clip_parse(json, strlen(json), "open_clip_config.json", out, spec, err);
    mem_free(json);
    return status;
}

/* mlfoundations/open_clip, src/open_clip/model_configs/RN*.json */
static void reads_every_published_resnet(void **state)
{
    static const struct {
        const char *json;
        resnet_config want;
    } known[] = {
        {"{\"image_size\":224,\"layers\":[3,4,6,3],\"width\":64,\"patch_size\":null}", {64, {3, 4, 6, 3}, 32, 224}},
        {"{\"image_size\":224,\"layers\":[3,4,23,3],\"width\":64}", {64, {3, 4, 23, 3}, 32, 224}},
        {"{\"image_size\":288,\"layers\":[4,6,10,6],\"width\":80}", {80, {4, 6, 10, 6}, 40, 288}},
        {"{\"image_size\":384,\"layers\":[6,8,18,8],\"width\":96}", {96, {6, 8, 18, 8}, 48, 384}},
        {"{\"image_size\":448,\"layers\":[3,15,36,10],\"width\":128}", {128, {3, 15, 36, 10}, 64, 448}},
        {"{\"layers\":[1,1,1,1],\"width\":2,\"head_width\":8}", {2, {1, 1, 1, 1}, 8, 224}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        clip_config c;
        image_prepare_spec spec;
        simile_error err;
        if (parse_open_clip(known[i].json, &c, &spec, &err)) fail_msg("%s", err.message);
        assert_true(c.convolutional);
        assert_memory_equal(&c.resnet, &known[i].want, sizeof c.resnet);
        assert_int_equal(spec.width, known[i].want.image_size);
        assert_int_equal(c.text.tower.act, NN_ACT_GELU);
    }
}

static void refuses_impossible_resnets(void **state)
{
    static const char *const wrong[][2] = {
        {"{\"layers\":[3,4,6],\"width\":64}", "\"layers\""},
        {"{\"layers\":[3,4,6,3,3],\"width\":64}", "\"layers\""},
        {"{\"layers\":[3,4,0,3],\"width\":64}", "impossible"},
        {"{\"layers\":[3,4,\"6\",3],\"width\":64}", "impossible"},
        {"{\"layers\":[3,4,513,3],\"width\":64}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":63}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":514}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":64,\"image_size\":225}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":64,\"image_size\":8224}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":64,\"head_width\":4096}", "impossible"},
        {"{\"layers\":[3,4,6,3],\"width\":64,\"head_width\":0}", "head_width"},
        {"{\"layers\":[3,4,6,3],\"width\":64,\"attentional_pool\":true}", "attentional_pool"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clip_config c;
        image_prepare_spec spec;
        simile_error err = {0};
        if (!parse_open_clip(wrong[i][0], &c, &spec, &err)) fail_msg("accepted: %s", wrong[i][0]);
        if (!strstr(err.message, wrong[i][1])) fail_msg("message '%s' lacks '%s'", err.message, wrong[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_the_defaults_of_vit_b_32),
        cmocka_unit_test(older_sub_configurations_win),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(reads_both_forms_of_sizes),
        cmocka_unit_test(refuses_sizes_that_do_not_fit_the_network),
        cmocka_unit_test(reads_every_published_resnet),
        cmocka_unit_test(refuses_impossible_resnets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
