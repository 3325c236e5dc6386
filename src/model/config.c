/* SPDX-License-Identifier: Apache-2.0
 * config.c - config.json and preprocessor_config.json of the Hugging Face layout.
 *
 * Defaults are those of transformers' configuration_clip.py and image_processing_clip.py. Every number is bounded here,
 * so that no size computed from a configuration can overflow later. An activation, a resampling filter or a pooling
 * that is not known is refused: a wrong guess would cost accuracy in silence. */
#include "model/config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { MAX_CONFIG = 4 << 20, MAX_SIZE = 65536, MAX_WIDTH = 16384, MAX_LAYERS = 512, MAX_VOCAB = 4000000 };

static simile_status read_act(json_from from, nn_act *out, simile_error *err)
{
    static const struct {
        const char *name;
        nn_act act;
    } acts[] = {{"quick_gelu", NN_ACT_QUICK_GELU},
                {"gelu", NN_ACT_GELU},
                {"gelu_new", NN_ACT_GELU_TANH},
                {"gelu_pytorch_tanh", NN_ACT_GELU_TANH},
                {"relu", NN_ACT_RELU}};
    const char *name = "quick_gelu";
    RETURN_IF_ERROR(json_get_string(from, "hidden_act", &name, err));
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!strcmp(acts[i].name, name)) {
            *out = acts[i].act;
            return SIMILE_OK;
        }
    }
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': unknown activation '%s'", from.subject, name);
}

/* *t holds the defaults. */
static simile_status read_tower(json_from from, tower_config *t, simile_error *err)
{
    double eps = 1e-5;
    RETURN_IF_ERROR(json_get_int(from, "hidden_size", 1, MAX_WIDTH, &t->width, err));
    RETURN_IF_ERROR(json_get_int(from, "num_hidden_layers", 1, MAX_LAYERS, &t->layers, err));
    RETURN_IF_ERROR(json_get_int(from, "num_attention_heads", 1, MAX_WIDTH, &t->heads, err));
    RETURN_IF_ERROR(json_get_int(from, "intermediate_size", 1, 4 * MAX_WIDTH, &t->mlp, err));
    RETURN_IF_ERROR(json_get_double(from, "layer_norm_eps", &eps, err));
    RETURN_IF_ERROR(read_act(from, &t->act, err));
    if (!(eps > 0 && eps < 1))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"layer_norm_eps\" is not between 0 and 1",
                       from.subject);
    t->eps = (float)eps;
    if (t->width % t->heads)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a width of %lld does not divide into %lld heads",
                       from.subject, (long long)t->width, (long long)t->heads);
    return SIMILE_OK;
}

static simile_status read_vision(json_from from, vision_config *v, simile_error *err)
{
    int64_t channels = 3;
    *v = (vision_config){.tower = {768, 12, 12, 3072, NN_ACT_QUICK_GELU, 1e-5f}, .image_size = 224, .patch = 32};
    RETURN_IF_ERROR(read_tower(from, &v->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, 8192, &v->image_size, err));
    RETURN_IF_ERROR(json_get_int(from, "patch_size", 1, v->image_size, &v->patch, err));
    RETURN_IF_ERROR(json_get_int(from, "num_channels", 3, 3, &channels, err));
    const int64_t grid = v->image_size / v->patch;
    if (grid * grid >= MAX_SIZE)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d patches", from.subject, MAX_SIZE);
    return SIMILE_OK;
}

static simile_status read_text(json_from from, text_config *t, simile_error *err)
{
    *t = (text_config){
        .tower = {512, 12, 8, 2048, NN_ACT_QUICK_GELU, 1e-5f}, .vocab = 49408, .context = 77, .eos = 49407};
    RETURN_IF_ERROR(read_tower(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, MAX_VOCAB, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "max_position_embeddings", 2, MAX_SIZE, &t->context, err));
    RETURN_IF_ERROR(json_get_int(from, "eos_token_id", 0, MAX_VOCAB, &t->eos, err));
    return SIMILE_OK;
}

/* "text_config", unless the older "text_config_dict" is there: transformers lets that one win. */
static simile_status sub_config(json_from root, const char *name, const char *old_name, json_from *out,
                                simile_error *err)
{
    *out = (json_from){.subject = root.subject};
    RETURN_IF_ERROR(json_get_object(root, old_name, &out->object, err));
    return out->object ? SIMILE_OK : json_get_object(root, name, &out->object, err);
}

simile_status clip_config_check(const clip_config *c, const char *subject, simile_error *err)
{
    const tower_config *towers[2] = {&c->vision.tower, &c->text.tower};
    bool fits = c->dim >= 1 && c->dim <= MAX_WIDTH && c->vision.image_size >= 1 && c->vision.image_size <= 8192 &&
                c->vision.patch >= 1 && c->vision.patch <= c->vision.image_size && c->text.vocab >= 1 &&
                c->text.vocab <= MAX_VOCAB && c->text.context >= 2 && c->text.context <= MAX_SIZE;
    for (int i = 0; i < 2; i++) {
        const tower_config *t = towers[i];
        fits = fits && t->width >= 1 && t->width <= MAX_WIDTH && t->layers >= 1 && t->layers <= MAX_LAYERS &&
               t->heads >= 1 && t->heads <= MAX_WIDTH && t->width % t->heads == 0 && t->mlp >= 1 &&
               t->mlp <= 4 * MAX_WIDTH && t->eps > 0 && t->eps < 1;
    }
    if (fits) {
        const int64_t grid = c->vision.image_size / c->vision.patch;
        fits = grid * grid < MAX_SIZE;
    }
    return fits
               ? SIMILE_OK
               : err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it describes a network of impossible sizes", subject);
}

static simile_status parse_root(json_from root, clip_config *out, simile_error *err)
{
    const char *type = "";
    json_from vision, text;
    RETURN_IF_ERROR(json_get_string(root, "model_type", &type, err));
    if (strcmp(type, "clip") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': model_type '%s' is not \"clip\"", root.subject,
                       type);
    out->dim = 512;
    RETURN_IF_ERROR(json_get_int(root, "projection_dim", 1, MAX_WIDTH, &out->dim, err));
    RETURN_IF_ERROR(sub_config(root, "vision_config", "vision_config_dict", &vision, err));
    RETURN_IF_ERROR(sub_config(root, "text_config", "text_config_dict", &text, err));
    RETURN_IF_ERROR(read_vision(vision, &out->vision, err));
    return read_text(text, &out->text, err);
}

simile_status clip_config_parse(const char *json, size_t len, const char *subject, clip_config *out, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = parse_root((json_from){root, subject}, out, err);
    json_decref(root);
    return status;
}

simile_status clip_config_read(const char *directory, clip_config *out, simile_error *err)
{
    char *text = NULL, *path = path_join(directory, "config.json");
    size_t len;
    if (!path) return err_nomem(err);
    simile_status status = file_read(path, MAX_CONFIG, &text, &len, err);
    if (!status) status = clip_config_parse(text, len, path, out, err);
    mem_free(text);
    mem_free(path);
    return status;
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
    for (int c = 0; c < 3; c++) {
        if (!(out->std[c] > 0))
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"image_std\" is not positive", from.subject);
    }
    return SIMILE_OK;
}

static simile_status parse_preprocess(json_from from, int64_t image_size, image_prepare_spec *out, simile_error *err)
{
    bool resize = true, crop = true;
    size_entry size, crop_size;
    *out = clip_preprocess(image_size);
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

simile_status preprocess_parse(const char *json, size_t len, const char *subject, int64_t image_size,
                               image_prepare_spec *out, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = parse_preprocess((json_from){root, subject}, image_size, out, err);
    json_decref(root);
    return status;
}

simile_status preprocess_read(const char *directory, int64_t image_size, image_prepare_spec *out, simile_error *err)
{
    char *text = NULL, *path = path_join(directory, "preprocessor_config.json");
    size_t len;
    *out = clip_preprocess(image_size);
    if (!path) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (file_exists(path)) status = file_read(path, MAX_CONFIG, &text, &len, err);
    if (text) status = preprocess_parse(text, len, path, image_size, out, err);
    mem_free(text);
    mem_free(path);
    return status;
}
