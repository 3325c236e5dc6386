/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_info.c - `simile info`: the model, the catalogue, and lists of what is in it. */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- lists ---- */

typedef struct {
    app *a;
    bool only_quarantined;
    buf out;
    bool stopped;
} listing;

static void item_json(const simile_item *item, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "id"), jw_int(&w, item->id);
    jw_key(&w, "kind"), jw_string(&w, item->kind == SIMILE_KIND_TEXT ? "text" : "image");
    if (item->path) jw_key(&w, "path"), jw_string(&w, item->path);
    if (item->text) jw_key(&w, "text"), jw_string(&w, item->text);
    jw_key(&w, "status"), jw_string(&w, item->status == SIMILE_ITEM_OK ? "ok" : "quarantined");
    if (item->reason) jw_key(&w, "reason"), jw_string(&w, item->reason);
    if (item->kind == SIMILE_KIND_IMAGE) {
        jw_key(&w, "width"), jw_int(&w, item->width);
        jw_key(&w, "height"), jw_int(&w, item->height);
        jw_key(&w, "size"), jw_int(&w, item->size);
        if (item->taken != INT64_MIN) jw_key(&w, "taken"), jw_int(&w, item->taken);
        if (item->hash) jw_key(&w, "sha256"), jw_string(&w, item->hash);
    }
    jw_object_end(&w);
}

static int list_item(void *user, const simile_item *item)
{
    listing *l = user;
    if (l->only_quarantined && item->status != SIMILE_ITEM_QUARANTINED) return 0;
    if (l->a->json) {
        item_json(item, &l->out);
    } else {
        buf_printf(&l->out, "%6" PRId64 "  ", item->id);
        term_text(&l->out, item->path ? item->path : item->text ? item->text : "");
        if (item->reason) {
            buf_text(&l->out, ": ");
            term_text(&l->out, item->reason);
        }
    }
    buf_byte(&l->out, '\n');
    l->stopped = !app_write(&l->out);
    return l->stopped;
}

static int run_list(app *a, bool only_quarantined)
{
    listing l = {.a = a, .only_quarantined = only_quarantined};
    simile_error err;
    buf_init(&l.out, OUTPUT_MAX);
    simile_status status = app_library(a, LIBRARY_READ, false, &err);
    if (!status) status = simile_library_each(a->library, list_item, &l, &err);
    buf_release(&l.out);
    return status && !l.stopped ? app_fail(&err) : EXIT_OK;
}

/* ---- the overview ---- */

typedef struct {
    const simile_model *model; /* NULL: none */
    const simile_model_info *info;
    char digest[65];
} model_facts;

typedef struct {
    model_facts sees, reads; /* reads: of a pair */
    bool has_catalog, accepted;
    simile_stats stats;
    char space[SIMILE_SPACE_NAME]; /* of the catalogue */
} overview;

static simile_status collect_model(const simile_model *model, model_facts *out, simile_error *err)
{
    out->model = model;
    out->info = simile_model_get_info(model);
    return simile_model_digest(model, out->digest, err);
}

static simile_status collect_catalog(app *a, overview *o, simile_error *err)
{
    RETURN_IF_ERROR(app_catalog_path(a, err));
    o->has_catalog = file_exists(a->catalog_path);
    if (!o->has_catalog) return SIMILE_OK;
    RETURN_IF_ERROR(app_library(a, LIBRARY_READ, false, err));
    RETURN_IF_ERROR(simile_library_get_stats(a->library, &o->stats, err));
    RETURN_IF_ERROR(simile_library_get_space(a->library, o->space, err));
    const simile_status status = simile_library_check_model(a->library, a->model, err);
    o->accepted = !status;
    return status == SIMILE_E_VERSION ? SIMILE_OK : status;
}

/* *reader: the text model of a pair by itself, to be closed. */
static simile_status collect(app *a, overview *o, simile_model **reader, simile_error *err)
{
    *reader = NULL;
    RETURN_IF_ERROR(app_model(a, err));
    RETURN_IF_ERROR(collect_model(a->model, &o->sees, err));
    if (o->sees.info->text_name) {
        RETURN_IF_ERROR(app_open_model(a, a->text_model_name, reader, err));
        RETURN_IF_ERROR(collect_model(*reader, &o->reads, err));
    }
    return collect_catalog(a, o, err);
}

static void model_json(const model_facts *f, int32_t asked, json_writer *w)
{
    const simile_model_info *m = f->info;
    const char *beside;
    jw_object(w);
    jw_key(w, "name"), jw_string(w, m->name);
    jw_key(w, "directory"), jw_string(w, m->directory);
    jw_key(w, "family"), jw_string(w, m->family);
    jw_key(w, "dimension"), jw_int(w, m->dim);
    jw_key(w, "image_size"), jw_int(w, m->image_size);
    jw_key(w, "context"), jw_int(w, m->context);
    jw_key(w, "vocabulary"), jw_int(w, m->vocab_size);
    jw_key(w, "parameters"), jw_int(w, m->parameters);
    jw_key(w, "logit_scale"), jw_float(w, m->logit_scale);
    jw_key(w, "logit_bias"), jw_float(w, m->logit_bias);
    jw_key(w, "score"), jw_string(w, show_score(m->score));
    jw_key(w, "weights"), jw_string(w, m->weights_dtype);
    jw_key(w, "digest"), jw_string(w, f->digest);
    jw_key(w, "cache_bytes"), jw_int(w, simile_model_cache_bytes(f->model));
    jw_key(w, "space"), jw_string(w, simile_model_space_name(f->model));
    jw_key(w, "compatible_with"), jw_array(w);
    for (size_t i = 0; (beside = simile_model_compatible_at(f->model, i)); i++) jw_string(w, beside);
    jw_array_end(w);
    jw_key(w, "dtype"), jw_string(w, simile_compute_name(m->compute));
    jw_key(w, "dtype_asked"), jw_string(w, simile_compute_name(asked));
    jw_key(w, "dtype_native"), jw_bool(w, m->compute_native);
    jw_key(w, "kernels"), jw_string(w, m->kernels);
    jw_key(w, "products"), jw_string(w, m->products);
    jw_object_end(w);
}

static void catalog_json(const app *a, const overview *o, json_writer *w)
{
    jw_object(w);
    jw_key(w, "path"), jw_string(w, a->catalog_path);
    jw_key(w, "exists"), jw_bool(w, o->has_catalog);
    if (o->has_catalog) {
        jw_key(w, "images"), jw_int(w, o->stats.images);
        jw_key(w, "texts"), jw_int(w, o->stats.texts);
        jw_key(w, "quarantined"), jw_int(w, o->stats.quarantined);
        jw_key(w, "bytes"), jw_int(w, o->stats.bytes);
        jw_key(w, "dimension"), jw_int(w, o->stats.dim);
        jw_key(w, "schema"), jw_int(w, o->stats.schema);
        jw_key(w, "model"), jw_string(w, o->stats.model_name);
        jw_key(w, "model_digest"), jw_string(w, o->stats.model_digest);
        jw_key(w, "space"), jw_string(w, *o->space ? o->space : NULL);
        jw_key(w, "accepts_model"), jw_bool(w, o->accepted);
    }
    jw_object_end(w);
}

static void print_json(const app *a, const overview *o, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "version"), jw_string(&w, SIMILE_VERSION_STRING);
    jw_key(&w, "model"), model_json(&o->sees, a->compute, &w);
    jw_key(&w, "text_model");
    if (o->reads.model)
        model_json(&o->reads, a->compute, &w);
    else
        jw_null(&w);
    jw_key(&w, "catalog"), catalog_json(a, o, &w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static void print_declarations(const simile_model *model, buf *out)
{
    const char *name = simile_model_space_name(model), *beside;
    if (name) buf_printf(out, "            space %s\n", name);
    for (size_t i = 0; (beside = simile_model_compatible_at(model, i)); i++)
        buf_printf(out, "            beside %s\n", beside);
}

static const char *reason(const simile_model_info *m, int32_t asked)
{
    const bool chosen = asked == SIMILE_COMPUTE_AUTO;
    if (chosen && m->compute == SIMILE_COMPUTE_INT8)
        return m->compute_native ? "the model was converted to it"
                                 : "the model was converted to it; slow on this processor";
    if (chosen)
        return m->compute_native && m->compute != SIMILE_COMPUTE_F32 ? "this processor has instructions for it"
                                                                     : "this processor has none for bf16";
    return m->compute_native ? "as asked for" : "as asked for; this processor has no instructions for it, and is slow";
}

static void print_compute(const simile_model_info *m, int32_t asked, buf *out)
{
    buf_printf(out, "            computed in %s (%s), kernels %s, products %s\n", simile_compute_name(m->compute),
               reason(m, asked), m->kernels, m->products);
}

static void print_model(const app *a, const char *title, const model_facts *f, buf *out)
{
    const simile_model_info *m = f->info;
    char parameters[32], vocabulary[32];
    term_count(parameters, m->parameters);
    term_count(vocabulary, m->vocab_size);
    buf_printf(out, "%-11s %s (%s), %s\n            vectors of %d numbers", title, m->name, m->family, m->directory,
               m->dim);
    if (m->image_size)
        buf_printf(out, ", pictures of %d x %d", m->image_size, m->image_size);
    else
        buf_text(out, ", no pictures");
    if (m->context) buf_printf(out, ", texts of %d tokens out of %s", m->context, vocabulary);
    buf_printf(out, "\n            %s parameters, stored as %s, logit scale ", parameters, m->weights_dtype);
    show_float(out, m->logit_scale);
    if (m->score == SIMILE_SCORE_SIGMOID) buf_text(out, ", bias "), show_float(out, m->logit_bias);
    buf_printf(out, " (%s)\n            digest %s\n", show_score(m->score), f->digest);
    print_declarations(f->model, out);
    print_compute(m, a->compute, out);
    if (simile_model_cache_bytes(f->model)) {
        buf_text(out, "            packed weights in the cache: ");
        show_bytes(out, simile_model_cache_bytes(f->model));
        buf_byte(out, '\n');
    }
}

static void print_vectors(const overview *o, buf *out)
{
    const char *standing = "";
    if (!o->accepted)
        standing = " (not the model above)";
    else if (o->stats.images + o->stats.texts && strcmp(o->stats.model_digest, o->sees.digest) != 0)
        standing = " (the model above is declared to fit)";
    buf_printf(out, "            vectors of %s%s\n", o->stats.model_name, standing);
    if (*o->space) buf_printf(out, "            space %s\n", o->space);
}

static void print_catalog(const app *a, const overview *o, buf *out)
{
    char images[32], texts[32];
    buf_text(out, "catalogue   ");
    term_text(out, a->catalog_path);
    if (!o->has_catalog) {
        buf_text(out, "\n            none yet: 'simile add FOLDER' makes it\n");
        return;
    }
    term_count(images, o->stats.images);
    term_count(texts, o->stats.texts);
    buf_printf(out, "\n            %s pictures, %s texts, ", images, texts);
    show_bytes(out, o->stats.bytes);
    buf_printf(out, ", schema %d\n", o->stats.schema);
    if (*o->stats.model_digest) print_vectors(o, out);
    if (o->stats.quarantined) {
        term_count(images, o->stats.quarantined);
        buf_printf(out, "            %s could not be read: 'simile info --quarantined' says why\n", images);
    }
}

static void print_overview(const app *a, const overview *o)
{
    buf out;
    buf_init(&out, OUTPUT_MAX);
    if (a->json) {
        print_json(a, o, &out);
    } else {
        buf_printf(&out, "simile      %s\n", SIMILE_VERSION_STRING);
        print_model(a, "model", &o->sees, &out);
        if (o->reads.model) print_model(a, "text model", &o->reads, &out);
        print_catalog(a, o, &out);
    }
    app_write(&out);
    buf_release(&out);
}

static int run_overview(app *a)
{
    overview o = {0};
    simile_model *reader;
    simile_error err;
    const simile_status status = collect(a, &o, &reader, &err);
    if (!status) print_overview(a, &o);
    simile_model_close(reader);
    return status ? app_fail(&err) : EXIT_OK;
}

/* ---- the command line ---- */

/* By its first bytes; what cannot be read is none. */
static bool is_catalog(const char *path)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    FILE *file = fopen(path, "rbe");
    const bool same = file && fread(head, 1, sizeof head, file) == sizeof head && !memcmp(head, magic, sizeof head);
    if (file) fclose(file);
    return same;
}

/* False: two of a kind. */
static bool take_subjects(app *a, const words *named)
{
    size_t catalogs = 0;
    for (size_t i = 0; i < named->count; i++) {
        const bool catalog = is_catalog(named->items[i]);
        *(catalog ? &a->catalog : &a->model_name) = named->items[i];
        catalogs += catalog;
    }
    return catalogs <= 1 && named->count - catalogs <= 1;
}

static int run(app *a, int argc, char **argv)
{
    bool items = false, quarantined = false;
    const option options[] = {
        {0, "items", NULL, "list every item", OPTION_FLAG, &items},
        {0, "quarantined", NULL, "list what could not be read, with the reason", OPTION_FLAG, &quarantined},
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const bool good = take_subjects(a, &rest);
    words_release(&rest);
    if (!good) return app_usage(a, "'info' takes one model and one catalogue");
    return items || quarantined ? run_list(a, !items) : run_overview(a);
}

const command command_info = {"info", "[MODEL] [CATALOGUE]", "the model, the catalogue, what could not be read",
                              "What is named stands in for --model and --catalog; a file that is a catalogue is taken "
                              "for one.\n\n"
                              "  simile info clip-vit-base-patch32\n"
                              "  simile info --quarantined\n"
                              "  simile info --items --json\n",
                              run};
