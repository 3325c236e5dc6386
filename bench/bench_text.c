/* SPDX-License-Identifier: Apache-2.0
 * bench_text.c - how fast a tokenizer turns lines into ids, on one thread.
 *
 *     bench_text DIR [LINES] [--rounds N]
 *
 * DIR holds the tokenizer's files, LINES is a text file, one text a line (without it: sentences built from a few dozen
 * words). Each round encodes about 20,000 lines with room for 77 ids; the median and the best round are printed. The
 * tokenizers library's rate on the same lines: tools/fixtures/text_fixtures.py --rate. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "measure.h"
#include "text/tokenizer.h"

#include <stdio.h>

enum { LINES = 20000, MOST_ROUNDS = 99, CONTEXT = 77 };

typedef struct {
    char *text;
    size_t len, lines;
} corpus;

static void stop(const char *message)
{
    fprintf(stderr, "bench_text: %s\n", message);
    exit(1);
}

static corpus own_lines(void)
{
    static const char *const words[] = {"a",     "photo", "of",     "two",   "dogs",  "in",      "the",      "snow",
                                        "cat",   "table", "London", "night", "red",   "bicycle", "mountain", "children",
                                        "with",  "near",  "beach",  "on",    "green", "window",  "standing", "sitting",
                                        "train", "bowl",  "soup",   "sky",   "large", "wooden",  "umbrella", "street"};
    buf text;
    uint32_t state = 1;
    buf_init(&text, 1 << 26);
    for (size_t i = 0; i < LINES; i++) {
        for (int k = 0; k < 11; k++) {
            state = state * 1664525u + 1013904223u;
            buf_text(&text, words[state >> 27]);
            buf_byte(&text, k == 10 ? '\n' : ' ');
        }
    }
    corpus c = {.lines = LINES};
    c.text = buf_take(&text, &c.len);
    if (!c.text) stop("out of memory");
    return c;
}

static corpus read_lines(const char *path)
{
    corpus c = {0};
    simile_error err;
    if (file_read(path, 1 << 30, &c.text, &c.len, &err)) stop(err.message);
    for (size_t i = 0; i < c.len; i++) c.lines += c.text[i] == '\n';
    if (c.lines == 0) stop("no lines");
    return c;
}

/* Returns how many ids the lines gave. */
static size_t encode_all(const tokenizer *t, const corpus *c)
{
    size_t ids = 0;
    simile_error err;
    token_list out;
    for (const char *at = c->text, *end; (end = memchr(at, '\n', (size_t)(c->text + c->len - at))); at = end + 1) {
        if (tokenizer_encode(t, at, (size_t)(end - at), CONTEXT, &out, &err)) stop(err.message);
        ids += out.n;
        mem_free(out.ids);
    }
    return ids;
}

static void report(const char *name, double seconds, const corpus *c, size_t ids)
{
    printf("%-7s %10.0f lines/s %8.2f MB/s %11.0f ids/s\n", name, (double)c->lines / seconds,
           (double)(c->len - c->lines) / seconds * 1e-6, (double)ids / seconds);
}

static void measure(const tokenizer *t, const corpus *c, int rounds)
{
    double seconds[MOST_ROUNDS];
    const size_t repeats = LINES / c->lines + (c->lines > LINES || LINES % c->lines ? 1 : 0);
    size_t ids = encode_all(t, c);
    for (int i = 0; i < rounds; i++) {
        const double start = bench_now();
        for (size_t k = 0; k < repeats; k++) ids = encode_all(t, c);
        seconds[i] = (bench_now() - start) / (double)repeats;
    }
    report("median", bench_median(seconds, rounds), c, ids);
    report("best", seconds[0], c, ids);
}

int main(int argc, char **argv)
{
    const char *places[2] = {NULL, NULL};
    int rounds = 9, n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (int)strtol(argv[++i], NULL, 10);
        else if (n < 2)
            places[n++] = argv[i];
    }
    if (n == 0 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_text DIR [LINES] [--rounds N]\n");
        return 2;
    }
    tokenizer *t;
    simile_error err;
    const double start = bench_now();
    if (tokenizer_open(places[0], &t, &err)) stop(err.message);
    printf("open    %10.1f ms\n", 1e3 * (bench_now() - start));
    corpus c = places[1] ? read_lines(places[1]) : own_lines();
    measure(t, &c, rounds);
    mem_free(c.text);
    tokenizer_close(t);
    return 0;
}
