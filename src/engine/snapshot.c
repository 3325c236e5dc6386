/* SPDX-License-Identifier: Apache-2.0
 * snapshot.c - the vectors of a catalogue in memory, shared by all searches.
 *
 * A snapshot is as of one generation of the catalogue. It is taken within a read transaction that stays open for the
 * rest of the search, so that vectors, filters and paths are of the same moment. While rows were only added since
 * (catalog_generation's `rewrites` is unchanged), the new snapshot appends them to the memory of the old one: searches
 * that still use the old one never look behind its last row. Otherwise everything is read again.
 *
 * A catalogue that is large and searched again gets codes beside its rows (index/codes.h): about a third of their
 * memory more. Making them takes about as long as 50 scans of the rows, which the only search of a short process would
 * not get back. Rows that are added later are coded as they are loaded. Codes are made at the second search; without
 * memory for them there are none.
 *
 * Where a file beside the catalogue holds rows and codes (search_file.c), both are mapped, and only rows that came
 * later are read from the catalogue: into the mapping, as this process' own, while there is room.
 *
 * Rows are padded to 64 bytes. A row that is not a unit vector is damage: it is left out and logged, and
 * simile_library_verify() names it.
 *
 * Threads: one loads at a time (`loading`); the others that need the same vectors wait for it. */
#include "base/mem.h"
#include "engine/gather.h"
#include "engine/search_file.h"

#include <math.h>

struct snapshot_rows {
    float *rows;
    int64_t *ids;
    mapped *file;          /* that rows, ids and codes lie in, or NULL: in memory */
    codes *codes;          /* of the rows that are used, or NULL; set with `loading` and the library's lock held */
    bool no_codes;         /* they could not be had; guarded by `loading` */
    size_t used, capacity; /* used: rows that a snapshot owns; guarded by `loading` */
    long references;       /* of snapshots; this and the next: guarded by the library's lock */
    long scans;            /* that began, as far as they are counted; many at once are many */
    long calls;            /* in which they did */
    double *lean;          /* [dim]: the sum of their queries, or NULL */
    habit *habits[2];      /* made of the first of them, and of more; the second is used when it is there */
};

/* Many scans at once share the reading of floats: so many of them take as long as making codes. */
enum { CODES_LEAST_NUMBERS = SEARCH_FILE_LEAST_NUMBERS, CODES_LEAST_CALLS = 2, CODES_LEAST_AT_ONCE = 300 };

/* So many scans tell which way queries lean, and so many better. A mean shorter than this says nothing. */
enum { HABIT_SCANS = 16, HABIT_MORE_SCANS = 128 };
static const double LEAST_LEAN = 0.4;

typedef struct snapshot_rows storage;

static void storage_give(storage *s)
{
    if (!s || --s->references) return;
    if (s->file) {
        mapped_close(s->file);
    } else {
        mem_free(s->rows);
        mem_free(s->ids);
        codes_free(s->codes);
    }
    for (int i = 0; i < 2; i++) habit_free(s->habits[i]);
    mem_free(s->lean);
    mem_free(s);
}

static storage *storage_new(size_t capacity, size_t stride)
{
    size_t bytes;
    if (!mem_mul(capacity, stride * sizeof(float), &bytes)) return NULL;
    storage *s = mem_new(storage);
    if (!s) return NULL;
    s->references = 1;
    s->capacity = capacity;
    s->rows = mem_aligned(bytes);
    s->ids = mem_array(capacity, sizeof *s->ids);
    if (!s->rows || !s->ids) {
        storage_give(s);
        return NULL;
    }
    return s;
}

/* What a file holds; NULL: out of memory, and the file is closed. */
static storage *storage_over(mapped *file)
{
    storage *s = mem_new(storage);
    if (!s) {
        mapped_close(file);
        return NULL;
    }
    *s = (storage){.rows = mapped_rows(file),
                   .ids = mapped_ids(file),
                   .file = file,
                   .codes = mapped_codes(file),
                   .capacity = mapped_capacity(file),
                   .references = 1};
    return s;
}

void snapshot_give(simile_library *library, snapshot *s)
{
    if (!s) return;
    pthread_mutex_lock(&library->lock);
    if (--s->references == 0) {
        storage_give(s->storage);
        mem_free(s);
    }
    pthread_mutex_unlock(&library->lock);
}

ptrdiff_t snapshot_find(const snapshot *s, int64_t id)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (s->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n && s->ids[low] == id ? (ptrdiff_t)low : -1;
}

/* ---- loading ---- */

typedef struct {
    storage *to; /* one reference is the loader's own */
    size_t n, stride;
    int32_t dim;
    int64_t last_id;
    const scan_kernels *kernels;
    bool no_memory;
    bool complete; /* the catalogue has nothing behind last_id */
} loader;

/* Moves what is there to a larger block. The old one stays with the snapshots that use it. */
static bool grow(simile_library *library, loader *l)
{
    size_t capacity;
    if (!mem_add(l->n, l->n / 2 + 64, &capacity)) return false;
    storage *larger = storage_new(capacity, l->stride);
    if (!larger) return false;
    memcpy(larger->rows, l->to->rows, l->n * l->stride * sizeof(float));
    memcpy(larger->ids, l->to->ids, l->n * sizeof(int64_t));
    if (l->to->codes) larger->codes = codes_larger(l->to->codes, capacity, l->n);
    larger->no_codes = l->to->no_codes || (l->to->codes && !larger->codes);
    pthread_mutex_lock(&library->lock);
    larger->calls = l->to->calls; /* habits are learnt again */
    storage_give(l->to);
    pthread_mutex_unlock(&library->lock);
    l->to = larger;
    return true;
}

typedef struct {
    simile_library *library;
    loader *l;
} load_call;

static int load_row(void *user, int64_t id, const void *vector, size_t bytes)
{
    const load_call *call = user;
    loader *l = call->l;
    if (l->n == l->to->capacity && !grow(call->library, l)) {
        l->no_memory = true;
        return 1;
    }
    float *row = l->to->rows + l->n * l->stride;
    const bool whole = id > l->last_id && vector_take(l->kernels, vector, bytes, l->dim, l->stride, row);
    if (!whole) {
        log_message(LOG_WARNING, "item %lld is left out: its vector is damaged", (long long)id);
        return 0;
    }
    if (l->to->codes) codes_put(l->to->codes, l->n, row);
    l->to->ids[l->n++] = id;
    l->last_id = id;
    return 0;
}

/* Behind the rows of the newest snapshot. */
static void continue_newest(simile_library *library, loader *l, const snapshot *newest)
{
    l->to = newest->storage;
    l->n = newest->n;
    l->stride = newest->stride;
    l->dim = newest->dim;
    l->last_id = newest->last_id;
    pthread_mutex_lock(&library->lock);
    l->to->references++;
    pthread_mutex_unlock(&library->lock);
}

/* Behind the rows of a file, which is closed on failure. */
static simile_status continue_file(loader *l, mapped *file, catalog *reader, simile_error *err)
{
    int64_t generation;
    const mapped_facts facts = *mapped_facts_of(file);
    const simile_status status = catalog_generation(reader, &generation, NULL, err);
    if (status) {
        mapped_close(file);
        return status;
    }
    l->stride = mapped_stride(file);
    l->to = storage_over(file);
    if (!l->to) return err_nomem(err);
    l->n = facts.n;
    l->dim = facts.dim;
    l->last_id = facts.last_id;
    l->complete = generation == facts.generation;
    return SIMILE_OK;
}

/* Where to start: behind the rows of the newest snapshot if rows were only added, else behind those of the file beside
 * the catalogue, else with nothing. */
static simile_status loader_init(simile_library *library, loader *l, int32_t kind, catalog *reader,
                                 const snapshot *newest, bool append, simile_error *err)
{
    catalog_model there;
    catalog_counts counts;
    *l = (loader){.kernels = scan_kernels_best()};
    if (append) {
        continue_newest(library, l, newest);
        return SIMILE_OK;
    }
    mapped *file = search_file_open(library, kind, reader);
    if (file) return continue_file(l, file, reader, err);
    RETURN_IF_ERROR(catalog_get_model(reader, &there, err));
    RETURN_IF_ERROR(catalog_count(reader, &counts, err));
    l->dim = there.dim;
    l->stride = ((size_t)there.dim + 15) / 16 * 16;
    l->to = storage_new((size_t)(kind == SIMILE_KIND_IMAGE ? counts.images : counts.texts), l->stride);
    return l->to ? SIMILE_OK : err_nomem(err);
}

static simile_status load(simile_library *library, int32_t kind, catalog *reader, snapshot *fresh, bool append,
                          simile_error *err)
{
    loader l;
    load_call call = {.library = library, .l = &l};
    RETURN_IF_ERROR(loader_init(library, &l, kind, reader, library->snapshots[kind], append, err));
    simile_status status = SIMILE_OK;
    if (!l.complete) status = catalog_each_vector(reader, kind, l.last_id, load_row, &call, err);
    if (!status && l.no_memory) status = err_nomem(err);
    if (status) {
        pthread_mutex_lock(&library->lock);
        storage_give(l.to);
        pthread_mutex_unlock(&library->lock);
        return status;
    }
    l.to->used = l.n;
    fresh->storage = l.to;
    fresh->rows = l.to->rows;
    fresh->ids = l.to->ids;
    fresh->n = l.n;
    fresh->stride = l.stride;
    fresh->dim = l.dim;
    fresh->last_id = l.last_id;
    return SIMILE_OK;
}

/* Makes `fresh` the library's newest, and counts the caller's reference to it. */
static void publish(simile_library *library, int32_t kind, snapshot *fresh)
{
    snapshot *old = library->snapshots[kind];
    fresh->references = 2;
    pthread_mutex_lock(&library->lock);
    library->snapshots[kind] = fresh;
    pthread_mutex_unlock(&library->lock);
    snapshot_give(library, old);
}

/* With `loading` held: the newest snapshot if the reader sees the same generation, else a fresh one. */
static simile_status refresh(simile_library *library, int32_t kind, catalog *reader, snapshot **out, simile_error *err)
{
    int64_t generation, rewrites;
    RETURN_IF_ERROR(catalog_generation(reader, &generation, &rewrites, err));
    snapshot *newest = library->snapshots[kind];
    if (newest && newest->generation == generation && newest->rewrites == rewrites) {
        pthread_mutex_lock(&library->lock);
        newest->references++;
        pthread_mutex_unlock(&library->lock);
        *out = newest;
        return SIMILE_OK;
    }
    snapshot *fresh = mem_new(snapshot);
    if (!fresh) return err_nomem(err);
    const bool append =
        newest && newest->rewrites == rewrites && newest->generation < generation && newest->storage->used == newest->n;
    const simile_status status = load(library, kind, reader, fresh, append, err);
    if (status) {
        mem_free(fresh);
        return status;
    }
    fresh->generation = generation;
    fresh->rewrites = rewrites;
    publish(library, kind, fresh);
    *out = fresh;
    return SIMILE_OK;
}

simile_status snapshot_take(simile_library *library, int32_t kind, catalog *reader, snapshot **out, simile_error *err)
{
    *out = NULL;
    /* The transaction begins under the lock: whoever waited sees at least what the one before it loaded. */
    pthread_mutex_lock(&library->loading);
    simile_status status = catalog_read_begin(reader, err);
    if (!status) status = refresh(library, kind, reader, out, err);
    pthread_mutex_unlock(&library->loading);
    if (status) catalog_read_end(reader);
    return status;
}

/* ---- for those who scan one ---- */

typedef struct {
    const snapshot *set;
    uint64_t *allow;
    size_t row; /* rows before it have smaller ids than what comes next */
} marker;

static int mark(void *user, int64_t id)
{
    marker *m = user;
    while (m->row < m->set->n && m->set->ids[m->row] < id) m->row++;
    if (m->row < m->set->n && m->set->ids[m->row] == id) m->allow[m->row / 64] |= UINT64_C(1) << m->row % 64;
    return 0;
}

simile_status snapshot_select(const snapshot *s, catalog *reader, const catalog_filter *filter, uint64_t **out,
                              simile_error *err)
{
    marker m = {.set = s, .allow = mem_zero_array(s->n / 64 + 1, sizeof *m.allow)};
    *out = m.allow;
    if (!m.allow) return err_nomem(err);
    return catalog_each_match(reader, filter, mark, &m, err);
}

pool *scan_pool_take(simile_library *library)
{
    if (library->threads < 2 || pthread_mutex_trylock(&library->scanning)) return NULL;
    if (!library->pool && pool_new(library->threads, &library->pool, NULL)) {
        pthread_mutex_unlock(&library->scanning); /* without threads it only takes longer */
        return NULL;
    }
    return library->pool;
}

void scan_pool_give(simile_library *library, pool *threads)
{
    if (threads) pthread_mutex_unlock(&library->scanning);
}

/* ---- scanning ---- */

/* Codes for the rows of a storage that is the newest one, unless somebody loads: then it is the next search's turn. */
static void make_codes(simile_library *library, int32_t kind, const snapshot *s, pool *threads)
{
    storage *in = s->storage;
    if (pthread_mutex_trylock(&library->loading)) return;
    const bool newest = library->snapshots[kind] && library->snapshots[kind]->storage == in;
    if (newest && !in->codes && !in->no_codes) {
        codes *fresh = codes_new(in->rows, s->stride, in->used, in->capacity, (size_t)s->dim);
        if (fresh) codes_put_rows(fresh, in->rows, s->stride, 0, in->used, threads);
        in->no_codes = !fresh;
        pthread_mutex_lock(&library->lock);
        in->codes = fresh;
        pthread_mutex_unlock(&library->lock);
    }
    pthread_mutex_unlock(&library->loading);
}

/* What a storage has for faster scans. */
typedef struct {
    const codes *codes;
    const habit *habit;
    bool wants_codes, wants_habit; /* it would pay to make them */
} helps;

/* Counts a scan, and adds its query to the others. */
static void count_scan(storage *s, const float *query, size_t dim)
{
    if (s->scans == HABIT_MORE_SCANS) return;
    s->scans++;
    if (!s->lean) s->lean = mem_zero_array(dim, sizeof *s->lean);
    for (size_t i = 0; s->lean && i < dim; i++) s->lean[i] += (double)query[i];
}

/* Only then do codes pay. */
static bool is_large(const snapshot *s)
{
    return s->n >= CODES_LEAST_NUMBERS / (size_t)s->dim;
}

/* counted: the requests of a call that begins; none of one that was counted before. */
static helps helps_of(simile_library *library, const snapshot *s, const batch_request *counted, size_t n)
{
    storage *in = s->storage;
    helps h = {0};
    pthread_mutex_lock(&library->lock);
    if (n && in->calls < CODES_LEAST_CALLS) in->calls = n < CODES_LEAST_AT_ONCE ? in->calls + 1 : CODES_LEAST_CALLS;
    for (size_t i = 0; i < n; i++) count_scan(in, counted[i].query, (size_t)s->dim);
    h.codes = in->codes;
    h.habit = in->habits[1] ? in->habits[1] : in->habits[0];
    h.wants_codes = !in->codes && in->calls >= CODES_LEAST_CALLS && is_large(s);
    h.wants_habit = in->codes && in->lean &&
                    ((in->scans >= HABIT_SCANS && !in->habits[0]) || (in->scans == HABIT_MORE_SCANS && !in->habits[1]));
    pthread_mutex_unlock(&library->lock);
    return h;
}

/* The direction of the mean of the queries so far. False: they have none. */
static bool take_lean(simile_library *library, storage *in, size_t dim, double *mean)
{
    double square = 0;
    pthread_mutex_lock(&library->lock);
    for (size_t i = 0; i < dim; i++) {
        mean[i] = in->lean[i] / (double)in->scans;
        square += mean[i] * mean[i];
    }
    /* Where they have none they will hardly get one: as if there were a second one already. */
    const bool leans = square >= LEAST_LEAN * LEAST_LEAN;
    if (!leans) {
        mem_free(in->lean);
        in->lean = NULL;
        in->scans = HABIT_MORE_SCANS;
    }
    pthread_mutex_unlock(&library->lock);
    return leans;
}

static void make_habit(simile_library *library, const snapshot *s, const scan_set *rows, pool *threads)
{
    storage *in = s->storage;
    if (pthread_mutex_trylock(&library->loading)) return;
    const int slot = in->habits[0] ? 1 : 0;
    double *mean = mem_array(rows->dim, sizeof *mean);
    if (mean && !in->habits[1] && in->lean && take_lean(library, in, rows->dim, mean)) {
        scan_set all = *rows;
        all.allow = NULL;
        habit *fresh = habit_new(in->codes, &all, mean, threads);
        pthread_mutex_lock(&library->lock);
        in->habits[slot] = fresh;
        if (!fresh) in->scans = HABIT_MORE_SCANS;
        if (slot || !fresh) {
            mem_free(in->lean);
            in->lean = NULL;
        }
        pthread_mutex_unlock(&library->lock);
    }
    mem_free(mean);
    pthread_mutex_unlock(&library->loading);
}

static simile_status scan_one(const scan_set *rows, const helps *h, batch_request *q, pool *threads, simile_error *err)
{
    scan_set set = *rows;
    set.allow = q->allow;
    set.min_score = q->min_score;
    if (h->codes) return codes_top(&set, h->codes, h->habit, q->query, q->k, threads, q->hits, &q->found, NULL, err);
    return scan_top(&set, q->query, q->k, threads, q->hits, &q->found, err);
}

simile_status snapshot_scan_now(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests,
                                size_t n, simile_error *err)
{
    const scan_set rows = {
        .rows = s->rows, .ids = s->ids, .n = s->n, .dim = (size_t)s->dim, .stride = s->stride, .min_score = -INFINITY};
    pool *threads = scan_pool_take(library);
    helps h = helps_of(library, s, requests, n);
    if (h.wants_codes) make_codes(library, kind, s, threads);
    if (h.wants_habit) make_habit(library, s, &rows, threads);
    if (h.wants_codes || h.wants_habit) h = helps_of(library, s, NULL, 0);
    const simile_status status = n == 1 ? scan_one(&rows, &h, requests, threads, err)
                                        : batch_top(&rows, h.codes, h.habit, requests, n, threads, NULL, err);
    scan_pool_give(library, threads);
    return status;
}

simile_status snapshot_scan(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests, size_t n,
                            simile_error *err)
{
    /* Of few rows, handing over takes longer than scanning. */
    if (!is_large(s)) return snapshot_scan_now(library, kind, s, requests, n, err);
    return gather_scan(library, kind, s, requests, n, err);
}
