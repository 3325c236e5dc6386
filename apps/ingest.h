/* SPDX-License-Identifier: Apache-2.0
 * ingest.h - adding to a catalogue with a progress bar and a report: what `add` and `demo` share. */
#ifndef SIMILE_APPS_INGEST_H
#define SIMILE_APPS_INGEST_H

#include "app.h"
#include "lines.h"

typedef struct {
    simile_add_report images, texts;
    simile_add_work work;    /* for the pictures */
    size_t n_paths, n_texts; /* asked for */
    double seconds;          /* for the pictures */
} ingest;

/* Opens the catalogue for writing, adds, and fills in *done as far as it came. Catches Ctrl-C. */
simile_status ingest_run(app *a, const simile_add_options *options, const words *paths, const text_list *texts,
                         ingest *done, simile_error *err);
int ingest_report(app *a, const ingest *done);
/* The report of a run that failed or was interrupted; gives the exit status. */
int ingest_failed(app *a, const ingest *done, const simile_error *err);

#endif
