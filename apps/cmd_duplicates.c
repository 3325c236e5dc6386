/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_duplicates.c - `simile duplicates`: pictures that are alike, group by group. It only tells: nothing is deleted.
 */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "progress.h"
#include "term.h"

#include <inttypes.h>

typedef struct {
    app *a;
    simile_duplicates_options options;
    const char *folder; /* as given */
    progress bar;
    json_writer w;
    buf out;
    int64_t groups;
    simile_status status; /* of looking an item up while groups are told */
    simile_error why;
} request;

typedef struct {
    request *r;
    float similarity;
} one_item;

static int print_item(void *user, const simile_item *item)
{
    const one_item *one = user;
    request *r = one->r;
    if (r->a->json) {
        jw_object(&r->w);
        jw_key(&r->w, "id"), jw_int(&r->w, item->id);
        jw_key(&r->w, "path"), jw_string(&r->w, item->path);
        jw_key(&r->w, "similarity"), jw_float(&r->w, one->similarity);
        jw_object_end(&r->w);
        return 0;
    }
    buf_printf(&r->out, "%6.2f%%  ", (double)one->similarity);
    term_text(&r->out, item->path);
    buf_byte(&r->out, '\n');
    return 0;
}

static int print_group(void *user, const simile_group *group)
{
    request *r = user;
    if (r->a->json) {
        jw_object(&r->w);
        jw_key(&r->w, "items"), jw_array(&r->w);
    } else if (r->groups) {
        buf_byte(&r->out, '\n');
    }
    for (size_t i = 0; i < group->n && !r->status; i++) {
        one_item one = {r, group->similarity[i]};
        r->status = simile_library_find(r->a->library, group->ids[i], print_item, &one, &r->why);
        if (r->status == SIMILE_E_NOT_FOUND) r->status = SIMILE_OK; /* forgotten a moment ago */
    }
    if (r->a->json) {
        jw_array_end(&r->w);
        jw_object_end(&r->w);
    }
    r->groups++;
    return r->status != SIMILE_OK;
}

static simile_status find(request *r, simile_error *err)
{
    app *a = r->a;
    RETURN_IF_ERROR(app_library(a, LIBRARY_READ, false, err));
    char *folder = r->folder ? path_absolute(r->folder) : NULL;
    if (r->folder && !folder) return err_nomem(err);
    interrupt_catch();
    progress_begin(&r->bar, "pairs", a->quiet);
    r->options.folder = folder;
    r->options.progress = progress_step;
    r->options.user = &r->bar;
    simile_status status = simile_library_duplicates(a->library, &r->options, print_group, r, err);
    progress_end(&r->bar);
    mem_free(folder);
    if (!status && r->status) {
        *err = r->why;
        status = r->status;
    }
    return status;
}

static int find_all(request *r)
{
    simile_error err;
    jw_init(&r->w, &r->out);
    if (r->a->json) {
        jw_object(&r->w);
        jw_key(&r->w, "groups"), jw_array(&r->w);
    }
    if (find(r, &err)) return app_fail(&err);
    if (r->a->json) {
        jw_array_end(&r->w);
        jw_key(&r->w, "catalog"), jw_string(&r->w, r->a->catalog_path);
        jw_key(&r->w, "similarity"), jw_float(&r->w, r->options.similarity);
        jw_key(&r->w, "count"), jw_int(&r->w, r->groups);
        jw_object_end(&r->w);
        buf_byte(&r->out, '\n');
    }
    app_write(&r->out);
    return EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    request r = {.a = a, .options = {.struct_size = sizeof r.options, .similarity = 96}};
    int32_t limit = 0;
    const option options[] = {
        {0, "similarity", "PERCENT", "pictures that are at least so similar are alike (default 96)", OPTION_REAL,
         &r.options.similarity, .min = 1, .max = 100},
        {'k', "limit", "N", "at most so many groups", OPTION_INT, &limit, .min = 1, .max = 1000000},
        {0, "folder", "DIR", "only pictures in this folder and below", OPTION_STRING, &r.folder},
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'duplicates' takes no words; --folder names a folder");
    r.options.limit = limit;
    buf_init(&r.out, OUTPUT_MAX);
    const int status = find_all(&r);
    buf_release(&r.out);
    return status;
}

const command command_duplicates = {"duplicates", "", "find pictures that are alike",
                                    "Groups of pictures, the largest group first. Pictures belong to a group when they "
                                    "are alike, or alike through others\n"
                                    "of it. The first of each group is the one with the most pixels; what stands "
                                    "before a path is the similarity to it.\n"
                                    "Every pair of pictures is compared. Nothing is deleted.\n\n"
                                    "  simile duplicates\n"
                                    "  simile duplicates --similarity 99 --folder ~/Pictures/phone\n",
                                    run};
