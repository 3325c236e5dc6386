/* SPDX-License-Identifier: Apache-2.0
 * pairs.h - pictures and captions that belong together, from files of lines `picture<TAB>caption`.
 *
 * Several files are runs of one evaluation. A picture or a caption that comes again, in one file or in several, is one
 * entry of the lists `pictures` and `captions`, so that it is encoded once. */
#ifndef SIMILE_APPS_PAIRS_H
#define SIMILE_APPS_PAIRS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t run;
    size_t picture, caption; /* entries of the lists, after pairs_finish() */
    int64_t line;
    char *path, *text; /* as read; the path with its folder */
} pair;

typedef struct {
    char *name; /* of the file, without ".tsv" */
    char *path;
    size_t first, n; /* its pairs */
} pair_run;

typedef struct {
    pair *items;
    size_t n;
    pair_run *runs;
    size_t n_runs;
    const char **pictures, **captions; /* sorted, each once; borrowed from items */
    size_t n_pictures, n_captions;
} pairs;

/* A .tsv file, or a folder: each .tsv file below it is a run, in byte order of the names. Pictures are looked for in
 * `pictures`, or where that is NULL in the folder of the file. Every error names the file and the line. */
simile_status pairs_read(pairs *p, const char *path, const char *pictures, simile_error *err);
/* Fills in the lists. Fails, naming it, when a picture is not there. */
simile_status pairs_finish(pairs *p, simile_error *err);
void pairs_release(pairs *p);

/* The first pair with this picture, to say where it was asked for. */
const pair *pairs_of_picture(const pairs *p, size_t picture);

#endif
