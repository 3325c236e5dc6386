/* SPDX-License-Identifier: Apache-2.0
 * test_segment.c - Chinese texts as words: equal to jieba in every mode, with the same dictionary and tables.
 *
 *     test_segment SOURCE_FOLDER
 *     test_segment --full DICT HMM EXPECTED     every line of a large file that tools/fixtures/segment_fixtures.py made
 *                                               with jieba's own files; prints how many are equal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "text/segment.h"
#include "text/segment_dict.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <time.h>

enum { MAX_FILE = 1 << 30 };

static const char *source_folder;

/* A path below the folder of the sources. */
static const char *below(const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", source_folder, name);
    return path;
}

#define SMALL "tests/fixtures/text/segment/"

static segmenter *open_small(bool user)
{
    const segmenter_files files = {.dictionary = below(SMALL "dict.txt"),
                                   .user = user ? below(SMALL "user.txt") : NULL,
                                   .hmm = below(SMALL "finalseg")};
    segmenter *s;
    simile_error err = {0};
    if (segmenter_open(&files, &s, &err)) fail_msg("%s", err.message);
    assert_true(segmenter_has_hmm(s));
    return s;
}

static segmenter *open_bundled(void)
{
    const segmenter_files files = {.dictionary = below("models/simile-zh-en/dict.txt")};
    segmenter *s;
    assert_int_equal(segmenter_open(&files, &s, NULL), SIMILE_OK);
    assert_false(segmenter_has_hmm(s));
    return s;
}

/* ---- against jieba ---- */

static void put_escaped(buf *out, const char *text, size_t len)
{
    static const char from[] = "\\\n\r\t", to[] = "\\nrt";
    for (size_t i = 0; i < len; i++) {
        const char *special = text[i] ? strchr(from, text[i]) : NULL;
        if (special || !text[i]) buf_byte(out, '\\');
        buf_byte(out, special ? to[special - from] : text[i] ? text[i] : '0');
    }
}

static size_t unescape(char *text, size_t len)
{
    static const char from[] = "\\nrt0", to[] = "\\\n\r\t";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            text[i] = to[strchr(from, text[i + 1]) - from], text[n++] = text[i++];
        else
            text[n++] = text[i];
    }
    return n;
}

static segment_mode mode_of(const char *name)
{
    return !strncmp(name, "full", 4) ? SEGMENT_FULL : !strncmp(name, "search", 6) ? SEGMENT_SEARCH : SEGMENT_PRECISE;
}

typedef struct {
    size_t lines, equal, bytes;
    double seconds;
} tally;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* line: "case TAB text TAB words", NUL at its end; it is taken apart. */
static void check_line(segmenter *const s[2], char *line, tally *t)
{
    char *text = strchr(line, '\t'), *wanted = strchr(text + 1, '\t');
    buf got;
    segment_list list;
    *text++ = *wanted++ = 0;
    const size_t len = unescape(text, (size_t)(wanted - 1 - text));
    buf_init(&got, MAX_FILE);
    segment_list_init(&list);
    const double begin = now();
    assert_int_equal(
        segmenter_cut(s[strchr(line, '+') != NULL], text, len, mode_of(line), strstr(line, "-hmm"), &list, NULL),
        SIMILE_OK);
    t->seconds += now() - begin;
    for (size_t i = 0; i < list.n; i++) {
        size_t n;
        const char *word = segment_list_at(&list, i, &n);
        if (i) buf_byte(&got, '\t');
        put_escaped(&got, word, n);
    }
    const bool equal = got.len == strlen(wanted) && (!got.len || !memcmp(got.data, wanted, got.len));
    if (!equal) print_message("%s of '%s': '%.*s', not '%s'\n", line, text, (int)got.len, got.data, wanted);
    t->lines++;
    t->bytes += len;
    t->equal += equal;
    segment_list_release(&list);
    buf_release(&got);
}

static tally check_file(segmenter *const s[2], const char *path)
{
    tally t = {0};
    char *all, *rest;
    size_t len;
    assert_int_equal(file_read(path, MAX_FILE, &all, &len, NULL), SIMILE_OK);
    rest = all;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) check_line(s, line, &t);
    mem_free(all);
    return t;
}

static void equal_to_jieba(void **state)
{
    segmenter *both[2] = {open_small(false), open_small(true)};
    const tally t = check_file(both, below(SMALL "expected.txt"));
    assert_true(t.lines > 900);
    assert_int_equal(t.equal, t.lines);
    segmenter_free(both[0]);
    segmenter_free(both[1]);
}

static int full_run(char **argv)
{
    const segmenter_files files = {.dictionary = argv[2], .hmm = argv[3]};
    segmenter *s;
    simile_error err;
    if (segmenter_open(&files, &s, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const tally t = check_file((segmenter *const[2]){s, s}, argv[4]);
    printf("%zu of %zu lines equal; %.1f MB cut in %.2f s, %.1f MB/s\n", t.equal, t.lines, (double)t.bytes * 1e-6,
           t.seconds, (double)t.bytes * 1e-6 / t.seconds);
    segmenter_free(s);
    return t.equal != t.lines;
}

/* ---- the bundled dictionary ---- */

static void assert_words(const segmenter *s, const char *text, size_t len, segment_mode mode, const char *wanted)
{
    segment_list list;
    buf got;
    segment_list_init(&list);
    buf_init(&got, MAX_FILE);
    buf_text(&got, "");
    assert_int_equal(segmenter_cut(s, text, len, mode, true, &list, NULL), SIMILE_OK);
    for (size_t i = 0; i < list.n; i++) {
        size_t n;
        const char *word = segment_list_at(&list, i, &n);
        if (i) buf_byte(&got, '/');
        buf_append(&got, word, n);
    }
    buf_byte(&got, 0);
    assert_true(buf_ok(&got));
    assert_string_equal(got.data, wanted);
    segment_list_release(&list);
    buf_release(&got);
}

static void three_sentences(void **state)
{
    segmenter *s = open_bundled();
    static const char *const sentences[][2] = {{"在雪地里有两条狗", "在/雪地/里/有/两条/狗"},
                                               {"一只猫在桌子上", "一只/猫/在/桌子/上"},
                                               {"夜晚的伦敦", "夜晚/的/伦敦"}};
    for (size_t i = 0; i < 3; i++)
        assert_words(s, sentences[i][0], strlen(sentences[i][0]), SEGMENT_PRECISE, sentences[i][1]);
    assert_words(s, "", 0, SEGMENT_PRECISE, "");
    segmenter_free(s);
}

static void the_tokenizer_has_it(void **state)
{
    tokenizer *t;
    token_list list;
    char *text;
    assert_int_equal(tokenizer_open(below("models/simile-zh-en"), &t, NULL), SIMILE_OK);
    assert_string_equal(tokenizer_kind(t), "segmented-bpe");
    assert_non_null(tokenizer_segmenter(t));
    assert_int_equal(tokenizer_encode(t, " 在雪地里 有 ", strlen(" 在雪地里 有 "), 64, &list, NULL), SIMILE_OK);
    assert_int_equal(list.n, 5);
    assert_string_equal(tokenizer_piece(t, list.ids[1]), "雪地");
    assert_int_equal(list.ids[4], tokenizer_end_id(t));
    mem_free(list.ids);
    /* pieces of a word are one word again, whatever stands behind them */
    const int32_t ids[] = {tokenizer_find(t, "a@@"), tokenizer_find(t, "b"), tokenizer_find(t, "c@@"),
                           tokenizer_find(t, "<pad>"), tokenizer_end_id(t)};
    for (size_t i = 0; i < 5; i++) assert_true(ids[i] >= 0);
    assert_int_equal(tokenizer_decode(t, ids, 5, &text, NULL), SIMILE_OK);
    assert_string_equal(text, "ab c");
    mem_free(text);
    tokenizer_close(t);
}

/* ---- unusual texts ---- */

static void invalid_utf8_counts_as_replacement(void **state)
{
    segmenter *s = open_bundled();
    for (int mode = SEGMENT_PRECISE; mode <= SEGMENT_SEARCH; mode++) {
        const char *bytes = "雪地\xff里\xe4\xb8"; /* the last is cut off */
        assert_words(s, bytes, strlen(bytes), (segment_mode)mode, "雪地/\xef\xbf\xbd/里/\xef\xbf\xbd");
    }
    segmenter_free(s);
}

/* What the words of precise mode are, one behind another, is the text. */
static void assert_nothing_lost(const segmenter *s, const char *text, size_t len, bool hmm)
{
    segment_list list;
    segment_list_init(&list);
    assert_int_equal(segmenter_cut(s, text, len, SEGMENT_PRECISE, hmm, &list, NULL), SIMILE_OK);
    assert_int_equal(list.bytes.len, len);
    assert_memory_equal(list.bytes.data, text, len);
    for (size_t i = 0; i < list.n; i++) assert_true(list.ends[i] > (i ? list.ends[i - 1] : 0));
    segment_list_release(&list);
}

static void a_megabyte_in_one_line(void **state)
{
    static const char *const units[] = {"北京大学生", "龘", "a", "狗b", "，", " "};
    segmenter *s = open_small(false);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        const size_t unit = strlen(units[u]), n = ((size_t)1 << 20) / unit * unit;
        char *text = mem_alloc(n);
        assert_non_null(text);
        for (size_t at = 0; at < n; at += unit) memcpy(text + at, units[u], unit);
        assert_nothing_lost(s, text, n, true);
        assert_nothing_lost(s, text, n, false);
        mem_free(text);
    }
    segmenter_free(s);
}

static void longer_than_the_limit(void **state)
{
    segmenter *s = open_bundled();
    segment_list list;
    simile_error err;
    segment_list_init(&list);
    /* the length is looked at before the text */
    assert_int_equal(segmenter_cut(s, "", SEGMENT_TEXT_MAX + 1, SEGMENT_FULL, true, &list, &err), SIMILE_E_LIMIT);
    segment_list_release(&list);
    segmenter_free(s);
}

/* ---- files that are wrong ---- */

static void wrong_dictionaries(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "cannot read 'd': it has no words"},
        {"\n \r\n", "cannot read 'd': it has no words"},
        {"狗 1\n猫\n", "cannot read 'd': line 2 is no word with a frequency"},
        {"狗 -1\n", "cannot read 'd': line 1 is no word with a frequency"},
        {"狗 1234567890123456\n", "cannot read 'd': line 1 is no word with a frequency"},
        {"狗 1.5\n", "cannot read 'd': line 1 is no word with a frequency"},
        {"\xff 1\n", "cannot read 'd': line 1 is not UTF-8"},
        {"狗 0\n", "cannot read 'd': it has no words"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        segmenter *s = (segmenter *)&s;
        simile_error err;
        assert_int_equal(segmenter_from_words(cases[i].text, strlen(cases[i].text), "d", &s, &err), SIMILE_E_FORMAT);
        assert_string_equal(err.message, cases[i].message);
        assert_null(s);
    }
}

static void long_words(void **state)
{
    char line[1024];
    segmenter *s;
    memset(line, 'a', sizeof line);
    memcpy(line + 256, " 3", 2);
    assert_int_equal(segmenter_from_words(line, 258, "d", &s, NULL), SIMILE_OK);
    assert_words(s, line, 256, SEGMENT_PRECISE, (line[256] = 0, line));
    simile_error err;
    line[256] = 'a';
    assert_int_equal(segmenter_add_words(s, line, 257, "u", &err), SIMILE_E_FORMAT);
    assert_string_equal(err.message, "cannot read 'u': line 1 has too long a word");
    segmenter_free(s);
}

static void wrong_tables(void **state)
{
    static const struct {
        hmm_part part;
        const char *text;
    } cases[] = {
        {HMM_START, ""},
        {HMM_START, "P"},
        {HMM_START, "P={'B': 1.5}"}, /* no logarithm of a probability */
        {HMM_START, "P={'B': nan}"},
        {HMM_START, "P={'Q': -1}"},
        {HMM_START, "P={'B': -1} x"},
        {HMM_START, "import os; P=1"},
        {HMM_TRANS, "P={'B': {'E': -1}"},
        {HMM_TRANS, "P={'B': {'\\u4e00': -1}}"},
        {HMM_EMIT, "P={'B': {'\\u4e0': -1}}"},
        {HMM_EMIT, "P={'B': {'ab': -1}}"},
        {HMM_EMIT, "P={'B': {'a\": -1}}"},
        {HMM_EMIT, "P={'B': {'a': -1 'b': -1}}"},
        {HMM_EMIT, "P={'B': {'"},
        {HMM_EMIT, "P={'B': {'\\u4e00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hmm_table h;
        simile_error err;
        assert_int_equal(hmm_init(&h, NULL), SIMILE_OK);
        assert_int_equal(hmm_parse(&h, cases[i].part, cases[i].text, strlen(cases[i].text), "t", &err),
                         SIMILE_E_FORMAT);
        assert_non_null(strstr(err.message, "cannot read 't': byte "));
        hmm_release(&h);
    }
}

static void good_tables(void **state)
{
    static const char text[] = "# a comment\nfrom __future__ import unicode_literals\n"
                               "P = {\"B\": {'\\u4E00': -1, '\xe4\xba\x8c': -2.5e0,}, 'S': {}}\n";
    hmm_table h;
    assert_int_equal(hmm_init(&h, NULL), SIMILE_OK);
    assert_int_equal(hmm_parse(&h, HMM_EMIT, text, sizeof text - 1, "t", NULL), SIMILE_OK);
    assert_true(h.emit[0x4e00][HMM_B] == -1 && h.emit[0x4e8c][HMM_B] == -2.5 && h.emit[0x4e8c][HMM_S] == HMM_NEVER);
    hmm_release(&h);
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "--full")) return full_run(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_jieba),         cmocka_unit_test(three_sentences),
        cmocka_unit_test(the_tokenizer_has_it),   cmocka_unit_test(invalid_utf8_counts_as_replacement),
        cmocka_unit_test(a_megabyte_in_one_line), cmocka_unit_test(longer_than_the_limit),
        cmocka_unit_test(wrong_dictionaries),     cmocka_unit_test(long_words),
        cmocka_unit_test(wrong_tables),           cmocka_unit_test(good_tables),
    };
    if (argc < 2) return 2;
    source_folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
