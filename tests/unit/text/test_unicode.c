/* SPDX-License-Identifier: Apache-2.0
 * test_unicode.c - src/text/unicode.c: every code point against digests of what the tokenizers library says, whatever
 * version of utf8proc is installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <inttypes.h>
#include <stdio.h>

static const char *root = ".";

enum { BLOCK = 0x1000 };

static uint64_t fnv(uint64_t hash, uint32_t number)
{
    return (hash ^ number) * 0x100000001b3u;
}

static uint64_t fnv_nfc(uint64_t hash, const char *format, uint32_t c)
{
    char x[5] = {0}, text[64];
    const size_t len = utf8_put(x, c);
    size_t n = 0;
    for (const char *f = format; *f; f++) {
        if (*f == '%') {
            memcpy(text + n, x, len);
            n += len;
        } else {
            text[n++] = *f;
        }
    }
    buf out;
    buf_init(&out, 1 << 16);
    unicode_nfc(text, n, &out);
    assert_true(buf_ok(&out));
    for (size_t at = 0; at < out.len;) hash = fnv(hash, utf8_next(out.data, out.len, &at));
    buf_release(&out);
    return hash;
}

typedef struct {
    uint64_t class, lower, nfc;
} digests;

static digests block_digests(uint32_t first)
{
    /* '%' stands for the character: U+0301 above, U+0327 below, U+0345 iota below, U+0334 overlay. */
    static const char *const probes[] = {"a%\u0327", "a\u0301%",       "a%\u0345",
                                         "a\u0334%", "a\u0301%\u0327", "%%\u0301%\u0334"};
    const uint64_t start = 0xcbf29ce484222325u;
    digests d = {start, start, start};
    for (uint32_t c = first; c < first + BLOCK; c++) {
        uint32_t lower[2];
        if (c >= 0xd800 && c < 0xe000) continue;
        d.class = fnv(d.class, (uint32_t)unicode_class(c));
        const size_t n = unicode_lower(c, lower);
        for (size_t i = 0; i < n; i++) d.lower = fnv(d.lower, lower[i]);
        for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
            if (c != '%') d.nfc = fnv_nfc(d.nfc, probes[i], c);
        }
    }
    return d;
}

static void every_code_point_is_as_in_the_reference_library(void **state)
{
    char *path = path_join(root, "tests/fixtures/text/unicode.txt");
    FILE *f = fopen(path, "r");
    uint32_t first;
    digests expected;
    int blocks = 0, bad = 0;
    assert_non_null(f);
    while (fscanf(f, "%" SCNx32 " %" SCNx64 " %" SCNx64 " %" SCNx64, &first, &expected.class, &expected.lower,
                  &expected.nfc) == 4) {
        const digests got = block_digests(first);
        if (got.class != expected.class) print_error("U+%04X..: classes differ\n", (unsigned)first), bad++;
        if (got.lower != expected.lower) print_error("U+%04X..: lower case differs\n", (unsigned)first), bad++;
        if (got.nfc != expected.nfc) print_error("U+%04X..: composed forms differ\n", (unsigned)first), bad++;
        blocks++;
    }
    fclose(f);
    mem_free(path);
    assert_int_equal(blocks, 0x110000 / BLOCK);
    assert_int_equal(bad, 0);
}

static void lower_case_ignores_neighbours(void **state)
{
    uint32_t out[2];
    assert_int_equal(unicode_lower(0x3a3, out), 1);
    assert_int_equal(out[0], 0x3c3);
    assert_int_equal(unicode_lower(0x130, out), 2);
    assert_int_equal(out[0], 'i');
    assert_int_equal(out[1], 0x307);
}

static void a_long_run_of_marks_is_put_in_order(void **state)
{
    enum { PAIRS = 100000 };
    buf text, out;
    buf_init(&text, 1 << 22);
    buf_init(&out, 1 << 22);
    buf_byte(&text, 'q');
    for (int i = 0; i < PAIRS; i++) buf_text(&text, "\u0307\u0323");
    unicode_nfc(text.data, text.len, &out);
    assert_true(buf_ok(&out));
    assert_int_equal(out.len, text.len);
    size_t at = 1;
    for (int i = 0; i < 2 * PAIRS; i++) assert_int_equal(utf8_next(out.data, out.len, &at), i < PAIRS ? 0x323 : 0x307);
    buf_release(&text);
    buf_release(&out);
}

static void text_in_form_c_is_left_alone(void **state)
{
    static const char text[] = "na\u00efve \u65e5\u672c \ud55c\uad6d \u0440\u0443\u0441";
    buf out;
    buf_init(&out, 1 << 10);
    unicode_nfc(text, sizeof text - 1, &out);
    assert_int_equal(out.len, sizeof text - 1);
    assert_memory_equal(out.data, text, out.len);
    buf_release(&out);
}

static void words_are_letters_marks_digits_and_connectors(void **state)
{
    static const uint32_t yes[] = {'a', 'Z', '0', '_', 0xe9, 0x301, 0x663, 0x4e00, 0x203f, 0x200d, 0x24d0, 0x2160};
    static const uint32_t no[] = {' ', '-', '!', 0xa0, 0xbd, 0x2014, 0x1f600, 0x200b, 0xb2};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_true(unicode_is_word(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(unicode_is_word(no[i]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_as_in_the_reference_library),
        cmocka_unit_test(lower_case_ignores_neighbours),
        cmocka_unit_test(a_long_run_of_marks_is_put_in_order),
        cmocka_unit_test(text_in_form_c_is_left_alone),
        cmocka_unit_test(words_are_letters_marks_digits_and_connectors),
    };
    if (argc > 1) root = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
