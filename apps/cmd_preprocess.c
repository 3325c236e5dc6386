/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_preprocess.c - `simile preprocess IMAGE -o x.npy`: the tensor that the image tower sees, float32
 * [3, image_size, image_size]: decoded, turned upright, resized, cropped, normalised. */
#include "app.h"
#include "base/mem.h"
#include "npy.h"

#include <inttypes.h>
#include <unistd.h>

typedef struct {
    const char *path, *output; /* output "-": stdout */
    bool no_orient;
    float *tensor;
    size_t side;
    simile_image *image;
} work;

static simile_status compute(app *a, work *w, simile_error *err)
{
    a->text_model_name = NULL; /* nothing is read here */
    RETURN_IF_ERROR(app_model(a, err));
    const simile_model_info *info = simile_model_get_info(a->model);
    w->side = (size_t)info->image_size;
    if (!w->side) return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no image tower", info->name);
    const simile_image_options options = {.struct_size = sizeof options, .ignore_orientation = w->no_orient};
    RETURN_IF_ERROR(simile_image_open(w->path, &options, &w->image, err));
    const size_t n = 3 * w->side * w->side;
    w->tensor = mem_array(n, sizeof(float));
    if (!w->tensor) return err_nomem(err);
    return simile_preprocess(a->model, w->image, w->tensor, n, err);
}

static simile_status save(const work *w, simile_error *err)
{
    const size_t shape[] = {3, w->side, w->side};
    simile_status status = SIMILE_OK;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    if (npy_begin(&out)) npy_add(&out, w->tensor, 3 * w->side * w->side);
    npy_end(&out, shape, 3);
    if (!buf_ok(&out))
        status = err_nomem(err);
    else if (strcmp(w->output, "-") == 0)
        app_write(&out);
    else
        status = app_save(w->output, &out, err);
    buf_release(&out);
    return status;
}

static void report(const app *a, const work *w)
{
    const simile_image_info *info = simile_image_get_info(w->image);
    buf out;
    if (strcmp(w->output, "-") == 0) return;
    buf_init(&out, OUTPUT_MAX);
    if (a->json) {
        json_writer j;
        jw_init(&j, &out);
        jw_object(&j);
        jw_key(&j, "image"), jw_string(&j, w->path);
        jw_key(&j, "format"), jw_string(&j, info->format);
        jw_key(&j, "width"), jw_int(&j, info->width);
        jw_key(&j, "height"), jw_int(&j, info->height);
        jw_key(&j, "orientation"), jw_int(&j, info->orientation);
        jw_key(&j, "output"), jw_string(&j, w->output);
        jw_key(&j, "shape"), jw_array(&j);
        jw_int(&j, 3), jw_int(&j, (int64_t)w->side), jw_int(&j, (int64_t)w->side);
        jw_array_end(&j);
        jw_object_end(&j);
        buf_byte(&out, '\n');
    } else {
        buf_printf(&out, "%s: %s, %d x %d, to 3 x %zu x %zu in %s\n", w->path, info->format, info->width, info->height,
                   w->side, w->side, w->output);
    }
    app_write(&out);
    buf_release(&out);
}

static int preprocess(app *a, work *w)
{
    simile_error err;
    simile_status status = compute(a, w, &err);
    if (!status) status = save(w, &err);
    if (!status) report(a, w);
    simile_image_free(w->image);
    mem_free(w->tensor);
    return status ? app_fail(&err) : EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    work w = {0};
    const option options[] = {
        {'o', "output", "FILE", "where the tensor goes ('-': stdout)", OPTION_STRING, &w.output},
        {0, "no-orient", NULL, "leave the picture as stored, whatever its EXIF orientation", OPTION_FLAG, &w.no_orient},
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    int status;
    if (rest.count != 1) {
        status = app_usage(a, "one picture is needed");
    } else if (!w.output) {
        status = app_usage(a, "where to: -o FILE is needed");
    } else if (strcmp(w.output, "-") == 0 && isatty(STDOUT_FILENO)) {
        status = app_usage(a, "an .npy file is not for a terminal");
    } else {
        w.path = rest.items[0];
        status = preprocess(a, &w);
    }
    words_release(&rest);
    return status;
}

const command command_preprocess = {
    "preprocess", "IMAGE -o FILE", "the tensor that the network sees",
    "Writes float32 [3, S, S] as an .npy file, S being the model's image size: the picture decoded, turned upright,\n"
    "resized, cropped and normalised as the model's preprocessor_config.json says.\n\n"
    "  simile preprocess dogs.jpg -o dogs.npy\n",
    run};
