/* SPDX-License-Identifier: Apache-2.0
 *
 * api_items.c - /v1/items, /v1/items/ID, /v1/facets, /v1/duplicates: what is in the catalogue, without a query.
 *
 * Lists are written into the reply while the library goes through its items; what fails in the middle throws the reply
 * away. Threads: one request each. */
#include "base/file.h"
#include "base/mem.h"
#include "serve/api.h"
#include "serve/folders.h"
#include "serve/jobs.h"

#include <stdatomic.h>

static const char *const kinds[] = {"image", "text"}, *const states[] = {"ok", "quarantined"},
                         *const orders[] = {"id", "newest", "oldest", "path"};

/* What the callbacks of the library write to. */
typedef struct {
    server *server;
    json_writer w;
    int64_t count;
} listing;

/* ---- lists ---- */

static int write_facts(void *user, const simile_item *item)
{
    listing *l = user;
    jw_object(&l->w);
    item_json(l->server, item, &l->w);
    item_facts_json(item, &l->w);
    jw_object_end(&l->w);
    l->count++;
    return 0;
}

static simile_status read_filter(const input *in, server *s, selection *where, simile_error *err)
{
    simile_filter *f = &where->filter;
    RETURN_IF_ERROR(selection_read(in, s, where, err));
    f->order = SIMILE_ORDER_NEWEST;
    f->limit = 40;
    RETURN_IF_ERROR(input_choice(in, "kind", kinds, 2, &f->kind, err));
    RETURN_IF_ERROR(input_choice(in, "status", states, 2, &f->status, err));
    RETURN_IF_ERROR(input_choice(in, "order", orders, 4, &f->order, err));
    RETURN_IF_ERROR(input_int(in, "limit", 1, LIMIT_RESULTS, &f->limit, err));
    return input_int(in, "offset", 0, LIMIT_OFFSET, &f->offset, err);
}

static simile_status write_items(server *s, const simile_filter *f, reply *r, simile_error *err)
{
    listing l = {.server = s};
    int64_t total = 0;
    reply_json(r, &l.w);
    jw_object(&l.w);
    jw_key(&l.w, "items"), jw_array(&l.w);
    RETURN_IF_ERROR(simile_library_list(s->library, f, write_facts, &l, &total, err));
    jw_array_end(&l.w);
    jw_key(&l.w, "total"), jw_int(&l.w, total);
    jw_key(&l.w, "count"), jw_int(&l.w, l.count);
    jw_object_end(&l.w);
    return SIMILE_OK;
}

void api_items(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"kind", "status", "order", "limit", "offset", INPUT_SELECTION_KEYS, NULL};
    selection where = {0};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, &err);
    if (!status) status = read_filter(&in, s, &where, &err);
    if (!status) status = write_items(s, &where.filter, r, &err);
    api_end(r, status, &err);
    selection_release(&where);
    input_close(&in);
}

/* ---- one ---- */

static int write_one(void *user, const simile_item *item)
{
    listing *l = user;
    const char *format = item->path ? api_format(item->path) : NULL;
    item_json(l->server, item, &l->w);
    item_facts_json(item, &l->w);
    jw_key(&l->w, "format");
    if (format)
        jw_string(&l->w, format);
    else
        jw_null(&l->w);
    return 0;
}

static simile_status answer_item(server *s, const request *q, reply *r, simile_error *err)
{
    listing l = {.server = s};
    int64_t id;
    RETURN_IF_ERROR(api_bare(q, r, err));
    RETURN_IF_ERROR(api_id(q, "item", &id, err));
    reply_json(r, &l.w);
    jw_object(&l.w);
    RETURN_IF_ERROR(simile_library_find(s->library, id, write_one, &l, err));
    jw_object_end(&l.w);
    return SIMILE_OK;
}

void api_item(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_item(s, q, r, &err), &err);
}

static simile_status answer_forget(server *s, const request *q, reply *r, simile_error *err)
{
    json_writer w;
    int64_t id;
    RETURN_IF_ERROR(api_bare(q, r, err));
    RETURN_IF_ERROR(api_id(q, "item", &id, err));
    const simile_status status = simile_library_remove_id(s->library, id, err);
    if (status == SIMILE_E_BUSY)
        return err_set(err, status,
                       "nothing can be forgotten while pictures are being indexed, also while that is paused: wait for "
                       "the job's end, or cancel it");
    if (status) return status;
    jobs_publish_catalog(s);
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "removed"), jw_int(&w, id);
    jw_object_end(&w);
    return SIMILE_OK;
}

void api_forget(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_forget(s, q, r, &err), &err);
}

/* ---- facets ---- */

static int write_period(void *user, int32_t year, int32_t month, int64_t count)
{
    listing *l = user;
    jw_object(&l->w);
    jw_key(&l->w, "year"), jw_int(&l->w, year);
    jw_key(&l->w, "month"), jw_int(&l->w, month);
    jw_key(&l->w, "count"), jw_int(&l->w, count);
    jw_object_end(&l->w);
    return 0;
}

static int write_folder(void *user, const char *path, int64_t count)
{
    listing *l = user;
    char id[FOLDER_ID];
    char *name = path_name(path);
    if (name && !folders_id(l->server->folders, path, id, NULL)) {
        jw_object(&l->w);
        jw_key(&l->w, "id"), jw_string(&l->w, id);
        jw_key(&l->w, "name"), jw_string(&l->w, name);
        jw_key(&l->w, "path"), jw_string(&l->w, path);
        jw_key(&l->w, "count"), jw_int(&l->w, count);
        jw_object_end(&l->w);
    }
    mem_free(name);
    return 0;
}

/* Numbers beside the choices of a filter: those of the one are counted without itself, but with the other. */
static simile_status write_facets(server *s, const simile_filter *all, reply *r, simile_error *err)
{
    simile_filter times = *all, places = *all;
    listing l = {.server = s};
    int64_t total = 0;
    times.has_after = times.has_before = 0;
    places.folder = NULL;
    RETURN_IF_ERROR(simile_library_list(s->library, all, NULL, NULL, &total, err));
    reply_json(r, &l.w);
    jw_object(&l.w);
    jw_key(&l.w, "total"), jw_int(&l.w, total);
    jw_key(&l.w, "periods"), jw_array(&l.w);
    RETURN_IF_ERROR(simile_library_periods(s->library, &times, write_period, &l, err));
    jw_array_end(&l.w);
    jw_key(&l.w, "folders"), jw_array(&l.w);
    RETURN_IF_ERROR(simile_library_folders(s->library, &places, write_folder, &l, err));
    jw_array_end(&l.w);
    jw_object_end(&l.w);
    return SIMILE_OK;
}

void api_facets(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"folder", "after", "before", NULL};
    selection where = {0};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, &err);
    if (!status) status = selection_read(&in, s, &where, &err);
    if (!status) status = write_facets(s, &where.filter, r, &err);
    api_end(r, status, &err);
    selection_release(&where);
    input_close(&in);
}

/* ---- duplicates ---- */

/* Every picture with every other takes long: one such request is worked on at a time. */
static atomic_flag comparing = ATOMIC_FLAG_INIT;

/* Most of a group, and of all groups, that are told: one group may have everything in it. */
enum { MAX_MEMBERS = LIMIT_RESULTS, MAX_TOLD = 10 * LIMIT_RESULTS };

typedef struct {
    listing *list;
    float similarity;
} member;

static int write_member(void *user, const simile_item *item)
{
    const member *m = user;
    json_writer *w = &m->list->w;
    jw_object(w);
    item_json(m->list->server, item, w);
    jw_key(w, "similarity"), jw_float(w, m->similarity);
    jw_object_end(w);
    return 0;
}

/* A member that was forgotten meanwhile is left out. */
static int write_group(void *user, const simile_group *group)
{
    listing *l = user;
    jw_object(&l->w);
    jw_key(&l->w, "count"), jw_int(&l->w, (int64_t)group->n);
    jw_key(&l->w, "items"), jw_array(&l->w);
    for (size_t i = 0; i < group->n && i < MAX_MEMBERS; i++) {
        member m = {l, group->similarity[i]};
        simile_library_find(l->server->library, group->ids[i], write_member, &m, NULL);
        l->count++;
    }
    jw_array_end(&l->w);
    jw_object_end(&l->w);
    return l->count >= MAX_TOLD;
}

static simile_status write_duplicates(const input *in, server *s, reply *r, simile_error *err)
{
    simile_duplicates_options options = {
        .struct_size = sizeof options, .similarity = 96, .limit = 50, .progress = api_stopping, .user = s};
    listing l = {.server = s};
    char *below;
    RETURN_IF_ERROR(input_number(in, "similarity", 50, 100, &options.similarity, err));
    RETURN_IF_ERROR(input_int(in, "limit", 1, LIMIT_RESULTS, &options.limit, err));
    RETURN_IF_ERROR(input_folder(in, s, "folder", &below, err));
    options.folder = below;
    reply_json(r, &l.w);
    jw_object(&l.w);
    jw_key(&l.w, "groups"), jw_array(&l.w);
    const simile_status status = simile_library_duplicates(s->library, &options, write_group, &l, err);
    jw_array_end(&l.w);
    jw_object_end(&l.w);
    mem_free(below);
    return status;
}

void api_duplicates(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"similarity", "limit", "folder", NULL};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, &err);
    if (!status && atomic_flag_test_and_set(&comparing)) {
        status = err_set(&err, SIMILE_E_BUSY, "pictures are being compared for somebody else already");
    } else if (!status) {
        status = write_duplicates(&in, s, r, &err);
        atomic_flag_clear(&comparing);
    }
    api_end(r, status, &err);
    input_close(&in);
}
