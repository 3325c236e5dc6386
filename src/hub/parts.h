/* SPDX-License-Identifier: Apache-2.0
 * parts.h - what the files of this room share: records of what was pulled, the lock, the pull itself.
 *
 * On disk, below the models folder:
 *     NAME/                    a whole model; simile-model.json in it says what was put there, and from where
 *     NAME/simile.json         what it declares of its space, written here or later (base/space.h)
 *     NAME.part/               a pull under way; its files have their final names once they were verified
 *     NAME.part/FILE.part      the file that is coming
 *     NAME.part/simile-pull.json   what is wanted, and the ETag that FILE.part came with
 *     .NAME.lock               held with flock() while somebody works on either */
#ifndef SIMILE_HUB_PARTS_H
#define SIMILE_HUB_PARTS_H

#include "hub/http.h"
#include "hub/hub.h"
#include "hub/listing.h"

#define HUB_RECORD "simile-model.json"
#define HUB_STATE  "simile-pull.json"

/* ---- records (record.c) ---- */

typedef struct {
    char *source;         /* "owner/name@commit", or a URL */
    char *partial, *etag; /* of a pull under way, or NULL */
    hub_files files;
} hub_record;

simile_status hub_record_read(const char *path, hub_record *out, simile_error *err);
simile_status hub_record_write(const char *path, const hub_record *record, simile_error *err);
void hub_record_release(hub_record *record);

/* Deletes the folder of a record and the files that it names; anything else in the folder is an error before anything
 * is deleted. *bytes grows by what was freed. */
simile_status hub_check_deletable(const char *folder, simile_error *err);
simile_status hub_delete(const char *folder, int64_t *bytes, simile_error *err);

/* ---- the lock (record.c) ---- */

typedef struct {
    int fd;
    char *path;
} hub_lock;
simile_status hub_lock_take(const char *models, const char *name, hub_lock *out, simile_error *err);
void hub_lock_give(hub_lock *lock);

/* ---- one pull ---- */

typedef struct {
    const simile_pull_options *options;
    simile_pull_report *report;
    http *h;
    char *name, *subject;  /* subject: "owner/name" or the URL's file, for messages */
    char *repo, *revision; /* of the hub, or NULL */
    char *url, *url_file;  /* of weights that lie alone, or NULL */
    char *words_url;       /* of the tokenizer that they need, or NULL */
    char words_sum[HUB_OID];
    const simile_known_model *known; /* NULL: none of the table */
    char commit[HUB_OID];            /* what the revision stands for; the file's checksum for a URL */
    char *source;                    /* for the record */
    char *endpoint, *token;          /* of the hub; token may be NULL */
    char *cache;                     /* models--owner--name of the Hugging Face libraries' cache, or NULL */
    char *final, *staging;           /* folders */
    bool offline;
    hub_record record;         /* what is wanted, and how far it is */
    const char *current;       /* the file at work */
    int64_t done, total, have; /* bytes: of files that are whole, of all, of the current one */
} pull;

bool pull_wants_stop(void *user); /* user: the pull; reports its progress */
simile_status pull_cancelled(const pull *p, simile_error *err);
char *pull_path(const pull *p, const char *file, const char *ending); /* below staging */
simile_status pull_save_state(const pull *p, simile_error *err);
/* FORMAT when the response is a web page, as captive portals and logins send them. */
simile_status refuse_page(const http_head *head, const char *subject, simile_error *err);

/* What stands in the environment and in `what` (source.c). */
simile_status pull_source(pull *p, const char *what, const char *models, simile_error *err);
/* The files that are wanted, from the server or, offline, from the cache (source.c). */
simile_status pull_list(pull *p, simile_error *err);

/* OpenAI's tokenizer, which does not lie beside OpenAI's weights (known.c). */
#define HUB_WORDS "bpe_simple_vocab_16e6.txt.gz"
extern const char hub_words_url[], hub_words_sum[];

/* Where a file of a pull by URL lies (source.c). */
const char *pull_url_of(const pull *p, const char *file);

/* Gets one file of the record into staging, verified (fetch.c). */
simile_status pull_file(pull *p, hub_file *f, simile_error *err);

#endif
