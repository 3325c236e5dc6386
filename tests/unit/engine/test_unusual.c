/* SPDX-License-Identifier: Apache-2.0
 * test_unusual.c - texts that nobody means to write, through all that reads texts in other languages: nothing at all,
 * lines of a megabyte, several scripts in one line, bytes that are not UTF-8.
 *
 * The rule, for each of simile_segment, simile_translate and simile_read: it succeeds, what it gives is UTF-8, nothing
 * of the text is lost where nothing may be lost, what does not fit is said to be truncated, and bytes that are not
 * UTF-8 count as U+FFFD. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>

enum { DIM = 16, BEST = 3, LONG = 1 << 20 };

static const char *const translators[] = {SIMILE_FIXTURES "/translate/swish", SIMILE_BUNDLED "/simile-zh-en"};
static const char *const blank[] = {"", " ", "\t\n", "\xe3\x80\x80"};
static const char *const mixed[] = {
    "两只 dogs في الثلج 雪 собака ภาษา 🐶👨‍👩‍👧 ɐ",
    "狗dog狗狗dog犬いぬ개",
    "१२३ 三百 3.14% C++",
    "e\xcc\x81\xcc\x81\xcc\x81 \xe2\x80\xae dlrow \xe2\x80\xac",
    "\xf0\xa0\x80\x80\xf0\xaa\x9b\x96狗", /* Han beyond the basic plane */
};
static const char *const broken[] = {
    "\xff", "狗\xe7\x8b", "\xc0\xaf雪地", "雪\xed\xa0\x80地", "\xf4\x90\x80\x80 dogs", "\x80\x80\x80\x80 在雪地里",
};
/* What lines of a megabyte are made of. */
static const char *const units[] = {"狗", "在雪地里有两条狗，", "dog", "a ", " ", "9", "𠀀", "собака", "\xff", "龘龙"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- texts ---- */

/* A text with a U+FFFD for whatever is not UTF-8. For mem_free(). */
static char *repaired(const char *text)
{
    buf b;
    char out[4];
    buf_init(&b, 8 << 20);
    for (size_t at = 0, len = strlen(text); at < len;) {
        const uint32_t c = utf8_next(text, len, &at);
        buf_append(&b, out, utf8_put(out, c));
    }
    buf_byte(&b, 0);
    char *fixed = buf_take(&b, NULL);
    assert_non_null(fixed);
    return fixed;
}

static char *long_line(const char *unit)
{
    const size_t len = strlen(unit), n = LONG / len;
    char *text = mem_alloc(n * len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) memcpy(text + i * len, unit, len);
    text[n * len] = 0;
    return text;
}

static void assert_utf8(const char *text)
{
    assert_non_null(text);
    if (!utf8_valid(text, strlen(text))) fail_msg("not UTF-8: '%.40s'", text);
}

/* ---- words ---- */

static simile_segmenter *open_words(bool hmm)
{
    const simile_segmenter_options options = {.struct_size = sizeof options,
                                              .dictionary = SIMILE_FIXTURES "/text/segment/dict.txt",
                                              .user_dictionary = SIMILE_FIXTURES "/text/segment/user.txt",
                                              .hmm = hmm ? SIMILE_FIXTURES "/text/segment/finalseg" : NULL};
    simile_segmenter *s;
    assert_ok(simile_segmenter_open(&options, &s, &err));
    return s;
}

/* Precise words, one behind another, are the text; in the other modes each is a piece of it. */
static void check_words(const simile_segmenter *s, const char *text, size_t text_len, const char *whole, size_t len)
{
    for (int32_t mode = SIMILE_SEGMENT_PRECISE; mode <= SIMILE_SEGMENT_SEARCH; mode++) {
        const simile_segment_options options = {.struct_size = sizeof options, .mode = mode};
        simile_words *words;
        size_t at = 0, word_len;
        assert_ok(simile_segment(s, text, text_len, &options, &words, &err));
        for (size_t i = 0; i < simile_words_count(words); i++) {
            const char *word = simile_words_at(words, i, &word_len);
            assert_true(word_len > 0 && word[word_len] == 0 && utf8_valid(word, word_len));
            if (mode != SIMILE_SEGMENT_PRECISE) continue;
            assert_true(at + word_len <= len);
            assert_memory_equal(word, whole + at, word_len);
            at += word_len;
        }
        if (mode == SIMILE_SEGMENT_PRECISE) assert_int_equal(at, len);
        assert_null(simile_words_at(words, simile_words_count(words), NULL));
        simile_words_free(words);
    }
}

static void check_text_words(const simile_segmenter *s, const char *text)
{
    char *whole = repaired(text);
    check_words(s, text, strlen(text), whole, strlen(whole));
    mem_free(whole);
}

static void test_words(void **state)
{
    (void)state;
    for (int hmm = 0; hmm < 2; hmm++) {
        simile_segmenter *s = open_words(hmm);
        for (size_t i = 0; i < COUNT(blank); i++) check_text_words(s, blank[i]);
        for (size_t i = 0; i < COUNT(mixed); i++) check_text_words(s, mixed[i]);
        for (size_t i = 0; i < COUNT(broken); i++) check_text_words(s, broken[i]);
        for (size_t i = 0; i < COUNT(units); i++) {
            char *line = long_line(units[i]);
            check_text_words(s, line);
            mem_free(line);
        }
        static const char nul[] = "雪地\0狗\0";
        check_words(s, nul, sizeof nul - 1, nul, sizeof nul - 1);
        check_words(s, NULL, 0, "", 0);
        simile_segmenter_free(s);
    }
}

/* ---- translation ---- */

typedef struct {
    simile_translator *t;
    simile_translator_session *session;
} pair;

static pair open_pair(const char *path)
{
    const simile_translator_session_options options = {.struct_size = sizeof options, .threads = 1};
    pair p;
    assert_ok(simile_translator_open(path, NULL, &p.t, &err));
    assert_ok(simile_translator_session_new(p.t, &options, &p.session, &err));
    return p;
}

static void close_pair(pair *p)
{
    simile_translator_session_free(p->session);
    simile_translator_close(p->t);
}

static simile_translations *translate(const pair *p, const char *text)
{
    const simile_translate_options options = {.struct_size = sizeof options, .best = BEST};
    simile_translations *all;
    assert_ok(simile_translate(p->session, &text, 1, &options, &all, &err));
    assert_int_equal(simile_translations_count(all), 1);
    const simile_translation *t = simile_translations_at(all, 0);
    for (size_t i = 0; i < t->n_tokens; i++) {
        assert_utf8(t->tokens[i]);
        assert_true(t->tokens[i][0] != 0);
    }
    for (size_t i = 0; i < t->n_candidates; i++) {
        assert_utf8(t->candidates[i].text);
        assert_true(isfinite(t->candidates[i].score));
    }
    return all;
}

static void assert_same_translation(const simile_translations *a, const simile_translations *b)
{
    const simile_translation *x = simile_translations_at(a, 0), *y = simile_translations_at(b, 0);
    assert_int_equal(x->n_tokens, y->n_tokens);
    assert_int_equal(x->n_candidates, y->n_candidates);
    assert_int_equal(x->truncated, y->truncated);
    for (size_t i = 0; i < x->n_tokens; i++) assert_string_equal(x->tokens[i], y->tokens[i]);
    for (size_t i = 0; i < x->n_candidates; i++) {
        assert_string_equal(x->candidates[i].text, y->candidates[i].text);
        assert_true(x->candidates[i].score == y->candidates[i].score);
    }
}

/* The same again, and the same as of the text with U+FFFD in it. */
static void check_translation(const pair *p, const char *text, bool is_long)
{
    char *fixed = repaired(text);
    simile_translations *all = translate(p, text), *again = translate(p, fixed);
    const simile_translation *t = simile_translations_at(all, 0);
    assert_same_translation(all, again);
    assert_int_equal(t->n_candidates, t->n_tokens ? BEST : 0);
    /* a run of what is unknown may be a single piece, and a single word many pieces */
    if (is_long && !t->truncated) assert_true((int64_t)t->n_tokens + 1 < simile_translator_get_info(p->t)->context);
    simile_translations_free(all);
    simile_translations_free(again);
    mem_free(fixed);
}

static void test_translation(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(translators); k++) {
        pair p = open_pair(translators[k]);
        for (size_t i = 0; i < COUNT(blank); i++) {
            simile_translations *all = translate(&p, blank[i]);
            assert_int_equal(simile_translations_at(all, 0)->n_tokens, 0);
            assert_int_equal(simile_translations_at(all, 0)->n_candidates, 0);
            assert_int_equal(simile_translations_at(all, 0)->truncated, 0);
            simile_translations_free(all);
        }
        for (size_t i = 0; i < COUNT(mixed); i++) check_translation(&p, mixed[i], false);
        for (size_t i = 0; i < COUNT(broken); i++) check_translation(&p, broken[i], false);
        for (size_t i = 0; i < COUNT(units); i++) {
            char *line = long_line(units[i]);
            check_translation(&p, line, true);
            mem_free(line);
        }
        close_pair(&p);
    }
}

/* ---- readings ---- */

static simile_readings *read_text(simile_reader *reader, const char *text, int32_t via)
{
    const simile_read_options options = {
        .struct_size = sizeof options, .via = via, .fuse = SIMILE_FUSE_WEIGHTED, .candidates = BEST};
    simile_readings *all;
    assert_ok(simile_read(reader, &text, 1, &options, &all, &err));
    assert_int_equal(simile_readings_count(all), 1);
    const simile_reading *r = simile_readings_at(all, 0);
    assert_string_equal(r->text, text);
    assert_int_equal(r->n_vectors, 1);
    for (int i = 0; i < DIM; i++) assert_true(isfinite(r->vectors[i]));
    return all;
}

/* Every way gives a vector, and the one of the text with U+FFFD in it. */
static void check_reading(simile_reader *reader, const char *text)
{
    char *fixed = repaired(text);
    for (int32_t via = SIMILE_VIA_AUTO; via <= SIMILE_VIA_MULTILINGUAL; via++) {
        simile_readings *all = read_text(reader, text, via), *again = read_text(reader, fixed, via);
        const simile_reading *a = simile_readings_at(all, 0), *b = simile_readings_at(again, 0);
        assert_int_equal(a->script, b->script);
        assert_int_equal(a->via, b->via);
        assert_int_equal(a->truncated, b->truncated);
        assert_memory_equal(a->vectors, b->vectors, DIM * sizeof(float));
        simile_readings_free(all);
        simile_readings_free(again);
    }
    mem_free(fixed);
}

static void test_readings(void **state)
{
    (void)state;
    const simile_reader_options options = {.struct_size = sizeof options,
                                           .translator = translators[1],
                                           .text_model = bench_model_path("tiny-reader"),
                                           .force_pairing = 1,
                                           .threads = 1};
    simile_reader *reader;
    assert_ok(simile_reader_new(lab.encoder, &options, &reader, &err));
    for (size_t i = 0; i < COUNT(blank); i++) {
        check_reading(reader, blank[i]);
        simile_readings *all = read_text(reader, blank[i], SIMILE_VIA_TRANSLATE);
        assert_int_equal(simile_readings_at(all, 0)->script, SIMILE_SCRIPT_NONE);
        assert_int_equal(simile_readings_at(all, 0)->via, SIMILE_VIA_DIRECT);
        simile_readings_free(all);
    }
    for (size_t i = 0; i < COUNT(mixed); i++) check_reading(reader, mixed[i]);
    for (size_t i = 0; i < COUNT(broken); i++) check_reading(reader, broken[i]);
    for (size_t i = 0; i < COUNT(units); i += 3) {
        char *line = long_line(units[i]);
        check_reading(reader, line);
        simile_readings *all = read_text(reader, line, SIMILE_VIA_DIRECT);
        assert_int_equal(simile_readings_at(all, 0)->truncated, strcmp(units[i], " ") != 0);
        simile_readings_free(all);
        mem_free(line);
    }
    simile_reader_free(reader);
}

static int forget(void **state)
{
    (void)state;
    bench_forget_model();
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_words), TEST(test_translation), TEST(test_readings)};
    return cmocka_run_group_tests(tests, NULL, forget);
}
