/* SPDX-License-Identifier: Apache-2.0
 * api.h - what the handlers of the server's own interface share: strict reading of what a request says, and the JSON of
 * items. docs/openapi.json describes the whole. Threads: everything here is of one request. */
#ifndef SIMILE_SERVE_API_H
#define SIMILE_SERVE_API_H

#include "serve/http.h"
#include "serve/towers.h"

/* ---- what a request says: keys of its query string, of its JSON, or of the JSON in a part of its multipart form ----
 */

typedef struct {
    const request *request;
    json_t *json; /* an object, of strings alone when `words` */
    bool words;   /* it was a query string */
    parts parts;  /* of a multipart form, else none */
} input;

enum { INPUT_QUERY, INPUT_JSON, INPUT_JSON_OR_PARTS };

/* Every key must be in `keys` (ends with NULL); of a request with a body, the query string must be empty. A form
 * without the part "query" counts as {}. reply->status: 415 where that is what is wrong. input_close() always. */
simile_status input_open(const request *q, int kind, const char *const *keys, reply *r, input *out, simile_error *err);
void input_close(input *in);
simile_status input_check_keys(const json_t *object, const char *const *keys, simile_error *err);

/* An absent key leaves *out as it is. A string that is too long: LIMIT for texts, ARG for names. */
simile_status input_string(const input *in, const char *key, size_t max, const char **out, simile_error *err);
simile_status input_int(const input *in, const char *key, int64_t min, int64_t max, int64_t *out, simile_error *err);
simile_status input_number(const input *in, const char *key, double min, double max, float *out, simile_error *err);
simile_status input_bool(const input *in, const char *key, bool *out, simile_error *err);
simile_status input_choice(const input *in, const char *key, const char *const *names, int32_t n, int32_t *out,
                           simile_error *err);
simile_status input_moment(const input *in, const char *key, int32_t *has, int64_t *out, simile_error *err);
/* An array of strings, not of words. *out is freed with mem_free, its strings live as long as the input. */
simile_status input_strings(const input *in, const char *key, size_t min, size_t max, const char ***out, size_t *n,
                            simile_error *err);
/* via, fuse, candidates, language */
simile_status input_reading(const input *in, simile_read_options *out, simile_error *err);
#define INPUT_READING_KEYS "via", "fuse", "candidates", "language"
/* The path of the folder that the key names by its id; NULL when absent. *out is freed with mem_free. */
simile_status input_folder(const input *in, server *s, const char *key, char **out, simile_error *err);
/* The bytes of a picture: base64 (text not NULL), or a part of the form by its name. */
simile_status input_picture(const input *in, const char *base64, const char *part_name, simile_image **out,
                            simile_error *err);

/* ---- the filter that several share ---- */

typedef struct {
    simile_filter filter;
    char *folder;
} selection;
#define INPUT_SELECTION_KEYS "folder", "after", "before", "glob"
simile_status selection_read(const input *in, server *s, selection *out, simile_error *err);
void selection_release(selection *l);

/* ---- answers ---- */

/* What an item is to clients: its keys, into an object that is open. */
void item_json(server *s, const simile_item *item, json_writer *w);
/* And what more is known of it. */
void item_facts_json(const simile_item *item, json_writer *w);
/* The item, as search found it, which may be forgotten by now. */
void hit_json(server *s, const simile_hit *hit, json_writer *w);
void moment_json(json_writer *w, const char *key, int64_t seconds); /* null beyond the four-digit years */

/* What kind of picture a file of the catalogue is, by its first bytes: "jpeg"; NULL: none that simile reads, or it is
 * gone. */
const char *api_format(const char *path);

/* A request with no body and no query string. */
simile_status api_bare(const request *q, reply *r, simile_error *err);
/* The id in the path: NOT_FOUND where it is no number. what: "item". */
simile_status api_id(const request *q, const char *what, int64_t *out, simile_error *err);
/* Ends a handler: nothing when status is 0, else the error, with reply->status where that says more. */
void api_end(reply *r, simile_status status, const simile_error *err);

/* The progress of long work for one request, user: the server. It ends when the server stops. */
int api_stopping(void *user, int64_t done, int64_t total, const char *subject);

/* ---- handlers ---- */

void api_search(server *s, const request *q, reply *r);
void api_search_words(server *s, const request *q, reply *r);
void api_similar(server *s, const request *q, reply *r);
void api_duplicates(server *s, const request *q, reply *r);

void api_items(server *s, const request *q, reply *r);
void api_item(server *s, const request *q, reply *r);
void api_forget(server *s, const request *q, reply *r);
void api_facets(server *s, const request *q, reply *r);

void api_thumbnail(server *s, const request *q, reply *r);
void api_original(server *s, const request *q, reply *r);

void api_classify(server *s, const request *q, reply *r);
void api_compare(server *s, const request *q, reply *r);

void api_folders(server *s, const request *q, reply *r);
void api_scan(server *s, const request *q, reply *r);
void api_job_start(server *s, const request *q, reply *r);
void api_jobs(server *s, const request *q, reply *r);
void api_job(server *s, const request *q, reply *r);
void api_job_pause(server *s, const request *q, reply *r);
void api_job_resume(server *s, const request *q, reply *r);
void api_job_cancel(server *s, const request *q, reply *r);
void api_events(server *s, const request *q, reply *r);

void api_stats(server *s, const request *q, reply *r);
void api_description(server *s, const request *q, reply *r);

#endif
