/* SPDX-License-Identifier: Apache-2.0
 * config.c - see config.h. Defaults are those of transformers' image_processing_clip.py. */
#include "model/config.h"

#include "base/mem.h"

bool tower_config_fits(const tower_config *c)
{
    return c->width >= 1 && c->width <= CONFIG_MAX_WIDTH && c->layers >= 1 && c->layers <= CONFIG_MAX_LAYERS &&
           c->heads >= 1 && c->heads <= CONFIG_MAX_WIDTH && c->width % c->heads == 0 && c->mlp >= 1 &&
           c->mlp <= 4 * CONFIG_MAX_WIDTH && c->eps > 0 && c->eps < 1;
}

static const struct {
    const char *name;
    nn_act act;
} acts[] = {{"quick_gelu", NN_ACT_QUICK_GELU},
            {"gelu", NN_ACT_GELU},
            {"gelu_new", NN_ACT_GELU_TANH},
            {"gelu_pytorch_tanh", NN_ACT_GELU_TANH},
            {"relu", NN_ACT_RELU},
            {"swish", NN_ACT_SWISH},
            {"silu", NN_ACT_SWISH}};

const char *config_act_name(nn_act act)
{
    size_t i = 0;
    while (acts[i].act != act) i++; /* each that a configuration can ask for is there */
    return acts[i].name;
}

simile_status config_act(json_from from, const char *key, nn_act *out, simile_error *err)
{
    const char *name = NULL;
    RETURN_IF_ERROR(json_get_string(from, key, &name, err));
    if (!name) return SIMILE_OK;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!strcmp(acts[i].name, name)) {
            *out = acts[i].act;
            return SIMILE_OK;
        }
    }
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': unknown activation '%s'", from.subject, name);
}

simile_status config_tower(json_from from, tower_config *t, simile_error *err)
{
    double eps = (double)t->eps;
    RETURN_IF_ERROR(json_get_int(from, "hidden_size", 1, CONFIG_MAX_WIDTH, &t->width, err));
    RETURN_IF_ERROR(json_get_int(from, "num_hidden_layers", 1, CONFIG_MAX_LAYERS, &t->layers, err));
    RETURN_IF_ERROR(json_get_int(from, "num_attention_heads", 1, CONFIG_MAX_WIDTH, &t->heads, err));
    RETURN_IF_ERROR(json_get_int(from, "intermediate_size", 1, 4 * CONFIG_MAX_WIDTH, &t->mlp, err));
    RETURN_IF_ERROR(json_get_double(from, "layer_norm_eps", &eps, err));
    RETURN_IF_ERROR(config_act(from, "hidden_act", &t->act, err));
    if (!(eps > 0 && eps < 1))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"layer_norm_eps\" is not between 0 and 1",
                       from.subject);
    if (json_object_get(from.object, "layer_norm_eps")) t->eps = (float)eps;
    if (t->width % t->heads)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a width of %lld does not divide into %lld heads",
                       from.subject, (long long)t->width, (long long)t->heads);
    return SIMILE_OK;
}

/* ---- preprocessing ---- */

image_prepare_spec clip_preprocess(int64_t image_size)
{
    const int32_t size = (int32_t)image_size;
    return (image_prepare_spec){
        .fit = IMAGE_FIT_SHORTEST,
        .filter = IMAGE_FILTER_BICUBIC,
        .resize_short = size,
        .width = size,
        .height = size,
        .crop = true,
        .rescale = true,
        .normalize = true,
        .rescale_factor = 1.0 / 255.0,
        .mean = {0.48145466f, 0.4578275f, 0.40821073f},
        .std = {0.26862954f, 0.26130258f, 0.27577711f},
    };
}

simile_status config_check_std(const image_prepare_spec *spec, const char *subject, simile_error *err)
{
    for (int c = 0; c < 3; c++) {
        if (!(spec->std[c] > 0))
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"image_std\" is not positive", subject);
    }
    return SIMILE_OK;
}

/* A size is a number, {"height", "width"} or {"shortest_edge"}; what is absent stays 0. */
typedef struct {
    int64_t height, width, shortest;
} size_entry;

static simile_status read_size(json_from from, const char *key, int64_t plain_means_square, size_entry *out,
                               simile_error *err)
{
    *out = (size_entry){0};
    const json_t *value = json_object_get(from.object, key);
    if (!value || json_is_null(value)) return SIMILE_OK;
    if (json_is_integer(value)) {
        int64_t n = 0;
        RETURN_IF_ERROR(json_get_int(from, key, 1, 8192, &n, err));
        *out = plain_means_square ? (size_entry){.height = n, .width = n} : (size_entry){.shortest = n};
        return SIMILE_OK;
    }
    json_from inner = {.subject = from.subject};
    RETURN_IF_ERROR(json_get_object(from, key, &inner.object, err));
    RETURN_IF_ERROR(json_get_int(inner, "height", 1, 8192, &out->height, err));
    RETURN_IF_ERROR(json_get_int(inner, "width", 1, 8192, &out->width, err));
    RETURN_IF_ERROR(json_get_int(inner, "shortest_edge", 1, 8192, &out->shortest, err));
    if (json_object_get(inner.object, "longest_edge"))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': \"longest_edge\" is not supported", from.subject);
    if (!out->shortest && !(out->height && out->width))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"%s\" has neither shortest_edge nor height and width",
                       from.subject, key);
    return SIMILE_OK;
}

static simile_status read_numbers(json_from from, image_prepare_spec *out, simile_error *err)
{
    int64_t filter = out->filter;
    RETURN_IF_ERROR(json_get_int(from, "resample", IMAGE_FILTER_NEAREST, IMAGE_FILTER_HAMMING, &filter, err));
    out->filter = (image_filter)filter;
    RETURN_IF_ERROR(json_get_bool(from, "do_rescale", &out->rescale, err));
    RETURN_IF_ERROR(json_get_bool(from, "do_normalize", &out->normalize, err));
    RETURN_IF_ERROR(json_get_double(from, "rescale_factor", &out->rescale_factor, err));
    RETURN_IF_ERROR(json_get_floats(from, "image_mean", 3, out->mean, err));
    RETURN_IF_ERROR(json_get_floats(from, "image_std", 3, out->std, err));
    return config_check_std(out, from.subject, err);
}

simile_status config_preprocess(json_from from, int64_t image_size, image_prepare_spec *out, simile_error *err)
{
    bool resize = true, crop = out->crop;
    size_entry size, crop_size;
    RETURN_IF_ERROR(read_numbers(from, out, err));
    RETURN_IF_ERROR(json_get_bool(from, "do_resize", &resize, err));
    RETURN_IF_ERROR(json_get_bool(from, "do_center_crop", &crop, err));
    RETURN_IF_ERROR(read_size(from, "size", 0, &size, err));
    RETURN_IF_ERROR(read_size(from, "crop_size", 1, &crop_size, err));
    if (crop_size.shortest) crop_size.height = crop_size.width = crop_size.shortest;
    out->crop = crop;
    if (!resize) out->fit = IMAGE_FIT_NONE;
    if (resize && size.shortest) out->resize_short = (int32_t)size.shortest;
    if (resize && size.height) {
        if (size.height != image_size || size.width != image_size)
            return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': pictures of %lldx%lld for a network of %lld",
                           from.subject, (long long)size.width, (long long)size.height, (long long)image_size);
        out->fit = IMAGE_FIT_SQUASH;
    }
    if (crop && crop_size.height && (crop_size.height != image_size || crop_size.width != image_size))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a crop of %lldx%lld for a network of %lld",
                       from.subject, (long long)crop_size.width, (long long)crop_size.height, (long long)image_size);
    if (!crop && out->fit != IMAGE_FIT_SQUASH)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot read '%s': without a crop or a fixed size pictures do not fit the network",
                       from.subject);
    return SIMILE_OK;
}

void preprocess_write(const image_prepare_spec *p, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "image_processor_type"), jw_string(&w, "CLIPImageProcessor");
    jw_key(&w, "do_convert_rgb"), jw_bool(&w, true);
    jw_key(&w, "do_resize"), jw_bool(&w, p->fit != IMAGE_FIT_NONE);
    if (p->fit != IMAGE_FIT_NONE) jw_key(&w, "size"), jw_object(&w);
    if (p->fit == IMAGE_FIT_SHORTEST) jw_key(&w, "shortest_edge"), jw_int(&w, p->resize_short);
    if (p->fit == IMAGE_FIT_SQUASH) jw_key(&w, "height"), jw_int(&w, p->height);
    if (p->fit == IMAGE_FIT_SQUASH) jw_key(&w, "width"), jw_int(&w, p->width);
    if (p->fit != IMAGE_FIT_NONE) jw_object_end(&w);
    jw_key(&w, "resample"), jw_int(&w, p->filter);
    jw_key(&w, "do_center_crop"), jw_bool(&w, p->crop);
    jw_key(&w, "crop_size"), jw_object(&w);
    jw_key(&w, "height"), jw_int(&w, p->height);
    jw_key(&w, "width"), jw_int(&w, p->width);
    jw_object_end(&w);
    jw_key(&w, "do_rescale"), jw_bool(&w, p->rescale);
    jw_key(&w, "rescale_factor"), jw_double(&w, p->rescale_factor);
    jw_key(&w, "do_normalize"), jw_bool(&w, p->normalize);
    jw_key(&w, "image_mean"), jw_floats(&w, p->mean, 3);
    jw_key(&w, "image_std"), jw_floats(&w, p->std, 3);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

simile_status preprocess_parse(const char *json, size_t len, const char *subject, int64_t image_size,
                               image_prepare_spec *out, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    *out = clip_preprocess(image_size);
    const simile_status status = config_preprocess((json_from){root, subject}, image_size, out, err);
    json_decref(root);
    return status;
}
