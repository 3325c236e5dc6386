/* SPDX-License-Identifier: Apache-2.0
 * lines.c - see lines.h. A line is held in memory whole, so its length has a bound. */
#include "lines.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

simile_status lines_open(lines *l, const char *path, simile_error *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    *l = (lines){.file = is_stdin ? stdin : fopen(path, "rbe"), .name = is_stdin ? "standard input" : path};
    buf_init(&l->line, LINE_MAX_BYTES);
    if (!l->file) return err_errno(err, "cannot read '%s'", path);
    return SIMILE_OK;
}

void lines_close(lines *l)
{
    if (l->file && l->file != stdin) fclose(l->file);
    l->file = NULL;
    buf_release(&l->line);
}

static simile_status line_is_bad(const lines *l, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %" PRId64 " %s", l->name, l->number, why);
}

static void drop_byte_order_mark(buf *line)
{
    if (line->len < 3 || memcmp(line->data, "\xef\xbb\xbf", 3) != 0) return;
    line->len -= 3;
    memmove(line->data, line->data + 3, line->len + 1);
}

simile_status lines_next(lines *l, const char **line, simile_error *err)
{
    int c;
    *line = NULL;
    buf_clear(&l->line);
    errno = 0;
    while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
        if (!buf_byte(&l->line, (char)c)) break;
    }
    if (ferror(l->file)) return err_errno(err, "cannot read '%s'", l->name);
    if (c == EOF && !l->line.len) return SIMILE_OK;
    l->number++;
    if (!buf_ok(&l->line)) return line_is_bad(l, "is too long", err);
    if (!buf_append(&l->line, "", 0)) return err_nomem(err);
    if (l->number == 1) drop_byte_order_mark(&l->line);
    if (l->line.len && l->line.data[l->line.len - 1] == '\r') l->line.data[--l->line.len] = 0;
    if (memchr(l->line.data, 0, l->line.len)) return line_is_bad(l, "holds a NUL byte", err);
    *line = l->line.data;
    return SIMILE_OK;
}

simile_status lines_each(const words *given, lines_fn fn, void *user, simile_error *err)
{
    for (size_t i = 0; i < given->count; i++) RETURN_IF_ERROR(fn(user, given->items[i], err));
    if (given->count) return SIMILE_OK;
    lines l;
    const char *line;
    simile_status status = lines_open(&l, "-", err);
    while (!status) {
        status = lines_next(&l, &line, err);
        if (status || !line) break;
        status = fn(user, line, err);
    }
    lines_close(&l);
    return status;
}

simile_status text_list_add(text_list *list, const char *text, simile_error *err)
{
    char **items = mem_grow(list->items, list->count + 1, sizeof *items);
    if (!items) return err_nomem(err);
    list->items = items;
    items[list->count] = mem_strdup(text);
    if (!items[list->count]) return err_nomem(err);
    list->count++;
    return SIMILE_OK;
}

simile_status text_list_read(text_list *list, const char *path, simile_error *err)
{
    lines l;
    const char *line;
    simile_status status = lines_open(&l, path, err);
    while (!status) {
        status = lines_next(&l, &line, err);
        if (status || !line) break;
        if (line[strspn(line, " \t")]) status = text_list_add(list, line, err);
    }
    lines_close(&l);
    return status;
}

void text_list_release(text_list *list)
{
    for (size_t i = 0; i < list->count; i++) mem_free(list->items[i]);
    mem_free(list->items);
    *list = (text_list){0};
}
