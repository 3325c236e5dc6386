/* SPDX-License-Identifier: Apache-2.0
 * texts.c - simile_library_add_texts: texts as items, so that pictures and texts can find texts. A text is its bytes:
 * its identity is their SHA-256, and it never changes. Each batch is one transaction. */
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/search_file.h"

enum { DEFAULT_BATCH = 16, MAX_BATCH = 256, MAX_TEXT_BYTES = 1 << 20 };

typedef struct {
    catalog *c;
    simile_encoder *encoder;
    simile_add_options options;
    simile_add_report *report;
    int32_t dim;
    size_t batch, n;
    const char **texts; /* [batch], n of them waiting */
    float *vectors;     /* [batch, dim] */
    int64_t done, total;
} text_ingest;

static simile_status write_text(text_ingest *in, const char *text, float *vector, simile_add_report *r,
                                simile_error *err)
{
    catalog_item item = {.kind = SIMILE_KIND_TEXT,
                         .text = text,
                         .has_hash = true,
                         .size = (int64_t)strlen(text),
                         .taken = CATALOG_NO_DATE};
    if (!make_unit(vector, in->dim))
        return err_set(err, SIMILE_E_CORRUPT, "the model gives the text '%.100s' no vector", text);
    digest_bytes(text, strlen(text), item.hash);
    r->added++;
    r->bytes += item.size;
    return catalog_put(in->c, &item, vector, in->dim, false, err);
}

static simile_status write_texts(text_ingest *in, simile_error *err)
{
    simile_add_report r = *in->report;
    simile_status status = catalog_begin(in->c, err);
    for (size_t i = 0; i < in->n && !status; i++)
        status = write_text(in, in->texts[i], in->vectors + i * (size_t)in->dim, &r, err);
    if (!status) status = catalog_commit(in->c, err);
    if (!status) *in->report = r;
    catalog_rollback(in->c);
    return status;
}

static simile_status flush(text_ingest *in, simile_error *err)
{
    if (!in->n) return SIMILE_OK;
    const char *last = in->texts[in->n - 1];
    RETURN_IF_ERROR(simile_encode_texts(in->encoder, in->texts, in->n, in->vectors, NULL, err));
    RETURN_IF_ERROR(write_texts(in, err));
    in->done += (int64_t)in->n;
    in->n = 0;
    const simile_add_options *o = &in->options;
    if (o->progress && o->progress(o->user, in->done, in->total, last))
        return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    return SIMILE_OK;
}

static simile_status consider(text_ingest *in, const char *text, simile_error *err)
{
    catalog_item item;
    bool there = false;
    if (!text || !*text) return err_set(err, SIMILE_E_ARG, "a text is empty");
    if (strlen(text) > MAX_TEXT_BYTES)
        return err_set(err, SIMILE_E_LIMIT, "a text is longer than %d bytes", MAX_TEXT_BYTES);
    for (size_t i = 0; i < in->n && !there; i++) there = !strcmp(in->texts[i], text);
    if (!there) RETURN_IF_ERROR(catalog_find_text(in->c, text, &item, &there, err));
    if (there) {
        in->report->unchanged++;
        in->done++;
        return SIMILE_OK;
    }
    in->texts[in->n++] = text;
    return in->n == in->batch ? flush(in, err) : SIMILE_OK;
}

static simile_status ingest_texts(text_ingest *in, const char *const *texts, size_t n, simile_error *err)
{
    in->batch = in->options.batch > 0 ? (size_t)in->options.batch : DEFAULT_BATCH;
    if (in->batch > MAX_BATCH) in->batch = MAX_BATCH;
    in->dim = encoder_dim(in->encoder);
    in->report->found = in->total = (int64_t)n;
    in->texts = mem_zero_array(in->batch, sizeof *in->texts);
    in->vectors = mem_array(in->batch * (size_t)in->dim, sizeof *in->vectors);
    simile_status status = in->texts && in->vectors ? SIMILE_OK : err_nomem(err);
    if (!status) status = claim_model(in->c, in->encoder->model, err);
    for (size_t i = 0; i < n && !status; i++) status = consider(in, texts[i], err);
    if (!status) status = flush(in, err);
    mem_free(in->texts);
    mem_free(in->vectors);
    return status;
}

simile_status simile_library_add_texts(simile_library *library, simile_encoder *encoder, const char *const *texts,
                                       size_t n, const simile_add_options *options, simile_add_report *report,
                                       simile_error *err)
{
    simile_add_report own = {0};
    text_ingest in = {.encoder = encoder, .report = report ? report : &own};
    *in.report = own;
    if (!library || !encoder || (n && !texts))
        return err_set(err, SIMILE_E_ARG, "no catalogue, encoder or texts were given");
    RETURN_IF_ERROR(options_copy(&in.options, sizeof in.options, options, err));
    RETURN_IF_ERROR(writer_take(library, &in.c, err));
    const simile_status status = ingest_texts(&in, texts, n, err);
    if (!status) search_file_update(library, SIMILE_KIND_TEXT, in.c, NULL);
    writer_give(library);
    return status;
}
