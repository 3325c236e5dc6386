/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_add.c - `simile add PATH...`: puts pictures (and texts) into the catalogue.
 *
 * Interrupted, it stops behind the batch in flight, which is kept; the same command then goes on where it was. */
#include "app.h"
#include "base/mem.h"
#include "ingest.h"
#include "lines.h"
#include "term.h"

#include <inttypes.h>

typedef struct {
    app *a;
    simile_add_options options;
    bool retry, keep_missing, no_orient, newest_first, no_thumbnails, exact;
    words paths, texts, text_files;
} request;

static simile_status read_texts(const request *r, text_list *all, simile_error *err)
{
    for (size_t i = 0; i < r->texts.count; i++) RETURN_IF_ERROR(text_list_add(all, r->texts.items[i], err));
    for (size_t i = 0; i < r->text_files.count; i++) RETURN_IF_ERROR(text_list_read(all, r->text_files.items[i], err));
    return SIMILE_OK;
}

static simile_status add(app *a, request *r, ingest *done, simile_error *err)
{
    text_list texts = {0};
    simile_status status = read_texts(r, &texts, err);
    if (!status) status = ingest_run(a, &r->options, &r->paths, &texts, done, err);
    text_list_release(&texts);
    return status;
}

static int take_after(void *to, const char *value)
{
    request *r = to;
    return app_date(r->a, "after", value, &r->options.after, &r->options.has_after);
}

static int take_before(void *to, const char *value)
{
    request *r = to;
    return app_date(r->a, "before", value, &r->options.before, &r->options.has_before);
}

static int run(app *a, int argc, char **argv)
{
    request r = {.a = a, .options = {.struct_size = sizeof r.options}};
    const option options[] = {
        {0, "text", "STRING", "add a text as an item; may be repeated", OPTION_WORDS, &r.texts},
        {0, "texts-from", "FILE", "add each line of a file as a text ('-': stdin)", OPTION_WORDS, &r.text_files},
        {0, "retry", NULL, "try again what could not be read before", OPTION_FLAG, &r.retry},
        {0, "keep-missing", NULL, "keep pictures whose file is gone", OPTION_FLAG, &r.keep_missing},
        {0, "no-orient", NULL, "leave pictures as stored, whatever their EXIF orientation", OPTION_FLAG, &r.no_orient},
        {0, "after", "DATE", "only pictures from this year, month or day on", OPTION_CALL, &r, .call = take_after},
        {0, "before", "DATE", "only pictures before this year, month or day", OPTION_CALL, &r, .call = take_before},
        {0, "newest-first", NULL, "the newest pictures first", OPTION_FLAG, &r.newest_first},
        {0, "no-thumbnails", NULL, "make no thumbnails", OPTION_FLAG, &r.no_thumbnails},
        {0, "exact", NULL, "decode large JPEGs whole, for the last digits of their vectors", OPTION_FLAG, &r.exact},
        {0, "batch", "N", "pictures committed together (default 16)", OPTION_INT, &r.options.batch, .min = 1,
         .max = 256},
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    int status = EXIT_FAILED;
    simile_error err;
    ingest done = {0};
    if (!options_parse(a, options, argc, argv, &r.paths)) {
        status = a->status;
        goto done;
    }
    if (!r.paths.count && !r.texts.count && !r.text_files.count) {
        status = app_usage(a, "nothing to add");
        goto done;
    }
    r.options.retry_quarantined = r.retry;
    r.options.keep_missing = r.keep_missing;
    r.options.ignore_orientation = r.no_orient;
    r.options.newest_first = r.newest_first;
    r.options.no_thumbnails = r.no_thumbnails;
    r.options.exact = r.exact;
    status = add(a, &r, &done, &err) ? ingest_failed(a, &done, &err) : ingest_report(a, &done);
done:
    words_release(&r.paths);
    words_release(&r.texts);
    words_release(&r.text_files);
    return status;
}

const command command_add = {
    "add", "PATH...", "put pictures into the catalogue",
    "A PATH is a picture or a folder, which is searched through and through. Unchanged files are skipped, changed "
    "ones\n"
    "read again, moved ones renamed, and below the given folders pictures whose file is gone are forgotten. A file "
    "that\n"
    "cannot be read is set aside with the reason ('simile info --quarantined' shows them) and never stops the rest.\n"
    "Ctrl-C keeps what was done; the same command goes on from there.\n\n"
    "  simile add ~/Pictures\n"
    "  simile add --newest-first --after 2023 ~/Pictures\n"
    "  simile add --texts-from captions.txt\n",
    run};
