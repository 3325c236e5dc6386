/* SPDX-License-Identifier: Apache-2.0
 * towers.h - models that are loaded when needed and unloaded when idle, and their encoders, shared by all requests.
 *
 * A tower is a model that clients may name. Each loaded one has two threads, each with an encoder of its own: one for
 * texts and one for pictures, so that a search by words never waits for a batch of pictures. What requests ask of them
 * waits in a bounded queue; the thread takes what waits there together (micro-batches of at most LIMIT_BATCH), waiting
 * at most LIMIT_BATCH_WAIT_MS for company, and only while other requests are known to be on their way (they hold the
 * tower and have asked nothing yet). What comes out for a text does not depend on its company.
 *
 * Threads: every function may be called by any. Each blocks until it is done. SIMILE_E_BUSY: the queue is full. */
#ifndef SIMILE_SERVE_TOWERS_H
#define SIMILE_SERVE_TOWERS_H

#include "serve/serve.h"

typedef struct tower tower;

typedef struct {
    const char *search_path; /* of models */
    const char *model;       /* the main one: that of the catalogue */
    const char *text_model;  /* reads the texts in its place; NULL */
    bool force_pairing;
    int32_t compute;            /* SIMILE_COMPUTE_... */
    const char *const *aliases; /* "NAME=MODEL": another name for an installed model; MODEL may be "MODEL+TEXT_MODEL",
                                   a pair */
    size_t n_aliases;
    int threads, ttl_seconds;
    bool any_installed; /* clients may name any installed model, not only the main one and the aliases */
} towers_options;

simile_status towers_new(const towers_options *options, metrics *m, towers **out, simile_error *err);
void towers_free(towers *t); /* what waits is cancelled; waits until nobody holds a tower any more */

tower *towers_main(towers *t);
/* By the name of the main model (the last part of its path), an alias, an installed model. NULL: nobody has that name.
 * Nothing is loaded. */
tower *towers_find(towers *t, const char *name);
/* Names that find() knows, without duplicates, the main one first; fn non-zero ends it. */
typedef int (*tower_fn)(void *user, const char *name, tower *t, bool loaded);
void towers_each(towers *t, tower_fn fn, void *user);

/* Loads it where it is not, and keeps it loaded until released: what tower_model and tower_read give lives as long.
 * BUSY: LIMIT_MODELS others are held. CANCELLED: towers_free was called. */
simile_status tower_hold(tower *t, simile_error *err);
void tower_release(tower *t);
/* The same for who only looked whether it is well: that keeps no idle model loaded, however often it is asked. */
void tower_release_unused(tower *t);
const simile_model *tower_model(tower *t); /* held */

/* Held. out: [n, dim], raw, as simile_encode_texts and simile_encode_images. */
simile_status tower_texts(tower *t, const char *const *texts, size_t n, float *out, uint8_t *truncated,
                          simile_error *err);
simile_status tower_images(tower *t, const simile_image *const *images, size_t n, float *out, simile_error *err);
/* Held. As simile_read: any language. */
simile_status tower_read(tower *t, const char *const *texts, size_t n, const simile_read_options *options,
                         simile_readings **out, simile_error *err);
/* The encoder for a long piece of work of one caller (indexing), who gets it between other requests' batches: it is an
 * encoder of its own, made for the caller, who frees it before releasing the tower. */
simile_status tower_own_encoder(tower *t, simile_encoder **out, simile_error *err);

#endif
