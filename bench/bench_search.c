/* SPDX-License-Identifier: Apache-2.0
 * bench_search.c - exact top-10 by floats and by codes, beside what merely reading them takes.
 *
 *     bench_search [--json] [--rounds N] [--dim N] [--threads N] [--data KIND] [--file PATH] [ROWS...]
 *
 * A scan cannot be faster than memory is: in each round the same bytes are once summed up as plain numbers, once
 * searched as floats and once as codes, by the same threads, and the medians of all are shown. Percentages are of what
 * memory was seen to give: the better of reading alone and of the scan over floats. Answers must be equal bit for bit.
 * Then batches of 1, 8 and 64 queries are searched for at once (index/batch.h): answers must be those of one query at a
 * time, and the time is beside that of as many of those.
 * With --file rows and codes lie in a new file at PATH, as those of a large catalogue do, and not in memory: so ten
 * million rows of 512 (27 GB of disk) are searched with 7 GB of memory for what every search reads. Then only the first
 * search is repeated over floats, reading alone is that of the first GiB, and the file is deleted at the end.
 * ROWS: 100000 and 1000000 unless given. KIND, all three unless given:
 *
 *   uniform    independent numbers; a query is a row. The worst that pictures could be.
 *   clustered  rows around ROWS/250 centres, at cosines of about 0.8; a query is such a row too.
 *   gap        as vectors of pictures and sentences are: all pictures around one direction, with a spectrum that falls
 *              off (64 hidden numbers, the i-th of weight 1/sqrt(i)) and some noise; a query lies around a direction of
 *              its own, far from all of them (cosines of 0.1 to 0.4), and shares some hidden numbers with one. */
#include "base/mem.h"
#include "base/pool.h"
#include "index/batch.h"
#include "index/mapped.h"
#include "index/scan.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_ROUNDS = 1000, MOST_SIZES = 16, TOP = 10, BLOCK = 1 << 18, HIDDEN = 64, KINDS = 3 };

typedef enum { UNIFORM, CLUSTERED, GAP } data_kind;
static const char *const kind_names[KINDS] = {"uniform", "clustered", "gap"};

typedef struct {
    bool json;
    int rounds, dim, threads, n_sizes;
    unsigned kinds; /* bits */
    long sizes[MOST_SIZES];
    const char *file; /* or NULL: in memory */
} settings;

/* ---- data ---- */

typedef struct {
    float *rows, *basis; /* basis: [centres or HIDDEN + 2, dim] */
    int64_t *ids;
    codes *c;
    mapped *file; /* that rows, ids and codes lie in, or NULL */
    habit *h;     /* of other queries than those that are timed */
    const char *name;
    size_t n, dim, n_basis;
    data_kind kind;
    uint64_t sink[256]; /* one a worker */
} vectors;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* About normal: the sum of four uniform numbers. */
static float draw(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t bits = mix(*state);
    float sum = 0;
    for (int i = 0; i < 4; i++, bits >>= 16) sum += (float)(bits & 0xffff);
    return sum / 65536 - 2;
}

static void draw_unit(float *x, size_t dim, uint64_t seed)
{
    uint64_t state = mix(seed);
    double sum = 0;
    for (size_t i = 0; i < dim; i++) {
        x[i] = draw(&state);
        sum += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; i < dim; i++) x[i] *= (float)(1 / sqrt(sum));
}

static void add(float *x, const float *y, float factor, size_t dim)
{
    for (size_t i = 0; i < dim; i++) x[i] += factor * y[i];
}

static void make_unit(float *x, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < dim; i++) x[i] *= (float)(1 / sqrt(sum));
}

/* The hidden numbers of a row, added along their directions. */
static void add_hidden(const vectors *v, float *x, uint64_t row, float factor)
{
    uint64_t state = mix(row * 2 + 1);
    for (size_t i = 0; i < HIDDEN; i++)
        add(x, v->basis + (i + 2) * v->dim, factor * draw(&state) / sqrtf((float)(i + 1)), v->dim);
}

/* Row number `row`; numbers from n on are rows that only queries are. */
static void draw_row(const vectors *v, float *x, uint64_t row)
{
    draw_unit(x, v->dim, row * 2);
    if (v->kind == CLUSTERED) add(x, v->basis + mix(row) % v->n_basis * v->dim, 2, v->dim);
    if (v->kind == GAP) {
        add(x, v->basis, 1.5f, v->dim);
        add_hidden(v, x, row, 0.8f);
    }
    make_unit(x, v->dim);
}

static void draw_query(const vectors *v, float *x, uint64_t number)
{
    if (v->kind != GAP) {
        draw_row(v, x, v->n + number);
        return;
    }
    draw_unit(x, v->dim, (v->n + number) * 2);
    add(x, v->basis + v->dim, 2, v->dim);
    add(x, v->basis, 0.4f, v->dim);
    add_hidden(v, x, number * 7919 % v->n, 0.8f);
    make_unit(x, v->dim);
}

static void fill_block(void *user, size_t block, int worker)
{
    vectors *v = user;
    const size_t first = block * 1024, end = first + 1024 < v->n ? first + 1024 : v->n;
    for (size_t row = first; row < end; row++) draw_row(v, v->rows + row * v->dim, row);
}

static void vectors_release(vectors *v)
{
    if (!v->file) {
        mem_free(v->rows);
        mem_free(v->ids);
        codes_free(v->c);
    }
    mapped_close(v->file);
    mem_free(v->basis);
    habit_free(v->h);
}

static void stop_if(simile_status status, const simile_error *why)
{
    if (!status) return;
    fprintf(stderr, "bench_search: %s\n", why->message);
    exit(1);
}

static bool take_memory(vectors *v)
{
    size_t bytes;
    if (mem_mul(v->n, v->dim * sizeof *v->rows, &bytes)) v->rows = mem_aligned(bytes);
    v->ids = mem_array(v->n, sizeof *v->ids);
    return v->rows && v->ids;
}

/* Room for rows in a new file. */
static mapped_facts take_file(vectors *v, const char *path)
{
    simile_error err;
    const mapped_facts facts = {
        .owner = "bench_search", .dim = (int32_t)v->dim, .last_id = (int64_t)v->n, .n = v->n, .generation = 1};
    stop_if(mapped_create(path, &facts, v->n, &v->file, &err), &err);
    v->rows = mapped_rows(v->file);
    v->ids = mapped_ids(v->file);
    return facts;
}

/* Codes, and what is in a file is read from there from now on. */
static void make_codes(vectors *v, const char *path, const mapped_facts *facts, pool *p)
{
    simile_error err;
    if (!path) {
        v->c = codes_new(v->rows, v->dim, v->n, v->n, v->dim);
        if (!v->c) exit(1);
        codes_put_rows(v->c, v->rows, v->dim, 0, v->n, p);
        return;
    }
    stop_if(mapped_code(v->file, v->n, p, &err), &err);
    stop_if(mapped_commit(v->file, facts, &err), &err);
    mapped_close(v->file);
    v->file = NULL;
    stop_if(mapped_open(path, &v->file, &err), &err);
    v->rows = mapped_rows(v->file);
    v->ids = mapped_ids(v->file);
    v->c = mapped_codes(v->file);
}

/* *coding_ms: the time that codes, and writing the file, took. */
static bool vectors_init(vectors *v, size_t n, const settings *s, data_kind kind, pool *p, double *coding_ms)
{
    const size_t dim = (size_t)s->dim;
    mapped_facts facts = {0};
    *v = (vectors){
        .n = n, .dim = dim, .kind = kind, .name = kind_names[kind], .n_basis = kind == GAP ? HIDDEN + 2 : n / 250 + 1};
    v->basis = mem_array(v->n_basis, dim * sizeof *v->basis);
    if (v->basis && s->file) facts = take_file(v, s->file);
    if (!v->basis || (!s->file && !take_memory(v))) {
        fprintf(stderr, "bench_search: not enough memory for %zu rows\n", n);
        return false;
    }
    for (size_t i = 0; i < n; i++) v->ids[i] = (int64_t)i + 1;
    for (size_t i = 0; i < v->n_basis; i++) draw_unit(v->basis + i * dim, dim, ~(uint64_t)i);
    pool_run(p, (n + 1023) / 1024, fill_block, v);
    const double start = bench_now();
    make_codes(v, s->file, &facts, p);
    *coding_ms = 1e3 * (bench_now() - start);
    return true;
}

/* ---- work ---- */

static size_t words_to_read(const vectors *v)
{
    const size_t all = v->n * v->dim / 2, most = (size_t)1 << 27;
    return v->file && all > most ? most : all;
}

/* Eight independent sums of 64-bit words: nothing but loads. */
static void read_block(void *user, size_t block, int worker)
{
    vectors *v = user;
    const size_t total = words_to_read(v), first = block * BLOCK;
    const size_t end = first + BLOCK < total ? first + BLOCK : total;
    const uint64_t *words = (const uint64_t *)(const void *)v->rows;
    uint64_t sum[8] = {0};
    size_t i = first;
    for (; i + 8 <= end; i += 8)
        for (size_t k = 0; k < 8; k++) sum[k] += words[i + k];
    for (size_t k = 1; k < 8; k++) sum[0] += sum[k];
    v->sink[worker] += sum[0];
}

/* GB a second. */
static double read_once(vectors *v, pool *p)
{
    const double start = bench_now();
    pool_run(p, (words_to_read(v) + BLOCK - 1) / BLOCK, read_block, v);
    return 8e-9 * (double)words_to_read(v) / (bench_now() - start);
}

/* One query in both ways. */
typedef struct {
    double floats_ms, codes_ms;
    codes_work work;
} both;

static both search_once(const vectors *v, pool *p, size_t query, bool by_floats)
{
    const scan_set set = {
        .rows = v->rows, .ids = v->ids, .n = v->n, .dim = v->dim, .stride = v->dim, .min_score = -INFINITY};
    scan_hit hits[TOP], same[TOP];
    float *x = mem_array(v->dim, sizeof *x);
    size_t found = 0, n = 0;
    both b;
    if (!x) exit(1);
    draw_query(v, x, query);
    const double start = bench_now();
    simile_status status = by_floats ? scan_top(&set, x, TOP, p, hits, &found, NULL) : SIMILE_OK;
    const double middle = bench_now();
    if (!status) status = codes_top(&set, v->c, v->h, x, TOP, p, same, &n, &b.work, NULL);
    b.codes_ms = 1e3 * (bench_now() - middle);
    b.floats_ms = 1e3 * (middle - start);
    bool equal = !status && (!by_floats || found == n);
    for (size_t i = 0; by_floats && equal && i < n; i++)
        equal = hits[i].id == same[i].id && !memcmp(&hits[i].score, &same[i].score, sizeof(float));
    mem_free(x);
    if (!equal) {
        fprintf(stderr, "bench_search: the codes answer otherwise than the floats\n");
        exit(1);
    }
    return b;
}

/* ---- batches ---- */

enum { BATCH_SIZES = 3, MOST_BATCH = 64 };
static const size_t batch_sizes[BATCH_SIZES] = {1, 8, MOST_BATCH};

/* Queries first..first+n-1 at once. Returns ms. check: against one at a time. */
static double batch_once(const vectors *v, pool *p, size_t first, size_t n, bool check)
{
    static scan_hit hits[MOST_BATCH][TOP];
    const scan_set set = {
        .rows = v->rows, .ids = v->ids, .n = v->n, .dim = v->dim, .stride = v->dim, .min_score = -INFINITY};
    batch_request requests[MOST_BATCH];
    float *queries = mem_array(n, v->dim * sizeof *queries);
    simile_error err;
    if (!queries) exit(1);
    for (size_t i = 0; i < n; i++) {
        draw_query(v, queries + i * v->dim, first + i);
        requests[i] = (batch_request){.query = queries + i * v->dim, .min_score = -INFINITY, .k = TOP, .hits = hits[i]};
    }
    const double start = bench_now();
    stop_if(batch_top(&set, v->c, v->h, requests, n, p, NULL, &err), &err);
    const double ms = 1e3 * (bench_now() - start);
    for (size_t i = 0; check && i < n; i++) {
        scan_hit one[TOP];
        size_t found;
        stop_if(scan_top(&set, requests[i].query, TOP, p, one, &found, &err), &err);
        bool equal = found == requests[i].found;
        for (size_t k = 0; equal && k < found; k++)
            equal = one[k].id == hits[i][k].id && !memcmp(&one[k].score, &hits[i][k].score, sizeof(float));
        if (equal) continue;
        fprintf(stderr, "bench_search: a batch answers otherwise than one query at a time\n");
        exit(1);
    }
    mem_free(queries);
    return ms;
}

/* ---- one size ---- */

/* What a search by codes read: rows looked at in each layer, and bytes. */
enum { IN_SIGNS, IN_2_BITS, IN_4_BITS, IN_8_BITS, IN_FLOATS, BYTES, SCAN_BYTES, WORK };
static const char *const work_names[WORK] = {"rows_in_signs",  "rows_in_2_bits", "rows_in_4_bits", "rows_in_8_bits",
                                             "rows_in_floats", "bytes",          "scan_bytes"};

typedef struct {
    double read[MOST_ROUNDS], floats_ms[MOST_ROUNDS], codes_ms[MOST_ROUNDS], work[WORK][MOST_ROUNDS];
    double scan_rate[MOST_ROUNDS]; /* GB/s of the pass that comes first */
    double batch_ms[BATCH_SIZES][MOST_ROUNDS];
    double coding_ms;
} measured;

static void show_json(const settings *s, const vectors *v, measured *m, bool first)
{
    const double gb = (double)v->n * (double)v->dim * 4 / 1e9;
    const double read = bench_median(m->read, s->rounds), floats_ms = bench_median(m->floats_ms, s->rounds);
    const double codes_ms = bench_median(m->codes_ms, s->rounds);
    printf("%s{\"data\":\"%s\",\"rows\":%zu,\"dim\":%zu,\"threads\":%d,\"kernel\":\"%s\",\"ms\":%.3f,"
           "\"gb_per_s\":%.2f,\"read_gb_per_s\":%.2f,\"codes_ms\":%.3f,\"codes_gb_per_s\":%.2f,"
           "\"scan_gb_per_s\":%.2f,\"codes_bytes\":%zu,\"head\":%zu,\"coding_ms\":%.1f",
           first ? "[" : ",\n ", v->name, v->n, v->dim, s->threads, scan_kernels_best()->name, floats_ms,
           gb / floats_ms * 1e3, read, codes_ms, bench_median(m->work[BYTES], s->rounds) / codes_ms / 1e6,
           bench_median(m->scan_rate, s->rounds), codes_bytes(v->c), codes_head(v->c), m->coding_ms);
    for (int i = 0; i < WORK; i++) printf(",\"%s\":%.0f", work_names[i], bench_median(m->work[i], s->rounds));
    for (int i = 0; i < BATCH_SIZES; i++)
        printf(",\"batch_%zu_ms\":%.3f", batch_sizes[i], bench_median(m->batch_ms[i], s->rounds));
    printf("}");
}

static void show_batches(const settings *s, measured *m, double floats_ms, double codes_ms)
{
    for (int i = 0; i < BATCH_SIZES; i++) {
        const double each = bench_median(m->batch_ms[i], s->rounds) / (double)batch_sizes[i];
        printf("    %2zu at once %6.3f ms a query, %.0f queries/s, %.2f times as fast as one by codes, %.1f as one by "
               "floats\n",
               batch_sizes[i], each, 1e3 / each, codes_ms / each, floats_ms / each);
    }
}

static void show_text(const settings *s, const vectors *v, measured *m)
{
    const double gb = (double)v->n * (double)v->dim * 4 / 1e9;
    const double floats_ms = bench_median(m->floats_ms, s->rounds), codes_ms = bench_median(m->codes_ms, s->rounds);
    const double read = bench_median(m->read, s->rounds), floats = gb / floats_ms * 1e3;
    const double limit = floats > read ? floats : read, bytes = bench_median(m->work[BYTES], s->rounds);
    const double coded = bytes / codes_ms / 1e6, scan = bench_median(m->scan_rate, s->rounds);
    printf("%-9s %8zu x %zu, %d threads: reading alone %6.2f GB/s\n"
           "    floats %9.3f ms a query, %6.2f GB/s (%.0f%%)\n"
           "    codes  %9.3f ms a query, %6.2f GB/s (%.0f%%), %.2f times as fast; %.0f bytes a row of %.0f\n"
           "           the pass that comes first, of %s: %.0f bytes a row, %6.2f GB/s (%.0f%%)\n"
           "           head of %zu; rows looked at by signs %.0f, by 2 bits %.0f, by 4 bits %.0f, by 8 bits %.0f, by "
           "floats %.0f; "
           "coded in %.0f ms\n",
           v->name, v->n, v->dim, s->threads, read, floats_ms, floats, 100 * floats / limit, codes_ms, coded,
           100 * coded / limit, floats_ms / codes_ms, bytes / (double)v->n, (double)codes_bytes(v->c) / (double)v->n,
           codes_head(v->c) ? "heads" : "signs", bench_median(m->work[SCAN_BYTES], s->rounds) / (double)v->n, scan,
           100 * scan / limit, codes_head(v->c), bench_median(m->work[IN_SIGNS], s->rounds),
           bench_median(m->work[IN_2_BITS], s->rounds), bench_median(m->work[IN_4_BITS], s->rounds),
           bench_median(m->work[IN_8_BITS], s->rounds), bench_median(m->work[IN_FLOATS], s->rounds), m->coding_ms);
    show_batches(s, m, floats_ms, codes_ms);
}

static void show(const settings *s, const vectors *v, measured *m, bool first)
{
    if (s->json)
        show_json(s, v, m, first);
    else
        show_text(s, v, m);
    fflush(stdout);
}

/* As a library does after its first searches. */
static void learn_habit(vectors *v, pool *p)
{
    enum { QUERIES = 128 };
    const scan_set set = {.rows = v->rows, .ids = v->ids, .n = v->n, .dim = v->dim, .stride = v->dim};
    double *mean = mem_zero_array(v->dim, sizeof *mean), square = 0;
    float *x = mem_array(v->dim, sizeof *x);
    if (!mean || !x) exit(1);
    for (size_t i = 0; i < QUERIES; i++) {
        draw_query(v, x, MOST_ROUNDS + 1 + i);
        for (size_t j = 0; j < v->dim; j++) mean[j] += (double)x[j] / QUERIES;
    }
    for (size_t j = 0; j < v->dim; j++) square += mean[j] * mean[j];
    if (square >= 0.16) v->h = habit_new(v->c, &set, mean, p);
    mem_free(mean);
    mem_free(x);
}

static void measure_rounds(const settings *s, vectors *v, pool *p, measured *m)
{
    double first_ms = 0;
    for (int round = -1; round < s->rounds; round++) { /* the first is a rehearsal */
        const double read = read_once(v, p);
        const both b = search_once(v, p, (size_t)(round + 1), round < 0 || !v->file);
        if (round < 0) first_ms = b.floats_ms;
        for (size_t i = 0; i < BATCH_SIZES; i++) {
            const double ms = batch_once(v, p, (size_t)(round + 1) * MOST_BATCH, batch_sizes[i], round < 0 && !v->file);
            if (round >= 0) m->batch_ms[i][round] = ms;
        }
        if (round < 0) continue;
        m->read[round] = read;
        m->floats_ms[round] = v->file ? first_ms : b.floats_ms;
        m->codes_ms[round] = b.codes_ms;
        m->work[IN_SIGNS][round] = (double)b.work.in_signs;
        m->work[IN_2_BITS][round] = (double)b.work.in_2_bits;
        m->work[IN_4_BITS][round] = (double)b.work.in_4_bits;
        m->work[IN_8_BITS][round] = (double)b.work.in_8_bits;
        m->work[IN_FLOATS][round] = (double)b.work.in_floats;
        m->work[BYTES][round] = (double)b.work.bytes;
        m->work[SCAN_BYTES][round] = (double)b.work.scan_bytes;
        m->scan_rate[round] = b.work.scan_ms > 0 ? (double)b.work.scan_bytes / b.work.scan_ms / 1e6 : 0;
    }
}

static int measure(const settings *s, size_t n, data_kind kind, pool *p, bool first)
{
    static measured m;
    vectors v;
    const bool ready = vectors_init(&v, n, s, kind, p, &m.coding_ms);
    if (ready) {
        learn_habit(&v, p);
        measure_rounds(s, &v, p, &m);
        show(s, &v, &m, first);
    }
    vectors_release(&v);
    if (s->file) unlink(s->file);
    return !ready;
}

static unsigned kinds_of(const char *name)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (!strcmp(name, kind_names[kind])) return 1u << kind;
    return 0;
}

static int clamp(const char *text, int low, int high)
{
    const int value = atoi(text);
    return value < low ? low : value > high ? high : value;
}

static bool read_arguments(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json"))
            s->json = true;
        else if (!strcmp(argv[i], "--rounds") && value)
            s->rounds = clamp(argv[++i], 1, MOST_ROUNDS);
        else if (!strcmp(argv[i], "--dim") && value)
            s->dim = clamp(argv[++i], 8, 65536) / 2 * 2;
        else if (!strcmp(argv[i], "--threads") && value)
            s->threads = clamp(argv[++i], 1, 256);
        else if (!strcmp(argv[i], "--file") && value)
            s->file = argv[++i];
        else if (!strcmp(argv[i], "--data") && value && kinds_of(value))
            s->kinds |= kinds_of(argv[++i]);
        else if (atol(argv[i]) > 0 && s->n_sizes < MOST_SIZES)
            s->sizes[s->n_sizes++] = atol(argv[i]);
        else
            return false;
    }
    if (s->file) s->dim = s->dim / 16 * 16 + (s->dim < 16 ? 16 : 0); /* rows without padding */
    if (!s->kinds) s->kinds = (1u << KINDS) - 1;
    if (!s->n_sizes) {
        s->sizes[s->n_sizes++] = 100000;
        s->sizes[s->n_sizes++] = 1000000;
    }
    return true;
}

int main(int argc, char **argv)
{
    settings s = {.rounds = 15, .dim = 512, .threads = cpu_count()};
    simile_error err;
    pool *p;
    if (!read_arguments(&s, argc, argv)) {
        fprintf(stderr, "usage: bench_search [--json] [--rounds N] [--dim N] [--threads N] [--data KIND] "
                        "[--file PATH] [ROWS...]\n");
        return 2;
    }
    if (pool_new(s.threads, &p, &err)) {
        fprintf(stderr, "bench_search: %s\n", err.message);
        return 1;
    }
    int failed = 0;
    bool first = true;
    for (int i = 0; i < s.n_sizes; i++)
        for (int kind = 0; kind < KINDS && !failed; kind++) {
            if (!(s.kinds >> kind & 1)) continue;
            failed = measure(&s, (size_t)s.sizes[i], (data_kind)kind, p, first);
            first = false;
        }
    if (s.json && !failed) printf("]\n");
    pool_free(p);
    return failed;
}
