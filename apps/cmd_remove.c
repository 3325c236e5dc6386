/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_remove.c - `simile remove PATH...`: takes items out of the catalogue. Files are never touched. */
#include "app.h"

#include <inttypes.h>
#include <stdio.h>

static simile_status remove_all(app *a, const words *paths, const words *texts, int64_t *removed, simile_error *err)
{
    RETURN_IF_ERROR(app_library(a, LIBRARY_CHANGE, false, err));
    int64_t n = 0;
    for (size_t i = 0; i < paths->count; i++) {
        RETURN_IF_ERROR(simile_library_remove(a->library, paths->items[i], &n, err));
        *removed += n;
    }
    for (size_t i = 0; i < texts->count; i++) {
        RETURN_IF_ERROR(simile_library_remove_text(a->library, texts->items[i], &n, err));
        *removed += n;
    }
    return SIMILE_OK;
}

static int run(app *a, int argc, char **argv)
{
    words paths, texts = {0};
    const option options[] = {
        {0, "text", "STRING", "take out a text; may be repeated", OPTION_WORDS, &texts},
        {0},
    };
    int status = EXIT_FAILED;
    int64_t removed = 0;
    simile_error err;
    if (!options_parse(a, options, argc, argv, &paths)) {
        status = a->status;
    } else if (!paths.count && !texts.count) {
        status = app_usage(a, "nothing to remove");
    } else if (remove_all(a, &paths, &texts, &removed, &err)) {
        status = app_fail(&err);
    } else {
        printf(a->json ? "{\"removed\":%" PRId64 "}\n" : "removed %" PRId64 "\n", removed);
        status = EXIT_OK;
    }
    words_release(&paths);
    words_release(&texts);
    return status;
}

const command command_remove = {"remove", "PATH...", "take pictures out of the catalogue",
                                "A PATH is a picture, a folder (all that is below it) or a pattern with '*' and '?'. "
                                "Files are never touched: what\n"
                                "still lies below a folder that you add comes back with the next 'simile add'.\n\n"
                                "  simile remove ~/Pictures/screenshots\n",
                                run};
