/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_compare.c - `simile compare IMAGE TEXT...`: how well each text fits a picture.
 *
 * Prints what the network gives and what is made of it, in this order: the inputs, the dimension, the picture's vector,
 * each text's vector with its similarity (100 x cosine), and what the model makes of the similarities: their softmax,
 * or the sigmoid of each. The vectors are raw, only their ends are printed; --json has all numbers. One text alone has
 * nothing to be weighed against, its softmax would be 1 whatever the picture: then it is left out of what people read.
 */
#include "app.h"
#include "base/mem.h"
#include "show.h"
#include "term.h"

typedef struct {
    const char *path;
    const char *const *texts;
    size_t n;
    const simile_model_info *info;
    float *image;       /* [dim] */
    float *vectors;     /* [n, dim] */
    float *similarity;  /* [n], percent */
    float *probability; /* [n] */
    uint8_t *truncated; /* [n] */
} comparison;

static bool make_room(comparison *c)
{
    const size_t dim = (size_t)c->info->dim;
    size_t all;
    c->image = mem_array(dim, sizeof(float));
    c->vectors = mem_mul(c->n, dim, &all) ? mem_array(all, sizeof(float)) : NULL;
    c->similarity = mem_array(c->n, sizeof(float));
    c->probability = mem_array(c->n, sizeof(float));
    c->truncated = mem_zero_array(c->n, 1);
    return c->image && c->vectors && c->similarity && c->probability && c->truncated;
}

static void release(comparison *c)
{
    mem_free(c->image);
    mem_free(c->vectors);
    mem_free(c->similarity);
    mem_free(c->probability);
    mem_free(c->truncated);
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
    if (!status) status = simile_encode_texts(a->encoder, c->texts, c->n, c->vectors, c->truncated, err);
    if (status) return status;
    for (size_t i = 0; i < c->n; i++)
        c->similarity[i] = simile_similarity(c->image, c->vectors + i * (size_t)c->info->dim, c->info->dim);
    simile_confidence(a->model, c->similarity, c->n, c->probability);
    return SIMILE_OK;
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
    for (size_t i = 0; i < c->n; i++) {
        buf_text(out, "Text [");
        term_text(out, c->texts[i]);
        buf_text(out, "] vector: ");
        show_vector_ends(out, c->vectors + i * (size_t)dim, dim);
        buf_text(out, "\nSimilarity: ");
        show_float(out, c->similarity[i]);
        buf_text(out, "%\n\n");
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
        jw_key(&w, "text"), jw_string(&w, c->texts[i]);
        jw_key(&w, "embedding"), jw_floats(&w, c->vectors + i * dim, dim);
        jw_key(&w, "similarity"), jw_float(&w, c->similarity[i]);
        jw_key(&w, "probability"), jw_float(&w, c->probability[i]);
        if (c->truncated[i]) jw_key(&w, "truncated"), jw_bool(&w, true);
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
        for (size_t i = 0; i < c->n; i++)
            if (c->truncated[i]) app_warn_truncated(a, c->texts[i]);
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
    const option options[] = {
        {0, "no-orient", NULL, "leave the picture as stored, whatever its EXIF orientation", OPTION_FLAG, &no_orient},
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
        comparison c = {.path = rest.items[0], .texts = rest.items + 1, .n = rest.count - 1};
        status = compare(a, &c, no_orient);
    }
    words_release(&rest);
    return status;
}

const command command_compare = {
    "compare", "IMAGE TEXT...", "how well each text fits a picture",
    "For each text the similarity is 100 x the cosine of the two vectors. Softmax confidences weigh the texts against\n"
    "each other: they say which of these texts fits best, not whether any of them does. The sigmoid probabilities of\n"
    "models like SigLIP judge each text by itself.\n\n"
    "  simile compare dogs.jpg \"two dogs in the snow\" \"a cat on a table\" \"London at night\"\n",
    run};
