/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_compare.c - `simile compare IMAGE TEXT...`: how well each text fits a picture.
 *
 * Prints what the network gives and what is made of it, in this order: the inputs, the dimension, the picture's vector,
 * the words and candidates of each text that was translated, each text's vector with its similarity (100 x cosine), and
 * what the model makes of the similarities: their softmax, or the sigmoid of each. The vectors are raw, only their ends
 * are printed; --json has all numbers. One text alone has nothing to be weighed against, its softmax would be 1
 * whatever the picture: then it is left out of what people read.
 */
#include "app.h"
#include "base/mem.h"
#include "show.h"
#include "term.h"
#include "via.h"

typedef struct {
    const char *path;
    const char *const *texts;
    size_t n;
    const simile_model_info *info;
    via how;
    simile_readings *readings; /* of the texts */
    float *image;              /* [dim] */
    float *similarity;         /* [n], percent */
    float *probability;        /* [n] */
    int32_t *candidate;        /* [n]: of a translation, or -1 */
} comparison;

static bool make_room(comparison *c)
{
    const size_t dim = (size_t)c->info->dim;
    c->image = mem_array(dim, sizeof(float));
    c->similarity = mem_array(c->n, sizeof(float));
    c->probability = mem_array(c->n, sizeof(float));
    c->candidate = mem_array(c->n, sizeof(int32_t));
    return c->image && c->similarity && c->probability && c->candidate;
}

static void release(comparison *c)
{
    mem_free(c->image);
    simile_readings_free(c->readings);
    via_release(&c->how);
    mem_free(c->similarity);
    mem_free(c->probability);
    mem_free(c->candidate);
}

static simile_status compute(app *a, comparison *c, const simile_image_options *options, simile_error *err)
{
    RETURN_IF_ERROR(app_encoder(a, err));
    c->info = simile_model_get_info(a->model);
    if (!make_room(c)) return err_nomem(err);
    simile_image *image;
    RETURN_IF_ERROR(simile_image_open(c->path, options, &image, err));
    const simile_image *const images[] = {image};
    simile_status status = simile_encode_images(a->encoder, images, 1, c->image, err);
    simile_image_free(image);
    if (!status) status = via_read(&c->how, c->texts, c->n, &c->readings, err);
    if (status) return status;
    for (size_t i = 0; i < c->n; i++)
        c->similarity[i] = simile_reading_similarity(simile_readings_at(c->readings, i), c->image, &c->candidate[i]);
    simile_confidence(a->model, c->similarity, c->n, c->probability);
    return SIMILE_OK;
}

/* The vector that the similarity is of. */
static const float *vector_of(const comparison *c, size_t i)
{
    const simile_reading *r = simile_readings_at(c->readings, i);
    return r->vectors + (r->n_vectors > 1 ? (size_t)c->candidate[i] * (size_t)r->dim : 0);
}

static void print_confidence(const comparison *c, buf *out)
{
    size_t best = 0;
    const bool sigmoid = c->info->score == SIMILE_SCORE_SIGMOID;
    for (size_t i = 1; i < c->n; i++)
        if (c->probability[i] > c->probability[best]) best = i;
    buf_text(out, sigmoid ? "Sigmoid probability (logit scale " : "Softmax confidence (logit scale ");
    show_float(out, c->info->logit_scale);
    if (sigmoid) buf_text(out, ", bias "), show_float(out, c->info->logit_bias);
    buf_text(out, "):\nTexts: ");
    show_texts(out, c->texts, c->n);
    buf_text(out, "\nProbabilities: ");
    show_floats(out, c->probability, c->n);
    buf_text(out, sigmoid ? "\n\nProbability of \"" : "\n\nConfidence of \"");
    term_text(out, c->texts[best]);
    buf_text(out, "\" being similar to the image: ");
    show_float(out, c->probability[best]);
    buf_byte(out, '\n');
}

/* Which candidate of a translation it was. */
static void print_candidate(const comparison *c, size_t i, buf *out)
{
    const simile_reading *r = simile_readings_at(c->readings, i);
    if (!r->translation) return;
    if (c->candidate[i] < 0) {
        buf_printf(out, "Candidate: %zu of %zu together\n", r->translation->n_candidates, r->translation->n_candidates);
        return;
    }
    buf_text(out, "Candidate: ");
    term_text(out, r->translation->candidates[c->candidate[i]].text);
    buf_byte(out, '\n');
}

static void print_text(const comparison *c, buf *out)
{
    const int32_t dim = c->info->dim;
    buf_text(out, "Texts: ");
    show_texts(out, c->texts, c->n);
    buf_text(out, "\nImage: ");
    term_text(out, c->path);
    buf_printf(out, "\n\nVector dimension: %d\n\nImage vector: ", dim);
    show_vector_ends(out, c->image, dim);
    buf_text(out, "\n\n");
    for (size_t i = 0; i < c->n; i++) via_print(simile_readings_at(c->readings, i), out);
    for (size_t i = 0; i < c->n; i++) {
        buf_text(out, "Text [");
        term_text(out, c->texts[i]);
        buf_text(out, "] vector: ");
        show_vector_ends(out, vector_of(c, i), dim);
        buf_text(out, "\nSimilarity: ");
        show_float(out, c->similarity[i]);
        buf_text(out, "%\n");
        print_candidate(c, i, out);
        buf_byte(out, '\n');
    }
    if (c->n > 1 || c->info->score == SIMILE_SCORE_SIGMOID)
        print_confidence(c, out);
    else
        buf_text(out, "Confidence: needs two texts or more to choose between\n");
}

static void print_json(const app *a, const comparison *c, buf *out)
{
    const size_t dim = (size_t)c->info->dim;
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    app_models_json(a, &w);
    jw_key(&w, "dimension"), jw_int(&w, c->info->dim);
    jw_key(&w, "logit_scale"), jw_float(&w, c->info->logit_scale);
    jw_key(&w, "logit_bias"), jw_float(&w, c->info->logit_bias);
    jw_key(&w, "score"), jw_string(&w, show_score(c->info->score));
    jw_key(&w, "image"), jw_object(&w);
    jw_key(&w, "path"), jw_string(&w, c->path);
    jw_key(&w, "embedding"), jw_floats(&w, c->image, dim);
    jw_object_end(&w);
    jw_key(&w, "texts"), jw_array(&w);
    for (size_t i = 0; i < c->n; i++) {
        jw_object(&w);
        const simile_reading *r = simile_readings_at(c->readings, i);
        jw_key(&w, "text"), jw_string(&w, c->texts[i]);
        reading_json(r, c->candidate[i], &w);
        jw_key(&w, "embedding"), jw_floats(&w, vector_of(c, i), dim);
        jw_key(&w, "similarity"), jw_float(&w, c->similarity[i]);
        jw_key(&w, "probability"), jw_float(&w, c->probability[i]);
        if (r->truncated) jw_key(&w, "truncated"), jw_bool(&w, true);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static int compare(app *a, comparison *c, bool no_orient)
{
    const simile_image_options options = {.struct_size = sizeof options, .ignore_orientation = no_orient};
    simile_error err;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    const simile_status status = compute(a, c, &options, &err);
    if (!status) {
        for (size_t i = 0; i < c->n; i++) via_warn_truncated(&c->how, simile_readings_at(c->readings, i));
        if (a->json)
            print_json(a, c, &out);
        else
            print_text(c, &out);
        app_write(&out);
    }
    buf_release(&out);
    release(c);
    return status ? app_fail(&err) : EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    bool no_orient = false;
    comparison c = {0};
    via_init(&c.how, a);
    const option options[] = {
        {0, "no-orient", NULL, "leave the picture as stored, whatever its EXIF orientation", OPTION_FLAG, &no_orient},
        VIA_OPTIONS(&c.how, 'n'),
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    int status;
    if (rest.count == 0) {
        status = app_usage(a, "which picture, and which texts");
    } else if (rest.count == 1) {
        status = app_usage(a, "no text to compare '%s' with", rest.items[0]);
    } else {
        c.path = rest.items[0];
        c.texts = rest.items + 1;
        c.n = rest.count - 1;
        status = compare(a, &c, no_orient);
    }
    words_release(&rest);
    return status;
}

const command command_compare = {
    "compare", "IMAGE TEXT...", "how well each text fits a picture",
    "For each text the similarity is 100 x the cosine of the two vectors. Softmax confidences weigh the texts against\n"
    "each other: they say which of these texts fits best, not whether any of them does. The sigmoid probabilities of\n"
    "models like SigLIP judge each text by itself. Texts in another language than the model's are translated, or read\n"
    "by a model for many languages, as far as either is installed (--via).\n\n"
    "  simile compare dogs.jpg \"two dogs in the snow\" \"a cat on a table\" \"London at night\"\n"
    "  simile compare dogs.jpg 在雪地里有两条狗 一只猫在桌子上 夜晚的伦敦 --via translate\n",
    run};
