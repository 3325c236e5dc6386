/* SPDX-License-Identifier: Apache-2.0
 * test_script.c - scripts of characters and of texts, in every language that simile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/script.h"

static void same(const char *text, script expected)
{
    const script got = script_of_text(text, strlen(text));
    if (got != expected) fail_msg("'%s' is %s, not %s", text, script_name(got), script_name(expected));
}

static void test_languages(void **state)
{
    (void)state;
    same("Two dogs in the snow", SCRIPT_LATIN);
    same("hai con chó trong tuyết", SCRIPT_LATIN);
    same("qarda iki it, dy qen në dëborë", SCRIPT_LATIN);
    same("在雪地里有两条狗", SCRIPT_HAN);
    same("兩條狗在雪地裡", SCRIPT_HAN);
    same("雪の中の二匹の犬", SCRIPT_KANA);
    same("テーブル", SCRIPT_KANA);
    same("눈 속에 있는 개 두 마리", SCRIPT_HANGUL);
    same("две собаки в снегу", SCRIPT_CYRILLIC);
    same("қарда екі ит", SCRIPT_CYRILLIC);
    same("كلبان في الثلج", SCRIPT_ARABIC);
    same("برف میں دو کتے", SCRIPT_ARABIC);
    same("δύο σκύλοι στο χιόνι", SCRIPT_GREEK);
    same("שני כלבים בשלג", SCRIPT_HEBREW);
    same("երկու շուն ձյան մեջ", SCRIPT_ARMENIAN);
    same("ორი ძაღლი თოვლში", SCRIPT_GEORGIAN);
    same("በበረዶ ውስጥ ሁለት ውሾች", SCRIPT_ETHIOPIC);
    same("बर्फ़ में दो कुत्ते", SCRIPT_DEVANAGARI);
    same("তুষারে দুটি কুকুর", SCRIPT_BENGALI);
    same("สุนัขสองตัวในหิมะ", SCRIPT_THAI);
    same("பனியில் இரண்டு நாய்கள்", SCRIPT_OTHER);
}

static void test_mixtures(void **state)
{
    (void)state;
    same("", SCRIPT_NONE);
    same(" 12.5 % !?。、 ", SCRIPT_NONE);
    same("\xff\xfe\x80", SCRIPT_NONE);
    same("2 dogs", SCRIPT_LATIN);
    same("Ｄｏｇｓ", SCRIPT_LATIN);
    same("a photo of a 狗", SCRIPT_LATIN);
    same("iPhone 在雪地里", SCRIPT_HAN);
    same("ab狗", SCRIPT_LATIN); /* as much of both: the first in the list */
    same("abc犬の", SCRIPT_KANA);
    same("夜晚的 London", SCRIPT_LATIN);
    assert_int_equal(script_of_text("狗\0dogs", 8), SCRIPT_LATIN);
}

static void test_tables(void **state)
{
    script before = SCRIPT_NONE;
    (void)state;
    /* every character has a script that has a name */
    for (uint32_t c = 0; c <= 0x110000; c++) {
        const script s = script_of(c);
        assert_true(s < SCRIPTS && *script_name(s));
        before = s;
    }
    assert_int_equal(before, SCRIPT_NONE);
    assert_int_equal(script_of('7'), SCRIPT_NONE);
    assert_int_equal(script_of(0x4E00), SCRIPT_HAN);
    assert_int_equal(script_of(0x9FFF), SCRIPT_HAN);
    assert_int_equal(script_of(0x20000), SCRIPT_HAN);
    assert_int_equal(script_of(0x3042), SCRIPT_KANA);
    assert_int_equal(script_of(0xD7A3), SCRIPT_HANGUL);
    assert_string_equal(script_language(SCRIPT_HAN), "zh");
    assert_string_equal(script_language(SCRIPT_KANA), "ja");
    assert_null(script_language(SCRIPT_LATIN));
    assert_null(script_language(SCRIPT_ARABIC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_languages), cmocka_unit_test(test_mixtures),
                                       cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
