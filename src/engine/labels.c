/* SPDX-License-Identifier: Apache-2.0
 * labels.c - vectors of labels for zero-shot classification: prompt templates and their ensemble (Radford et al. 2021,
 * section 3.1.4): the mean of the unit vectors of all prompts of a label, made unit again.
 *
 * Prompts are encoded in pieces that may begin in the middle of a label; sums are kept in double. */
#include "base/buf.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { PROMPTS_AT_ONCE = 64, MAX_PROMPT_BYTES = 1 << 20 };

static const char *const default_template = "a photo of a {}.";

/* The template with every "{}" replaced by the label; freed with mem_free. */
static simile_status make_prompt(const char *template, const char *label, char **out, simile_error *err)
{
    buf text;
    size_t len = 0, places = 0;
    *out = NULL;
    if (!template || !label) return err_set(err, SIMILE_E_ARG, "a label or a template is missing");
    for (const char *p = strstr(template, "{}"); p; p = strstr(p + 2, "{}")) places++;
    if (!places) return err_set(err, SIMILE_E_ARG, "the template '%s' has no {} for the label", template);
    if (!mem_mul(places, strlen(label), &len) || !mem_add(len, strlen(template), &len) || len > MAX_PROMPT_BYTES)
        return err_set(err, SIMILE_E_LIMIT, "the prompt for a label is longer than %d bytes", MAX_PROMPT_BYTES);
    buf_init(&text, MAX_PROMPT_BYTES);
    for (const char *p = template; *p;) {
        const char *place = strstr(p, "{}");
        buf_append(&text, p, place ? (size_t)(place - p) : strlen(p));
        if (place) buf_text(&text, label);
        p = place ? place + 2 : p + strlen(p);
    }
    *out = buf_take(&text, NULL);
    return *out ? SIMILE_OK : err_nomem(err);
}

typedef struct {
    simile_encoder *encoder;
    const char *const *labels, *const *templates;
    size_t n_templates, dim;
    double *sum;    /* [dim], of the label in progress */
    float *vectors; /* [PROMPTS_AT_ONCE, dim] */
    float *out;     /* [labels, dim] */
} ensemble;

/* Adds the vector of prompt number `at` to its label, which is complete with its last template. */
static void add_prompt(ensemble *e, size_t at, float *vector)
{
    float *row = e->out + at / e->n_templates * e->dim;
    if (at % e->n_templates == 0) memset(e->sum, 0, e->dim * sizeof *e->sum);
    simile_normalize(vector, (int32_t)e->dim);
    for (size_t i = 0; i < e->dim; i++) e->sum[i] += (double)vector[i];
    if (at % e->n_templates != e->n_templates - 1) return;
    for (size_t i = 0; i < e->dim; i++) row[i] = (float)(e->sum[i] / (double)e->n_templates);
    simile_normalize(row, (int32_t)e->dim);
}

static simile_status add_prompts(ensemble *e, size_t first, size_t n, simile_error *err)
{
    char *prompts[PROMPTS_AT_ONCE] = {0};
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const size_t at = first + i;
        status = make_prompt(e->templates[at % e->n_templates], e->labels[at / e->n_templates], &prompts[i], err);
    }
    if (!status) status = simile_encode_texts(e->encoder, (const char *const *)prompts, n, e->vectors, NULL, err);
    for (size_t i = 0; i < n && !status; i++) add_prompt(e, first + i, e->vectors + i * e->dim);
    for (size_t i = 0; i < n; i++) mem_free(prompts[i]);
    return status;
}

simile_status simile_label_vectors(simile_encoder *encoder, const char *const *labels, size_t n_labels,
                                   const char *const *templates, size_t n_templates, float *out, simile_error *err)
{
    if (!encoder || (n_labels && (!labels || !out)))
        return err_set(err, SIMILE_E_ARG, "no encoder, labels or place was given");
    if (!templates || !n_templates) {
        templates = &default_template;
        n_templates = 1;
    }
    size_t total;
    if (!mem_mul(n_labels, n_templates, &total)) return err_set(err, SIMILE_E_LIMIT, "too many labels");
    const size_t dim = (size_t)encoder_dim(encoder);
    ensemble e = {.encoder = encoder,
                  .labels = labels,
                  .templates = templates,
                  .n_templates = n_templates,
                  .dim = dim,
                  .out = out};
    e.sum = mem_zero_array(dim, sizeof *e.sum);
    e.vectors = mem_array(PROMPTS_AT_ONCE * dim, sizeof *e.vectors);
    simile_status status = e.sum && e.vectors ? SIMILE_OK : err_nomem(err);
    for (size_t first = 0; first < total && !status; first += PROMPTS_AT_ONCE)
        status = add_prompts(&e, first, total - first < PROMPTS_AT_ONCE ? total - first : PROMPTS_AT_ONCE, err);
    mem_free(e.sum);
    mem_free(e.vectors);
    return status;
}
