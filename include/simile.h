/* SPDX-License-Identifier: Apache-2.0
 *
 * simile.h - find pictures by words, words by pictures, pictures by pictures and words by words.
 *
 *     simile_error err;
 *     simile_model *model;  simile_encoder *enc;  simile_library *lib;  simile_results *res;
 *     const char *folder = "/home/me/Pictures";
 *     simile_term  term  = {.kind = SIMILE_TERM_TEXT, .text = "two dogs in the snow", .weight = 1};
 *     simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1, .limit = 10};
 *     if (simile_model_open("simile-scenes", NULL, &model, &err) ||
 *         simile_encoder_new(model, NULL, &enc, &err) ||
 *         simile_library_open("pictures.simile", model, NULL, &lib, &err) ||
 *         simile_library_add(lib, enc, &folder, 1, NULL, NULL, &err) ||
 *         simile_search(lib, enc, &query, &res, &err)) { puts(err.message); exit(1); }
 *     for (size_t i = 0; i < simile_results_count(res); i++)
 *         printf("%.3f%% %s\n", simile_results_at(res, i)->similarity, simile_results_at(res, i)->path);
 *
 * What is not in this file is not part of the interface.
 *
 * Ownership   *_open and *_new make a handle, *_close and *_free destroy it and accept NULL. Pointers to const that a
 *             function returns are borrowed: they live as long as the handle they came from. Every string passed in
 *             is copied. A model must outlive its encoders, a library the results found in it need not.
 * Errors      Functions that can fail return a simile_status, 0 on success. `err` may be NULL and is written only on
 *             failure: a code, the errno if there was one, and one sentence in lower case without a full stop. On
 *             failure every out-parameter that is a handle is set to NULL.
 * Threads     simile_model: immutable, share it freely. simile_encoder: one thread at a time. simile_image: immutable.
 *             simile_library: any number of searches at once, each with an encoder of its own, and one writer (a
 *             second one gets SIMILE_E_BUSY). simile_results, simile_reader: one thread. simile_segmenter,
 *             simile_translator: immutable, share them freely. simile_translator_session: one thread at a time.
 * Options     The first member of an options struct is its own size, zero in any other member means the default, and a
 *             NULL options pointer means all defaults.
 * Text        is UTF-8. A byte that is not part of a valid sequence counts as U+FFFD.
 * Vectors     are float32 rows of `dim` numbers. What the encoders return is raw (not normalised); catalogues and
 *             scores work on unit vectors.
 * The library never prints, never exits, installs no signal handler and keeps no global state but the log callback. */
#ifndef SIMILE_H
#define SIMILE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SIMILE_API
#define SIMILE_API __attribute__((visibility("default")))
#endif

#define SIMILE_VERSION_NUMBER 0x000100 /* 0xMMmmpp */
#define SIMILE_VERSION_STRING "0.1.0"

SIMILE_API int32_t simile_version_number(void); /* of the library that is loaded, to compare with the macro */

/* ---- status and errors: the values are pinned, new ones are appended ---- */

typedef int32_t simile_status;
enum {
    SIMILE_OK = 0,
    SIMILE_E_ARG = 1,          /* the caller passed something impossible */
    SIMILE_E_NOMEM = 2,        /* an allocation failed */
    SIMILE_E_IO = 3,           /* the operating system refused a read or a write */
    SIMILE_E_NOT_FOUND = 4,    /* no such file, item or model */
    SIMILE_E_EXISTS = 5,       /* it is there already */
    SIMILE_E_BUSY = 6,         /* another writer is at work */
    SIMILE_E_CANCELLED = 7,    /* a progress callback asked to stop; what was done so far is kept */
    SIMILE_E_FORMAT = 10,      /* the file is not of the kind it should be */
    SIMILE_E_CORRUPT = 11,     /* it is of that kind, but damaged */
    SIMILE_E_VERSION = 12,     /* made by another version, or by another model */
    SIMILE_E_UNSUPPORTED = 13, /* well formed, but not something that this library does */
    SIMILE_E_LIMIT = 14,       /* larger than a declared limit */
    SIMILE_E_INTERNAL = 99     /* a bug in simile */
};

typedef struct { /* 256 bytes, frozen */
    simile_status status;
    int32_t sys_errno; /* 0 when the operating system had no part in it */
    char message[248];
} simile_error;

SIMILE_API const char *simile_status_name(simile_status status); /* "SIMILE_E_IO"; never NULL */

/* level: 0 error, 1 warning, 2 information, 3 detail. Set it before the first other call. */
typedef void (*simile_log_fn)(void *user, int level, const char *message);
SIMILE_API void simile_set_log(simile_log_fn fn, void *user);

/* Called between pieces of work. total is 0 while it is unknown. Return non-zero to cancel. */
typedef int (*simile_progress_fn)(void *user, int64_t done, int64_t total, const char *subject);

/* Frees bytes that a function handed over (it says so). NULL is fine. */
SIMILE_API void simile_free(void *bytes);

/* ---- models ---- */

typedef struct simile_model simile_model;

/* What the products of matrices in the networks are computed in. Everything else is float32 in all of them, and so are
 * the vectors. Models keep their identity, so vectors of all of them lie in one space and go into one catalogue. */
enum {
    SIMILE_COMPUTE_AUTO = 0, /* INT8 for a model that was converted to it, else BF16 where the processor has
                                instructions for it, else F32 */
    SIMILE_COMPUTE_F32 = 1,
    SIMILE_COMPUTE_BF16 = 2, /* weights and activations rounded to bfloat16, sums in float32: twice as fast */
    SIMILE_COMPUTE_INT8 = 3  /* weights and activations as 8-bit integers, exact sums: four times as fast */
};

typedef struct {
    size_t struct_size;
    const char *search_path; /* directories, ':' between them, in which a bare name is looked for first */
    int32_t image_size;      /* see pictures at this size instead of the trained one: vision transformers can */
    const char *text_model;  /* another model, by name or path, which reads the texts in place of this one; "" or NULL:
                                none */
    int32_t force_pairing;   /* 1: even if nothing declares that the vectors of the two belong to one space */
    int32_t compute;         /* SIMILE_COMPUTE_...; of both models of a pair. Each of them works on every processor */
} simile_model_options;

/* What a model's scores are worth, see simile_confidence(). */
enum {
    SIMILE_SCORE_SOFTMAX = 0, /* CLIP: candidates are weighed against each other */
    SIMILE_SCORE_SIGMOID = 1  /* SigLIP: each pair of a picture and a text is judged by itself */
};

typedef struct {
    const char *name;      /* the last part of its directory */
    const char *directory; /* where it was found */
    const char *family;    /* "clip" */
    int32_t dim;           /* numbers in a vector */
    int32_t image_size;    /* the network sees image_size x image_size pixels; 0: no image tower */
    int32_t context;       /* tokens of a text, the two special ones included; 0: no text tower */
    int32_t vocab_size;
    int64_t parameters;
    float logit_scale;         /* already exponentiated; 100 where the model has none */
    const char *weights_dtype; /* as stored: "F32", "F16", "BF16", "I8", or "mixed" */
    const char *text_name;     /* of the model that reads the texts in its place, or NULL; context and vocab_size are
                                  that one's then */
    const char *text_directory;
    float logit_bias;       /* a score is logit_scale x cosine + logit_bias; 0 for SIMILE_SCORE_SOFTMAX */
    int32_t score;          /* SIMILE_SCORE_... */
    int32_t compute;        /* what is used: SIMILE_COMPUTE_F32, _BF16 or _INT8; of a pair, by the model that sees */
    int32_t compute_native; /* 1: this processor has instructions for it; 0: it works, but slowly */
    const char *kernels;    /* which of simile's own kernels this processor runs: "avx512", ..., "plain" */
    const char *products;   /* the library of products and convolutions: "oneDNN 2.6.3 ..." */
} simile_model_info;

/* Bytes of the weights of the large products as they lie in memory, of the towers that were used so far. */
SIMILE_API int64_t simile_model_packed_bytes(const simile_model *model);

/* "f32", "bf16", "int8", "auto"; NULL: no such SIMILE_COMPUTE_... */
SIMILE_API const char *simile_compute_name(int32_t compute);

/* Opens a directory in the Hugging Face layout (config.json, safetensors, tokenizer, preprocessor_config.json). name is
 * a path or a bare name; a bare name is looked for in search_path, $SIMILE_MODELS, $XDG_DATA_HOME/simile/models and
 * <prefix>/share/simile/models. Weights are mapped, not read. With another image_size the model is another one, with an
 * identity of its own.
 * With text_model, two make a pair: the images are seen by the one, the texts read by the tower and the tokenizer of
 * the other. Its identity and its logit scale are those of the model that sees. The other must be declared to belong
 * beside it (below, "embedding spaces"), or forced. Errors: NOT_FOUND, FORMAT, CORRUPT, UNSUPPORTED (also two whose
 * vectors have different lengths), VERSION (a pair that nothing declares), LIMIT, IO, NOMEM,
 * ARG. */
SIMILE_API simile_status simile_model_open(const char *name, const simile_model_options *options, simile_model **out,
                                           simile_error *err);
SIMILE_API void simile_model_close(simile_model *model);
SIMILE_API const simile_model_info *simile_model_get_info(const simile_model *model);

/* The model's identity, 64 hex digits and NUL: SHA-256 over weights, configuration, tokenizer and preprocessing. It is
 * computed at the first call, which reads every weight. For models of more than 16 MiB it is remembered in
 * $XDG_CACHE_HOME/simile/digests, as long as no file of the model changes. Where it is remembered, so are its weights
 * as they are packed for this processor, in simile/packed beside: then nothing is packed when a process starts. */
SIMILE_API simile_status simile_model_digest(const simile_model *model, char out[65], simile_error *err);

/* ---- embedding spaces ----
 * A model's vectors lie in a space of its own, which its digest names. In its folder a file simile.json may give that
 * space a name, which other models may share, and name the spaces beside whose vectors its own belong, by digest or by
 * name. simile_pull writes it for the models that it knows. What it declares is taken at its word. A pair declares what
 * its model that sees does. */

SIMILE_API const char *simile_model_space_name(const simile_model *model);              /* NULL: it has none */
SIMILE_API const char *simile_model_compatible_at(const simile_model *model, size_t i); /* NULL beyond the end */

/* Declares in the simile.json of `model` that its texts belong beside the pictures of `other`: the digest and the name
 * of the other's space go into it; with `undo`, they are taken out. *changed (may be NULL): whether that made a
 * difference. The handle stays as it was opened. Neither may be a pair. Errors: UNSUPPORTED (vectors of different
 * lengths, no text tower here or no image tower there, a model that is a single file), LIMIT, FORMAT, IO, NOMEM. */
SIMILE_API simile_status simile_model_declare(const simile_model *model, const simile_model *other, int32_t undo,
                                              int32_t *changed, simile_error *err);

/* Tokens of a text as the network sees them, the two special tokens included. Writes at most cap ids, and their number
 * to *n. *truncated (may be NULL) says whether the text was longer than the context. cap >= context always suffices. */
SIMILE_API simile_status simile_tokenize(const simile_model *model, const char *text, size_t len, int32_t *ids,
                                         size_t cap, size_t *n, int *truncated, simile_error *err);

/* ---- pictures ---- */

typedef struct simile_image simile_image;

typedef struct {
    size_t struct_size;
    int32_t ignore_orientation; /* 1: leave the pixels as stored, as the reference libraries do */
    int64_t max_pixels;         /* default 268,435,456 (16,384 x 16,384) */
} simile_image_options;

typedef struct {
    int32_t width, height; /* after the orientation was applied */
    int32_t orientation;   /* EXIF 1..8 as stored in the file; 1 when there is none */
    int64_t taken;         /* EXIF date as seconds since 1970, read as UTC; INT64_MIN when there is none */
    const char *format;    /* "jpeg", "png", "webp", ...; "pixels" */
} simile_image_info;

/* Decodes the first frame to 8-bit RGB, by the rules of Pillow's convert("RGB").
 * Errors: NOT_FOUND, IO, FORMAT (not a picture), CORRUPT, LIMIT (too many pixels), UNSUPPORTED (a loader that is not
 * safe for foreign files), NOMEM. */
SIMILE_API simile_status simile_image_open(const char *path, const simile_image_options *options, simile_image **out,
                                           simile_error *err);
SIMILE_API simile_status simile_image_decode(const void *bytes, size_t len, const simile_image_options *options,
                                             simile_image **out, simile_error *err);
/* Which format the first 64 bytes of a file announce, as simile_image_info has it; nothing is decoded. NULL: none that
 * simile reads. */
SIMILE_API const char *simile_image_sniff(const void *bytes, size_t len);
/* rgb: height rows of stride bytes, 3 bytes a pixel; copied. */
SIMILE_API simile_status simile_image_from_pixels(const uint8_t *rgb, int32_t width, int32_t height, size_t stride,
                                                  simile_image **out, simile_error *err);
SIMILE_API void simile_image_free(simile_image *image);
SIMILE_API const simile_image_info *simile_image_get_info(const simile_image *image);

/* The tensor that the image tower sees: out is [3, image_size, image_size], resized, cropped and normalised. */
SIMILE_API simile_status simile_preprocess(const simile_model *model, const simile_image *image, float *out,
                                           size_t out_len, simile_error *err);

/* ---- encoders ---- */

typedef struct simile_encoder simile_encoder;

typedef struct {
    size_t struct_size;
    int32_t threads; /* default: the processors this process may use, at most 16 */
} simile_encoder_options;

SIMILE_API simile_status simile_encoder_new(const simile_model *model, const simile_encoder_options *options,
                                            simile_encoder **out, simile_error *err);
SIMILE_API void simile_encoder_free(simile_encoder *encoder);

/* out: [n, dim], raw. The vector of a text or a picture does not depend on its neighbours, on n or on the number of
 * threads (by more than 1e-6 after normalisation). truncated: [n] or NULL, set to 1 where the text was cut. */
SIMILE_API simile_status simile_encode_texts(simile_encoder *encoder, const char *const *texts, size_t n, float *out,
                                             uint8_t *truncated, simile_error *err);
SIMILE_API simile_status simile_encode_images(simile_encoder *encoder, const simile_image *const *images, size_t n,
                                              float *out, simile_error *err);

/* ---- scores ---- */

/* Divides by the Euclidean length; a zero vector stays zero. */
SIMILE_API void simile_normalize(float *vector, int32_t dim);
/* 100 x cosine of two raw or unit vectors; 0 when one of them is zero. */
SIMILE_API float simile_similarity(const float *a, const float *b, int32_t dim);
/* out[i] = softmax over i of logit_scale x similarity[i] / 100. in and out may be the same array. */
SIMILE_API void simile_softmax(const float *similarity, size_t n, float logit_scale, float *out);
/* out[i] = 1 / (1 + exp(-(logit_scale x similarity[i] / 100 + logit_bias))). in and out may be the same array. */
SIMILE_API void simile_sigmoid(const float *similarity, size_t n, float logit_scale, float logit_bias, float *out);
/* The one of the two that the model was trained with, and with its numbers: how sure it is that each of n candidates
 * fits. Of a softmax the confidences add up to 1, and mean something only beside each other. */
SIMILE_API void simile_confidence(const simile_model *model, const float *similarity, size_t n, float *out);

/* One unit vector a label, out: [n_labels, dim]: the mean over templates of the unit vectors of template with "{}"
 * replaced by the label, made unit again. templates NULL or n_templates 0: "a photo of a {}." alone. */
SIMILE_API simile_status simile_label_vectors(simile_encoder *encoder, const char *const *labels, size_t n_labels,
                                              const char *const *templates, size_t n_templates, float *out,
                                              simile_error *err);

/* ---- evaluation ----
 * The rank of the first right answer among all candidates, for each query, by cosine. A query may have several right
 * answers: the best of them counts, and the others stand in nobody's way. Ties count against: the rank is 1 + the
 * number of wrong candidates whose score is not smaller than that of the best right one. So a model that gives
 * everything the same vector ranks last everywhere.
 * A query or a candidate may have several vectors (SIMILE_FUSE_MAX): the score of two is then the best of any of
 * theirs. */

typedef struct {
    int64_t query, candidate; /* rows */
} simile_match;

typedef struct {
    size_t struct_size;
    const float *queries, *candidates; /* [n_queries, dim] and [n_candidates, dim], raw or unit, but see *_starts */
    size_t n_queries, n_candidates;
    const simile_match *matches; /* what is right, in any order; one that is there twice counts once */
    size_t n_matches;
    int32_t dim;
    int32_t threads;             /* default as for encoders */
    simile_progress_fn progress; /* queries; may be NULL */
    void *user;
    const int64_t *query_starts;     /* [n_queries + 1]: rows starts[i] to starts[i + 1] - 1 are those of i, at least */
    const int64_t *candidate_starts; /* one, and starts[0] is 0; NULL: row i is that of i */
} simile_evaluation;

/* ranks: [n_queries], from 1; 0 for a query without a right answer. Scores are computed by blocks: memory grows with
 * the vectors, not with their pairs. Errors: ARG (a match beyond the rows, starts that do not rise), CANCELLED, NOMEM.
 */
SIMILE_API simile_status simile_evaluate(const simile_evaluation *evaluation, int64_t *ranks, simile_error *err);

/* ---- catalogues ---- */

typedef struct simile_library simile_library;

typedef struct {
    size_t struct_size;
    int32_t read_only; /* 1: fail rather than create, refuse every write */
    int32_t threads;   /* of one search; default as for encoders */
} simile_library_options;

enum { SIMILE_KIND_IMAGE = 0, SIMILE_KIND_TEXT = 1 };
enum { SIMILE_ITEM_OK = 0, SIMILE_ITEM_QUARANTINED = 1 };

/* Opens or creates a catalogue (an SQLite file). model may be NULL when nothing is to be encoded; otherwise its vectors
 * must belong beside those in the catalogue (SIMILE_E_VERSION): it is the model that made them, by its digest, or its
 * simile.json declares that model's space, by digest or by name. Of a pair the model that sees counts. Tables of an
 * older version are brought up to date, unless read_only: then they are read as they are. Errors: NOT_FOUND, IO, FORMAT
 * (not a catalogue), CORRUPT, VERSION, NOMEM. */
SIMILE_API simile_status simile_library_open(const char *path, const simile_model *model,
                                             const simile_library_options *options, simile_library **out,
                                             simile_error *err);
SIMILE_API void simile_library_close(simile_library *library);

/* Of adding pictures. They share the threads, so the one that takes most of their time is the one that limits. */
enum {
    SIMILE_STAGE_READ = 0,   /* files and their hashes */
    SIMILE_STAGE_DECODE = 1, /* to pixels */
    SIMILE_STAGE_RESIZE = 2, /* to what the model sees */
    SIMILE_STAGE_THUMBNAIL = 3,
    SIMILE_STAGE_ENCODE = 4,
    SIMILE_STAGE_STORE = 5, /* into the catalogue */
    SIMILE_STAGES = 6
};
typedef struct {
    size_t struct_size; /* its own size, set by the caller */
    double elapsed;     /* seconds since the first picture was looked at */
    int32_t threads;
    int32_t limit;                 /* SIMILE_STAGE_...: where most of the time went; -1: nowhere yet */
    double seconds[SIMILE_STAGES]; /* of all threads together */
} simile_add_work;

typedef struct {
    size_t struct_size;
    simile_progress_fn progress;
    void *user;
    int32_t batch;              /* pictures committed together; default 16 */
    int32_t ignore_orientation; /* as in simile_image_options */
    int32_t retry_quarantined;  /* 1: try again what could not be read, even if the file is unchanged */
    int32_t keep_missing;       /* 1: do not forget pictures whose file is gone */
    int32_t newest_first;       /* 1: by date, the newest first; default: by path */
    int32_t has_after, has_before;
    int64_t after, before; /* only pictures with after <= date < before, the date as simile_library_scan has it. Others
                              are left as they are, in the catalogue too, and count nowhere in the report */
    int32_t no_thumbnails; /* 1: make none, see simile_library_thumbnail */
    int32_t exact;         /* 1: decode every picture whole. Otherwise a JPEG is decoded at 1/2, 1/4 or 1/8 of its size
                              where that leaves at least twice what the model sees and 512 pixels: docs/indexing.md
                              says how close the vectors are */
    simile_add_work *work; /* filled in before each call of progress and at the end; may be NULL */
} simile_add_options;

typedef struct {
    int64_t found; /* candidate files seen (of the time that was asked for) */
    int64_t added, updated, moved, unchanged, removed, quarantined;
    int64_t bytes; /* read from picture files */
} simile_add_report;

/* Indexes files and folders (recursively; files whose name ends like a picture's; a file named itself is always
 * tried). Unchanged files are skipped, changed ones encoded again, moved ones renamed, and pictures below the given
 * folders whose file is gone are forgotten. A file that cannot be read is quarantined with the reason and never stops
 * the rest. Every batch is one transaction: a crash loses at most the batch in flight.
 * Errors: CANCELLED, BUSY, IO, NOMEM, NOT_FOUND (a path that does not exist). report may be NULL and is filled in on
 * failure too. */
SIMILE_API simile_status simile_library_add(simile_library *library, simile_encoder *encoder, const char *const *paths,
                                            size_t n_paths, const simile_add_options *options,
                                            simile_add_report *report, simile_error *err);
/* Adds texts as items; a text that is there already is left alone. */
SIMILE_API simile_status simile_library_add_texts(simile_library *library, simile_encoder *encoder,
                                                  const char *const *texts, size_t n, const simile_add_options *options,
                                                  simile_add_report *report, simile_error *err);
/* Forgets the picture at this path, everything below this folder, or what a glob matches. *removed may be NULL.
 * NOT_FOUND when nothing matches. Files are never touched. */
SIMILE_API simile_status simile_library_remove(simile_library *library, const char *path, int64_t *removed,
                                               simile_error *err);
SIMILE_API simile_status simile_library_remove_text(simile_library *library, const char *text, int64_t *removed,
                                                    simile_error *err);
/* Forgets one item, picture or text. NOT_FOUND when there is none with this id. Its file is not touched. */
SIMILE_API simile_status simile_library_remove_id(simile_library *library, int64_t id, simile_error *err);

typedef struct {
    const char *path; /* absolute */
    int64_t size;     /* bytes */
    int64_t date;     /* seconds since 1970: the EXIF date where the head of the file tells it (JPEG, PNG, WebP, HEIF,
                         AVIF, TIFF), else the file's mtime; of a known picture what the catalogue has */
    int32_t known;    /* 1: the catalogue has this file as it is (size and mtime); 0: it is new, or changed since */
    int32_t status;   /* SIMILE_ITEM_... of a known one */
} simile_scanned;
/* Non-zero ends the scan, which then succeeds. The strings live for the call. */
typedef int (*simile_scan_fn)(void *user, const simile_scanned *file);

typedef struct {
    size_t struct_size;
    simile_progress_fn progress; /* files; total is 0 while folders are looked through */
    void *user;
    int32_t has_after, has_before;
    int64_t after, before; /* after <= date < before */
} simile_scan_options;

/* What simile_library_add would look at: the pictures at and below the given paths, by path, each once. Nothing is
 * decoded and nothing is written; of a file that is not known, its head is read. Folders that cannot be read are passed
 * over and logged. fn may call the library, user is passed to it. Errors: CANCELLED, NOT_FOUND (a path that does not
 * exist), IO, NOMEM. */
SIMILE_API simile_status simile_library_scan(simile_library *library, const char *const *paths, size_t n_paths,
                                             const simile_scan_options *options, simile_scan_fn fn, void *user,
                                             simile_error *err);

typedef struct {
    int64_t images, texts, quarantined;
    int64_t bytes;         /* of the catalogue file */
    int32_t dim;           /* 0 while it is empty */
    int32_t schema;        /* version of the tables */
    char model_digest[65]; /* "" while it is empty */
    char model_name[128];
} simile_stats;

SIMILE_API simile_status simile_library_get_stats(simile_library *library, simile_stats *out, simile_error *err);

enum { SIMILE_SPACE_NAME = 129 }; /* bytes of the longest name of a space, with its NUL */
/* What the model that made the vectors calls their space; "" when it gave it no name. */
SIMILE_API simile_status simile_library_get_space(simile_library *library, char out[SIMILE_SPACE_NAME],
                                                  simile_error *err);
/* Do the model's vectors belong beside those of the catalogue? SIMILE_E_VERSION when not, as simile_library_open. */
SIMILE_API simile_status simile_library_check_model(simile_library *library, const simile_model *model,
                                                    simile_error *err);

typedef struct {
    int64_t items, problems;
} simile_verify_report;
/* Called once a problem, in order of id (0: the catalogue as a whole), then for the thumbnails beside the catalogue,
 * with id 0 and their file as the path. */
typedef void (*simile_problem_fn)(void *user, int64_t id, const char *path, const char *problem);

/* Checks the database, each vector's length, checksum and norm, with check_files each picture's content hash, and the
 * thumbnails.
 * Success means that the check ran: look at report->problems. */
SIMILE_API simile_status simile_library_verify(simile_library *library, int check_files, simile_problem_fn problem,
                                               simile_progress_fn progress, void *user, simile_verify_report *report,
                                               simile_error *err);

/* Calls fn for each item in order of id (quarantined ones included) until it returns non-zero. */
typedef struct {
    int64_t id;
    int32_t kind, status;
    const char *path;              /* NULL for a text */
    const char *text;              /* NULL for a picture */
    const char *reason;            /* why it is quarantined, or NULL */
    const char *hash;              /* SHA-256 of the content, hex */
    int64_t size, mtime_ns, taken; /* taken: INT64_MIN when unknown */
    int32_t width, height;
    int64_t date; /* what filters and orders go by: taken, else mtime; seconds since 1970 */
} simile_item;
typedef int (*simile_item_fn)(void *user, const simile_item *item);
SIMILE_API simile_status simile_library_each(simile_library *library, simile_item_fn fn, void *user, simile_error *err);

enum { SIMILE_ANY = -1 }; /* of kind and status: both */
enum {
    SIMILE_ORDER_ID = 0,
    SIMILE_ORDER_NEWEST = 1, /* by date, then by id, both falling */
    SIMILE_ORDER_OLDEST = 2, /* both rising */
    SIMILE_ORDER_PATH = 3    /* by the bytes of the path; texts, which have none, come first, by id */
};

/* Which items. All zero or NULL: the pictures that could be read, by id. */
typedef struct {
    size_t struct_size;
    int32_t kind, status; /* SIMILE_KIND_..., SIMILE_ITEM_..., or SIMILE_ANY */
    int32_t order;        /* SIMILE_ORDER_... */
    const char *folder;   /* absolute, as in the items' paths: what lies in it and below (or the picture of this path);
                             NULL: everywhere */
    const char *glob;     /* as in simile_query */
    int32_t has_after, has_before;
    int64_t after, before; /* after <= date < before */
    int64_t limit, offset; /* limit 0: all */
} simile_filter;

/* In these functions fn is called on the calling thread while a read transaction of the call's own is open: all that
 * it sees is of one moment. Strings live for the call of fn. It may call any function of the library; non-zero ends
 * the listing, which then succeeds. filter may be NULL. Errors: ARG, LIMIT (a glob of more than 4000 bytes), CORRUPT,
 * IO, NOMEM. */

/* *total (may be NULL; then nothing is counted): how many items pass, whatever limit and offset say. It is set before
 * fn is first called. fn may be NULL when only the total is wanted. */
SIMILE_API simile_status simile_library_list(simile_library *library, const simile_filter *filter, simile_item_fn fn,
                                             void *user, int64_t *total, simile_error *err);
/* Calls fn once, whatever it returns. NOT_FOUND: there is no such item. */
SIMILE_API simile_status simile_library_find(simile_library *library, int64_t id, simile_item_fn fn, void *user,
                                             simile_error *err);

/* Months (UTC, 1 to 12) in which items that pass have their date, newest first. order, limit and offset do not matter.
 */
typedef int (*simile_period_fn)(void *user, int32_t year, int32_t month, int64_t count);
SIMILE_API simile_status simile_library_periods(simile_library *library, const simile_filter *filter,
                                                simile_period_fn fn, void *user, simile_error *err);

/* Folders in which pictures that pass lie directly, by the bytes of their path. kind, order, limit and offset do not
 * matter. */
typedef int (*simile_folder_fn)(void *user, const char *folder, int64_t count);
SIMILE_API simile_status simile_library_folders(simile_library *library, const simile_filter *filter,
                                                simile_folder_fn fn, void *user, simile_error *err);

/* out: [dim], unit. Errors: NOT_FOUND (no such item, or a quarantined one), ARG (dim is not that of the catalogue),
 * CORRUPT, IO, NOMEM. */
SIMILE_API simile_status simile_library_get_vector(simile_library *library, int64_t id, float *out, int32_t dim,
                                                   simile_error *err);

/* A small picture of an item that is a picture, as WebP: its longest side has 320 pixels (fewer if the picture has
 * fewer), it stands upright, and has about 10 kB. simile_library_add makes them; one that is missing is made from the
 * file, and kept unless the library is read_only. They lie in "<catalogue>-thumbs", a file of its own that can be
 * deleted at any time, and are named by the content of the picture: what has the same hash has the same thumbnail.
 * *bytes is handed over: simile_free. Any number of threads at once, of which a few make one and the others wait.
 * Errors: NOT_FOUND (no such item, a text, or its file is gone or has other content by now), whatever decoding gives,
 * NOMEM. */
SIMILE_API simile_status simile_library_thumbnail(simile_library *library, int64_t id, void **bytes, size_t *len,
                                                  simile_error *err);

typedef struct {
    size_t struct_size;
    float similarity;            /* two pictures are alike when 100 x their cosine is at least this; default 96 */
    int64_t limit;               /* groups; 0: all */
    const char *folder;          /* as in simile_filter: only pictures of this folder are compared */
    simile_progress_fn progress; /* pairs of pictures */
    void *user;
} simile_duplicates_options;

/* Pictures that are alike, directly or through others of the group. The first is the one with the most pixels, then
 * the largest file, then the smallest id; the others follow by falling similarity to it, then by id. That similarity
 * can be below the bound, for those that are alike through others. */
typedef struct {
    const int64_t *ids;      /* [n] */
    const float *similarity; /* [n]: 100 x cosine with the first; 100 for the first itself */
    size_t n;                /* at least 2 */
} simile_group;
typedef int (*simile_group_fn)(void *user, const simile_group *group); /* non-zero ends it; that is a success */

/* The groups, largest first, equal ones by the smallest id in them. Exact: every pair of pictures is compared, which
 * takes time with the square of their number. On the library's threads; searches go on meanwhile, each on its own
 * thread. fn is called on the calling thread when all are found; the arrays live for the call. Errors: ARG, CANCELLED,
 * IO, NOMEM. */
SIMILE_API simile_status simile_library_duplicates(simile_library *library, const simile_duplicates_options *options,
                                                   simile_group_fn fn, void *user, simile_error *err);

/* ---- search ---- */

enum {
    SIMILE_TERM_TEXT = 0,   /* .text */
    SIMILE_TERM_PATH = 1,   /* .text is the path of a picture: taken from the catalogue if it is there, else decoded */
    SIMILE_TERM_IMAGE = 2,  /* .image */
    SIMILE_TERM_ITEM = 3,   /* .id of an item in this catalogue */
    SIMILE_TERM_VECTOR = 4, /* .vector: [dim], raw or unit */
    SIMILE_TERM_READING = 5 /* .reading: a text, see simile_read. At most one of a query may have several vectors: then
                               the query is made with each of them, and every item keeps the best of its scores */
};

typedef struct simile_reading simile_reading; /* below, "reading texts in other languages" */

typedef struct {
    int32_t kind;
    float weight; /* negative: away from it */
    const char *text;
    const simile_image *image;
    union {
        const float *vector;
        const simile_reading *reading;
    };
    int64_t id;
} simile_term;

typedef struct {
    size_t struct_size;
    const simile_term *terms; /* the query is the unit vector of sum(weight x unit vector of the term) */
    size_t n_terms;
    int32_t target;        /* SIMILE_KIND_IMAGE or SIMILE_KIND_TEXT: never both, their scores live on other scales */
    int32_t limit, offset; /* default 10, 0 */
    const char *glob;      /* of the path: '*' and '?' also match '/' ; NULL: all */
    int32_t has_after, has_before;
    int64_t after, before; /* seconds since 1970: after <= date < before; date = EXIF date, else the file's mtime */
    float min_similarity;  /* 0: no bound */
    int32_t exclude_terms; /* 1: leave out the items that the terms themselves name */
    const char *folder;    /* as in simile_filter; NULL: everywhere */
} simile_query;

typedef struct {
    int64_t id;
    float similarity; /* 100 x cosine */
    int32_t width, height;
    int64_t date;     /* as filtered by */
    const char *path; /* NULL for a text */
    const char *text; /* NULL for a picture */
} simile_hit;

typedef struct simile_results simile_results;

/* Exact: the best `limit` of all items that pass the filters, best first, equal scores by smaller id. encoder may be
 * NULL when no term needs encoding: items, vectors and readings do not. Errors: ARG, NOT_FOUND (item or path), VERSION,
 * whatever decoding gives. */
SIMILE_API simile_status simile_search(simile_library *library, simile_encoder *encoder, const simile_query *query,
                                       simile_results **out, simile_error *err);
/* As simile_search for each of n queries, with the same answers, in much less time: texts are encoded together, and the
 * vectors of the catalogue are read once for many queries. Queries of one target see the catalogue as of one moment,
 * and memory grows with them: a few hundred at once lose nothing. out: [n], each to be freed. Should one of them fail,
 * none has results, and it is its error. */
SIMILE_API simile_status simile_search_many(simile_library *library, simile_encoder *encoder,
                                            const simile_query *const *queries, size_t n, simile_results **out,
                                            simile_error *err);
SIMILE_API size_t simile_results_count(const simile_results *results);
SIMILE_API const simile_hit *simile_results_at(const simile_results *results, size_t i); /* NULL beyond the end */
/* Which candidate of a translation found it: that of the query's reading whose candidate is known; -1: none. */
SIMILE_API int32_t simile_results_candidate(const simile_results *results, size_t i);
SIMILE_API void simile_results_free(simile_results *results);

/* ---- getting models ---- */

typedef struct {
    const char *name;      /* for simile_pull, and of the model afterwards */
    const char *use;       /* what it is for, in a few words */
    const char *languages; /* "unknown" where nobody published them */
    const char *family;
    const char *source;  /* owner/name on the Hugging Face Hub, or a URL */
    const char *licence; /* "unknown" where it was not looked up; the publisher's own words count */
    int32_t dim;
    int32_t loads;      /* 0: it can be fetched, but needs a later version to be opened */
    int64_t parameters; /* 0: unknown */
    int64_t bytes;      /* of the download; 0: unknown */
    const char *space;  /* name of the space of its vectors; NULL: its source is the name */
    const char *beside; /* name of another space beside whose vectors its own belong, or NULL */
} simile_known_model;

/* The table of models that simile_pull knows by name. NULL beyond the end. */
SIMILE_API const simile_known_model *simile_known_model_at(size_t i);

typedef struct {
    size_t struct_size;
    simile_progress_fn progress; /* bytes; non-zero interrupts, and the same call goes on from there */
    void *user;
    const char *name;      /* of the model afterwards; default: as known, or the last part of the repository */
    const char *file;      /* the weights to take, where a repository has several */
    int32_t replace;       /* 1: fetch it again and put it in the place of what is there */
    int32_t retries;       /* further attempts when a connection fails; default 5, negative: none */
    int32_t stall_seconds; /* without a byte, after which a connection is given up; default 30 */
    int32_t backoff_ms;    /* pause before the second attempt, doubled from one to the next; default 1000 */
} simile_pull_options;

typedef struct {
    int64_t files, bytes; /* of the model */
    int64_t fetched;      /* bytes that came over the network */
    int64_t resumed;      /* bytes that an earlier attempt had left */
    int64_t cached;       /* bytes taken from the cache of the Hugging Face libraries */
    char name[128];
    char source[384]; /* "owner/name@commit", or a URL */
    char directory[1024];
} simile_pull_report;

/* Fetches a model into $XDG_DATA_HOME/simile/models/<name>. what: a known name, "owner/name" or "owner/name@revision"
 * of the Hugging Face Hub, or a URL with the SHA-256 of the file as its last part but one (as OpenAI's have; OpenAI's
 * tokenizer comes with those). Only the files that a model needs are taken; each is checked against its length and
 * checksum, and the model appears whole or not at all. What a failure or an interruption leaves is resumed by the next
 * call. report may be NULL. Environment: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, SIMILE_CLIP_BPE,
 * and libcurl's proxy variables. Errors: ARG, NOT_FOUND, EXISTS, BUSY (being pulled already, or the server wants to be
 * asked less often), CANCELLED, IO, CORRUPT (wrong length or checksum), FORMAT, UNSUPPORTED, LIMIT, NOMEM. */
SIMILE_API simile_status simile_pull(const char *what, const simile_pull_options *options, simile_pull_report *report,
                                     simile_error *err);

typedef struct {
    const char *name, *directory;
    const char *source; /* where simile_pull got it, or NULL */
    int64_t bytes;      /* of its files */
    int32_t partial;    /* 1: a pull that has not finished; the next one goes on from there */
    int32_t removable;  /* 1: simile_model_remove takes it */
} simile_installed_model;
typedef int (*simile_installed_fn)(void *user, const simile_installed_model *model);

/* Calls fn for each model or translator that would be found by name, until it returns non-zero. search_path: as in
 * simile_model_options, may be NULL. */
SIMILE_API simile_status simile_installed_models(const char *search_path, simile_installed_fn fn, void *user,
                                                 simile_error *err);

/* Deletes a model that simile_pull made, finished or not; nothing that it did not put there is ever deleted, but for
 * what the model declares (simile.json) and what is remembered of it. *bytes may be NULL. Errors: NOT_FOUND, ARG (not
 * made by simile_pull, or other files lie in it), BUSY, IO, NOMEM. */
SIMILE_API simile_status simile_model_remove(const char *name, int64_t *bytes, simile_error *err);

/* ---- converting models ---- */

enum {
    SIMILE_DTYPE_STORED = 0, /* what each tensor is stored as; F32 for blocks of ggml */
    SIMILE_DTYPE_F32 = 1,
    SIMILE_DTYPE_F16 = 2,
    SIMILE_DTYPE_BF16 = 3,
    SIMILE_DTYPE_INT8 = 4 /* the matrices of the large products as 8-bit integers (docs/weights.md), other large ones
                             as BF16, the rest as F32 */
};

typedef struct {
    size_t struct_size;
    int32_t dtype;               /* SIMILE_DTYPE_... */
    simile_progress_fn progress; /* bytes of the result; reading, writing and checking count a third each */
    void *user;
} simile_convert_options;

typedef struct {
    int64_t files, bytes;
    int32_t exact;          /* 1: every number is kept, and with them the identity */
    char digest[65];        /* of what was written */
    char source_digest[65]; /* of the model that it was made from */
    char weights_dtype[8];  /* as in simile_model_info */
} simile_convert_report;

/* Writes a model, whatever files it was opened from, as a folder in the layout of Hugging Face with its weights as
 * safetensors under the names of that layout. Configuration, preprocessing and tokenizer are copied, or written where
 * the weights described themselves. The folder must not exist, or be empty. It appears whole or not at all: it is made
 * beside itself under another name, opened again and compared with the source, and only then renamed. With F16, BF16 or
 * INT8 numbers may be rounded; the model then has another identity, and simile.json in its folder declares that its
 * vectors belong to the source's space. A number too large for F16 is an error. report may be NULL. Errors: ARG,
 * EXISTS, BUSY (somebody converts to that folder already), CANCELLED, LIMIT (no room on the disk, a number too large),
 * UNSUPPORTED (a pair, a model at another image_size than its own), IO, NOMEM. */
SIMILE_API simile_status simile_model_convert(const simile_model *model, const char *folder,
                                              const simile_convert_options *options, simile_convert_report *report,
                                              simile_error *err);

/* ---- languages ---- */

typedef struct {
    const char *code;   /* ISO 639-1; "zh-cn" and "zh-tw" */
    const char *name;   /* in English */
    const char *native; /* in itself */
} simile_language;

/* The forty languages that are asked of every text tower, by English name. NULL beyond the end. */
SIMILE_API const simile_language *simile_language_at(size_t i);

/* What is published about the languages that the text towers of some models read. Lists have spaces between. */
typedef struct {
    const char *models;  /* names of known or bundled models */
    const char *taught;  /* codes of languages in which the tower was trained; NULL: nobody published them */
    const char *encoder; /* codes of those that the language model it began from had read; NULL as above */
    int32_t listed;      /* languages and regional forms that the publisher names, others too; 0: no list */
    const char *source;  /* who says so */
    const char *remark;  /* or NULL */
} simile_text_tower;

SIMILE_API const simile_text_tower *simile_text_tower_at(size_t i); /* NULL beyond the end */

enum {
    SIMILE_READS_TAUGHT = 1, /* one bit each; none: in neither list */
    SIMILE_READS_ENCODER = 2,
    SIMILE_READS_TAUGHT_UNKNOWN = 4,
    SIMILE_READS_ENCODER_UNKNOWN = 8
};
SIMILE_API int32_t simile_text_tower_reads(const simile_text_tower *tower, const char *code);

/* The tower of a model: a known name or where it comes from, an installed name, a path. What simile_pull wrote down in
 * a folder counts more than the folder's name. search_path: as in simile_model_options, may be NULL. Success with *out
 * NULL: the model is there, and nothing is known of its languages. Errors: ARG, NOT_FOUND, IO, NOMEM. */
SIMILE_API simile_status simile_text_tower_of(const char *name, const char *search_path, const simile_text_tower **out,
                                              simile_error *err);

/* ---- words ----
 * Text without spaces between its words, Chinese above all, to words: the algorithm of jieba. A dictionary gives each
 * word a frequency, and the most probable cut is taken; what is left over as single characters is cut by a hidden
 * Markov model, where its tables are there. */

typedef struct simile_segmenter simile_segmenter; /* immutable, share it freely */

typedef struct {
    size_t struct_size;
    const char *dictionary;      /* lines "word frequency [tag]", such as jieba's dict.txt */
    const char *user_dictionary; /* lines "word [frequency] [tag]", added to it; frequency 0: never a word */
    const char *hmm;             /* a folder with prob_start.py, prob_trans.py and prob_emit.py: jieba's finalseg */
    const char *search_path;     /* of models, as in simile_model_options: one of them brings a small dictionary */
} simile_segmenter_options;

typedef struct {
    const char *dictionary; /* the file */
    const char *hmm;        /* the folder, or NULL: words of the dictionary alone */
    int64_t words;          /* in the dictionary, the user's too */
} simile_segmenter_info;

/* What options leave open is taken from the first of these folders that has it, dict.txt and finalseg each for itself:
 * $SIMILE_JIEBA, $XDG_DATA_HOME/simile/jieba, /usr/lib/python3/dist-packages/jieba. Where none has a dictionary, it is
 * that of the model simile-zh-en, which is small. Errors: NOT_FOUND, IO, FORMAT (the line is named), LIMIT, NOMEM. */
SIMILE_API simile_status simile_segmenter_open(const simile_segmenter_options *options, simile_segmenter **out,
                                               simile_error *err);
SIMILE_API void simile_segmenter_free(simile_segmenter *segmenter);
SIMILE_API const simile_segmenter_info *simile_segmenter_get_info(const simile_segmenter *segmenter);

enum {
    SIMILE_SEGMENT_PRECISE = 0, /* the most probable cut */
    SIMILE_SEGMENT_FULL = 1,    /* every word that can be read, overlapping ones too */
    SIMILE_SEGMENT_SEARCH = 2   /* precise, and before each long word those of two and three characters in it */
};

typedef struct {
    size_t struct_size;
    int32_t mode;   /* SIMILE_SEGMENT_... */
    int32_t no_hmm; /* 1: without the hidden Markov model; full mode never uses it */
} simile_segment_options;

typedef struct simile_words simile_words;

/* White space and punctuation are words too. Errors: LIMIT (more than 64 MiB), NOMEM, ARG. */
SIMILE_API simile_status simile_segment(const simile_segmenter *segmenter, const char *text, size_t len,
                                        const simile_segment_options *options, simile_words **out, simile_error *err);
SIMILE_API size_t simile_words_count(const simile_words *words);
/* NULL beyond the end. *len (may be NULL): in bytes; a NUL stands behind them. */
SIMILE_API const char *simile_words_at(const simile_words *words, size_t i, size_t *len);
SIMILE_API void simile_words_free(simile_words *words);

/* ---- translation ---- */

typedef struct simile_translator simile_translator; /* immutable, share it freely; must outlive its sessions */

typedef struct {
    size_t struct_size;
    const char *search_path; /* as in simile_model_options */
    const char *from, *to;   /* where no name is given: languages, default "zh" and "en" */
} simile_translator_options;

typedef struct {
    const char *name;      /* the last part of its directory */
    const char *directory; /* where it was found */
    const char *from,
        *to; /* languages, as its tokenizer_config.json writes them ("zh", "zho"); NULL: it says nothing */
    const char *tokenizer; /* "segmented-bpe" or "sentencepiece-unigram" */
    int32_t vocab_size;
    int32_t context; /* tokens of a text, the one that ends it included */
    int32_t beams;   /* by default */
} simile_translator_info;

/* Opens a directory in the layout of Marian models, found as simile_model_open finds models. name NULL: opus-mt-FROM-TO
 * if it is there, else simile-FROM-TO. Errors: as simile_model_open; UNSUPPORTED for what is no translator. */
SIMILE_API simile_status simile_translator_open(const char *name, const simile_translator_options *options,
                                                simile_translator **out, simile_error *err);
SIMILE_API void simile_translator_close(simile_translator *translator);
SIMILE_API const simile_translator_info *simile_translator_get_info(const simile_translator *translator);

typedef struct simile_translator_session simile_translator_session; /* one thread at a time */

typedef struct {
    size_t struct_size;
    int32_t threads; /* default as for encoders */
} simile_translator_session_options;

SIMILE_API simile_status simile_translator_session_new(const simile_translator *translator,
                                                       const simile_translator_session_options *options,
                                                       simile_translator_session **out, simile_error *err);
SIMILE_API void simile_translator_session_free(simile_translator_session *session);

typedef struct {
    const char *text;
    float score; /* mean log probability of its tokens (a penalty of length as the translator's files say) */
} simile_candidate;

typedef struct {
    const char *const *tokens; /* words where the translator cuts texts into words (without white space), else pieces */
    size_t n_tokens;
    const simile_candidate *candidates; /* best first */
    size_t n_candidates;
    int32_t truncated; /* 1: the text was longer than the translator reads, its end is not translated */
} simile_translation;

typedef struct {
    size_t struct_size;
    int32_t best;  /* candidates of each text; default 1, at most 64 */
    int32_t beams; /* hypotheses that grow at once, at least `best`; default: the translator's own, or `best` if more */
    simile_progress_fn progress; /* texts */
    void *user;
} simile_translate_options;

typedef struct simile_translations simile_translations;

/* Beam search. What comes out for a text does not depend on the other texts, or on the number of threads. A text that
 * is empty, or nothing but white space, has no candidates. Errors: ARG, CANCELLED, LIMIT, NOMEM. */
SIMILE_API simile_status simile_translate(simile_translator_session *session, const char *const *texts, size_t n,
                                          const simile_translate_options *options, simile_translations **out,
                                          simile_error *err);
SIMILE_API size_t simile_translations_count(const simile_translations *translations);
/* NULL beyond the end. */
SIMILE_API const simile_translation *simile_translations_at(const simile_translations *translations, size_t i);
SIMILE_API void simile_translations_free(simile_translations *translations);

/* ---- scripts ---- */

/* What a text is written in, by its letters. The values are pinned, new ones are appended. */
enum {
    SIMILE_SCRIPT_NONE = 0, /* no letter */
    SIMILE_SCRIPT_LATIN = 1,
    SIMILE_SCRIPT_HAN = 2,  /* and no kana: Chinese */
    SIMILE_SCRIPT_KANA = 3, /* Japanese, the Han in it too */
    SIMILE_SCRIPT_HANGUL = 4,
    SIMILE_SCRIPT_CYRILLIC = 5,
    SIMILE_SCRIPT_ARABIC = 6,
    SIMILE_SCRIPT_GREEK = 7,
    SIMILE_SCRIPT_HEBREW = 8,
    SIMILE_SCRIPT_ARMENIAN = 9,
    SIMILE_SCRIPT_GEORGIAN = 10,
    SIMILE_SCRIPT_ETHIOPIC = 11,
    SIMILE_SCRIPT_DEVANAGARI = 12,
    SIMILE_SCRIPT_BENGALI = 13,
    SIMILE_SCRIPT_THAI = 14,
    SIMILE_SCRIPT_OTHER = 15
};

/* The script that dominates: of Han, kana and Hangul a character counts as two letters of the others. */
SIMILE_API int32_t simile_script(const char *text, size_t len);
SIMILE_API const char *simile_script_name(int32_t script); /* "han"; never NULL */

/* ---- reading texts in other languages ----
 * A text becomes a vector by one of three ways: the model reads it itself; it is translated first, and the model reads
 * the best candidates; or a text tower for many languages reads it in the model's place. */

enum {
    SIMILE_VIA_AUTO = 0,        /* by language and by what is installed, see simile_read */
    SIMILE_VIA_DIRECT = 1,      /* the encoder's own model */
    SIMILE_VIA_TRANSLATE = 2,   /* a translator, then the encoder's own model. Latin script is read directly unless
                                   a language or a translator is named */
    SIMILE_VIA_MULTILINGUAL = 3 /* another text tower; of a pair its own */
};

/* What several candidates of a translation are together. */
enum {
    SIMILE_FUSE_FIRST = 0,   /* the first one alone */
    SIMILE_FUSE_MEAN = 1,    /* the mean of their unit vectors, made unit again */
    SIMILE_FUSE_MAX = 2,     /* each for itself: the one that is most similar counts */
    SIMILE_FUSE_WEIGHTED = 3 /* as the mean, each weighted by the softmax of the scores */
};

typedef struct simile_reader simile_reader; /* one thread at a time, and so is the encoder it works with */

typedef struct {
    size_t struct_size;
    const char *search_path; /* as in simile_model_options */
    const char *translator;  /* by name or path; NULL: by language, see simile_translator_open */
    const char *text_model;  /* for many languages, by name or path; NULL: "simile-languages" */
    int32_t force_pairing;   /* 1: even if nothing declares that text_model belongs beside the model */
    int32_t threads;         /* of what the reader opens; default as for encoders */
} simile_reader_options;

/* Opens translator and text model when a text first needs them. The encoder must outlive the reader. */
SIMILE_API simile_status simile_reader_new(simile_encoder *encoder, const simile_reader_options *options,
                                           simile_reader **out, simile_error *err);
SIMILE_API void simile_reader_free(simile_reader *reader);

typedef struct {
    size_t struct_size;
    int32_t via;                  /* SIMILE_VIA_... */
    int32_t fuse;                 /* SIMILE_FUSE_... */
    int32_t candidates;           /* of a translation; default 5, at most 64 */
    const char *language;         /* of the texts, as simile_language_at has it; NULL: what the script tells */
    const char *const *templates; /* put each text (of a translated one its candidates) into each of these, as */
    size_t n_templates;           /* simile_label_vectors does; 0: none */
    int32_t labels;               /* 1: without templates, put it into the default one, where it is read in English */
} simile_read_options;

struct simile_reading {
    const char *text;
    int32_t script;                        /* SIMILE_SCRIPT_... */
    int32_t via;                           /* SIMILE_VIA_..., the way that was taken: never AUTO */
    int32_t fuse;                          /* SIMILE_FUSE_... */
    int32_t candidate;                     /* index of the one whose vector it is; -1: of all, or of each by itself */
    const char *text_model;                /* name of the model that made the vectors */
    const char *translator;                /* its name; NULL unless it was translated */
    const simile_translation *translation; /* NULL unless it was translated */
    const float *vectors;                  /* [n_vectors, dim]: raw, or unit where several were fused */
    size_t n_vectors;                      /* 1, or with SIMILE_FUSE_MAX as many as candidates */
    int32_t dim;
    int32_t truncated; /* 1: the text model saw only the beginning of it, or of a candidate; 0 with templates */
};

typedef struct simile_readings simile_readings; /* immutable; the reader must outlive it */

/* AUTO is DIRECT for Latin script, for "en" and for an encoder whose model is a pair or is known to have been taught
 * the language. Otherwise Chinese is translated if a translator is there and the model was taught English alone; else a
 * text model that is there and declared to belong beside the model reads; else the model itself. A text for which the
 * translator finds nothing (blank, for one) is read directly. Errors: those of what is opened, ARG, LIMIT, NOMEM. */
SIMILE_API simile_status simile_read(simile_reader *reader, const char *const *texts, size_t n,
                                     const simile_read_options *options, simile_readings **out, simile_error *err);
SIMILE_API size_t simile_readings_count(const simile_readings *readings);
SIMILE_API const simile_reading *simile_readings_at(const simile_readings *readings,
                                                    size_t i); /* NULL beyond the end */
SIMILE_API void simile_readings_free(simile_readings *readings);
/* n of them, from `first` on, as a handle of its own: what they share lives until the last handle on it is freed, by
 * whichever thread. So texts of several callers can be read at once. Errors: ARG (beyond the end), NOMEM. */
SIMILE_API simile_status simile_readings_slice(simile_readings *readings, size_t first, size_t n, simile_readings **out,
                                               simile_error *err);

/* 100 x cosine, of the vector among the reading's that is the most similar. *candidate (may be NULL): that of the
 * reading, or the one that was most similar. */
SIMILE_API float simile_reading_similarity(const simile_reading *reading, const float *vector, int32_t *candidate);

/* ---- remote pictures ---- */

typedef struct {
    size_t struct_size;
    int64_t max_bytes;          /* default 33,554,432 */
    int64_t max_pixels;         /* as in simile_image_options */
    int32_t seconds;            /* for everything together; default 20 */
    int32_t redirects;          /* that are followed; default 5, negative: none */
    int32_t ignore_orientation; /* as in simile_image_options */
    const char *trust;          /* origins that may be anywhere, "http://10.0.0.2:8080", blanks between; NULL: none */
} simile_fetch_options;

/* Fetches and decodes a picture whose URL comes from somebody who is not trusted. Only http and https URLs without a
 * user's name are followed, to ports 80 and 443; every address that is really connected to must be a public one, after
 * each redirect again: none of this machine, of a local network, of a shared or reserved range, or of IPv6 that
 * stands for one of these. A proxy is never used. What the bytes are is decided by the bytes. Errors: ARG (no such
 * URL), UNSUPPORTED (refused as above), NOT_FOUND, IO, BUSY, LIMIT (too large, too slow), and those of
 * simile_image_decode. */
SIMILE_API simile_status simile_image_fetch(const char *url, const simile_fetch_options *options, simile_image **out,
                                            simile_error *err);

/* ---- what is remembered of models ---- */

/* Bytes of the packed weights that are remembered of a model (not of one that it is paired with). 0: none. */
SIMILE_API int64_t simile_model_cache_bytes(const simile_model *model);

#ifdef __cplusplus
}
#endif
#endif
