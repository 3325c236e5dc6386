/* SPDX-License-Identifier: Apache-2.0
 * test_resnet.c - models with a ModifiedResNet against open_clip's vectors (tools/fixtures/resnet_fixtures.py).
 *
 *     test_resnet               the committed tiny models: every component within 2e-5
 *     test_resnet --full DIR    one model at full size with its expected.json: cosine at least 0.99999 */
#include "check_model.h"

#include "model/weights.h"

#include <stdio.h>
#include <unistd.h>

static const char *const tiny[] = {"tiny-resnet", "tiny-resnet-quick"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static void equals_the_reference(void **state)
{
    check_fixtures(tiny, TINY);
}

static void batches_and_threads_change_nothing(void **state)
{
    check_text_batches(tiny, TINY);
    check_picture_batches(tiny, TINY);
}

static void digests_tell_models_apart(void **state)
{
    check_digests_differ(tiny, TINY);
}

static void survives_short_memory(void **state)
{
    check_short_memory("tiny-resnet-quick");
}

/* The weights of one network as an OpenCLIP directory, and as an archive that only its shapes describe. */
static void is_the_same_from_shapes_alone(void **state)
{
    static const char *const forms[2] = {"tiny-resnet-quick", "tiny-resnet-script"};
    enum { SIDE = 64, DIM = 10 };
    char digests[2][DIGEST_HEX];
    float pixels[3 * SIDE * SIDE], vectors[2][DIM];
    for (int i = 0; i < 3 * SIDE * SIDE; i++) pixels[i] = (float)(i % 17) / 8.0f - 1;
    for (int i = 0; i < 2; i++) {
        char *directory = fixture(forms[i]);
        model *m = open_model(directory);
        model_encoder *e = new_encoder(m, 1);
        assert_string_equal(model_info(m)->family, "clip-resnet");
        assert_int_equal(model_info(m)->image_size, SIDE);
        assert_int_equal(model_info(m)->dim, DIM);
        assert_int_equal(model_info(m)->parameters, 108893); /* statistics of batch norms are not counted */
        assert_int_equal(model_encode_pixels(e, pixels, 1, vectors[i], NULL), 0);
        assert_int_equal(model_digest(m, digests[i], NULL), 0);
        model_encoder_free(e);
        model_close(m);
        mem_free(directory);
    }
    assert_string_equal(digests[0], digests[1]);
    assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
}

/* ---- a folder with one file of a fixture changed ---- */

static const char *const files[] = {"open_clip_config.json", "open_clip_model.safetensors", "vocab.json", "merges.txt"};
enum { CONFIG, WEIGHTS, FILES = sizeof files / sizeof files[0] };

typedef struct {
    char folder[40];
} copy;

/* The first `from` in the file becomes `to`: n bytes. */
static copy copy_with(int file, const char *from, const char *to, size_t n)
{
    copy c = {.folder = "/tmp/simile-resnet-XXXXXX"};
    char *source = fixture("tiny-resnet"), *path = path_join(source, files[file]), *text, *at = NULL;
    size_t len;
    assert_non_null(mkdtemp(c.folder));
    assert_int_equal(file_read(path, 1 << 20, &text, &len, NULL), 0);
    for (size_t i = 0; !at && i + n <= len; i++) at = memcmp(text + i, from, n) ? NULL : text + i;
    assert_non_null(at);
    memcpy(at, to, n);
    for (int i = 0; i < FILES; i++) {
        char *target = path_join(source, files[i]), *name = path_join(c.folder, files[i]);
        if (i == file)
            assert_int_equal(file_replace(name, text, len, NULL), 0);
        else
            assert_int_equal(symlink(target, name), 0);
        mem_free(target);
        mem_free(name);
    }
    mem_free(text);
    mem_free(path);
    mem_free(source);
    return c;
}

static void remove_copy(const copy *c)
{
    for (int i = 0; i < FILES; i++) {
        char *name = path_join(c->folder, files[i]);
        unlink(name);
        mem_free(name);
    }
    rmdir(c->folder);
}

static void refuse(int file, const char *from, const char *to, const char *part)
{
    assert_int_equal(strlen(from), strlen(to));
    copy c = copy_with(file, from, to, strlen(from));
    model *m;
    simile_error err = {0};
    if (!model_open(c.folder, NULL, &m, &err)) fail_msg("'%s' was accepted", to);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    assert_null(strchr(err.message, '\n'));
    remove_copy(&c);
}

static void refuses_what_does_not_fit(void **state)
{
    refuse(CONFIG, "\"width\": 2", "\"width\": 3", "impossible sizes");
    refuse(CONFIG, "\"width\": 2", "\"width\": 4", "vision_model.conv1.weight");
    refuse(CONFIG, "\"image_size\": 96", "\"image_size\": 97", "impossible sizes");
    refuse(CONFIG, "\"image_size\": 96", "\"image_size\": 64", "positional_embedding");
    refuse(CONFIG, "\"head_width\": 8", "\"head_width\": 7", "impossible sizes");
    refuse(CONFIG, "    1,\n    2,", "        \"1\", ", "\"layers\"");
    refuse(CONFIG, "    2,\n", "    0,\n", "impossible sizes");
    refuse(CONFIG, "    2,\n", "    3,\n", "layer2.2.conv1.weight");
    refuse(CONFIG, "    2,\n", "    1,\n", "layer2.1.");
    refuse(WEIGHTS, "visual.layer3.0.bn2.running_var", "visual.layer3.0.bn2.running_vaX", "running_var");
    refuse(WEIGHTS, "visual.bn1.num_batches_tracked", "visual.bn1.num_batches_trackeX", "num_batches_trackeX");
}

/* A variance of -2 has no root. */
static void refuses_impossible_statistics(void **state)
{
    enum { BYTES = 8 };
    static const float pixels[3 * 96 * 96];
    uint8_t was[BYTES], now[BYTES];
    float out[MAX_DIM];
    char *directory = fixture("tiny-resnet");
    weights *w;
    model *m;
    simile_error err = {0};
    assert_int_equal(weights_open(directory, &w, &err), 0);
    const weight_entry *variance = weights_find(w, "vision_model.layer4.0.bn3.running_var");
    assert_non_null(variance);
    assert_int_equal(variance->tensor.dtype, NN_BF16);
    memcpy(was, variance->tensor.data, BYTES);
    memcpy(now, was, BYTES);
    now[0] = 0;
    now[1] = 0xc0; /* -2, lower byte first */
    weights_close(w);
    copy c = copy_with(WEIGHTS, (char *)was, (char *)now, BYTES);
    assert_int_equal(model_open(c.folder, NULL, &m, &err), 0);
    model_encoder *e = new_encoder(m, 1);
    assert_int_equal(model_encode_pixels(e, pixels, 1, out, &err), SIMILE_E_CORRUPT);
    assert_non_null(strstr(err.message, "batch norm"));
    model_encoder_free(e);
    model_close(m);
    remove_copy(&c);
    mem_free(directory);
}

/* Its pool has learned positions, but the reference takes no other size. */
static void has_one_size(void **state)
{
    model *m;
    simile_error err;
    const model_options other = {.image_size = 64};
    char *directory = fixture("tiny-resnet");
    assert_int_equal(model_open(directory, &other, &m, &err), SIMILE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "takes 96 x 96 alone"));
    model_close(open_at(directory, 96));
    mem_free(directory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),          cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(digests_tell_models_apart),     cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(is_the_same_from_shapes_alone), cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(refuses_impossible_statistics), cmocka_unit_test(has_one_size),
    };
    if (argc == 3 && !strcmp(argv[1], "--full")) return run_full(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
