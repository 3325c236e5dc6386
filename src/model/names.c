/* SPDX-License-Identifier: Apache-2.0
 * names.c - layouts as data: see names.h.
 *
 * A layout is a table of rules, tried in order. In a pattern '#' stands for a number and '*' for whatever is left; both
 * are put where they stand in the canonical name. '?' there is q, k or v: the tensor holds these three on top of one
 * another, as PyTorch's MultiheadAttention keeps them. A name that no rule fits stays as it is, and is reported when no
 * network asks for it.
 *
 * openai: openai/CLIP, clip/model.py; the same in mlfoundations/open_clip, src/open_clip/model.py, where models with a
 *         text tower of their own class put "text." before its names and may have a Linear as text projection.
 * gguf:   monatis/clip.cpp, models/convert_hf_to_gguf.py; it drops logit_scale, which is ln 100 in all that it
 * converts. hf:     transformers, models/clip/modeling_clip.py: canonical already. */
#include "model/names.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>

typedef enum { KEEP, SPLIT, TRANSPOSE } name_action;

typedef struct {
    const char *from, *to;
    name_action action;
} name_rule;

static const name_rule openai_rules[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", KEEP},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", KEEP},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", KEEP},
    {"visual.ln_pre.*", "vision_model.pre_layrnorm.*", KEEP},
    {"visual.transformer.resblocks.#.attn.in_proj_*", "vision_model.encoder.layers.#.self_attn.?_proj.*", SPLIT},
    {"visual.transformer.resblocks.#.attn.out_proj.*", "vision_model.encoder.layers.#.self_attn.out_proj.*", KEEP},
    {"visual.transformer.resblocks.#.ln_1.*", "vision_model.encoder.layers.#.layer_norm1.*", KEEP},
    {"visual.transformer.resblocks.#.ln_2.*", "vision_model.encoder.layers.#.layer_norm2.*", KEEP},
    {"visual.transformer.resblocks.#.mlp.c_fc.*", "vision_model.encoder.layers.#.mlp.fc1.*", KEEP},
    {"visual.transformer.resblocks.#.mlp.c_proj.*", "vision_model.encoder.layers.#.mlp.fc2.*", KEEP},
    {"visual.ln_post.*", "vision_model.post_layernorm.*", KEEP},
    {"visual.proj", "visual_projection.weight", TRANSPOSE},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", KEEP},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", KEEP},
    {"transformer.resblocks.#.attn.in_proj_*", "text_model.encoder.layers.#.self_attn.?_proj.*", SPLIT},
    {"transformer.resblocks.#.attn.out_proj.*", "text_model.encoder.layers.#.self_attn.out_proj.*", KEEP},
    {"transformer.resblocks.#.ln_1.*", "text_model.encoder.layers.#.layer_norm1.*", KEEP},
    {"transformer.resblocks.#.ln_2.*", "text_model.encoder.layers.#.layer_norm2.*", KEEP},
    {"transformer.resblocks.#.mlp.c_fc.*", "text_model.encoder.layers.#.mlp.fc1.*", KEEP},
    {"transformer.resblocks.#.mlp.c_proj.*", "text_model.encoder.layers.#.mlp.fc2.*", KEEP},
    {"ln_final.*", "text_model.final_layer_norm.*", KEEP},
    {"text_projection", "text_projection.weight", TRANSPOSE},
    {NULL, NULL, KEEP},
};

static const name_rule gguf_rules[] = {
    {"v.class_embd", "vision_model.embeddings.class_embedding", KEEP},
    {"v.patch_embd.weight", "vision_model.embeddings.patch_embedding.weight", KEEP},
    {"v.position_embd.weight", "vision_model.embeddings.position_embedding.weight", KEEP},
    {"v.pre_ln.*", "vision_model.pre_layrnorm.*", KEEP},
    {"v.blk.#.attn_q.*", "vision_model.encoder.layers.#.self_attn.q_proj.*", KEEP},
    {"v.blk.#.attn_k.*", "vision_model.encoder.layers.#.self_attn.k_proj.*", KEEP},
    {"v.blk.#.attn_v.*", "vision_model.encoder.layers.#.self_attn.v_proj.*", KEEP},
    {"v.blk.#.attn_out.*", "vision_model.encoder.layers.#.self_attn.out_proj.*", KEEP},
    {"v.blk.#.ln1.*", "vision_model.encoder.layers.#.layer_norm1.*", KEEP},
    {"v.blk.#.ln2.*", "vision_model.encoder.layers.#.layer_norm2.*", KEEP},
    {"v.blk.#.ffn_down.*", "vision_model.encoder.layers.#.mlp.fc1.*", KEEP}, /* down is the one that widens there */
    {"v.blk.#.ffn_up.*", "vision_model.encoder.layers.#.mlp.fc2.*", KEEP},
    {"v.post_ln.*", "vision_model.post_layernorm.*", KEEP},
    {"t.token_embd.weight", "text_model.embeddings.token_embedding.weight", KEEP},
    {"t.position_embd.weight", "text_model.embeddings.position_embedding.weight", KEEP},
    {"t.blk.#.attn_q.*", "text_model.encoder.layers.#.self_attn.q_proj.*", KEEP},
    {"t.blk.#.attn_k.*", "text_model.encoder.layers.#.self_attn.k_proj.*", KEEP},
    {"t.blk.#.attn_v.*", "text_model.encoder.layers.#.self_attn.v_proj.*", KEEP},
    {"t.blk.#.attn_out.*", "text_model.encoder.layers.#.self_attn.out_proj.*", KEEP},
    {"t.blk.#.ln1.*", "text_model.encoder.layers.#.layer_norm1.*", KEEP},
    {"t.blk.#.ln2.*", "text_model.encoder.layers.#.layer_norm2.*", KEEP},
    {"t.blk.#.ffn_down.*", "text_model.encoder.layers.#.mlp.fc1.*", KEEP},
    {"t.blk.#.ffn_up.*", "text_model.encoder.layers.#.mlp.fc2.*", KEEP},
    {"t.post_ln.*", "text_model.final_layer_norm.*", KEEP},
    {NULL, NULL, KEEP},
};

/* A layout is recognised by a tensor that each of its files has; `before` is taken off names that begin with it. */
static const struct {
    const char *mark, *before;
    const name_rule *rules;
    bool adds_scale;
} layouts[] = {
    {"visual.class_embedding", "text.", openai_rules, false},
    {"v.patch_embd.weight", NULL, gguf_rules, true},
};

/* Networks that are not there, by a part with which a name begins. */
static const struct {
    const char *begins, *what;
} unknown[] = {
    {"visual.layer1.", "its image tower is a ModifiedResNet (RN50 and the like)"},
    {"visual.trunk.", "its image tower is one of timm"},
    {"visual.attn_pool.", "its image tower ends in attentional pooling"},
    {"text.transformer.embeddings.", "its text tower is a BERT of Hugging Face"},
    {"text.transformer.encoder.", "its text tower is a transformer of Hugging Face"},
    {"bert.", "its text tower is a BERT"},
    {"text_decoder.", "it is a CoCa, with a decoder of text"},
};

bool names_ignored(const char *name)
{
    static const char *const ignored[] = {"vision_model.embeddings.position_ids",
                                          "text_model.embeddings.position_ids",
                                          "input_resolution",
                                          "context_length",
                                          "vocab_size",
                                          "attn_mask"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        if (!strcmp(name, ignored[i])) return true;
    }
    return false;
}

/* ---- one name ---- */

typedef struct {
    const char *number, *rest; /* within the name */
    size_t number_len;
} match;

static bool matches(const char *pattern, const char *name, match *m)
{
    *m = (match){.rest = ""};
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return *name != 0;
        }
        if (*pattern != '#') {
            if (*pattern != *name++) return false;
            continue;
        }
        m->number = name;
        m->number_len = strspn(name, "0123456789");
        if (m->number_len == 0 || m->number_len > 5) return false;
        name += m->number_len;
    }
    return *name == 0;
}

/* part: what '?' is. NULL when memory is short. */
static char *canonical(const char *to, const match *m, char part)
{
    buf b;
    buf_init(&b, 4 * MAX_TENSOR_NAME);
    for (; *to; to++) {
        if (*to == '#')
            buf_append(&b, m->number, m->number_len);
        else if (*to == '*')
            buf_text(&b, m->rest);
        else
            buf_byte(&b, *to == '?' ? part : *to);
    }
    char *name = buf_take(&b, NULL);
    buf_release(&b);
    return name;
}

/* ---- one tensor ---- */

typedef struct {
    weight_table *t;
    const char *subject;
    simile_error *err;
} renamer;

static simile_status rename_entry(const renamer *r, weight_entry *e, char *name)
{
    if (!name) return err_nomem(r->err);
    mem_free(e->name);
    e->name = name;
    return SIMILE_OK;
}

/* q, k and v are thirds of its rows. */
static simile_status split(const renamer *r, size_t at, const name_rule *rule, const match *m)
{
    const weight_entry whole = r->t->entries[at];
    const int64_t rows = whole.tensor.rank ? whole.tensor.dim[0] : 0;
    if (rows == 0 || rows % 3 || nn_dtype_block(whole.tensor.dtype) > 1)
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s' does not hold three of one size",
                       r->subject, whole.name);
    const uint64_t bytes = (whole.end - whole.begin) / 3;
    for (int i = 0; i < 3; i++) {
        char *name = canonical(rule->to, m, "qkv"[i]); /* m points into the whole's name until the last is made */
        weight_entry *e = NULL;
        if (name) e = i < 2 ? weight_table_add(r->t, name, strlen(name)) : &r->t->entries[at];
        if (!e) {
            mem_free(name);
            return err_nomem(r->err);
        }
        weight_entry part = whole;
        part.name = name;
        part.tensor.data = (const uint8_t *)whole.tensor.data + (uint64_t)i * bytes;
        part.tensor.dim[0] = rows / 3;
        part.begin = whole.begin + (uint64_t)i * bytes;
        part.end = part.begin + bytes;
        mem_free(e->name);
        *e = part;
    }
    return SIMILE_OK;
}

static simile_status transpose(const renamer *r, weight_entry *e)
{
    const nn_tensor t = e->tensor;
    if (t.rank != 2 || !e->usable || nn_dtype_block(t.dtype) > 1)
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s' is no matrix of floats", r->subject,
                       e->name);
    const size_t rows = (size_t)t.dim[0], cols = (size_t)t.dim[1], size = nn_dtype_size(t.dtype);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(r->t, (size_t)(e->end - e->begin), r->subject, e->name, &copy, r->err));
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++)
            memcpy((uint8_t *)copy + (j * rows + i) * size, (const uint8_t *)t.data + (i * cols + j) * size, size);
    }
    e->tensor.data = copy;
    e->tensor.dim[0] = t.dim[1];
    e->tensor.dim[1] = t.dim[0];
    return SIMILE_OK;
}

static simile_status apply(const renamer *r, size_t at, const name_rule *rules, const char *before)
{
    const char *name = r->t->entries[at].name;
    match m;
    if (before && !strncmp(name, before, strlen(before))) name += strlen(before);
    for (const name_rule *rule = rules; rule->from; rule++) {
        if (!matches(rule->from, name, &m)) continue;
        if (rule->action == SPLIT) return split(r, at, rule, &m);
        if (rule->action == TRANSPOSE) RETURN_IF_ERROR(transpose(r, &r->t->entries[at]));
        return rename_entry(r, &r->t->entries[at], canonical(rule->to, &m, 0));
    }
    return name == r->t->entries[at].name ? SIMILE_OK : rename_entry(r, &r->t->entries[at], mem_strdup(name));
}

/* ---- the table ---- */

/* "module.", which training on several devices puts before all names. */
static simile_status strip_module(weight_table *t, simile_error *err)
{
    static const char module[] = "module.";
    for (size_t i = 0; i < t->n; i++) {
        if (strncmp(t->entries[i].name, module, sizeof module - 1) != 0) return SIMILE_OK;
    }
    for (size_t i = 0; i < t->n; i++) {
        char *name = mem_strdup(t->entries[i].name + sizeof module - 1);
        if (!name) return err_nomem(err);
        mem_free(t->entries[i].name);
        t->entries[i].name = name;
    }
    return SIMILE_OK;
}

static simile_status refuse_unknown(const weight_table *t, const char *subject, simile_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < sizeof unknown / sizeof *unknown; k++) {
            if (!strncmp(t->entries[i].name, unknown[k].begins, strlen(unknown[k].begins)))
                return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': %s, which is not supported", subject,
                               unknown[k].what);
        }
    }
    return SIMILE_OK;
}

/* ln 100, for a format that leaves it out. */
static simile_status add_scale(weight_table *t, const char *subject, simile_error *err)
{
    const float scale = logf(100.0f);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(t, sizeof scale, subject, "logit_scale", &copy, err));
    weight_entry *e = weight_table_add(t, "logit_scale", 11);
    if (!e) return err_nomem(err);
    memcpy(copy, &scale, sizeof scale);
    memcpy(e->dtype, "F32", 4);
    e->usable = true;
    e->end = sizeof scale;
    e->tensor = (nn_tensor){.data = copy, .dtype = NN_F32};
    return SIMILE_OK;
}

simile_status names_canonical(weight_table *t, const char *subject, size_t len, simile_error *err)
{
    const renamer r = {t, subject, err};
    if (t->copy_max == 0) t->copy_max = len + COPY_ROOM;
    RETURN_IF_ERROR(strip_module(t, err));
    RETURN_IF_ERROR(refuse_unknown(t, subject, err));
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (!weight_table_find(t, layouts[i].mark)) continue;
        const size_t n = t->n; /* what a split adds has its name already */
        for (size_t k = 0; k < n; k++) RETURN_IF_ERROR(apply(&r, k, layouts[i].rules, layouts[i].before));
        RETURN_IF_ERROR(weight_table_sort(t, subject, err));
        if (layouts[i].adds_scale && !weight_table_find(t, "logit_scale")) {
            RETURN_IF_ERROR(add_scale(t, subject, err));
            return weight_table_sort(t, subject, err);
        }
        return SIMILE_OK;
    }
    return SIMILE_OK;
}
