/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_models.c - `simile models`: what is installed, and what can be had by name. */
#include "app.h"
#include "base/mem.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>

typedef struct {
    app *a;
    buf out;
    json_writer w;
    bool installed, known; /* what was asked for */
    size_t count;
} listing;

/* ---- installed ---- */

static void installed_json(json_writer *w, const simile_installed_model *m)
{
    jw_object(w);
    jw_key(w, "name"), jw_string(w, m->name);
    jw_key(w, "directory"), jw_string(w, m->directory);
    jw_key(w, "source"), m->source ? jw_string(w, m->source) : jw_null(w);
    jw_key(w, "bytes"), jw_int(w, m->bytes);
    jw_key(w, "partial"), jw_bool(w, m->partial);
    jw_key(w, "removable"), jw_bool(w, m->removable);
    jw_object_end(w);
}

static void installed_text(buf *out, const simile_installed_model *m)
{
    buf_text(out, "  ");
    term_text(out, m->name);
    buf_text(out, m->partial ? "  unfinished, " : "  ");
    show_bytes(out, m->bytes);
    if (m->source) {
        buf_text(out, "\n    from ");
        term_text(out, m->source);
    }
    buf_text(out, "\n    in   ");
    term_text(out, m->directory);
    if (m->partial) buf_text(out, "\n    'simile pull' goes on with it, 'simile rm' drops it");
    buf_byte(out, '\n');
}

static int on_installed(void *user, const simile_installed_model *m)
{
    listing *l = user;
    l->count++;
    if (l->a->json)
        installed_json(&l->w, m);
    else
        installed_text(&l->out, m);
    return 0;
}

static simile_status list_installed(listing *l, simile_error *err)
{
    RETURN_IF_ERROR(app_search_path(l->a, err));
    if (l->a->json)
        jw_key(&l->w, "installed"), jw_array(&l->w);
    else
        buf_text(&l->out, "Installed\n");
    RETURN_IF_ERROR(simile_installed_models(l->a->model_path, on_installed, l, err));
    if (l->a->json)
        jw_array_end(&l->w);
    else if (!l->count)
        buf_text(&l->out, "  none\n");
    return SIMILE_OK;
}

/* ---- known ---- */

static void known_json(json_writer *w, const simile_known_model *m)
{
    jw_object(w);
    jw_key(w, "name"), jw_string(w, m->name);
    jw_key(w, "use"), jw_string(w, m->use);
    jw_key(w, "languages"), jw_string(w, m->languages);
    jw_key(w, "family"), jw_string(w, m->family);
    jw_key(w, "source"), jw_string(w, m->source);
    jw_key(w, "licence"), jw_string(w, m->licence);
    jw_key(w, "dimension"), jw_int(w, m->dim);
    jw_key(w, "parameters"), jw_int(w, m->parameters);
    jw_key(w, "bytes"), jw_int(w, m->bytes);
    jw_key(w, "loads"), jw_bool(w, m->loads);
    jw_key(w, "space"), jw_string(w, m->space ? m->space : m->source);
    jw_key(w, "beside"), jw_string(w, m->beside);
    jw_object_end(w);
}

static void known_text(buf *out, const simile_known_model *m)
{
    char parameters[32];
    buf_printf(out, "  %s\n    %s\n    %s; vectors of %d; ", m->name, m->use, m->languages, m->dim);
    term_count(parameters, m->parameters);
    if (m->parameters) buf_printf(out, "%s parameters; ", parameters);
    if (m->bytes)
        show_bytes(out, m->bytes);
    else
        buf_text(out, "size unknown");
    buf_printf(out, "; licence: %s\n    %s\n", m->licence, m->source);
    if (!m->loads) buf_printf(out, "    can be fetched; opening it (%s) needs a later version\n", m->family);
}

static void list_known(listing *l)
{
    const simile_known_model *m;
    if (l->a->json)
        jw_key(&l->w, "known"), jw_array(&l->w);
    else
        buf_printf(&l->out, "%sKnown by name: 'simile pull NAME' fetches one\n", l->installed ? "\n" : "");
    for (size_t i = 0; (m = simile_known_model_at(i)); i++) {
        if (l->a->json)
            known_json(&l->w, m);
        else
            known_text(&l->out, m);
    }
    if (l->a->json) jw_array_end(&l->w);
}

static int show(listing *l)
{
    simile_error err;
    jw_init(&l->w, &l->out);
    if (l->a->json) jw_object(&l->w);
    if (l->installed && list_installed(l, &err)) return app_fail(&err);
    if (l->known) list_known(l);
    if (l->a->json) {
        jw_object_end(&l->w);
        buf_byte(&l->out, '\n');
    }
    app_write(&l->out);
    return EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    bool installed = false, known = false;
    const option options[] = {
        {0, "installed", NULL, "only those that are here", OPTION_FLAG, &installed},
        {0, "known", NULL, "only those that can be had by name", OPTION_FLAG, &known},
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'models' takes no words");
    listing l = {.a = a, .installed = installed || !known, .known = known || !installed};
    buf_init(&l.out, OUTPUT_MAX);
    const int status = show(&l);
    buf_release(&l.out);
    return status;
}

const command command_models = {
    "models", "", "the models that are here, and those that can be fetched",
    "Any other owner/name of the Hugging Face Hub can be fetched, too. A licence or size that "
    "nobody looked up is\n'unknown'; what the publisher says counts.\n\n"
    "  simile models --installed\n"
    "  simile models --known --json\n",
    run};
