/* SPDX-License-Identifier: Apache-2.0
 * hub.h - fetching published models: the only door of this room.
 *
 * The structs are those of simile.h, already completed with defaults. The environment is read here: HF_ENDPOINT,
 * HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, SIMILE_CLIP_BPE, XDG_CACHE_HOME, the proxy variables
 * of libcurl. */
#ifndef SIMILE_HUB_HUB_H
#define SIMILE_HUB_HUB_H

#include "base/buf.h"
#include "base/err.h"

/* models: the folder below which the model gets a folder of its own. It is made when it is not there. */
simile_status hub_pull(const char *what, const char *models, const simile_pull_options *options,
                       simile_pull_report *report, simile_error *err);

const simile_known_model *hub_known_at(size_t i);

const simile_language *hub_language_at(size_t i);
const simile_text_tower *hub_text_tower_at(size_t i);
/* SIMILE_READS_... */
int32_t hub_tower_reads(const simile_text_tower *tower, const char *code);
/* Of a known or bundled model; of what stands in a record as its source. NULL: nothing is known. */
const simile_text_tower *hub_tower_of_name(const char *name);
const simile_text_tower *hub_tower_of_source(const char *source);
/* What the record in a model's folder says, for mem_free(); *out stays NULL where there is none. */
simile_status hub_folder_source(const char *folder, char **out, simile_error *err);

/* Calls fn for each model right below a folder; nothing there is no failure. `own`: the folder of hub_pull, whose
 * unfinished pulls are listed, too. */
simile_status hub_installed(const char *models, int own, simile_installed_fn fn, void *user, simile_error *err);

/* Takes away what hub_pull put below `models` under this name, finished or not, and nothing else. */
simile_status hub_remove(const char *name, const char *models, int64_t *bytes, simile_error *err);

/* The bytes of a URL that a stranger names, at most out->max of them, see simile_image_fetch. */
simile_status hub_remote(const char *url, const simile_fetch_options *options, buf *out, simile_error *err);

#endif
