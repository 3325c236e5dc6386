/* SPDX-License-Identifier: Apache-2.0
 * ingest.h - what the files of simile_library_add tell one another.
 *
 *     ingest.c    the call itself; which files need work, in which order
 *     stages.c    who does what next: the threads, their order, their memory
 *     examine.c   one file: reading, hashing, decoding; knows no catalogue
 *     record.c    what becomes of it in the catalogue
 *
 * Jobs are numbered in the order of their files, from 0. `batch` of them in a row are one transaction, `group` of them
 * in a row (never across two batches) are encoded in one call. */
#ifndef SIMILE_ENGINE_INGEST_H
#define SIMILE_ENGINE_INGEST_H

#include "engine/internal.h"

typedef enum {
    OUTCOME_NONE,
    OUTCOME_GONE,   /* vanished since the walk */
    OUTCOME_SAME,   /* touched, but the bytes are those that we know */
    OUTCOME_KNOWN,  /* the bytes of another item: `vector` is a copy */
    OUTCOME_TWIN,   /* the bytes of a job before it, which will be in the catalogue when this one's turn comes */
    OUTCOME_PIXELS, /* decoded: to be encoded */
    OUTCOME_VECTOR, /* encoded */
    OUTCOME_BAD,    /* to be quarantined for `reason` */
    OUTCOME_NO_MEMORY
} outcome;

typedef enum {
    JOB_WAITING,  /* to be read */
    JOB_READING,  /* by a thread */
    JOB_READ,     /* what it is can be decided, once that is decided of all before it */
    JOB_WANTED,   /* to be decoded */
    JOB_DECODING, /* by a thread */
    JOB_SETTLED   /* nothing is to be done before its group is encoded */
} job_state;

/* One file. */
typedef struct {
    candidate *file;
    int64_t id; /* of the item with this path, 0: none yet */
    bool was_ok, had_hash;
    uint8_t old_hash[DIGEST_SIZE];
    job_state state;
    outcome outcome;
    bool rewrites;     /* decided: its item will have other bytes than before, those of item.hash if has_hash */
    catalog_item item; /* what is to be written; path and reason are borrowed */
    char reason[256];
    char *bytes;                       /* of the file, between reading and decoding */
    size_t len, file_cost, pixel_cost; /* bytes that count as its while it has them */
    float *pixels;                     /* [3, height, width], in its group's buffer */
    float *vector;                     /* [dim] */
    thumbnail thumbnail;
} job;

/* Jobs that are encoded together. */
typedef struct {
    int64_t first;
    size_t n;       /* jobs so far */
    size_t settled; /* of them */
    float *buffer;  /* [group, 3, height, width]; NULL before the first is decoded */
    bool encoding, encoded;
} group;

typedef struct {
    simile_library *library;
    catalog *c; /* for writing: the calling thread's */
    catalog *reader;
    simile_encoder *encoder;
    model_encoder **encoders; /* [threads], of one thread each; NULL with one thread */
    const image_prepare_spec *spec;
    simile_add_options options;
    simile_add_report *report;
    image_options decoding;
    int32_t dim;

    /* what is to be done; the calling thread's */
    candidate **chosen;
    size_t n_chosen, at;
    int64_t done, total;
    double told;

    /* jobs [stored, fed) exist, job i at jobs[i % capacity]; [stored, decided) are decided, [stored, next_read) read or
     * being read, [stored, next_decode) decoded as far as they had to be, or being decoded */
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t news;
    size_t batch, group, capacity, groups_a_batch, n_groups;
    int64_t stored, decided, next_read, next_decode, fed;
    bool all_fed, deciding, alone, stopping;
    job *jobs;                /* [capacity] */
    int64_t *rewritten;       /* [capacity], of whoever decides */
    group *groups;            /* [n_groups] */
    float *vectors, *buffers; /* [capacity, dim] and [n_buffers, group, 3, height, width] */
    float **free_buffers;
    size_t n_buffers, n_free;
    size_t file_bytes, pixel_bytes; /* in flight */
    int threads, n_files, n_decoding, n_busy;
    double began, seconds[SIMILE_STAGES];
    simile_status status; /* the first failure */
    simile_error why;
} ingest;

static inline job *job_at(const ingest *in, int64_t number)
{
    return &in->jobs[(size_t)number % in->capacity];
}
group *group_of(const ingest *in, int64_t number);

/* ---- examine.c: any thread, without the lock; seconds: of the stages, added to ---- */

/* From JOB_WAITING: bytes and hash, or an outcome. */
void examine_read(const ingest *in, job *j, double *seconds);
/* From bytes to pixels and a thumbnail, or an outcome; the bytes are freed. */
void examine_decode(const ingest *in, job *j, double *seconds);
void examine_forget(job *j); /* frees what it has of its own */
void quarantine(job *j, const char *reason);

/* ---- record.c ---- */

/* Is this job's picture known, or another's before it? Else it stays without outcome: it is to be decoded. One thread
 * at a time, without the lock, of jobs in their order. */
simile_status record_decide(ingest *in, int64_t number, simile_error *err);
/* Writes the oldest batch. On the calling thread. */
simile_status record_batch(ingest *in, size_t n, simile_error *err);

/* ---- stages.c ---- */

simile_status stages_init(ingest *in, simile_error *err);
void stages_release(ingest *in);
/* Works off all that `feed` gives, which is called on the calling thread and adds jobs with stages_push(). */
simile_status stages_run(ingest *in, simile_error *err);
bool stages_have_room(const ingest *in);
/* Under no lock, on the calling thread. */
void stages_push(ingest *in, const job *j);
/* Reads, decodes and encodes one job by itself, on the calling thread, when all others have come to rest: they look at
 * what jobs before theirs are. */
simile_status stages_work_alone(ingest *in, job *j, simile_error *err);

/* ---- ingest.c ---- */

/* Looks at candidates until there is no room for jobs, or for some time. *more: candidates are left. */
simile_status feed(ingest *in, bool *more, simile_error *err);
/* Tells how far it is; CANCELLED. */
simile_status tell(ingest *in, const char *subject, simile_error *err);

#endif
