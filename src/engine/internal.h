/* SPDX-License-Identifier: Apache-2.0
 * internal.h - the handles of simile.h from the inside, shared by the files of src/engine/.
 *
 * Locks of a library, in the order in which they may be taken: `loading`, then `lock`. `scanning` is only ever tried;
 * while it is held, `loading` is only tried too. `thumbs_lock` is waited for, with no other wanted then. A model's
 * `lock` guards its digest alone. */
#ifndef SIMILE_ENGINE_INTERNAL_H
#define SIMILE_ENGINE_INTERNAL_H

#include "base/err.h"
#include "base/gate.h"
#include "base/pool.h"
#include "base/space.h"
#include "index/batch.h"
#include "model/model.h"
#include "store/catalog.h"
#include "store/thumbs.h"

#include <pthread.h>
#include <stdbool.h>

/* ---- handles ---- */

struct simile_model {
    model *m;
    pthread_mutex_t lock;
    char digest[DIGEST_HEX]; /* "" until it was asked for */
    char *digest_place;      /* digest_place(), as the files were when it was opened */
    space_claims claims;     /* what it declares; of a pair, what the model that sees does */
    int32_t compute;         /* as it was asked for: SIMILE_COMPUTE_... */
    bool resized;            /* it sees pictures at a size that was asked for: no catalogue takes its claims */
};

/* The file that remembers the digest of a model's files as they are now, for mem_free; NULL: none does. To be asked
 * when the model is opened: others may lie there later. */
char *digest_place(const model *m);
/* model_digest(), remembered between runs for large models: digest_cache.c. */
simile_status cached_model_digest(const model *m, const char *place, char out[DIGEST_HEX], simile_error *err);
/* The same if it is remembered; false: it has to be computed. */
bool recall_model_digest(const model *m, const char *place, char out[DIGEST_HEX]);
/* Where the digest is remembered, for mem_free; NULL: nowhere. */
char *remembered_digest(const model *m, char out[DIGEST_HEX]);
/* Removes that file and the packed weights of the model; returns the bytes of these. */
int64_t forget_model(const char *remembered, const char *digest_text);

struct simile_image {
    image pixels;
    simile_image_info info;
};

struct simile_encoder {
    const simile_model *model;
    model_encoder *e;
};

/* The unit vectors of one kind of item at one moment, for scanning. Immutable but for its count of references. A newer
 * one to which rows were only added shares `rows` and `ids` with it: it owns the rows behind this one's last. */
typedef struct snapshot snapshot;

enum { MAX_IDLE_READERS = 16 };

/* gather.c */
typedef struct scan_turn scan_turn;
typedef struct {
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t news;
    int active;       /* scans that are at work */
    bool together;    /* one of them is for several */
    scan_turn *first; /* of those that wait */
} gathering;
void gathering_init(gathering *g);
void gathering_destroy(gathering *g);

struct simile_library {
    char *path; /* absolute */
    bool read_only;
    int threads;
    pthread_mutex_t lock; /* guards the next eight */
    catalog *readers[MAX_IDLE_READERS];
    int n_readers;
    bool writing;
    bool lent, borrowed;        /* by who writes for long, and to whom it was lent */
    int waiting;                /* for that */
    pthread_cond_t writer_news; /* one of these changed */
    snapshot *snapshots[2];     /* by kind, newest; NULL until searched */
    catalog *writer;            /* NULL when read_only; belongs to whoever set `writing` */
    pthread_mutex_t loading;
    pthread_mutex_t scanning;    /* guards pool */
    pool *pool;                  /* NULL until searched */
    gathering gathering;         /* of searches that come at once */
    pthread_mutex_t thumbs_lock; /* guards the next two */
    thumbs *thumbs;              /* NULL until needed */
    bool thumbs_failed;          /* they cannot be had: said once, not tried again */
    gate making;                 /* of those who decode a picture for its thumbnail */
};

/* ---- options (options.c) ---- */

/* Copies a caller's options struct, which may be older and shorter or newer and longer than ours, into our zeroed one.
 * in: NULL, or a struct whose first member is its size. */
simile_status options_copy(void *out, size_t size, const void *in, simile_error *err);
int threads_or_default(int32_t threads);

/* ---- finding models (model_api.c) ---- */

/* The directory of a model, or of a translator, for mem_free: see simile_model_open. NOT_FOUND, NOMEM, ARG. */
simile_status find_model(const char *name, const char *search_path, char **out, simile_error *err);

/* ---- embedding spaces (space.c) ---- */

/* What the folder of a model that was just opened declares. */
simile_status claims_read(simile_model *handle, simile_error *err);
/* From now on `sees` reads texts with `reader`, which it owns (also on failure). VERSION when nothing declares that
 * they belong together, unless forced. */
simile_status pair_models(simile_model *sees, simile_model *reader, bool forced, simile_error *err);

/* VERSION unless something declares that `reader` may read texts for `sees`; UNSUPPORTED when it cannot. */
simile_status reader_fits(const simile_model *sees, const simile_model *reader, bool forced, simile_error *err);

typedef enum { SPACE_OTHER, SPACE_DECLARED, SPACE_SAME } standing;
/* How a model's vectors stand to those of a catalogue that has some. */
simile_status model_standing(const simile_model *handle, const catalog_model *there, standing *out, simile_error *err);

/* ---- encoding (encode.c) ---- */

simile_status encoder_needs_images(const simile_encoder *encoder, const image_prepare_spec **spec, simile_error *err);
int32_t encoder_dim(const simile_encoder *encoder);
/* Numbers in the tensor of one picture. */
size_t pixel_count(const image_prepare_spec *spec);
/* Makes [dim] a unit vector; false when it is zero or not finite. */
bool make_unit(float *vector, int32_t dim);

/* ---- libraries (library.c) ---- */

/* A connection for reading, to be given back; `reusable` false closes it. */
simile_status reader_take(simile_library *library, catalog **out, simile_error *err);
void reader_give(simile_library *library, catalog *reader, bool reusable);
/* The right to write, or SIMILE_E_BUSY. */
simile_status writer_take(simile_library *library, catalog **out, simile_error *err);
void writer_give(simile_library *library);
/* Who has it for long lends it now and then: between these two calls, and as long as others wait for it or use it. */
void writer_lend(simile_library *library);
void writer_demand(simile_library *library);
/* For something short: waits until the one who writes is done or lends, but not for ever. */
simile_status writer_borrow(simile_library *library, catalog **out, simile_error *err);
void writer_return(simile_library *library);
/* SIMILE_E_VERSION unless the model's vectors may stand beside those of the catalogue. */
simile_status check_model(catalog *c, const simile_model *model, simile_error *err);
/* The same, before vectors are written: a catalogue without any takes the model's space. */
simile_status claim_model(catalog *c, const simile_model *model, simile_error *err);

/* ---- listings (listing.c) ---- */

/* A folder that a caller names, as items' paths have it, for mem_free; NULL stays NULL. ARG: not absolute. */
simile_status folder_absolute(const char *folder, char **out, simile_error *err);
simile_status item_missing(int64_t id, simile_error *err);

/* ---- snapshots (snapshot.c) ---- */

struct snapshot {
    struct snapshot_rows *storage;
    const float *rows;  /* [n, stride] */
    const int64_t *ids; /* [n], ascending */
    size_t n, stride;
    int32_t dim;
    int64_t generation, rewrites, last_id;
    long references; /* guarded by the library's lock */
};
/* Opens a read transaction on `reader` and gives the vectors as of that moment. Ends the transaction on failure. */
simile_status snapshot_take(simile_library *library, int32_t kind, catalog *reader, snapshot **out, simile_error *err);
void snapshot_give(simile_library *library, snapshot *s);
/* The row of an id, or -1. */
ptrdiff_t snapshot_find(const snapshot *s, int64_t id);

/* *out: a bitmap over the rows, those of the items that pass, as of the reader's open transaction; for mem_free, on
 * failure too. */
simile_status snapshot_select(const snapshot *s, catalog *reader, const catalog_filter *filter, uint64_t **out,
                              simile_error *err);
/* What batch_top() finds for each of them, n > 0, by whatever is quickest; perhaps together with those of other
 * threads. */
simile_status snapshot_scan(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests, size_t n,
                            simile_error *err);
/* The same, at once. */
simile_status snapshot_scan_now(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests,
                                size_t n, simile_error *err);
/* The library's threads if they are free, to be given back. NULL: work alone. */
pool *scan_pool_take(simile_library *library);
void scan_pool_give(simile_library *library, pool *threads);

/* ---- ingest (collect.c; ingest.h) ---- */

typedef struct {
    char *path;   /* absolute */
    bool named;   /* by the caller, not found in a folder */
    bool gone;    /* it vanished while we were at it */
    int64_t date; /* where dates were asked for */
} candidate;

typedef struct {
    candidate *files; /* by path, each once */
    size_t n, capacity;
    char **roots; /* the folders among the given paths */
    size_t n_roots;
    char **unreadable; /* folders that could not be looked into */
    size_t n_unreadable, unreadable_capacity;
} candidates;

/* Looks through the given paths. `c` says which files with unusual names are items already. progress may be NULL. */
simile_status candidates_collect(candidates *all, catalog *c, const char *const *paths, size_t n_paths,
                                 simile_progress_fn progress, void *user, simile_error *err);
void candidates_release(candidates *all);
/* Forgets the items below the given folders whose file is gone. */
simile_status candidates_forget_missing(const candidates *all, catalog *c, int64_t *removed, simile_error *err);
/* Is there no file of this name? False when that cannot be told. */
bool file_is_gone(const char *path);

/* ---- files before they are indexed (survey.c) ---- */

typedef struct {
    bool has_after, has_before;
    int64_t after, before;
} period;

static inline bool period_has(const period *p, int64_t date)
{
    return (!p->has_after || date >= p->after) && (!p->has_before || date < p->before);
}

/* The candidates of a period, by path or the newest first; the pointers are for mem_free. */
simile_status candidates_choose(const candidates *all, catalog *c, const period *when, bool newest_first,
                                simile_progress_fn progress, void *user, candidate ***out, size_t *n,
                                simile_error *err);

/* ---- thumbnails (thumbnails.c) ---- */

typedef struct {
    uint8_t hash[DIGEST_SIZE]; /* of the picture's bytes */
    void *bytes;               /* a WebP, for mem_free; NULL: none was made */
    size_t len;
} thumbnail;

typedef struct {
    uint8_t (*hashes)[DIGEST_SIZE]; /* for mem_free */
    size_t n, capacity;
} hash_list;
bool hash_list_push(hash_list *list, const uint8_t hash[DIGEST_SIZE]); /* false: out of memory */

/* What fails is logged by keep, forget and prune, and no reason for anything else to fail. */
simile_status thumbnail_make(const image *picture, const uint8_t hash[DIGEST_SIZE], thumbnail *out, simile_error *err);
void thumbnails_keep(simile_library *library, const thumbnail *items, size_t n);
/* Those of these, or of all, that no picture in `c` needs. */
void thumbnails_forget(simile_library *library, catalog *c, const hash_list *list);
void thumbnails_prune(simile_library *library, catalog *c);
void thumbnails_close(simile_library *library);
/* Is the file whole? problem is called once a finding, with id 0 and the file's path. No file is fine; one that cannot
 * be read is a finding. */
simile_status thumbnails_verify(const simile_library *library, simile_problem_fn problem, void *user,
                                simile_error *err);

/* ---- items that are listed first and deleted then (library.c) ---- */

typedef struct {
    int64_t *ids; /* for mem_free */
    size_t n, capacity;
    hash_list hashes; /* of the pictures among them; its memory is for mem_free too */
    bool no_memory;   /* some are missing */
} item_ids;

int item_ids_push(void *list, const catalog_item *item); /* for the catalogue's own listings */
simile_status item_ids_delete(const item_ids *list, catalog *c, simile_error *err);
void item_ids_release(item_ids *list);

#endif
