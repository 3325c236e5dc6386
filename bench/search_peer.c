/* SPDX-License-Identifier: Apache-2.0
 * search_peer.c - simile's search as a program that takes turns with another one: tools/rivals/search.py.
 *
 *     search_peer ROWS.npy QUERIES.npy --threads N
 *
 * Both files hold float32, in C order, [n, dim]. The first line it prints is the seconds that coding the rows took and
 * the bytes of the codes. Then each line of standard input, "codes FIRST COUNT K OUT" or "floats FIRST COUNT K OUT", is
 * answered with the seconds that these queries took, one after the other; OUT gets their ids, int64 [COUNT, K] ("-": it
 * does not). */
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "index/codes.h"
#include "index/scan.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>

enum { MOST_TOP = 1000, HEAD = 10, WORDS = 5 };

/* When a library learns which way queries lean, and from what length of their mean on: engine/snapshot.c. */
enum { HABIT_FIRST = 16, HABIT_MORE = 128 };
static const double LEAST_LEAN = 0.4;

typedef struct {
    float *rows;
    size_t n, dim;
} matrix;

typedef struct {
    matrix rows, queries;
    int64_t *ids;
    codes *c;
    habit *h;
    double *lean; /* [dim]: the sum of the queries so far */
    size_t asked; /* with codes, up to HABIT_MORE */
    pool *threads;
    scan_set set;
} peer;

static void stop(const char *message)
{
    fprintf(stderr, "search_peer: %s\n", message);
    exit(1);
}

/* The header of numpy's format, versions 1 to 3, as numpy.save() writes it. */
static void read_header(FILE *f, matrix *m)
{
    unsigned char head[HEAD];
    char text[1024], *shape;
    if (fread(head, 1, HEAD, f) != HEAD || memcmp(head, "\x93NUMPY\x01", 7) != 0) stop("not a .npy of version 1");
    const size_t len = head[8] | (size_t)head[9] << 8;
    if (len >= sizeof text || fread(text, 1, len, f) != len) stop("a .npy with a strange header");
    text[len] = 0;
    shape = strstr(text, "'shape': (");
    if (!strstr(text, "'<f4'") || !strstr(text, "'fortran_order': False") || !shape ||
        sscanf(shape + strlen("'shape': ("), "%zu, %zu", &m->n, &m->dim) != 2)
        stop("not float32 [n, dim]");
}

static matrix read_matrix(const char *path)
{
    matrix m = {0};
    size_t bytes;
    FILE *f = fopen(path, "rb");
    if (!f) stop("cannot open a file");
    read_header(f, &m);
    if (!mem_mul(m.n, m.dim * sizeof *m.rows, &bytes) || !(m.rows = mem_aligned(bytes))) stop("out of memory");
    if (fread(m.rows, m.dim * sizeof *m.rows, m.n, f) != m.n) stop("a file is cut short");
    fclose(f);
    return m;
}

static void prepare(peer *p)
{
    p->ids = mem_array(p->rows.n, sizeof *p->ids);
    p->lean = mem_zero_array(p->rows.dim, sizeof *p->lean);
    if (!p->ids || !p->lean) stop("out of memory");
    for (size_t i = 0; i < p->rows.n; i++) p->ids[i] = (int64_t)i;
    const double start = bench_now();
    p->c = codes_new(p->rows.rows, p->rows.dim, p->rows.n, p->rows.n, p->rows.dim);
    if (!p->c) stop("out of memory");
    codes_put_rows(p->c, p->rows.rows, p->rows.dim, 0, p->rows.n, p->threads);
    printf("%.6f %zu\n", bench_now() - start, codes_bytes(p->c));
    fflush(stdout);
    p->set = (scan_set){.rows = p->rows.rows,
                        .ids = p->ids,
                        .n = p->rows.n,
                        .dim = p->rows.dim,
                        .stride = p->rows.dim,
                        .min_score = -INFINITY};
}

/* As a library does after so many searches, and within the time of one of them. */
static void learn(peer *p, const float *x)
{
    double square = 0;
    double *mean = mem_array(p->rows.dim, sizeof *mean);
    if (!mean) stop("out of memory");
    p->asked++;
    for (size_t i = 0; i < p->rows.dim; i++) {
        p->lean[i] += (double)x[i];
        mean[i] = p->lean[i] / (double)p->asked;
        square += mean[i] * mean[i];
    }
    if ((p->asked == HABIT_FIRST || p->asked == HABIT_MORE) && square >= LEAST_LEAN * LEAST_LEAN) {
        habit_free(p->h);
        p->h = habit_new(p->c, &p->set, mean, p->threads);
    }
    mem_free(mean);
}

static double search(peer *p, bool by_codes, size_t query, size_t k, int64_t *out)
{
    const float *x = p->queries.rows + query * p->queries.dim;
    scan_hit hits[MOST_TOP];
    size_t found = 0;
    simile_error err;
    const double start = bench_now();
    if (by_codes && p->asked < HABIT_MORE) learn(p, x);
    if (by_codes ? codes_top(&p->set, p->c, p->h, x, k, p->threads, hits, &found, NULL, &err)
                 : scan_top(&p->set, x, k, p->threads, hits, &found, &err))
        stop(err.message);
    const double seconds = bench_now() - start;
    for (size_t i = 0; i < k; i++) out[i] = i < found ? hits[i].id : -1;
    return seconds;
}

static double answer(peer *p, char *line)
{
    char *word[WORDS] = {NULL}, *rest = line;
    for (int i = 0; i < WORDS; i++) {
        word[i] = strtok_r(rest, " \n", &rest);
        if (!word[i]) stop("a line is \"codes|floats FIRST COUNT K OUT\"");
    }
    const size_t first = strtoul(word[1], NULL, 10), count = strtoul(word[2], NULL, 10);
    const size_t k = strtoul(word[3], NULL, 10);
    const bool by_codes = !strcmp(word[0], "codes"), kept = strcmp(word[4], "-") != 0;
    if ((!by_codes && strcmp(word[0], "floats") != 0) || !k || k > MOST_TOP) stop("a line cannot be read");
    if (first > p->queries.n || count > p->queries.n - first) stop("there are not so many queries");
    int64_t *ids = mem_zero_array(count + 1, k * sizeof *ids);
    if (!ids) stop("out of memory");
    double seconds = 0;
    for (size_t i = 0; i < count; i++) seconds += search(p, by_codes, first + i, k, ids + i * k);
    FILE *f = kept ? fopen(word[4], "wb") : NULL;
    if (kept && (!f || fwrite(ids, k * sizeof *ids, count, f) != count || fclose(f))) stop("cannot write the ids");
    mem_free(ids);
    return seconds;
}

int main(int argc, char **argv)
{
    char line[8192];
    peer p = {.ids = NULL};
    simile_error err;
    if (argc != 5 || strcmp(argv[3], "--threads") != 0) stop("usage: search_peer ROWS.npy QUERIES.npy --threads N");
    if (pool_new((int)strtol(argv[4], NULL, 10), &p.threads, &err)) stop(err.message);
    p.rows = read_matrix(argv[1]);
    p.queries = read_matrix(argv[2]);
    if (p.rows.dim != p.queries.dim || !p.rows.n) stop("rows and queries are not of one length");
    prepare(&p);
    while (fgets(line, sizeof line, stdin)) {
        printf("%.9f\n", answer(&p, line));
        fflush(stdout);
    }
    codes_free(p.c);
    habit_free(p.h);
    mem_free(p.lean);
    pool_free(p.threads);
    mem_free(p.rows.rows);
    mem_free(p.queries.rows);
    mem_free(p.ids);
    return 0;
}
