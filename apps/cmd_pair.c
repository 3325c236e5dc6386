/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_pair.c - `simile pair TEXT_MODEL IMAGE_MODEL`: declares that the one may read texts for the pictures of the
 * other.
 *
 * What is written, and where, is shown before it is written: a declaration that is wrong makes answers that are wrong
 * without a word. */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/space.h"
#include "term.h"

typedef struct {
    app *a;
    bool undo;
    simile_model *reads, *sees;
    char digest[65];  /* of the space of `sees` */
    const char *name; /* of that space, or NULL */
    char *file;
} pairing;

static simile_status collect(pairing *p, const words *names, simile_error *err)
{
    RETURN_IF_ERROR(app_open_model(p->a, names->items[0], &p->reads, err));
    RETURN_IF_ERROR(app_open_model(p->a, names->items[1], &p->sees, err));
    RETURN_IF_ERROR(simile_model_digest(p->sees, p->digest, err));
    p->name = simile_model_space_name(p->sees);
    p->file = path_join(simile_model_get_info(p->reads)->directory, SPACE_FILE);
    return p->file ? SIMILE_OK : err_nomem(err);
}

static void print_plan(const pairing *p, buf *out)
{
    term_text(out, p->file);
    buf_text(out, p->undo ? "\n  will no longer say that '" : "\n  will say that '");
    term_text(out, simile_model_get_info(p->reads)->name);
    buf_text(out, "' reads texts for the pictures of '");
    term_text(out, simile_model_get_info(p->sees)->name);
    buf_printf(out, "':\n  digest  %s\n", p->digest);
    if (p->name) buf_printf(out, "  name    %s\n", p->name);
}

static void print_json(const pairing *p, bool changed, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "text_model"), jw_string(&w, simile_model_get_info(p->reads)->name);
    jw_key(&w, "image_model"), jw_string(&w, simile_model_get_info(p->sees)->name);
    jw_key(&w, "file"), jw_string(&w, p->file);
    jw_key(&w, "digest"), jw_string(&w, p->digest);
    jw_key(&w, "name"), jw_string(&w, p->name);
    jw_key(&w, "declared"), jw_bool(&w, !p->undo);
    jw_key(&w, "changed"), jw_bool(&w, changed);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static simile_status work(pairing *p, const words *names, buf *out, simile_error *err)
{
    int32_t changed;
    RETURN_IF_ERROR(collect(p, names, err));
    if (!p->a->json) {
        print_plan(p, out);
        app_write(out);
        fflush(stdout);
    }
    RETURN_IF_ERROR(simile_model_declare(p->reads, p->sees, p->undo, &changed, err));
    if (p->a->json)
        print_json(p, changed != 0, out);
    else
        buf_text(out, changed ? "done\n" : "nothing to change\n");
    app_write(out);
    return SIMILE_OK;
}

static int run_pair(pairing *p, const words *names)
{
    simile_error err;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    const simile_status status = work(p, names, &out, &err);
    buf_release(&out);
    simile_model_close(p->reads);
    simile_model_close(p->sees);
    mem_free(p->file);
    return status ? app_fail(&err) : EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    pairing p = {.a = a};
    const option options[] = {
        {0, "remove", NULL, "take the declaration back", OPTION_FLAG, &p.undo},
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const int status =
        rest.count == 2 ? run_pair(&p, &rest) : app_usage(a, "a pair is a model that reads and a model that sees");
    words_release(&rest);
    return status;
}

const command command_pair = {
    "pair", "TEXT_MODEL IMAGE_MODEL", "declare that one model reads texts for another's pictures",
    "Writes the digest and the name of the image model's space into simile.json in the folder of the text model, and "
    "says\n"
    "so first. From then on --text-model takes the two together, and a catalogue made with the image model can be "
    "searched\n"
    "with the text model. Nothing can check that the vectors of the two fit together: whoever trained them knows.\n"
    "'simile pull' declares what is known of published models.\n\n"
    "  simile pair ./my-multilingual clip-vit-base-patch32\n",
    run};
