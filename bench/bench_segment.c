/* SPDX-License-Identifier: Apache-2.0
 * bench_segment.c - how many characters a second are cut into words, on one thread, in each mode.
 *
 *     bench_segment BUNDLED [LINES] [--rounds N]
 *
 * BUNDLED is the folder of the bundled translator, whose dictionary is used where jieba's (dict.txt, finalseg) is in
 * none of the places where `simile segment` looks for it; the first line says which it was. A small dictionary has
 * shorter words to find, so the two rates are not to be compared. LINES is a text file, one text a line (without it:
 * sentences built from a few dozen words). The median round of about 20,000 lines is printed; jieba's own rate on the
 * same lines: tools/rivals/segment.py. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "measure.h"
#include "text/segment.h"

#include <stdio.h>

#define SYSTEM_JIEBA "/usr/lib/python3/dist-packages/jieba"

enum { LINES = 20000, MOST_ROUNDS = 99 };

typedef struct {
    char *text;
    size_t len, lines, characters;
} corpus;

static void stop(const char *message)
{
    fprintf(stderr, "bench_segment: %s\n", message);
    exit(1);
}

/* ---- lines ---- */

static void own_lines(corpus *c)
{
    static const char *const words[] = {"一",   "张", "照片", "两只", "狗",     "在",   "雪地",   "里",
                                        "有",   "猫", "桌",   "上",   "红色",   "的",   "自行车", "孩子",
                                        "海滩", "绿", "窗户", "站着", "火",     "车站", "城市",   "夜晚",
                                        "，",   "。", "木头", "旁边", "大学生", "看"};
    enum { WORDS = sizeof words / sizeof *words };
    buf text;
    uint32_t state = 1;
    buf_init(&text, 1 << 26);
    for (size_t i = 0; i < LINES; i++) {
        for (int k = 0; k < 11; k++) {
            state = state * 1664525u + 1013904223u;
            buf_text(&text, words[(state >> 16) % WORDS]);
        }
        buf_byte(&text, '\n');
    }
    c->text = buf_take(&text, &c->len);
    if (!c->text) stop("out of memory");
}

static corpus lines_of(const char *path)
{
    corpus c = {0};
    simile_error err;
    if (!path)
        own_lines(&c);
    else if (file_read(path, 1 << 30, &c.text, &c.len, &err))
        stop(err.message);
    for (size_t i = 0; i < c.len; i++) {
        c.lines += c.text[i] == '\n';
        c.characters += c.text[i] != '\n' && ((unsigned char)c.text[i] & 0xc0) != 0x80;
    }
    if (c.lines == 0) stop("no lines");
    return c;
}

/* ---- the dictionary ---- */

/* Opens jieba's files in a folder; false: it has none. */
static bool open_jieba(const char *folder, segmenter **out)
{
    simile_error err;
    char *dictionary = path_join(folder, "dict.txt"), *hmm = path_join(folder, "finalseg");
    if (!dictionary || !hmm) stop("out of memory");
    const bool there = file_exists(dictionary) && file_exists(hmm);
    const segmenter_files files = {.dictionary = dictionary, .hmm = hmm};
    if (there && segmenter_open(&files, out, &err)) stop(err.message);
    if (there)
        printf("dictionary: jieba's, %s, %zu words, with the model of unknown words\n", dictionary,
               segmenter_words(*out));
    mem_free(dictionary);
    mem_free(hmm);
    return there;
}

static segmenter *open_best(const char *bundled)
{
    segmenter *s;
    simile_error err;
    const char *set = getenv("SIMILE_JIEBA");
    char *data = path_data_home(), *own = data ? path_join(data, "jieba") : NULL;
    const bool found = (set && *set && open_jieba(set, &s)) || (own && open_jieba(own, &s));
    mem_free(data);
    mem_free(own);
    if (found) return s;
    if (open_jieba(SYSTEM_JIEBA, &s)) return s;
    char *path = path_join(bundled, "dict.txt");
    const segmenter_files files = {.dictionary = path};
    if (!path || segmenter_open(&files, &s, &err)) stop(path ? err.message : "out of memory");
    printf("dictionary: the bundled one of %zu words; jieba's is not in $SIMILE_JIEBA, the data folder or " SYSTEM_JIEBA
           "\n",
           segmenter_words(s));
    mem_free(path);
    return s;
}

/* ---- rounds ---- */

static size_t cut_all(const segmenter *s, const corpus *c, segment_mode mode, bool hmm)
{
    size_t words = 0;
    simile_error err;
    for (const char *at = c->text, *end; (end = memchr(at, '\n', (size_t)(c->text + c->len - at))); at = end + 1) {
        segment_list list;
        segment_list_init(&list);
        if (segmenter_cut(s, at, (size_t)(end - at), mode, hmm, &list, &err)) stop(err.message);
        words += list.n;
        segment_list_release(&list);
    }
    return words;
}

static void measure(const segmenter *s, const corpus *c, segment_mode mode, bool hmm, int rounds)
{
    static const char *const names[] = {"precise", "full", "search"};
    double seconds[MOST_ROUNDS];
    const size_t repeats = (LINES + c->lines - 1) / c->lines;
    size_t words = cut_all(s, c, mode, hmm);
    for (int i = 0; i < rounds; i++) {
        const double start = bench_now();
        for (size_t k = 0; k < repeats; k++) words = cut_all(s, c, mode, hmm);
        seconds[i] = (bench_now() - start) / (double)repeats;
    }
    const double median = bench_median(seconds, rounds);
    printf("%-8s %-8s %11.0f characters/s %11.0f words/s %10.0f lines/s\n", names[mode], hmm ? "hmm" : "no hmm",
           (double)c->characters / median, (double)words / median, (double)c->lines / median);
}

int main(int argc, char **argv)
{
    const char *places[2] = {NULL, NULL};
    int rounds = 7, n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (int)strtol(argv[++i], NULL, 10);
        else if (n < 2)
            places[n++] = argv[i];
    }
    if (n == 0 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_segment BUNDLED [LINES] [--rounds N]\n");
        return 2;
    }
    corpus c = lines_of(places[1]);
    const double start = bench_now();
    segmenter *s = open_best(places[0]);
    printf("open     %.1f ms\n", 1e3 * (bench_now() - start));
    for (int mode = SEGMENT_PRECISE; mode <= SEGMENT_SEARCH; mode++) {
        if (mode != SEGMENT_FULL && segmenter_has_hmm(s)) measure(s, &c, (segment_mode)mode, true, rounds);
        measure(s, &c, (segment_mode)mode, false, rounds);
    }
    segmenter_free(s);
    mem_free(c.text);
    return 0;
}
