/* SPDX-License-Identifier: Apache-2.0
 * whole.c - see whole.h. The catalogue is made once a program, with the library's own functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "whole.h"

#include "base/file.h"
#include "base/mem.h"
#include "serve/folders.h"
#include "serve/jobs.h"
#include "serve/towers.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

whole_server whole;

/* ---- the pictures ---- */

static const struct {
    const char *name, *from; /* NULL: no picture */
    int64_t mtime;
} files[] = {
    {"cat.jpg", "a-black-cat-on-a-table-1.jpg", 1717200000},
    {"again.jpg", "a-black-cat-on-a-table-1.jpg", 1717200000},
    {"broken.jpg", NULL, 1717200000},
    {"winter/blue-bird.jpg", "a-blue-bird-in-the-snow-1.jpg", 1673740800},
    {"winter/red-house.jpg", "a-red-house-in-the-snow-1.jpg", 1673740800},
    {"winter/white-rabbit.jpg", "a-white-rabbit-in-the-snow-1.jpg", 1673740800},
    {"city/green-bus.jpg", "a-green-bus-in-the-city-1.jpg", 1715947200},
    {"city/red-bus.jpg", "a-red-bus-in-london-1.jpg", 1715947200},
    {"new/boat.jpg", "a-red-boat-on-the-sea-1.jpg", 1582934400},
};

static void in_pictures(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/pictures%s%s", whole.root, *name ? "/" : "", name);
}

static bool put_file(const char *name, const char *from, int64_t mtime)
{
    char path[256], *bytes = NULL;
    size_t len = 0;
    simile_error err;
    if (from) snprintf(path, sizeof path, "%s/%s", SIMILE_GALLERY, from);
    if (from && file_read(path, 1 << 20, &bytes, &len, &err)) return false;
    in_pictures(path, sizeof path, name);
    const simile_status status = file_replace(path, from ? bytes : "no picture", from ? len : 10, &err);
    const struct timespec times[2] = {{.tv_sec = (time_t)mtime}, {.tv_sec = (time_t)mtime}};
    mem_free(bytes);
    return !status && !utimensat(AT_FDCWD, path, times, 0);
}

static bool make_pictures(void)
{
    static const char *const made[] = {"", "winter", "city", "new"};
    char path[256];
    snprintf(whole.root, sizeof whole.root, "/tmp/simile-api-XXXXXX");
    if (!mkdtemp(whole.root)) return false;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        in_pictures(path, sizeof path, made[i]);
        if (mkdir(path, 0700)) return false;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!put_file(files[i].name, files[i].from, files[i].mtime)) return false;
    return true;
}

static simile_status index_pictures(simile_encoder *encoder, simile_library *library, simile_error *err)
{
    static const char *const names[] = {"cat.jpg", "again.jpg", "broken.jpg", "winter", "city"};
    static const char *const texts[] = {"a red boat", "two dogs in the snow"};
    char room[5][256];
    const char *paths[5];
    for (size_t i = 0; i < 5; i++) {
        in_pictures(room[i], sizeof room[i], names[i]);
        paths[i] = room[i];
    }
    RETURN_IF_ERROR(simile_library_add(library, encoder, paths, 5, NULL, NULL, err));
    return simile_library_add_texts(library, encoder, texts, 2, NULL, NULL, err);
}

static simile_status open_catalog(const simile_model *model, simile_library **out, simile_error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%s/catalog.simile", whole.root);
    return simile_library_open(path, model, NULL, out, err);
}

static simile_status make_catalog(simile_error *err)
{
    simile_model *model;
    simile_encoder *encoder = NULL;
    simile_library *library = NULL;
    RETURN_IF_ERROR(simile_model_open(SIMILE_MODEL, NULL, &model, err));
    simile_status status = simile_encoder_new(model, NULL, &encoder, err);
    if (!status) status = open_catalog(model, &library, err);
    if (!status) status = index_pictures(encoder, library, err);
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(model);
    return status;
}

/* ---- the server ---- */

static simile_status start(const serve_options *options, simile_error *err)
{
    static char pictures[96];
    const char *roots[] = {pictures};
    static const char *const aliases[] = {"ViT-B-32__openai=simile-scenes",
                                          "XLM-Roberta-Large-Vit-B-32=simile-scenes+simile-languages"};
    const towers_options models = {.search_path = SIMILE_MODELS_FOLDER,
                                   .model = "simile-scenes",
                                   .aliases = aliases,
                                   .n_aliases = 2,
                                   .threads = 1,
                                   .any_installed = true};
    server *s = &whole.s;
    in_pictures(pictures, sizeof pictures, "");
    *s = (server){.started = time(NULL)};
    if (options) s->options = *options;
    RETURN_IF_ERROR(events_new(&s->events, err));
    RETURN_IF_ERROR(metrics_new(&s->metrics, err));
    RETURN_IF_ERROR(towers_new(&models, s->metrics, &s->towers, err));
    RETURN_IF_ERROR(open_catalog(NULL, &s->library, err));
    RETURN_IF_ERROR(folders_new(roots, 1, &s->folders, err));
    RETURN_IF_ERROR(folders_remember(s->folders, s->library, err));
    RETURN_IF_ERROR(jobs_new(s, &s->jobs, err));
    RETURN_IF_ERROR(http_start(s, NULL, &whole.http, err));
    whole.port = http_port(whole.http);
    return SIMILE_OK;
}

static void stop(void)
{
    server *s = &whole.s;
    http_stop(whole.http);
    jobs_free(s->jobs);
    simile_library_close(s->library);
    towers_free(s->towers);
    folders_free(s->folders);
    metrics_free(s->metrics);
    events_free(s->events);
    *s = (server){0};
    whole.http = NULL;
}

int whole_set_up(void **state)
{
    simile_error err = {0};
    (void)state;
    unsetenv("SIMILE_MODELS");
    unsetenv("SIMILE_TRANSLATOR");
    if (make_pictures() && !make_catalog(&err) && !start(NULL, &err)) return 0;
    print_error("no server: %s\n", err.message);
    return 1;
}

void whole_restart(const serve_options *options)
{
    simile_error err;
    stop();
    if (start(options, &err)) fail_msg("%s", err.message);
}

static int delete_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

int whole_tear_down(void **state)
{
    (void)state;
    stop();
    return nftw(whole.root, delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- asking ---- */

json_t *whole_ask(int status, const char *method, const char *target, const char *headers, const void *body, size_t len)
{
    answer a;
    client_ask(whole.port, method, target, headers, body, len, &a);
    if (a.status != status) fail_msg("%s %s: %d, not %d: %.600s", method, target, a.status, status, a.body);
    json_t *json = answer_json(&a);
    answer_free(&a);
    return json;
}

json_t *whole_get(int status, const char *target)
{
    return whole_ask(status, "GET", target, NULL, NULL, 0);
}

json_t *whole_post(int status, const char *target, const char *json)
{
    return whole_ask(status, "POST", target, "Content-Type: application/json\r\n", json, strlen(json));
}

void whole_refuses(int status, const char *method, const char *target, const char *json, const char *words)
{
    json_t *said = whole_ask(status, method, target, json ? "Content-Type: application/json\r\n" : NULL, json,
                             json ? strlen(json) : 0);
    const json_t *error = json_object_get(said, "error");
    const char *message = json_text_at(error, "message");
    assert_true(*json_text_at(error, "code") != 0);
    if (!strstr(message, words)) fail_msg("%s %s %s: '%s' has no '%s'", method, target, json, message, words);
    json_decref(said);
}

/* ---- finding ---- */

static int same_path(void *user, const simile_item *item)
{
    char path[256];
    struct {
        const char *name;
        int64_t id;
    } *wanted = user;
    in_pictures(path, sizeof path, wanted->name);
    if (item->path && strcmp(item->path, path) == 0) wanted->id = item->id;
    return 0;
}

int64_t whole_item(const char *name)
{
    struct {
        const char *name;
        int64_t id;
    } wanted = {name, 0};
    assert_int_equal(simile_library_each(whole.s.library, same_path, &wanted, NULL), SIMILE_OK);
    if (!wanted.id) fail_msg("there is no item '%s'", name);
    return wanted.id;
}

void whole_folder(const char *name, char out[64])
{
    char path[256], id[FOLDER_ID];
    in_pictures(path, sizeof path, strcmp(name, "pictures") ? name : "");
    assert_int_equal(folders_id(whole.s.folders, path, id, NULL), SIMILE_OK);
    memcpy(out, id, sizeof id);
}

/* ---- JSON ---- */

const char *json_text_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) fail_msg("'%s' is no string", key);
    return json_string_value(value);
}

int64_t json_int_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) fail_msg("'%s' is no whole number", key);
    return json_integer_value(value);
}

double json_number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("'%s' is no number", key);
    return json_number_value(value);
}

const json_t *json_array_at(const json_t *object, const char *key, size_t n)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) fail_msg("'%s' is no array", key);
    if (n != SIZE_MAX && json_array_size(value) != n)
        fail_msg("'%s' has %zu entries, not %zu", key, json_array_size(value), n);
    return value;
}
