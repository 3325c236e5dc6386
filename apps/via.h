/* SPDX-License-Identifier: Apache-2.0
 * via.h - how the commands read texts in other languages: their options, the reader, and how it is told to people and
 * to programs. */
#ifndef SIMILE_APPS_VIA_H
#define SIMILE_APPS_VIA_H

#include "app.h"
#include "reading.h"

typedef struct {
    app *a;
    simile_read_options options;
    const char *translator; /* by name or path; NULL: by language */
    simile_reader *reader;  /* NULL until a text is read */
} via;

void via_init(via *v, app *a);
void via_release(via *v);

int via_take_way(void *to, const char *value); /* for the option table; `to` is the via */
int via_take_fuse(void *to, const char *value);

/* Rows of the option tables of commands that read texts. */
#define VIA_OPTIONS(v, letter)                                                                                         \
    {0,                                                                                                                \
     "via",                                                                                                            \
     "WAY",                                                                                                            \
     "how texts are read: auto (default), direct, translate or multilingual",                                          \
     OPTION_CALL,                                                                                                      \
     (v),                                                                                                              \
     .call = via_take_way},                                                                                            \
        {0,                                                                                                            \
         "fuse",                                                                                                       \
         "HOW",                                                                                                        \
         "candidates of a translation: first (default), mean, max or weighted",                                        \
         OPTION_CALL,                                                                                                  \
         (v),                                                                                                          \
         .call = via_take_fuse},                                                                                       \
        {letter,   "candidates", "N", "candidates of a translation (default 5)", OPTION_INT, &(v)->options.candidates, \
         .min = 1, .max = 64},                                                                                         \
        {0,                                                                                                            \
         "language",                                                                                                   \
         "LANG",                                                                                                       \
         "of the texts, as 'zh' or 'de' (default: by script)",                                                         \
         OPTION_STRING,                                                                                                \
         &(v)->options.language},                                                                                      \
    {                                                                                                                  \
        0, "translator", "NAME", "this one, by name or folder ($SIMILE_TRANSLATOR)", OPTION_STRING, &(v)->translator   \
    }

/* Opens the encoder and what the texts need. The readings live as long as the via. */
simile_status via_read(via *v, const char *const *texts, size_t n, simile_readings **out, simile_error *err);

/* The words and the candidates of a text that was translated; nothing of another. */
void via_print(const simile_reading *reading, buf *out);
void via_warn_truncated(const via *v, const simile_reading *reading);

#endif
