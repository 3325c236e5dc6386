/* SPDX-License-Identifier: Apache-2.0
 * lines.h - a text file, or stdin for "-", line by line. */
#ifndef SIMILE_APPS_LINES_H
#define SIMILE_APPS_LINES_H

#include "base/buf.h"
#include "base/err.h"
#include "options.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 16 << 20 };

typedef struct {
    FILE *file;
    const char *name; /* for messages */
    int64_t number;   /* of the line that was read last, from 1 */
    buf line;
} lines;

simile_status lines_open(lines *l, const char *path, simile_error *err);
/* *line is without its LF or CRLF, and NULL at the end of the file; it lives until the next call. A byte order mark at
 * the beginning is dropped. Errors: a line that is too long or holds a NUL byte. */
simile_status lines_next(lines *l, const char **line, simile_error *err);
void lines_close(lines *l);

/* fn(user, text) for each of the given texts or, when there are none, for each line of stdin; ends at the first
 * failure.
 */
typedef simile_status (*lines_fn)(void *user, const char *text, simile_error *err);
simile_status lines_each(const words *given, lines_fn fn, void *user, simile_error *err);

/* All lines of a file that are not blank. */
typedef struct {
    char **items;
    size_t count;
} text_list;
simile_status text_list_add(text_list *list, const char *text, simile_error *err);
simile_status text_list_read(text_list *list, const char *path, simile_error *err); /* appends */
void text_list_release(text_list *list);

#endif
