/* SPDX-License-Identifier: Apache-2.0
 * duplicates.c - simile_library_duplicates: pictures that are alike, as groups.
 *
 * The vectors are those of one snapshot (snapshot.c); the read transaction ends as soon as it is taken, for the
 * comparison of many pictures takes minutes and must not keep a writer's log from being tidied away. Facts are read
 * when the groups are known, in a transaction of their own; what was forgotten meanwhile is left out.
 *
 * Threads: the library's pool is asked for anew at every step and given back after it, so that searches get it in
 * between; a step without it is done alone. */
#include "base/mem.h"
#include "engine/internal.h"
#include "index/groups.h"

#include <math.h>

static const float default_similarity = 96;
static const float rounding = 1e-6f; /* of a cosine: two equal vectors have one of 1 within this */

typedef struct {
    size_t root, row;
    int64_t id, pixels, size;
    float similarity; /* to the first of the group */
} member;

typedef struct {
    size_t first, n; /* among the members */
    int64_t least;   /* the smallest id */
} span;

typedef struct {
    simile_library *library;
    simile_duplicates_options options;
    char *folder;
    catalog *reader;
    snapshot *set;
    uint64_t *allow; /* bitmap over the rows of set, or NULL: all */
    groups *groups;
    member *members;
    size_t n_members;
    span *spans;
    size_t n_spans;
} finder;

/* ---- comparing ---- */

static simile_status take_vectors(finder *f, simile_error *err)
{
    RETURN_IF_ERROR(reader_take(f->library, &f->reader, err));
    RETURN_IF_ERROR(snapshot_take(f->library, SIMILE_KIND_IMAGE, f->reader, &f->set, err));
    const catalog_filter filter = {.kind = SIMILE_KIND_IMAGE, .folder = f->folder};
    const simile_status status = f->folder ? snapshot_select(f->set, f->reader, &filter, &f->allow, err) : SIMILE_OK;
    catalog_read_end(f->reader);
    return status;
}

static simile_status tell(const finder *f, int64_t done, simile_error *err)
{
    const simile_duplicates_options *o = &f->options;
    if (!o->progress || !o->progress(o->user, done, groups_pairs(f->groups), "")) return SIMILE_OK;
    return err_set(err, SIMILE_E_CANCELLED, "cancelled");
}

static simile_status compare_all(finder *f, simile_error *err)
{
    const snapshot *s = f->set;
    const groups_set set = {.rows = s->rows,
                            .n = s->n,
                            .dim = (size_t)s->dim,
                            .stride = s->stride,
                            .allow = f->allow,
                            .min_score = f->options.similarity / 100 - rounding};
    int64_t done = 0;
    RETURN_IF_ERROR(groups_new(&set, &f->groups, err));
    RETURN_IF_ERROR(tell(f, 0, err));
    for (size_t step = 0; step < groups_steps(f->groups); step++) {
        pool *threads = scan_pool_take(f->library);
        groups_step(f->groups, step, threads, &done);
        scan_pool_give(f->library, threads);
        RETURN_IF_ERROR(tell(f, done, err));
    }
    return SIMILE_OK;
}

/* ---- groups ---- */

static int by_root(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->root != y->root) return x->root < y->root ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows that are not alone, group by group. */
static simile_status collect(finder *f, simile_error *err)
{
    const size_t n = f->set->n;
    uint64_t *shared = mem_zero_array(n / 64 + 1, sizeof *shared); /* roots that some other row has */
    if (!shared) return err_nomem(err);
    for (size_t row = 0; row < n; row++) {
        const size_t root = groups_of(f->groups, row);
        if (root == row) continue;
        f->n_members += shared[root / 64] >> root % 64 & 1 ? 1 : 2;
        shared[root / 64] |= UINT64_C(1) << root % 64;
    }
    f->members = mem_zero_array(f->n_members, sizeof *f->members);
    f->spans = mem_array(f->n_members / 2 + 1, sizeof *f->spans);
    size_t at = 0;
    for (size_t row = 0; row < n && f->members; row++) {
        const size_t root = groups_of(f->groups, row);
        if (root == row && !(shared[row / 64] >> row % 64 & 1)) continue;
        f->members[at++] = (member){.root = root, .row = row, .id = f->set->ids[row]};
    }
    mem_free(shared);
    if (!f->members || !f->spans) return err_nomem(err);
    if (at) qsort(f->members, at, sizeof *f->members, by_root);
    return SIMILE_OK;
}

/* Takes out what is no longer there, or no picture that can be read. */
static simile_status read_facts(finder *f, simile_error *err)
{
    size_t kept = 0;
    RETURN_IF_ERROR(catalog_read_begin(f->reader, err));
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < f->n_members && !status; i++) {
        member m = f->members[i];
        catalog_item item;
        bool found;
        status = catalog_find_id(f->reader, m.id, &item, &found, err);
        if (status || !found || item.status != SIMILE_ITEM_OK) continue;
        m.pixels = (int64_t)item.width * item.height;
        m.size = item.size;
        f->members[kept++] = m;
    }
    catalog_read_end(f->reader);
    f->n_members = kept;
    return status;
}

static bool goes_first(const member *a, const member *b)
{
    if (a->pixels != b->pixels) return a->pixels > b->pixels;
    return a->size != b->size ? a->size > b->size : a->id < b->id;
}

static int by_similarity(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void order_group(const finder *f, span *s)
{
    const snapshot *set = f->set;
    member *m = f->members + s->first;
    size_t best = 0;
    s->least = m[0].id;
    for (size_t i = 1; i < s->n; i++) {
        if (goes_first(&m[i], &m[best])) best = i;
        if (m[i].id < s->least) s->least = m[i].id;
    }
    const member first = m[best];
    m[best] = m[0];
    m[0] = first;
    m[0].similarity = 100;
    const float *row = set->rows + first.row * set->stride;
    for (size_t i = 1; i < s->n; i++)
        m[i].similarity = simile_similarity(row, set->rows + m[i].row * set->stride, set->dim);
    qsort(m + 1, s->n - 1, sizeof *m, by_similarity);
}

static int largest_first(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return (x->least > y->least) - (x->least < y->least);
}

static void make_spans(finder *f)
{
    for (size_t at = 0, n; at < f->n_members; at += n) {
        n = 1;
        while (at + n < f->n_members && f->members[at + n].root == f->members[at].root) n++;
        if (n < 2) continue;
        span *s = &f->spans[f->n_spans++];
        *s = (span){.first = at, .n = n};
        order_group(f, s);
    }
    if (f->n_spans) qsort(f->spans, f->n_spans, sizeof *f->spans, largest_first);
}

/* ---- telling ---- */

static simile_status tell_groups(const finder *f, simile_group_fn fn, void *user, simile_error *err)
{
    const size_t largest = f->n_spans ? f->spans[0].n : 0;
    int64_t *ids = mem_array(largest, sizeof *ids);
    float *similarity = mem_array(largest, sizeof *similarity);
    simile_status status = ids && similarity ? SIMILE_OK : err_nomem(err);
    bool stop = false;
    for (size_t g = 0; g < f->n_spans && !status && !stop; g++) {
        const span *s = &f->spans[g];
        if (f->options.limit && g == (uint64_t)f->options.limit) break;
        for (size_t i = 0; i < s->n; i++) {
            ids[i] = f->members[s->first + i].id;
            similarity[i] = f->members[s->first + i].similarity;
        }
        const simile_group group = {.ids = ids, .similarity = similarity, .n = s->n};
        stop = fn(user, &group) != 0;
    }
    mem_free(ids);
    mem_free(similarity);
    return status;
}

static simile_status find(finder *f, simile_error *err)
{
    RETURN_IF_ERROR(take_vectors(f, err));
    RETURN_IF_ERROR(compare_all(f, err));
    RETURN_IF_ERROR(collect(f, err));
    RETURN_IF_ERROR(read_facts(f, err));
    make_spans(f);
    return SIMILE_OK;
}

static simile_status check_options(finder *f, const simile_duplicates_options *options, simile_error *err)
{
    simile_duplicates_options *o = &f->options;
    RETURN_IF_ERROR(options_copy(o, sizeof *o, options, err));
    if (o->similarity == 0) o->similarity = default_similarity;
    if (!(o->similarity > 0 && o->similarity <= 100))
        return err_set(err, SIMILE_E_ARG, "a similarity from 0 to 100 is needed");
    if (o->limit < 0) return err_set(err, SIMILE_E_ARG, "limit cannot be negative");
    return folder_absolute(o->folder, &f->folder, err);
}

simile_status simile_library_duplicates(simile_library *library, const simile_duplicates_options *options,
                                        simile_group_fn fn, void *user, simile_error *err)
{
    finder f = {.library = library};
    if (!library || !fn) return err_set(err, SIMILE_E_ARG, "no catalogue or no function was given");
    RETURN_IF_ERROR(check_options(&f, options, err));
    simile_status status = find(&f, err);
    reader_give(library, f.reader, !status || status == SIMILE_E_CANCELLED);
    if (!status) status = tell_groups(&f, fn, user, err);
    snapshot_give(library, f.set);
    groups_free(f.groups);
    mem_free(f.folder);
    mem_free(f.allow);
    mem_free(f.members);
    mem_free(f.spans);
    return status;
}
