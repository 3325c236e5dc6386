/* SPDX-License-Identifier: Apache-2.0
 *
 * api_stats.c - /v1/stats and /v1/openapi.json: what this server is.
 *
 * In which languages texts are understood is what is published of the text towers that simile_read would ask: that of
 * the catalogue's model, a translator from Chinese where the model was taught English alone, and the tower for many
 * languages where it belongs beside the model. Threads: one request each. */
#include "base/file.h"
#include "base/mem.h"
#include "reading.h"
#include "serve/api.h"

#include <time.h>

extern const unsigned char openapi_json[];
extern const size_t openapi_json_len;

/* ---- languages ---- */

typedef struct {
    const simile_text_tower *own, *many; /* NULL: nothing is known, or it is not there */
    bool pair;                           /* another model reads the texts already */
    bool english_alone, translator;
} understanding;

static int find_translator(void *user, const simile_installed_model *m)
{
    understanding *u = user;
    u->translator |= !m->partial && (!strcmp(m->name, "opus-mt-zh-en") || !strcmp(m->name, "simile-zh-en"));
    return u->translator;
}

static bool is_declared(const simile_model *beside, const simile_model *model)
{
    char digest[65];
    const char *space, *name = simile_model_space_name(model);
    if (simile_model_digest(model, digest, NULL)) return false;
    for (size_t i = 0; (space = simile_model_compatible_at(beside, i)); i++)
        if (!strcmp(space, digest) || (name && !strcmp(space, name))) return true;
    return false;
}

static void find_many(const simile_model *model, const char *places, understanding *u)
{
    static const char name[] = "simile-languages";
    const simile_model_options options = {.struct_size = sizeof options, .search_path = places};
    simile_model *many;
    if (simile_model_open(name, &options, &many, NULL)) return;
    if (is_declared(many, model)) simile_text_tower_of(name, places, &u->many, NULL);
    simile_model_close(many);
}

static bool is_taught(const simile_text_tower *published, const char *code)
{
    return published && (simile_text_tower_reads(published, code) & SIMILE_READS_TAUGHT);
}

static void understand(const simile_model *model, understanding *u)
{
    const simile_model_info *info = simile_model_get_info(model);
    const simile_language *l;
    char *places = path_folder(info->directory); /* what is installed lies together */
    int taught = 0;
    u->pair = info->text_name != NULL;
    simile_text_tower_of(u->pair ? info->text_directory : info->directory, NULL, &u->own, NULL);
    for (size_t i = 0; (l = simile_language_at(i)); i++) taught += is_taught(u->own, l->code);
    u->english_alone = taught == 1 && is_taught(u->own, "en");
    if (u->english_alone) simile_installed_models(places, find_translator, u, NULL);
    if (!u->pair) find_many(model, places, u);
    mem_free(places);
}

/* SIMILE_VIA_..., or AUTO where nobody is known to understand it. */
static int32_t way_of(const understanding *u, const char *code)
{
    if (is_taught(u->own, code)) return SIMILE_VIA_DIRECT;
    if (u->pair) return SIMILE_VIA_AUTO;
    if (u->translator && !strncmp(code, "zh", 2)) return SIMILE_VIA_TRANSLATE;
    return is_taught(u->many, code) ? SIMILE_VIA_MULTILINGUAL : SIMILE_VIA_AUTO;
}

static void languages_json(const understanding *u, json_writer *w)
{
    const simile_language *l;
    jw_key(w, "languages"), jw_array(w);
    for (size_t i = 0; (l = simile_language_at(i)); i++) {
        const int32_t way = way_of(u, l->code);
        if (way == SIMILE_VIA_AUTO) continue;
        jw_object(w);
        jw_key(w, "code"), jw_string(w, l->code);
        jw_key(w, "name"), jw_string(w, l->name);
        jw_key(w, "native"), jw_string(w, l->native);
        jw_key(w, "via"), jw_string(w, reading_ways[way]);
        jw_object_end(w);
    }
    jw_array_end(w);
}

/* ---- the rest ---- */

static void catalog_json(const simile_stats *stats, json_writer *w)
{
    jw_key(w, "version"), jw_string(w, SIMILE_VERSION_STRING);
    jw_key(w, "images"), jw_int(w, stats->images);
    jw_key(w, "texts"), jw_int(w, stats->texts);
    jw_key(w, "quarantined"), jw_int(w, stats->quarantined);
    jw_key(w, "bytes"), jw_int(w, stats->bytes);
    jw_key(w, "digest"), jw_string(w, stats->model_digest);
}

/* t NULL: the model cannot be had at the moment. */
static void model_json(tower *t, const simile_stats *stats, json_writer *w)
{
    const simile_model_info *info = t ? simile_model_get_info(tower_model(t)) : NULL;
    understanding u = {0};
    jw_key(w, "model"), jw_string(w, info ? info->name : stats->model_name);
    jw_key(w, "text_model");
    if (info && info->text_name)
        jw_string(w, info->text_name);
    else
        jw_null(w);
    jw_key(w, "dim"), jw_int(w, info ? info->dim : stats->dim);
    if (t) understand(tower_model(t), &u);
    languages_json(&u, w);
}

static simile_status answer_stats(server *s, const request *q, reply *r, simile_error *err)
{
    tower *t = towers_main(s->towers);
    simile_stats stats;
    json_writer w;
    RETURN_IF_ERROR(api_bare(q, r, err));
    RETURN_IF_ERROR(simile_library_get_stats(s->library, &stats, err));
    const bool held = !tower_hold(t, NULL);
    reply_json(r, &w);
    jw_object(&w);
    catalog_json(&stats, &w);
    model_json(held ? t : NULL, &stats, &w);
    jw_key(&w, "read_only"), jw_bool(&w, s->options.read_only);
    jw_key(&w, "uptime_seconds"), jw_int(&w, (int64_t)time(NULL) - s->started);
    jw_object_end(&w);
    if (held) tower_release(t);
    return SIMILE_OK;
}

void api_stats(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_stats(s, q, r, &err), &err);
}

void api_description(server *s, const request *q, reply *r)
{
    simile_error err;
    const simile_status status = api_bare(q, r, &err);
    (void)s;
    if (!status) {
        r->fixed = openapi_json;
        r->fixed_len = openapi_json_len;
        reply_header(r, "Cache-Control", "no-cache");
    }
    api_end(r, status, &err);
}
