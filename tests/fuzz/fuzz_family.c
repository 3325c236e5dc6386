/* SPDX-License-Identifier: Apache-2.0
 * fuzz_family.c - any bytes as config.json, as open_clip_config.json and as modules.json of a model of any family. The
 * folder is not there, so that no family gets further than to its weights: each must say why, and leave nothing. */
#include "base/mem.h"
#include "model/family.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const model_family *family, model_source *s)
{
    simile_error err = {0};
    param_list params = {0};
    loader l = {.list = &params, .err = &err};
    model_parts parts = {0};
    if (!family->load(s, &l, &parts, &err) || !err.message[0]) __builtin_trap();
    tower_free(parts.image);
    tower_free(parts.text);
    tokenizer_close(parts.words);
    param_list_release(&params);
    for (int i = 0; i < s->n_files; i++) weights_close(s->files[i]);
    s->n_files = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/nonexistent/model";
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    for (int document = 0; root && document < 3; document++) {
        if (document < 2 && !json_is_object(root)) continue; /* source_json() sees to that */
        model_source s = {.path = path,
                          .folder = path,
                          .config_path = path,
                          .open_clip_path = path,
                          .modules_path = path,
                          .config = document == 0 ? root : NULL,
                          .open_clip = document == 1 ? root : NULL,
                          .modules = document == 2 ? root : NULL};
        for (size_t i = 0; model_families[i]; i++)
            if (model_families[i]->claims(&s)) load(model_families[i], &s);
    }
    json_decref(root);
    return 0;
}
