/* SPDX-License-Identifier: Apache-2.0
 * test_text.c - UTF-8, JSON reading and writing, error sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/jscan.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>

static void decodes_utf8_by_maximal_subparts(void **state)
{
    /* The example of the Unicode standard, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64 */
    static const char text[] = "a\xf1\x80\x80\xe1\x80\xc2"
                               "b\x80"
                               "c\x80\xbf"
                               "d";
    static const uint32_t wanted[] = {'a', 0xfffd, 0xfffd, 0xfffd, 'b', 0xfffd, 'c', 0xfffd, 0xfffd, 'd'};
    size_t at = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_int_equal(utf8_next(text, sizeof text - 1, &at), wanted[i]);
    assert_int_equal(at, sizeof text - 1);
}

static void every_code_point_comes_back(void **state)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c < 0xe000) continue;
        char bytes[4];
        const size_t n = utf8_put(bytes, c);
        size_t at = 0;
        assert_int_equal(utf8_next(bytes, n, &at), c);
        assert_int_equal(at, n);
        assert_true(utf8_valid(bytes, n));
    }
}

static void refuses_overlong_forms_and_surrogates(void **state)
{
    static const char *const bad[] = {
        "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\x80", "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(utf8_valid(bad[i], strlen(bad[i])));
    assert_true(utf8_valid("\xef\xbf\xbd", 3)); /* U+FFFD itself is fine */
}

static void error_sentences_are_printable(void **state)
{
    simile_error err;
    assert_int_equal(err_set(&err, SIMILE_E_FORMAT, "cannot read '%s': %s", "a\nb\x1b[31m\xff", "why"),
                     SIMILE_E_FORMAT);
    assert_string_equal(err.message, "cannot read 'a?b?[31m\xef\xbf\xbd': why");
    assert_int_equal(err_set(NULL, SIMILE_E_IO, "x"), SIMILE_E_IO);
    char longer[2000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    for (int i = 0; i < 4; i++) {
        longer[i] = (char)"ab\xc3\xa9"[i];
    }
    err_set(&err, SIMILE_E_IO, "%s", longer);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    errno = ENOENT;
    assert_int_equal(err_errno(&err, "cannot read '%s'", "x"), SIMILE_E_NOT_FOUND);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.message, "cannot read 'x': no such file or directory");
    err_prefix(&err, err.status, "cannot open the model '%s'", "m");
    assert_string_equal(err.message, "cannot open the model 'm': cannot read 'x': no such file or directory");
    for (simile_status s = -1; s < 120; s++) assert_non_null(simile_status_name(s));
}

static void writes_json_that_reads_back(void **state)
{
    buf b;
    json_writer w;
    buf_init(&b, 1 << 20);
    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "a\"\\\n\x01\xff");
    jw_array(&w);
    jw_int(&w, -5);
    jw_float(&w, 0.1f);
    jw_float(&w, NAN);
    jw_double(&w, 0.1);
    jw_array(&w);
    jw_array_end(&w);
    jw_bool(&w, true);
    jw_array_end(&w);
    jw_key(&w, "b");
    jw_object(&w);
    jw_object_end(&w);
    jw_key(&w, "c");
    jw_string(&w, NULL);
    jw_object_end(&w);
    assert_true(buf_ok(&b));
    assert_string_equal(b.data, "{\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\":[-5,0.1,null,0.1,[],true],\"b\":{},\"c\":null}");
    buf_release(&b);
}

static void floats_come_back_exactly(void **state)
{
    uint32_t bits = 1;
    for (int i = 0; i < 200000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float f;
        char text[32];
        memcpy(&f, &bits, sizeof f);
        if (!isfinite(f)) continue;
        float_text(text, f);
        const float back = strtof(text, NULL);
        assert_memory_equal(&f, &back, sizeof f);
    }
    char text[32];
    float_text(text, 30.857948f);
    assert_string_equal(text, "30.857948");
}

static void getters_name_what_is_wrong(void **state)
{
    json_t *root;
    simile_error err;
    static const char text[] = "{\"n\":3,\"s\":\"x\",\"f\":[1,2.5],\"z\":null,\"b\":true}";
    assert_int_equal(json_parse_object(text, sizeof text - 1, "c.json", &root, &err), SIMILE_OK);
    const json_from from = {root, "c.json"};
    int64_t n = 7;
    bool b = false;
    float f[2];
    const char *s = NULL;
    assert_int_equal(json_get_int(from, "absent", 0, 9, &n, &err), SIMILE_OK);
    assert_int_equal(n, 7);
    assert_int_equal(json_get_int(from, "z", 0, 9, &n, &err), SIMILE_OK);
    assert_int_equal(json_get_int(from, "n", 0, 9, &n, &err), SIMILE_OK);
    assert_int_equal(n, 3);
    assert_int_equal(json_get_int(from, "n", 4, 9, &n, &err), SIMILE_E_FORMAT);
    assert_string_equal(err.message, "cannot read 'c.json': \"n\" is 3, not between 4 and 9");
    assert_int_equal(json_get_int(from, "s", 0, 9, &n, &err), SIMILE_E_FORMAT);
    assert_int_equal(json_get_bool(from, "b", &b, &err), SIMILE_OK);
    assert_true(b);
    assert_int_equal(json_get_bool(from, "n", &b, &err), SIMILE_E_FORMAT);
    assert_int_equal(json_get_string(from, "s", &s, &err), SIMILE_OK);
    assert_string_equal(s, "x");
    assert_int_equal(json_get_floats(from, "f", 2, f, &err), SIMILE_OK);
    assert_true(f[1] == 2.5f);
    assert_int_equal(json_get_floats(from, "f", 3, f, &err), SIMILE_E_FORMAT);
    json_decref(root);
}

/* Python's "no limit". In a string the same digits are a string. */
static void whole_numbers_of_any_length_are_read(void **state)
{
    json_t *root;
    simile_error err;
    static const char text[] =
        "{\"a\":1000000000000000019884624838656,\"b\":[-99999999999999999999,12345678901234567,0.1234567890123456789],"
        "\"c\\\"1000000000000000019884624838656\":\"-1000000000000000019884624838656\"}";
    if (json_parse_object(text, sizeof text - 1, "c.json", &root, &err)) fail_msg("%s", err.message);
    const json_from from = {root, "c.json"};
    const json_t *b = json_object_get(root, "b");
    double a = 0;
    int64_t n = 0;
    const char *c = NULL;
    assert_int_equal(json_get_double(from, "a", &a, &err), SIMILE_OK);
    assert_true(a == 1e30);
    assert_int_equal(json_get_int(from, "a", 0, INT64_MAX, &n, &err), SIMILE_E_FORMAT);
    assert_true(json_real_value(json_array_get(b, 0)) == -1e20);
    assert_true(json_integer_value(json_array_get(b, 1)) == 12345678901234567);
    assert_int_equal(json_get_string(from, "c\"1000000000000000019884624838656", &c, &err), SIMILE_OK);
    assert_string_equal(c, "-1000000000000000019884624838656");
    json_decref(root);
    static const char *const bad[] = {"{\"a\":99999999999999999999", "{\"a\":99999999999999999999x}",
                                      "{\"a\":-}99999999999999999999", "{\"a\":\"99999999999999999999\\"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(json_parse_object(bad[i], strlen(bad[i]), "c.json", &root, &err), SIMILE_E_FORMAT);
}

static bool scan_value(const char *text)
{
    jscan s;
    jscan_init(&s, text, strlen(text));
    jscan_skip(&s);
    return jscan_end(&s);
}

static void scanner_takes_json_and_nothing_else(void **state)
{
    static const char *const good[] = {
        "0",          "-0", "1.5e-3",           "\"\\u00e9\\ud83d\\ude00\"",
        "[]",         "{}", "[1,[2,{}],\"x\"]", "{\"a\":{\"b\":[null,true,false]},\"c\":1}",
        " [ 1 , 2 ] "};
    static const char *const bad[] = {
        "",        "01",       "+1",         "1.",       ".5",    "1e",       "-",           "[1,]",        "[,1]",
        "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",    "[1 2]", "\"\\x\"",  "\"\\u12\"",   "\"\\ude00\"", "\"\n\"",
        "nulll",   "tru",      "[",          "{\"a\":1", "]",     "\"\xff\"", "\"\\u0000\"", "1 2"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!scan_value(good[i])) fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (scan_value(bad[i])) fail_msg("accepted: %s", bad[i]);
    }
    char deep[2000];
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 999);
    deep[1999] = 0;
    assert_false(scan_value(deep)); /* too deep, and no crash */
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    deep[400] = 0;
    assert_true(scan_value(deep));
}

static void scanner_reads_values_in_place(void **state)
{
    jscan s;
    buf key, value;
    uint64_t n = 0;
    buf_init(&key, 100);
    buf_init(&value, 100);
    static const char text[] = "{\"a\":[1,18446744073709551615],\"b\":{},\"\\u00e9\":\"x\\ty\"}";
    jscan_init(&s, text, sizeof text - 1);
    assert_true(jscan_object(&s));
    assert_true(jscan_key(&s, &key));
    assert_true(jscan_array(&s) && jscan_item(&s) && jscan_uint(&s, &n));
    assert_int_equal(n, 1);
    assert_true(jscan_item(&s) && jscan_uint(&s, &n));
    assert_true(n == UINT64_MAX);
    assert_false(jscan_item(&s));
    assert_true(jscan_key(&s, &key));
    assert_true(jscan_object(&s));
    assert_false(jscan_key(&s, &key));
    assert_true(jscan_key(&s, &key));
    assert_string_equal(key.data, "\xc3\xa9");
    assert_true(jscan_string(&s, &value));
    assert_string_equal(value.data, "x\ty");
    assert_false(jscan_key(&s, &key));
    assert_true(jscan_end(&s));
    buf_release(&key);
    buf_release(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_utf8_by_maximal_subparts),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(refuses_overlong_forms_and_surrogates),
        cmocka_unit_test(error_sentences_are_printable),
        cmocka_unit_test(writes_json_that_reads_back),
        cmocka_unit_test(floats_come_back_exactly),
        cmocka_unit_test(getters_name_what_is_wrong),
        cmocka_unit_test(whole_numbers_of_any_length_are_read),
        cmocka_unit_test(scanner_takes_json_and_nothing_else),
        cmocka_unit_test(scanner_reads_values_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
