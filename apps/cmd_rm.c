/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_rm.c - `simile rm NAME...`: deletes models that `simile pull` fetched. */
#include "app.h"
#include "show.h"

static int remove_one(const app *a, const char *name)
{
    simile_error err;
    json_writer w;
    int64_t bytes;
    buf out;
    if (simile_model_remove(name, &bytes, &err)) return app_fail(&err);
    buf_init(&out, OUTPUT_MAX);
    jw_init(&w, &out);
    if (a->json) {
        jw_object(&w);
        jw_key(&w, "removed"), jw_string(&w, name);
        jw_key(&w, "bytes"), jw_int(&w, bytes);
        jw_object_end(&w);
    } else {
        buf_printf(&out, "removed %s: ", name);
        show_bytes(&out, bytes);
    }
    buf_byte(&out, '\n');
    app_write(&out);
    buf_release(&out);
    return EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    const option options[] = {{0}};
    words rest;
    int status = EXIT_OK;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    if (!rest.count) status = app_usage(a, "remove which model");
    for (size_t i = 0; i < rest.count && !status; i++) status = remove_one(a, rest.items[i]);
    words_release(&rest);
    return status;
}

const command command_rm = {
    "rm", "NAME...", "delete a model that was pulled",
    "Finished or not. Only files that 'simile pull' put into the models folder are ever deleted, and\n"
    "simile.json.\n\n"
    "  simile rm clip-vit-base-patch32\n",
    run};
