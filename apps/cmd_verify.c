/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_verify.c - `simile verify`: checks the catalogue; exit status 1 when it finds a problem. */
#include "app.h"
#include "progress.h"
#include "term.h"

#include <inttypes.h>

typedef struct {
    app *a;
    progress bar;
    json_writer w;
    buf out;
} check;

static void on_problem(void *user, int64_t id, const char *path, const char *problem)
{
    check *c = user;
    if (c->a->json) {
        jw_object(&c->w);
        jw_key(&c->w, "id"), jw_int(&c->w, id);
        jw_key(&c->w, "path"), path ? jw_string(&c->w, path) : jw_null(&c->w);
        jw_key(&c->w, "problem"), jw_string(&c->w, problem);
        jw_object_end(&c->w);
        return;
    }
    if (id) buf_printf(&c->out, "%" PRId64 "  ", id);
    if (path) {
        term_text(&c->out, path);
        buf_text(&c->out, ": ");
    }
    buf_text(&c->out, problem);
    buf_byte(&c->out, '\n');
}

static int on_progress(void *user, int64_t done, int64_t total, const char *subject)
{
    check *c = user;
    return progress_step(&c->bar, done, total, subject);
}

static simile_status verify(check *c, bool files, simile_verify_report *report, simile_error *err)
{
    app *a = c->a;
    RETURN_IF_ERROR(app_library(a, LIBRARY_READ, false, err));
    interrupt_catch();
    progress_begin(&c->bar, "items", a->quiet);
    const simile_status status = simile_library_verify(a->library, files, on_problem, on_progress, c, report, err);
    progress_end(&c->bar);
    return status;
}

static int report_all(check *c, bool files)
{
    simile_verify_report report = {0};
    simile_error err;
    jw_init(&c->w, &c->out);
    if (c->a->json) {
        jw_object(&c->w);
        jw_key(&c->w, "problems"), jw_array(&c->w);
    }
    const simile_status status = verify(c, files, &report, &err);
    if (status) return app_fail(&err);
    if (c->a->json) {
        jw_array_end(&c->w);
        jw_key(&c->w, "catalog"), jw_string(&c->w, c->a->catalog_path);
        jw_key(&c->w, "items"), jw_int(&c->w, report.items);
        jw_object_end(&c->w);
        buf_byte(&c->out, '\n');
    } else {
        buf_printf(&c->out, "%" PRId64 " item%s, %" PRId64 " problem%s\n", report.items, report.items == 1 ? "" : "s",
                   report.problems, report.problems == 1 ? "" : "s");
    }
    app_write(&c->out);
    return report.problems ? EXIT_FAILED : EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    bool files = false;
    const option options[] = {
        {0, "files", NULL, "read every picture again and compare its content", OPTION_FLAG, &files},
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'verify' takes no words");
    check c = {.a = a};
    buf_init(&c.out, OUTPUT_MAX);
    const int status = report_all(&c, files);
    buf_release(&c.out);
    return status;
}

const command command_verify = {
    "verify", "", "check the catalogue",
    "Checks the database, each vector's length, checksum and norm, and the thumbnails. Exit status 1 means that\n"
    "problems were found; 'simile add' on the folder repairs what can be repaired.\n",
    run};
