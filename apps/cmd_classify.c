/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_classify.c - `simile classify IMAGE... --labels FILE`: which of your labels fits a picture best.
 *
 * A label becomes a vector through sentences ("a photo of a dog."): the mean of the unit vectors of all templates. A
 * softmax is over all labels, also over those that --top leaves out. */
#include "app.h"
#include "base/mem.h"
#include "lines.h"
#include "show.h"
#include "term.h"
#include "via.h"

#include <stdio.h>

typedef struct {
    app *a;
    words labels_given, label_files, templates_given, template_files;
    int32_t top;
    bool no_orient;
    /* filled in */
    text_list labels, templates;
    const simile_model_info *info;
    size_t dim;
    via how;
    simile_readings *readings; /* of the labels */
    float *image;              /* [dim] */
    int32_t *candidate;        /* [labels]: of a translation, or -1 */
    float *similarity;         /* [labels] */
    float *probability;
    size_t *order; /* [labels]: best first */
    buf out;
} classifier;

static simile_status read_list(const words *given, const words *files, text_list *all, simile_error *err)
{
    for (size_t i = 0; i < files->count; i++) RETURN_IF_ERROR(text_list_read(all, files->items[i], err));
    for (size_t i = 0; i < given->count; i++) RETURN_IF_ERROR(text_list_add(all, given->items[i], err));
    return SIMILE_OK;
}

static simile_status make_room(classifier *c, simile_error *err)
{
    const size_t n = c->labels.count;
    c->image = mem_array(c->dim, sizeof(float));
    c->similarity = mem_array(n, sizeof(float));
    c->probability = mem_array(n, sizeof(float));
    c->order = mem_array(n, sizeof(size_t));
    c->candidate = mem_array(n, sizeof(int32_t));
    return c->candidate && c->image && c->similarity && c->probability && c->order ? SIMILE_OK : err_nomem(err);
}

static simile_status prepare(classifier *c, simile_error *err)
{
    RETURN_IF_ERROR(read_list(&c->labels_given, &c->label_files, &c->labels, err));
    if (!c->labels.count) return err_set(err, SIMILE_E_ARG, "cannot classify: the files hold no label");
    RETURN_IF_ERROR(read_list(&c->templates_given, &c->template_files, &c->templates, err));
    RETURN_IF_ERROR(app_encoder(c->a, err));
    c->info = simile_model_get_info(c->a->model);
    c->dim = (size_t)c->info->dim;
    RETURN_IF_ERROR(make_room(c, err));
    c->how.options.labels = 1;
    c->how.options.templates = (const char *const *)c->templates.items;
    c->how.options.n_templates = c->templates.count;
    return via_read(&c->how, (const char *const *)c->labels.items, c->labels.count, &c->readings, err);
}

static void release(classifier *c)
{
    words_release(&c->labels_given);
    words_release(&c->label_files);
    words_release(&c->templates_given);
    words_release(&c->template_files);
    text_list_release(&c->labels);
    text_list_release(&c->templates);
    simile_readings_free(c->readings);
    via_release(&c->how);
    mem_free(c->candidate);
    mem_free(c->image);
    mem_free(c->similarity);
    mem_free(c->probability);
    mem_free(c->order);
    buf_release(&c->out);
}

static int better_first(const void *x, const void *y, void *user)
{
    const float *similarity = user;
    const size_t a = *(const size_t *)x, b = *(const size_t *)y;
    if (similarity[a] != similarity[b]) return similarity[a] > similarity[b] ? -1 : 1;
    return a < b ? -1 : 1;
}

static simile_status score(classifier *c, const char *path, simile_error *err)
{
    const simile_image_options options = {.struct_size = sizeof options, .ignore_orientation = c->no_orient};
    const size_t n = c->labels.count;
    simile_image *image;
    RETURN_IF_ERROR(simile_image_open(path, &options, &image, err));
    const simile_image *const images[] = {image};
    const simile_status status = simile_encode_images(c->a->encoder, images, 1, c->image, err);
    simile_image_free(image);
    if (status) return status;
    for (size_t i = 0; i < n; i++) {
        c->similarity[i] = simile_reading_similarity(simile_readings_at(c->readings, i), c->image, &c->candidate[i]);
        c->order[i] = i;
    }
    simile_confidence(c->a->model, c->similarity, n, c->probability);
    qsort_r(c->order, n, sizeof *c->order, better_first, c->similarity);
    return SIMILE_OK;
}

static void print_json(classifier *c, const char *path, size_t shown)
{
    json_writer w;
    jw_init(&w, &c->out);
    jw_object(&w);
    jw_key(&w, "image"), jw_string(&w, path);
    jw_key(&w, "score"), jw_string(&w, show_score(c->info->score));
    jw_key(&w, "labels"), jw_array(&w);
    for (size_t k = 0; k < shown; k++) {
        const size_t i = c->order[k];
        jw_object(&w);
        jw_key(&w, "label"), jw_string(&w, c->labels.items[i]);
        reading_json(simile_readings_at(c->readings, i), c->candidate[i], &w);
        jw_key(&w, "similarity"), jw_float(&w, c->similarity[i]);
        jw_key(&w, "probability"), jw_float(&w, c->probability[i]);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    app_models_json(c->a, &w);
    jw_object_end(&w);
    buf_byte(&c->out, '\n');
}

static void print_candidate(classifier *c, size_t i)
{
    const simile_reading *r = simile_readings_at(c->readings, i);
    if (!r->translation || c->candidate[i] < 0) return;
    buf_text(&c->out, " (");
    term_text(&c->out, r->translation->candidates[c->candidate[i]].text);
    buf_byte(&c->out, ')');
}

static void print_text(classifier *c, const char *path, size_t shown)
{
    term_text(&c->out, path);
    buf_text(&c->out,
             c->info->score == SIMILE_SCORE_SIGMOID ? ": probability (sigmoid)\n" : ": confidence (softmax)\n");
    for (size_t k = 0; k < shown; k++) {
        const size_t i = c->order[k];
        char percent[16];
        snprintf(percent, sizeof percent, "%5.1f%%", 100 * (double)c->probability[i]);
        buf_text(&c->out, "  ");
        term_colour(&c->out, k ? COLOUR_NONE : COLOUR_GREEN, percent);
        buf_printf(&c->out, "  (similarity %.2f%%)  ", (double)c->similarity[i]);
        term_text(&c->out, c->labels.items[i]);
        print_candidate(c, i);
        buf_byte(&c->out, '\n');
    }
}

static int classify(classifier *c, const words *paths)
{
    simile_error err;
    int status = EXIT_OK;
    if (prepare(c, &err)) return app_fail(&err);
    const size_t top = c->top && (size_t)c->top < c->labels.count ? (size_t)c->top : c->labels.count;
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        if (score(c, path, &err)) {
            status = app_fail(&err); /* one bad picture does not stop the rest */
            continue;
        }
        if (c->a->json)
            print_json(c, path, top);
        else
            print_text(c, path, top);
        if (!app_write(&c->out)) return EXIT_FAILED;
    }
    return status;
}

static int run(app *a, int argc, char **argv)
{
    classifier c = {.a = a, .top = 5};
    via_init(&c.how, a);
    const option options[] = {
        {'l', "label", "STRING", "a label; may be repeated", OPTION_WORDS, &c.labels_given},
        {'L', "labels", "FILE", "labels, one a line ('-': stdin)", OPTION_WORDS, &c.label_files},
        {'t', "template", "STRING", "a sentence with {} for the label; may be repeated (default \"a photo of a {}.\")",
         OPTION_WORDS, &c.templates_given},
        {0, "templates", "FILE", "such sentences, one a line", OPTION_WORDS, &c.template_files},
        {'k', "top", "K", "how many labels to show (default 5; 0: all)", OPTION_INT, &c.top, .min = 0, .max = 1e9},
        {0, "no-orient", NULL, "leave pictures as stored, whatever their EXIF orientation", OPTION_FLAG, &c.no_orient},
        VIA_OPTIONS(&c.how, 'n'),
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    words paths;
    buf_init(&c.out, OUTPUT_MAX);
    int status;
    if (!options_parse(a, options, argc, argv, &paths))
        status = a->status;
    else if (!paths.count)
        status = app_usage(a, "which picture");
    else if (!c.labels_given.count && !c.label_files.count)
        status = app_usage(a, "which labels: say --label STRING or --labels FILE");
    else
        status = classify(&c, &paths);
    words_release(&paths);
    release(&c);
    return status;
}

const command command_classify = {
    "classify", "IMAGE...", "which of your labels fits a picture",
    "Each label is put into each template, and the mean of their vectors stands for the label. Softmax confidences\n"
    "weigh the labels against each other, so give an escape among them (\"something else\") where none may fit; the\n"
    "sigmoid probabilities of models like SigLIP judge each label by itself.\n\n"
    "  simile classify x.jpg --label dog --label cat --label house\n"
    "  simile classify *.jpg --labels labels.txt --template \"a drawing of a {}\" --top 3\n",
    run};
