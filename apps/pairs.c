/* SPDX-License-Identifier: Apache-2.0
 * pairs.c - see pairs.h. The strings of all lines are held; equal ones are found by sorting. */
#include "pairs.h"

#include "base/file.h"
#include "base/mem.h"
#include "lines.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static simile_status bad_line(const lines *l, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %" PRId64 " %s", l->name, l->number, why);
}

static simile_status add_pair(pairs *p, const char *folder, const char *picture, const char *text, int64_t line,
                              simile_error *err)
{
    pair *items = mem_grow(p->items, p->n + 1, sizeof *items);
    if (!items) return err_nomem(err);
    p->items = items;
    pair *item = &items[p->n++];
    *item = (pair){.run = p->n_runs - 1, .line = line};
    item->path = *picture == '/' ? mem_strdup(picture) : path_join(folder, picture);
    item->text = mem_strdup(text);
    return item->path && item->text ? SIMILE_OK : err_nomem(err);
}

/* Blank lines are passed over. */
static simile_status take_line(pairs *p, const lines *l, const char *folder, const char *line, simile_error *err)
{
    if (!line[strspn(line, " \t")]) return SIMILE_OK;
    const char *tab = strchr(line, '\t');
    if (!tab) return bad_line(l, "has no tab between a picture and a caption", err);
    if (tab == line) return bad_line(l, "has no picture before its tab", err);
    if (!tab[1 + strspn(tab + 1, " \t")]) return bad_line(l, "has no caption behind its tab", err);
    char *picture = mem_strndup(line, (size_t)(tab - line));
    if (!picture) return err_nomem(err);
    const simile_status status = add_pair(p, folder, picture, tab + 1, l->number, err);
    mem_free(picture);
    return status;
}

static simile_status read_lines(pairs *p, const char *path, const char *folder, simile_error *err)
{
    lines l;
    const char *line;
    simile_status status = lines_open(&l, path, err);
    while (!status) {
        status = lines_next(&l, &line, err);
        if (status || !line) break;
        status = take_line(p, &l, folder, line, err);
    }
    lines_close(&l);
    return status;
}

static bool is_tsv(const char *path)
{
    const size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".tsv") == 0;
}

static simile_status add_run(pairs *p, const char *path, simile_error *err)
{
    pair_run *runs = mem_grow(p->runs, p->n_runs + 1, sizeof *runs);
    if (!runs) return err_nomem(err);
    p->runs = runs;
    pair_run *run = &runs[p->n_runs++];
    *run = (pair_run){.name = path_name(path), .path = mem_strdup(path), .first = p->n};
    if (!run->name || !run->path) return err_nomem(err);
    if (is_tsv(run->name)) run->name[strlen(run->name) - 4] = 0;
    return SIMILE_OK;
}

static simile_status read_file(pairs *p, const char *path, const char *pictures, simile_error *err)
{
    RETURN_IF_ERROR(add_run(p, path, err));
    char *folder = pictures ? mem_strdup(pictures) : path_folder(path);
    if (!folder) return err_nomem(err);
    const simile_status status = read_lines(p, path, folder, err);
    mem_free(folder);
    if (status) return status;
    pair_run *run = &p->runs[p->n_runs - 1];
    run->n = p->n - run->first;
    if (!run->n) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': no pair is in it", path);
    return SIMILE_OK;
}

typedef struct {
    pairs *p;
    const char *pictures;
    simile_error *err;
    simile_status status;
} walking;

static int take_file(void *user, const char *path, const file_facts *facts)
{
    (void)facts;
    walking *w = user;
    if (is_tsv(path)) w->status = read_file(w->p, path, w->pictures, w->err);
    return w->status != SIMILE_OK;
}

simile_status pairs_read(pairs *p, const char *path, const char *pictures, simile_error *err)
{
    if (!file_is_folder(path)) return read_file(p, path, pictures, err);
    const size_t before = p->n_runs;
    walking w = {.p = p, .pictures = pictures, .err = err};
    const simile_status status = file_walk(path, take_file, NULL, &w, err);
    if (w.status) return w.status;
    if (status) return status;
    if (p->n_runs == before) return err_set(err, SIMILE_E_NOT_FOUND, "no .tsv file is in '%s'", path);
    return SIMILE_OK;
}

/* ---- the lists ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts, and leaves each once; gives how many. */
static size_t unique(const char **list, size_t n)
{
    size_t kept = 0;
    if (n) qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i < n; i++)
        if (!kept || strcmp(list[i], list[kept - 1]) != 0) list[kept++] = list[i];
    return kept;
}

static size_t place_of(const char *const *list, size_t n, const char *text)
{
    const char *const *found = bsearch(&text, list, n, sizeof *list, by_text);
    return (size_t)(found - list);
}

const pair *pairs_of_picture(const pairs *p, size_t picture)
{
    size_t i = 0;
    while (p->items[i].picture != picture) i++;
    return &p->items[i];
}

simile_status pairs_finish(pairs *p, simile_error *err)
{
    p->pictures = mem_array(p->n, sizeof *p->pictures);
    p->captions = mem_array(p->n, sizeof *p->captions);
    if (!p->pictures || !p->captions) return err_nomem(err);
    for (size_t i = 0; i < p->n; i++) p->pictures[i] = p->items[i].path, p->captions[i] = p->items[i].text;
    p->n_pictures = unique(p->pictures, p->n);
    p->n_captions = unique(p->captions, p->n);
    for (size_t i = 0; i < p->n; i++) {
        p->items[i].picture = place_of(p->pictures, p->n_pictures, p->items[i].path);
        p->items[i].caption = place_of(p->captions, p->n_captions, p->items[i].text);
    }
    for (size_t i = 0; i < p->n_pictures; i++) {
        if (file_exists(p->pictures[i])) continue;
        const pair *at = pairs_of_picture(p, i);
        return err_set(err, SIMILE_E_NOT_FOUND, "no picture '%s', which line %" PRId64 " of '%s' names", at->path,
                       at->line, p->runs[at->run].path);
    }
    return SIMILE_OK;
}

void pairs_release(pairs *p)
{
    for (size_t i = 0; i < p->n; i++) mem_free(p->items[i].path), mem_free(p->items[i].text);
    for (size_t i = 0; i < p->n_runs; i++) mem_free(p->runs[i].name), mem_free(p->runs[i].path);
    mem_free(p->items);
    mem_free(p->runs);
    mem_free(p->pictures);
    mem_free(p->captions);
    *p = (pairs){0};
}
