/* SPDX-License-Identifier: Apache-2.0
 * bench_text.c - how fast a tokenizer turns lines into ids, on one thread.
 *
 *     bench_text DIR [LINES] [--rounds N] [--context N] [--json]
 *     bench_text DIR --peer [--context N]
 *
 * DIR holds the tokenizer's files, LINES is a text file, one text a line (without it: sentences built from a few dozen
 * words). Each round encodes about 20,000 lines with room for 77 ids (--context); the median and the best round are
 * printed, and beside them how fast a core merely reads memory: nothing that must look at each byte can be faster.
 *
 * --peer is for tools/rivals/tokens.py, which takes turns with another program: each line of standard input is
 * "LINES IDS"; the lines of the file LINES are encoded once, the seconds that took are printed, and the ids are written
 * to the file IDS, a line for each text ('-': they are not). */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "measure.h"
#include "text/tokenizer.h"

#include <stdio.h>

enum { LINES = 20000, MOST_ROUNDS = 99, CONTEXT = 77 };

typedef struct {
    const char *places[2]; /* the tokenizer's folder, the file of lines or NULL */
    int rounds;
    size_t context;
    bool json, peer;
} options;

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

/* Returns how many ids the lines gave; they are written to `to` unless that is NULL. */
static size_t encode_all(const tokenizer *t, const corpus *c, size_t context, FILE *to)
{
    size_t ids = 0;
    simile_error err;
    token_list out;
    for (const char *at = c->text, *end; (end = memchr(at, '\n', (size_t)(c->text + c->len - at))); at = end + 1) {
        if (tokenizer_encode(t, at, (size_t)(end - at), context, &out, &err)) stop(err.message);
        ids += out.n;
        for (size_t i = 0; to && i < out.n; i++) fprintf(to, "%d%c", (int)out.ids[i], i + 1 < out.n ? ' ' : '\n');
        mem_free(out.ids);
    }
    return ids;
}

typedef struct {
    double open_ms, median, best; /* seconds for all lines */
    double read;                  /* bytes a second that a core reads */
    size_t ids;
} result;

static void report(const char *name, double seconds, const corpus *c, size_t ids)
{
    printf("%-7s %10.0f lines/s %8.2f MB/s %11.0f ids/s\n", name, (double)c->lines / seconds,
           (double)(c->len - c->lines) / seconds * 1e-6, (double)ids / seconds);
}

static void show(const tokenizer *t, const options *o, const corpus *c, const result *r)
{
    const double bytes = (double)(c->len - c->lines);
    if (o->json) {
        printf("{\"kind\":\"%s\",\"open_ms\":%.3f,\"lines\":%zu,\"bytes\":%.0f,\"ids\":%zu,\"lines_per_s\":%.0f,"
               "\"best_lines_per_s\":%.0f,\"mb_per_s\":%.3f,\"read_mb_per_s\":%.0f}\n",
               tokenizer_kind(t), r->open_ms, c->lines, bytes, r->ids, (double)c->lines / r->median,
               (double)c->lines / r->best, bytes / r->median * 1e-6, r->read * 1e-6);
        return;
    }
    printf("%s\nopen    %10.1f ms\n", tokenizer_kind(t), r->open_ms);
    report("median", r->median, c, r->ids);
    report("best", r->best, c, r->ids);
    printf("a core reads %.0f MB/s\n", r->read * 1e-6);
}

static void measure(const tokenizer *t, const options *o, const corpus *c, result *r)
{
    double seconds[MOST_ROUNDS], read[MOST_ROUNDS];
    const size_t repeats = LINES / c->lines + (c->lines > LINES || LINES % c->lines ? 1 : 0);
    r->ids = encode_all(t, c, o->context, NULL);
    for (int i = 0; i < o->rounds; i++) {
        const double start = bench_now();
        for (size_t k = 0; k < repeats; k++) r->ids = encode_all(t, c, o->context, NULL);
        seconds[i] = (bench_now() - start) / (double)repeats;
        read[i] = bench_read_rate();
    }
    r->median = bench_median(seconds, o->rounds);
    r->best = seconds[0];
    r->read = bench_median(read, o->rounds);
}

/* Answers until its input ends. */
static void serve_peer(const tokenizer *t, const options *o)
{
    char line[8192];
    while (fgets(line, sizeof line, stdin)) {
        char *end = strchr(line, '\n'), *ids = strchr(line, ' ');
        if (!end || !ids) stop("a line is \"LINES IDS\"");
        *end = *ids++ = 0;
        corpus c = read_lines(line);
        const double start = bench_now();
        encode_all(t, &c, o->context, NULL);
        const double seconds = bench_now() - start;
        FILE *to = strcmp(ids, "-") ? fopen(ids, "w") : NULL;
        if (to) encode_all(t, &c, o->context, to);
        if (to && fclose(to)) stop("cannot write the ids");
        printf("%.9f\n", seconds);
        fflush(stdout);
        mem_free(c.text);
    }
}

static bool parse(int argc, char **argv, options *o)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json"))
            o->json = true;
        else if (!strcmp(argv[i], "--peer"))
            o->peer = true;
        else if (!strcmp(argv[i], "--rounds") && value)
            o->rounds = (int)strtol(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--context") && value)
            o->context = (size_t)strtol(argv[++i], NULL, 10);
        else if (n < 2)
            o->places[n++] = argv[i];
        else
            return false;
    }
    return n > 0 && o->rounds >= 1 && o->rounds <= MOST_ROUNDS && o->context >= 2 && o->context <= 1 << 20;
}

int main(int argc, char **argv)
{
    options o = {.rounds = 9, .context = CONTEXT};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_text DIR [LINES] [--rounds N] [--context N] [--json | --peer]\n");
        return 2;
    }
    tokenizer *t;
    simile_error err;
    const double start = bench_now();
    if (tokenizer_open(o.places[0], &t, &err)) stop(err.message);
    result r = {.open_ms = 1e3 * (bench_now() - start)};
    if (o.peer) {
        serve_peer(t, &o);
    } else {
        corpus c = o.places[1] ? read_lines(o.places[1]) : own_lines();
        measure(t, &o, &c, &r);
        show(t, &o, &c, &r);
        mem_free(c.text);
    }
    tokenizer_close(t);
    return 0;
}
