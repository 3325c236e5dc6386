/* SPDX-License-Identifier: Apache-2.0
 * test_fields.c - what stands in headers and dates: moments of ISO 8601, ranges of bytes, lists of entity tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dates.h"
#include "serve/conditional.h"

#include <string.h>

static void test_moments(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"1970", 0},
        {"2023", 1672531200},
        {"2023-05", 1682899200},
        {"2023-05-17", 1684281600},
        {"2024-02-29", 1709164800},
        {"2023-05-17T12:00", 1684324800},
        {"2023-05-17T12:00:30", 1684324830},
        {"2023-05-17 12:00:30.75", 1684324830},
        {"2023-05-17t12:00:30Z", 1684324830},
        {"2023-05-17T14:00:30+02:00", 1684324830},
        {"2023-05-17T06:30:30,5-0530", 1684324830},
        {"1684324830", 1684324830},
        {"-1", -1},
        {"12345", 12345},
        {"-2023", -2023}, /* with a sign it is no year */
        {"0000-01-01", -62167219200},
        {"9999-12-31T23:59:59Z", 253402300799},
    };
    static const char *const bad[] = {
        "",
        "x",
        "20-05",
        "2023-",
        "2023-5",
        "2023-13",
        "2023-00",
        "2023-02-30",
        "2023-02-29",
        "2023-05-17T",
        "2023-05-17T12",
        "2023-05-17T24:00",
        "2023-05-17T12:60",
        "2023-05-17T12:00:61",
        "2023-05-17T12:00:00.",
        "2023-05-17T12:00Zx",
        "2023-05-17T12:00+2",
        "2023-05T12:00",
        " 2023",
        "2023 ",
        "+2023",
        "2023-05-17T12:00:00+24:00",
        "253402300800",
        "99999999999999999999",
        "--1",
        "-",
        "1.5",
        "9999-12-31T23:59:59-01:00",
    };
    int64_t seconds;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        seconds = -7;
        assert_true(moment_parse(good[i].text, &seconds));
        if (seconds != good[i].seconds) fail_msg("'%s' is %lld", good[i].text, (long long)seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (moment_parse(bad[i], &seconds)) fail_msg("'%s' was taken", bad[i]);
    assert_true(date_parse("2023-05", &seconds));
    assert_false(date_parse("2023-05-17T12:00", &seconds));
    assert_false(date_parse("1684324830", &seconds));
}

static void test_telling_moments(void **state)
{
    char text[DATE_TEXT];
    (void)state;
    assert_true(moment_text(1684324830, text));
    assert_string_equal(text, "2023-05-17T12:00:30Z");
    assert_true(moment_text(-62167219200, text));
    assert_string_equal(text, "0000-01-01T00:00:00Z");
    assert_true(moment_text(253402300799, text));
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    assert_false(moment_text(253402300800, text));
    assert_false(moment_text(INT64_MIN, text));
}

static void test_ranges(void **state)
{
    static const struct {
        const char *header;
        int kind;
        int64_t from, len;
    } cases[] = {
        {NULL, RANGE_ALL, 0, 100},
        {"bytes=0-", RANGE_PART, 0, 100},
        {"bytes=0-0", RANGE_PART, 0, 1},
        {"BYTES= 10-19 ", RANGE_PART, 10, 10},
        {"bytes=90-200", RANGE_PART, 90, 10},
        {"bytes=99-", RANGE_PART, 99, 1},
        {"bytes=-1", RANGE_PART, 99, 1},
        {"bytes=-500", RANGE_PART, 0, 100},
        {"bytes=100-", RANGE_BEYOND, 0, 0},
        {"bytes=99999999999999999999-", RANGE_BEYOND, 0, 0},
        {"bytes=0-99999999999999999999", RANGE_PART, 0, 100},
        {"bytes=-0", RANGE_BEYOND, 0, 0},
        {"bytes=20-10", RANGE_ALL, 0, 100},
        {"bytes=0-1,5-6", RANGE_ALL, 0, 100},
        {"bytes=", RANGE_ALL, 0, 100},
        {"bytes=-", RANGE_ALL, 0, 100},
        {"bytes=a-b", RANGE_ALL, 0, 100},
        {"bytes=1", RANGE_ALL, 0, 100},
        {"bytes 0-1", RANGE_ALL, 0, 100},
        {"lines=0-1", RANGE_ALL, 0, 100},
    };
    int64_t from, len;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int kind = range_parse(cases[i].header, 100, &from, &len);
        if (kind != cases[i].kind) fail_msg("'%s' is %d", cases[i].header, kind);
        if (kind == RANGE_BEYOND) continue;
        assert_int_equal(from, cases[i].from);
        assert_int_equal(len, cases[i].len);
    }
    assert_int_equal(range_parse("bytes=0-", 0, &from, &len), RANGE_BEYOND);
    assert_int_equal(range_parse("bytes=-1", 0, &from, &len), RANGE_BEYOND);
}

static void test_etags(void **state)
{
    (void)state;
    assert_true(etag_listed("\"abc\"", "\"abc\""));
    assert_true(etag_listed("*", "\"abc\""));
    assert_true(etag_listed("\"x\", W/\"abc\" ,\"y\"", "\"abc\""));
    assert_false(etag_listed(NULL, "\"abc\""));
    assert_false(etag_listed("", "\"abc\""));
    assert_false(etag_listed("abc", "\"abc\""));
    assert_false(etag_listed("\"abcd\", \"ab\"", "\"abc\""));
    assert_false(etag_listed("\"x, \"abc", "\"abc\""));
    assert_false(etag_listed("W/", "\"abc\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_telling_moments),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_etags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
