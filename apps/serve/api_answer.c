/* SPDX-License-Identifier: Apache-2.0
 *
 * api_answer.c - how the handlers of the server's own interface answer: the JSON of items, errors, and what most
 * handlers begin with. Threads: none of its own. */
#include "base/file.h"
#include "base/mem.h"
#include "dates.h"
#include "serve/api.h"
#include "serve/folders.h"

#include <inttypes.h>

enum { VERSION_DIGITS = 16 }; /* of a content hash, that tell one thumbnail from the next */

void moment_json(json_writer *w, const char *key, int64_t seconds)
{
    char text[DATE_TEXT];
    jw_key(w, key);
    if (moment_text(seconds, text))
        jw_string(w, text);
    else
        jw_null(w);
}

static void folder_json(server *s, const char *path, json_writer *w)
{
    char id[FOLDER_ID];
    char *above = path_folder(path), *name = above ? path_name(above) : NULL;
    if (name && !folders_id(s->folders, above, id, NULL)) {
        jw_key(w, "folder"), jw_object(w);
        jw_key(w, "id"), jw_string(w, id);
        jw_key(w, "name"), jw_string(w, name);
        jw_object_end(w);
    }
    mem_free(above);
    mem_free(name);
}

static void places_json(int64_t id, const char *hash, json_writer *w)
{
    char place[96];
    if (*hash)
        snprintf(place, sizeof place, "/v1/items/%" PRId64 "/thumbnail?v=%.*s", id, VERSION_DIGITS, hash);
    else
        snprintf(place, sizeof place, "/v1/items/%" PRId64 "/thumbnail", id);
    jw_key(w, "thumbnail"), jw_string(w, place);
    snprintf(place, sizeof place, "/v1/items/%" PRId64 "/original", id);
    jw_key(w, "original"), jw_string(w, place);
}

void item_json(server *s, const simile_item *item, json_writer *w)
{
    const bool is_image = item->kind == SIMILE_KIND_IMAGE;
    jw_key(w, "id"), jw_int(w, item->id);
    jw_key(w, "kind"), jw_string(w, is_image ? "image" : "text");
    if (!is_image) {
        jw_key(w, "text"), jw_string(w, item->text);
        return;
    }
    char *name = path_name(item->path);
    jw_key(w, "name"), jw_string(w, name ? name : item->path);
    mem_free(name);
    jw_key(w, "path"), jw_string(w, item->path);
    folder_json(s, item->path, w);
    jw_key(w, "width"), jw_int(w, item->width);
    jw_key(w, "height"), jw_int(w, item->height);
    moment_json(w, "date", item->date);
    if (item->size >= 0) jw_key(w, "size"), jw_int(w, item->size);
    places_json(item->id, item->hash, w);
}

void item_facts_json(const simile_item *item, json_writer *w)
{
    jw_key(w, "status"), jw_string(w, item->status == SIMILE_ITEM_QUARANTINED ? "quarantined" : "ok");
    jw_key(w, "reason");
    if (item->reason)
        jw_string(w, item->reason);
    else
        jw_null(w);
    jw_key(w, "hash"), jw_string(w, item->hash);
}

typedef struct {
    server *server;
    json_writer *writer;
    bool done;
} place;

static int write_item(void *user, const simile_item *item)
{
    place *p = user;
    item_json(p->server, item, p->writer);
    p->done = true;
    return 0;
}

void hit_json(server *s, const simile_hit *hit, json_writer *w)
{
    place p = {s, w, false};
    simile_library_find(s->library, hit->id, write_item, &p, NULL);
    if (p.done) return;
    const simile_item item = {.id = hit->id,
                              .kind = hit->path ? SIMILE_KIND_IMAGE : SIMILE_KIND_TEXT,
                              .path = hit->path,
                              .text = hit->text,
                              .hash = "",
                              .size = -1,
                              .width = hit->width,
                              .height = hit->height,
                              .date = hit->date};
    item_json(s, &item, w);
}

simile_status api_bare(const request *q, reply *r, simile_error *err)
{
    static const char *const none[] = {NULL};
    input in;
    const simile_status status = input_open(q, INPUT_QUERY, none, r, &in, err);
    input_close(&in);
    return status;
}

int api_stopping(void *user, int64_t done, int64_t total, const char *subject)
{
    const server *s = user;
    (void)done, (void)total, (void)subject;
    return atomic_load(&s->stopping);
}

simile_status api_id(const request *q, const char *what, int64_t *out, simile_error *err)
{
    if (request_star_int(q, 0, out)) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no %s '%.40s'", what, q->stars[0]);
}

void api_end(reply *r, simile_status status, const simile_error *err)
{
    if (!status) return;
    reply_error(r, r->status >= 400 ? r->status : 0, err);
}
