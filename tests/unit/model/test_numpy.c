/* SPDX-License-Identifier: Apache-2.0
 * test_numpy.c - linear layers in pickles of numpy (tools/fixtures/archive_fixtures.py): the same numbers from every
 * protocol of Python's, and from nothing else anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/weights.h"

#include <stdio.h>

enum { IN = 5, OUT = 3 };

static const char *const forms[] = {"f32-2", "f32-3", "f32-4", "f32-5", "f64-2",
                                    "f64-3", "f64-4", "f64-5", "older", "tuple"};
enum { FORMS = sizeof forms / sizeof *forms };

static char *form_path(size_t i)
{
    return mem_printf("%s/archives/heads/%s.pkl", SIMILE_FIXTURES, forms[i]);
}

static void every_form_is_the_same_layer(void **state)
{
    const int64_t shape[2] = {OUT, IN};
    for (size_t i = 0; i < FORMS; i++) {
        char *path = form_path(i);
        weights *w;
        simile_error err;
        nn_tensor weight, bias;
        float value;
        if (weights_open(path, &w, &err)) fail_msg("%s", err.message);
        assert_int_equal(weights_kind(w), WEIGHTS_NUMPY);
        assert_string_equal(weights_dtype(w), "F32");
        if (weights_get(w, "text_projection.weight", 2, shape, &weight, &err) ||
            weights_get(w, "text_projection.bias", 1, shape, &bias, &err))
            fail_msg("%s: %s", path, err.message);
        for (int64_t out = 0; out < OUT; out++) {
            nn_tensor_to_f32(&bias, out, 1, &value);
            assert_true(value == (float)out - 100);
            for (int64_t in = 0; in < IN; in++) {
                nn_tensor_to_f32(&weight, out * IN + in, 1, &value);
                assert_true(value == (float)(in * OUT + out) / 8 - 1);
            }
        }
        weights_close(w);
        mem_free(path);
    }
}

static void refuse_file(const char *name, const char *part)
{
    weights *w;
    simile_error err = {0};
    char *path = mem_printf("%s/archives/bad/%s", SIMILE_FIXTURES, name);
    if (!weights_open(path, &w, &err)) fail_msg("%s was accepted", name);
    if (!strstr(err.message, part)) fail_msg("%s: '%s' lacks '%s'", name, err.message, part);
    mem_free(path);
}

static void refuses_other_pickles(void **state)
{
    refuse_file("columns.pkl", "row by row");
    refuse_file("columns-5.pkl", "row by row");
    refuse_file("big.pkl", "little-endian float32");
    refuse_file("integers.pkl", "little-endian float32");
    refuse_file("objects.pkl", "little-endian float32");
    refuse_file("three.pkl", "two arrays");
    refuse_file("unequal.pkl", "no matrix and no vector");
    refuse_file("matrices.pkl", "no matrix and no vector");
    refuse_file("system.pkl", "asks for 'posix.system', which is no part of an array");
    refuse_file("dictionary.pkl", "two arrays");
    refuse_file("plain.pkl", "two arrays");
}

/* ---- pickles that were made to do harm ---- */

static void refuse(const char *bytes, size_t len, const char *part)
{
    weight_table t;
    simile_error err = {0};
    uint8_t *copy = mem_alloc(len); /* of its size, so that a sanitizer sees what is read behind it */
    memcpy(copy, bytes, len);
    if (!numpy_pickle_read(copy, len, "x", &t, &err)) fail_msg("accepted, though it wants '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    assert_null(t.entries);
    mem_free(copy);
}
#define REFUSE(pickle, part) refuse(pickle, sizeof(pickle) - 1, part)

#define RECONSTRUCT                                                                                                    \
    "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"                                                   \
    "C\1b\x87R"
#define F4 "cnumpy\ndtype\nX\2\0\0\0f4\x89\x88\x87R(K\3X\1\0\0\0<tb"
/* A list of W, which has this state behind its 1, and b = [0] */
#define LAYER(state)                                                                                                   \
    "\x80\3](" RECONSTRUCT "(K\1" state "tb" RECONSTRUCT "(K\1K\1\x85" F4 "\x89"                                       \
    "C\4\0\0\0\0tbe."
#define ONE "K\1K\1\x86"

static void accepts_a_layer_of_one_number(void **state)
{
    static const char pickle[] = LAYER(ONE F4 "\x89"
                                              "C\4\0\0\0\0");
    weight_table t;
    simile_error err = {0};
    if (numpy_pickle_read((const uint8_t *)pickle, sizeof pickle - 1, "x", &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(t.n, 2);
    weight_table_release(&t);
}

static void refuses_names(void **state)
{
    REFUSE("\x80\3cposix\nsystem\nX\4\0\0\0true\x85R.", "asks for 'posix.system'");
    REFUSE("\x80\4\x8c\5posix\x8c\6system\x93.", "asks for 'posix.system'");
    REFUSE("\x80\4\x8c\10builtins\x8c\4eval\x93.", "asks for 'builtins.eval'");
    REFUSE("\x80\3cnumpy\nload\n.", "asks for 'numpy.load'");
    REFUSE("\x80\3cnumpy.core.multiarray\nscalar\n.", "asks for 'numpy.core.multiarray.scalar'");
    REFUSE("\x80\3ctorch\nFloatStorage\n.", "asks for 'torch.FloatStorage'");
    REFUSE("\x80\3ccollections\nOrderedDict\n.", "asks for 'collections.OrderedDict'");
    REFUSE("\x80\3c_codecs\ndecode\n.", "asks for '_codecs.decode'");
    REFUSE("\x80\4K\1K\2\x93.", "no text");
    REFUSE("\x80\4\x8c\5numpy\x93.", "too few");
    REFUSE("\x80\3cnumpy\nndarray\n)R.", "no function");
    REFUSE("\x80\3cnumpy\nndarray\n)\x81.", "no class");
}

static void refuses_operations(void **state)
{
    REFUSE("\x80\6.", "protocol 6, not 2 to 5");
    REFUSE("\x80\1.", "protocol 1");
    REFUSE("\x80\5\x97.", "operation 0x97"); /* bytes that somebody else would have to bring */
    REFUSE("\x80\3(iposix\nsystem\n.", "operation 0x69");
    REFUSE("\x80\4\x94.", "too few");
    REFUSE("\x80\4N\x94j\1\0\0\0.", "never remembered");
    REFUSE("\x80\4\x95\1\2.", "too early");
    REFUSE("\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "too early");
    REFUSE("\x80\4\x8d\0\0\0\0\0\0\0\x80.", "too early");
    REFUSE("\x80\5\x96\5\0\0\0\0\0\0\0abcd", "too early");
    REFUSE("\x80\3B\xff\xff\xff\x7f.", "too early");
    REFUSE("\x80\3]]e.", "mark");
    REFUSE("\x80\3]. ", "bytes follow");
}

static void refuses_arrays_that_lie(void **state)
{
    REFUSE("\x80\3](" RECONSTRUCT RECONSTRUCT "e.", "no numbers");
    REFUSE(LAYER("K\2K\1\x86" F4 "\x89"
                 "C\4\0\0\0\0"),
           "another size than its bytes");
    REFUSE(LAYER(ONE F4 "\x89"
                        "C\5\0\0\0\0\0"),
           "another size than its bytes");
    REFUSE(LAYER(ONE F4 "\x89X\4\0\0\0\0\0\0\0"), "another size than its bytes");
    REFUSE(LAYER("K\0K\1\x86" F4 "\x89"
                 "C\0"),
           "impossible size");
    REFUSE(LAYER("J\xff\xff\xff\xffK\1\x86" F4 "\x89"
                 "C\0"),
           "impossible size");
    REFUSE(LAYER("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
                 "K\1\x86" F4 "\x89"
                 "C\0"),
           "impossible size");
    REFUSE(LAYER("\x8a\x05\0\0\0\0\1K\4\x86" F4 "\x89"
                 "C\0"),
           "impossible size");
    REFUSE(LAYER("\x8a\x04\xff\xff\xff\xff\x8a\x04\xff\xff\xff\xff\x86" F4 "\x89"
                 "C\0"),
           "impossible size");
    REFUSE(LAYER("\x8a\x05\xff\xff\xff\xff\0\x8a\x05\xff\xff\xff\xff\0\x86" F4 "\x89"
                 "C\0"),
           "another size");
    REFUSE(LAYER("K\1K\1K\1\x87" F4 "\x89"
                 "C\4\0\0\0\0"),
           "no matrix and no vector");
    REFUSE(LAYER("]" F4 "\x89"
                 "C\4\0\0\0\0"),
           "no matrix and no vector");
    REFUSE(LAYER(ONE "N\x89"
                     "C\4\0\0\0\0"),
           "has no type");
    REFUSE(LAYER(ONE "cnumpy\ndtype\nX\2\0\0\0f4\x85R\x89"
                     "C\4\0\0\0\0"),
           "has no type");
    REFUSE(LAYER(ONE "cnumpy\ndtype\n)R\x89"
                     "C\4\0\0\0\0"),
           "odd type");
    REFUSE(LAYER(ONE F4 "\x88"
                        "C\4\0\0\0\0"),
           "row by row");
    REFUSE(LAYER(ONE F4 "N"
                        "C\4\0\0\0\0"),
           "row by row");
    REFUSE(LAYER(ONE F4 "\x89"), "odd array");
    REFUSE(LAYER(ONE F4 "\x89"
                        "C\4\0\0\0\0tb(K\1" ONE F4 "\x89"
                        "C\4\0\0\0\0"),
           "odd array"); /* a state twice */
    REFUSE("\x80\3cnumpy\ndtype\nX\2\0\0\0f4\x85R(K\3X\1\0\0\0<tb(K\3X\1\0\0\0<tb.", "odd type");
    REFUSE("\x80\3cnumpy.core.multiarray\n_reconstruct\n)R.", "odd array");
    REFUSE("\x80\3cnumpy.core.numeric\n_frombuffer\nNNN\x87R.", "odd array");
    REFUSE("\x80\3c_codecs\nencode\nX\1\0\0\0aX\5\0\0\0utf-8\x86R.", "bytes are not described");
}

/* Bytes as characters: too few, too many, above 255, and what is no UTF-8. */
static void refuses_characters_that_are_no_bytes(void **state)
{
#define ENCODED(n, text)                                                                                               \
    ONE F4 "\x89"                                                                                                      \
           "c_codecs\nencode\nX" n "\0\0\0" text "X\6\0\0\0latin1\x86R"
    REFUSE(LAYER(ENCODED("\3", "abc")), "another size");
    REFUSE(LAYER(ENCODED("\5", "abcde")), "another size");
    REFUSE(LAYER(ENCODED("\5", "abc\xc4\x80")), "another size");
    REFUSE(LAYER(ENCODED("\4", "abc\xff")), "another size");
}

/* ---- every byte changed, every length cut, every allocation refused ---- */

typedef struct {
    char *bytes;
    size_t len;
} blob;

static blob load(size_t i)
{
    char *path = form_path(i);
    blob b;
    simile_error err;
    if (file_read(path, 1 << 16, &b.bytes, &b.len, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return b;
}

static simile_status read_copy(const blob *b, size_t len, simile_error *err)
{
    weight_table t;
    uint8_t *copy = mem_alloc(len);
    assert_non_null(copy);
    memcpy(copy, b->bytes, len);
    const simile_status status = numpy_pickle_read(copy, len, "x", &t, err);
    mem_free(copy);
    if (!status) weight_table_release(&t);
    return status;
}

static void damaged_files_do_no_harm(void **state)
{
    for (size_t i = 0; i < FORMS; i++) {
        blob b = load(i);
        for (size_t at = 0; at < b.len; at++) {
            for (int bit = 0; bit < 8; bit++) {
                simile_error err = {0};
                b.bytes[at] = (char)(b.bytes[at] ^ 1 << bit);
                const simile_status status = read_copy(&b, b.len, &err);
                assert_int_not_equal(status, SIMILE_E_NOMEM);
                assert_true(!status || err.message[0]);
                b.bytes[at] = (char)(b.bytes[at] ^ 1 << bit);
            }
        }
        for (size_t len = 0; len < b.len; len++) assert_int_not_equal(read_copy(&b, len, NULL), SIMILE_OK);
        assert_int_equal(read_copy(&b, b.len, NULL), SIMILE_OK);
        mem_free(b.bytes);
    }
}

static void survives_short_memory(void **state)
{
    for (size_t i = 0; i < FORMS; i++) {
        char *path = form_path(i);
        bool done = false;
        for (long n = 1; !done; n++) {
            weights *w = NULL;
            mem_fault_after(n, true);
            const simile_status status = weights_open(path, &w, NULL);
            const bool hit = mem_fault_hit();
            mem_fault_after(0, false);
            assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
            done = !hit;
            weights_close(w);
        }
        mem_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_the_same_layer),
        cmocka_unit_test(refuses_other_pickles),
        cmocka_unit_test(accepts_a_layer_of_one_number),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(refuses_operations),
        cmocka_unit_test(refuses_arrays_that_lie),
        cmocka_unit_test(refuses_characters_that_are_no_bytes),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(survives_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
