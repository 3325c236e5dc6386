/* SPDX-License-Identifier: Apache-2.0
 * search_file.c - vectors and codes kept beside a catalogue, so that a fresh process maps instead of reading them.
 *
 * "<catalogue>-search" holds the pictures' vectors, "<catalogue>-search-texts" the texts' (index/mapped.h). They are
 * derived, for catalogues that are large enough for codes: what adds items brings them up to date at its end, nothing
 * else writes them, and searches of whoever may not write use them all the same. Without one, or with one in doubt, a
 * search reads the catalogue.
 *
 * A file is doubted unless it names the catalogue's model, kind and length of vectors, bears its mark, no vector was
 * changed or deleted since (`rewrites`), it is not of a later moment, and some of its rows, the last one among them,
 * are those in the catalogue. The mark is drawn anew whenever the file is brought up to date: a catalogue that was
 * restored from a copy made before has another one, as other ones have, whatever their counters say; one restored from
 * a copy made after has had the very rows of the file. Items that came after it are appended. Who is killed between
 * mark and file leaves a file that is doubted.
 *
 * Threads: what is written is guarded by the file's own lock; who does not get it leaves it to the other. */
#include "engine/search_file.h"

#include "base/mem.h"

#include <math.h>

enum { SAMPLES = 8 };

static char *file_of(const simile_library *library, int32_t kind)
{
    char *real = realpath(library->path, NULL);
    const char *suffix = kind == SIMILE_KIND_IMAGE ? "search" : "search-texts";
    char *path = mem_printf("%s-%s", real ? real : library->path, suffix);
    free(real);
    return path;
}

bool vector_take(const scan_kernels *kernels, const void *vector, size_t bytes, int32_t dim, size_t stride, float *row)
{
    const size_t n = (size_t)dim;
    if (bytes != n * sizeof *row) return false;
    catalog_vector_decode(vector, dim, row);
    memset(row + n, 0, (stride - n) * sizeof *row);
    return fabsf(kernels->dot(row, row, n) - 1) < 1e-3f;
}

/* ---- what the catalogue says ---- */

/* The counter of what was rewritten, and the mark, as a file has them. */
static int64_t with_mark(int64_t rewrites, int64_t mark)
{
    return rewrites << CATALOG_MARK_BITS | mark;
}

static bool is_marked(const mapped_facts *facts)
{
    return (facts->rewrites & (((int64_t)1 << CATALOG_MARK_BITS) - 1)) != 0;
}

static simile_status facts_of(catalog *c, int32_t kind, mapped_facts *out, simile_error *err)
{
    catalog_model there;
    *out = (mapped_facts){.kind = kind};
    RETURN_IF_ERROR(catalog_get_model(c, &there, err));
    int64_t mark;
    RETURN_IF_ERROR(catalog_generation(c, &out->generation, &out->rewrites, err));
    RETURN_IF_ERROR(catalog_get_mark(c, kind, &mark, err));
    out->rewrites = with_mark(out->rewrites, mark);
    out->dim = there.dim;
    memcpy(out->owner, there.digest, sizeof out->owner - 1);
    return SIMILE_OK;
}

/* Is a row of the file what the catalogue has under its id? */
static bool row_is_true(mapped *m, catalog *c, size_t row, float *vector)
{
    const int32_t dim = mapped_facts_of(m)->dim;
    if (catalog_get_vector(c, mapped_ids(m)[row], vector, dim, NULL)) return false;
    return !memcmp(mapped_rows(m) + row * mapped_stride(m), vector, (size_t)dim * sizeof *vector);
}

static bool belongs(mapped *m, catalog *c, const mapped_facts *now)
{
    const mapped_facts *then = mapped_facts_of(m);
    if (then->kind != now->kind || then->dim != now->dim || memcmp(then->owner, now->owner, sizeof now->owner) != 0 ||
        then->rewrites != now->rewrites || then->generation > now->generation || !is_marked(then) || !then->n)
        return false;
    float *vector = mem_array((size_t)now->dim, sizeof *vector);
    bool is = vector != NULL;
    for (size_t i = 1; i <= SAMPLES && is; i++) is = row_is_true(m, c, then->n * i / SAMPLES - (i == SAMPLES), vector);
    mem_free(vector);
    return is;
}

/* ---- reading ---- */

mapped *search_file_open(const simile_library *library, int32_t kind, catalog *c)
{
    mapped *m = NULL;
    mapped_facts now;
    simile_error why;
    if (facts_of(c, kind, &now, NULL) || now.dim < 1) return NULL;
    char *path = file_of(library, kind);
    const simile_status status = path ? mapped_open(path, &m, &why) : err_nomem(&why);
    mem_free(path);
    if (status)
        log_message(LOG_DETAIL, "%s", why.message);
    else if (!belongs(m, c, &now)) {
        mapped_close(m);
        m = NULL;
    }
    return m;
}

/* ---- writing ---- */

typedef struct {
    mapped *m;
    size_t n, stride;
    mapped_facts facts;
    const scan_kernels *kernels;
    bool full;
} filler;

static int fill_row(void *user, int64_t id, const void *vector, size_t bytes)
{
    filler *f = user;
    if (f->n == mapped_capacity(f->m)) return f->full = true;
    float *row = mapped_rows(f->m) + f->n * f->stride;
    if (id <= f->facts.last_id || !vector_take(f->kernels, vector, bytes, f->facts.dim, f->stride, row)) return 0;
    mapped_ids(f->m)[f->n++] = f->facts.last_id = id;
    return 0;
}

/* Marks the catalogue, whose read transaction ends, and the file. */
static simile_status commit(mapped *m, catalog *c, mapped_facts *facts, simile_error *err)
{
    int64_t mark;
    catalog_read_end(c);
    RETURN_IF_ERROR(catalog_new_mark(c, facts->kind, &mark, err));
    facts->rewrites = with_mark(facts->rewrites >> CATALOG_MARK_BITS, mark);
    return mapped_commit(m, facts, err);
}

/* Appends what the catalogue has behind the file's last row. *full: there is no room for all of that. */
static simile_status append(mapped *m, catalog *c, const mapped_facts *now, bool *full, simile_error *err)
{
    const mapped_facts *then = mapped_facts_of(m);
    filler f = {.m = m, .n = then->n, .stride = mapped_stride(m), .facts = *now, .kernels = scan_kernels_best()};
    f.facts.last_id = then->last_id;
    RETURN_IF_ERROR(catalog_each_vector(c, now->kind, then->last_id, fill_row, &f, err));
    *full = f.full;
    if (f.full) return SIMILE_OK;
    for (size_t row = then->n; row < f.n; row++) codes_put(mapped_codes(m), row, mapped_rows(m) + row * f.stride);
    f.facts.n = f.n;
    return commit(m, c, &f.facts, err);
}

static simile_status make(const char *path, catalog *c, const mapped_facts *now, pool *threads, simile_error *err)
{
    mapped *m;
    catalog_counts counts;
    RETURN_IF_ERROR(catalog_count(c, &counts, err));
    const size_t counted = (size_t)(now->kind == SIMILE_KIND_IMAGE ? counts.images : counts.texts);
    if (now->dim < 1 || counted < SEARCH_FILE_LEAST_NUMBERS / (size_t)now->dim) return SIMILE_OK;
    RETURN_IF_ERROR(mapped_create(path, now, counted + counted / 4 + 1024, &m, err));
    filler f = {.m = m, .stride = mapped_stride(m), .facts = *now, .kernels = scan_kernels_best()};
    f.facts.last_id = 0;
    simile_status status = catalog_each_vector(c, now->kind, 0, fill_row, &f, err);
    f.facts.n = f.n;
    if (!status && f.n) status = mapped_code(m, f.n, threads, err);
    if (!status && f.n) status = commit(m, c, &f.facts, err);
    mapped_close(m);
    return status;
}

/* With a read transaction open, on the connection of who writes. */
static simile_status update(const char *path, catalog *c, int32_t kind, pool *threads, simile_error *err)
{
    mapped *m;
    mapped_facts now;
    bool full = true;
    RETURN_IF_ERROR(facts_of(c, kind, &now, err));
    simile_status status = mapped_extend(path, &m, err);
    if (status == SIMILE_E_BUSY) return status;
    if (!status && belongs(m, c, &now)) {
        full = false;
        if (mapped_facts_of(m)->generation != now.generation) status = append(m, c, &now, &full, err);
    }
    mapped_close(m);
    return full ? make(path, c, &now, threads, err) : status;
}

void search_file_update(const simile_library *library, int32_t kind, catalog *c, pool *threads)
{
    simile_error why;
    char *path = file_of(library, kind);
    if (!path) return;
    simile_status status = catalog_read_begin(c, &why);
    if (!status) {
        status = update(path, c, kind, threads, &why);
        catalog_read_end(c);
    }
    if (status && status != SIMILE_E_BUSY) log_message(LOG_WARNING, "searches begin slower: %s", why.message);
    mem_free(path);
}
