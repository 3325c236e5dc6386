/* SPDX-License-Identifier: Apache-2.0
 * variant.c - see variant.h. */
#include "variant.h"

#include "model/convert.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

static char *place(const variant *v, const char *file)
{
    char *path = path_join(v->folder, file), *folder = path_folder(path);
    assert_int_equal(path_make_folders(folder, NULL), 0);
    mem_free(folder);
    return path;
}

void variant_put(const variant *v, const char *file, const char *text)
{
    char *path = place(v, file);
    unlink(path); /* it may be a link */
    assert_int_equal(file_replace(path, text, strlen(text), NULL), 0);
    mem_free(path);
}

void variant_link(const variant *v, const char *file, const char *target)
{
    char *path = place(v, file);
    assert_int_equal(symlink(target, path), 0);
    mem_free(path);
}

static int link_file(void *user, const char *path, const file_facts *facts)
{
    const variant *v = user;
    const char *name = path + v->from_len + 1;
    if (strcmp(name, v->file) != 0) variant_link(v, name, path);
    return 0;
}

void variant_new(variant *v, const char *name, const char *file, const char *text)
{
    char *from = fixture(name);
    *v = (variant){.folder = "/tmp/simile-variant-XXXXXX", .file = file, .from_len = strlen(from)};
    assert_non_null(mkdtemp(v->folder));
    assert_int_equal(file_walk(from, link_file, NULL, v, NULL), 0);
    if (text) variant_put(v, file, text);
    mem_free(from);
}

static int remove_entry(const char *path, const struct stat *facts, int type, struct FTW *where)
{
    return remove(path);
}

void variant_remove(const variant *v)
{
    assert_int_equal(nftw(v->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void check_refused(const char *name, const char *file, const char *text, simile_status wanted, const char *part)
{
    variant v;
    model *m;
    simile_error err = {0};
    variant_new(&v, name, file, text);
    const simile_status status = model_open(v.folder, NULL, &m, &err);
    if (status != wanted || !strstr(err.message, part))
        fail_msg("%s: status %d, '%s' lacks '%s'", text ? text : "nothing", status, err.message, part);
    variant_remove(&v);
}

void check_converted(const char *directory, const char *file)
{
    variant v = {.folder = "/tmp/simile-variant-XXXXXX"};
    assert_non_null(mkdtemp(v.folder));
    const simile_convert_options options = {.struct_size = sizeof options};
    simile_convert_report report;
    simile_error err;
    model *m = open_model(directory), *result;
    if (model_convert(m, v.folder, &options, &report, &err)) fail_msg("%s: %s", directory, err.message);
    result = open_model(v.folder);
    check_same(m, result);
    char *path = path_join(v.folder, file);
    assert_true(file_exists(path));
    mem_free(path);
    model_close(result);
    model_close(m);
    variant_remove(&v);
}

static void check_same_pictures(model_encoder *x, model_encoder *y)
{
    const simile_model_info *info = model_info(model_encoder_model(x));
    const size_t n = 3 * (size_t)info->image_size * (size_t)info->image_size;
    float of_x[MAX_DIM], of_y[MAX_DIM], *pixels = mem_array(n, sizeof *pixels);
    for (size_t i = 0; i < n; i++) pixels[i] = (float)(i % 17) / 8.0f - 1;
    assert_int_equal(model_encode_pixels(x, pixels, 1, of_x, NULL), 0);
    assert_int_equal(model_encode_pixels(y, pixels, 1, of_y, NULL), 0);
    assert_memory_equal(of_x, of_y, (size_t)info->dim * sizeof *of_x);
    mem_free(pixels);
}

void check_same(const model *a, const model *b)
{
    static const char text[] = "two dogs in the snow";
    char digest_a[DIGEST_HEX], digest_b[DIGEST_HEX];
    float of_a[MAX_DIM], of_b[MAX_DIM];
    const simile_model_info *x = model_info(a), *y = model_info(b);
    assert_int_equal(model_digest(a, digest_a, NULL), 0);
    assert_int_equal(model_digest(b, digest_b, NULL), 0);
    assert_string_equal(digest_a, digest_b);
    assert_string_equal(x->family, y->family);
    assert_int_equal(x->image_size, y->image_size);
    assert_int_equal(x->dim, y->dim);
    assert_int_equal(x->parameters, y->parameters);
    model_encoder *of_x = new_encoder(a, 1), *of_y = new_encoder(b, 1);
    encode_text(of_x, text, of_a);
    encode_text(of_y, text, of_b);
    assert_memory_equal(of_a, of_b, (size_t)x->dim * sizeof *of_a);
    if (x->image_size) check_same_pictures(of_x, of_y);
    model_encoder_free(of_x);
    model_encoder_free(of_y);
}
