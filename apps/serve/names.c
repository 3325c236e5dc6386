/* SPDX-License-Identifier: Apache-2.0
 * names.c - see names.h.
 *
 * A row has the names of one set of weights: Immich's (which are open_clip's, architecture and weights with "__"
 * between; its list: immich_ml/models/constants.py), Hugging Face's, OpenAI's, sentence-transformers', and ours where
 * `simile pull` has another. What the user says with an alias comes before all of them. Threads: any. */
#include "serve/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const rows[] = {
    "ViT-B-32__openai clip-vit-base-patch32 ViT-B-32 clip-ViT-B-32 ViT-B-32-quickgelu__openai",
    "ViT-B-16__openai clip-vit-base-patch16 ViT-B-16 clip-ViT-B-16 ViT-B-16-quickgelu__openai",
    "ViT-L-14__openai clip-vit-large-patch14 ViT-L-14 clip-ViT-L-14 ViT-L-14-quickgelu__openai",
    "ViT-L-14-336__openai clip-vit-large-patch14-336 ViT-L-14-336px ViT-L-14@336px ViT-L-14-336-quickgelu__openai",
    "RN50__openai RN50 RN50-quickgelu__openai",
    "RN101__openai RN101 RN101-quickgelu__openai",
    "RN50x4__openai RN50x4",
    "RN50x16__openai RN50x16",
    "RN50x64__openai RN50x64",
    "ViT-B-32__laion2b-s34b-b79k ViT-B-32__laion2b_s34b_b79k CLIP-ViT-B-32-laion2B-s34B-b79K CLIP-ViT-B-32-laion2B",
    "ViT-L-14__laion2b-s32b-b82k ViT-L-14__laion2b_s32b_b82k CLIP-ViT-L-14-laion2B-s32B-b82K",
    "ViT-H-14__laion2b-s32b-b79k ViT-H-14__laion2b_s32b_b79k CLIP-ViT-H-14-laion2B-s32B-b79K",
    "ViT-g-14__laion2b-s12b-b42k ViT-g-14__laion2b_s12b_b42k CLIP-ViT-g-14-laion2B-s12B-b42K",
    "XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k "
    "xlm-roberta-base-ViT-B-32",
    "XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k CLIP-ViT-H-14-frozen-xlm-roberta-large-laion5B-s13B-b90k "
    "xlm-roberta-large-ViT-H-14",
    "ViT-B-16-SigLIP__webli siglip-base-patch16-224",
    "ViT-B-16-SigLIP-256__webli siglip-base-patch16-256",
    "ViT-B-16-SigLIP-384__webli siglip-base-patch16-384",
    "ViT-B-16-SigLIP-512__webli siglip-base-patch16-512",
    "ViT-B-16-SigLIP-i18n-256__webli siglip-base-patch16-256-multilingual",
    "ViT-L-16-SigLIP-256__webli siglip-large-patch16-256",
    "ViT-L-16-SigLIP-384__webli siglip-large-patch16-384",
    "ViT-SO400M-14-SigLIP-384__webli siglip-so400m-patch14-384",
};

/* Multilingual-CLIP's text towers, and whose pictures they belong beside (its README). */
static const char *const seeing[][2] = {
    {"XLM-Roberta-Large-Vit-B-32", "ViT-B-32__openai"},
    {"M-BERT-Base-ViT-B", "ViT-B-32__openai"},
    {"clip-ViT-B-32-multilingual-v1", "ViT-B-32__openai"},
    {"XLM-Roberta-Large-Vit-L-14", "ViT-L-14__openai"},
    {"LABSE-Vit-L-14", "ViT-L-14__openai"},
    {"XLM-Roberta-Large-Vit-B-16Plus", "ViT-B-16-plus-240__laion400m_e32"},
};

static const char blanks[] = " \t\r\n\f\v";

/* What is between the blanks around a name. */
static size_t trimmed(const char **name)
{
    *name += strspn(*name, blanks);
    size_t n = strlen(*name);
    while (n && strchr(blanks, (*name)[n - 1])) n--;
    return n;
}

bool name_clean(const char *name, char out[NAME_SIZE])
{
    const size_t n = trimmed(&name);
    const char *at = name, *end = name + n;
    size_t len = 0;
    for (const char *p = name; p < end; p++)
        if (*p == '/') at = p + 1;
    for (; at < end; at++) {
        if (*at == '.') continue;
        if (len + 1 == NAME_SIZE) return false;
        out[len++] = *at == ':' || *at == '\\' ? '_' : *at;
    }
    out[len] = 0;
    return len > 0;
}

static bool has_name(const char *row, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = row; *at;) {
        const size_t len = strcspn(at, " ");
        if (len == n && strncasecmp(at, name, n) == 0) return true;
        at += len + (at[len] == ' ');
    }
    return false;
}

/* The first name of a row that is known here. */
static tower *find_in_row(towers *t, const char *row)
{
    tower *found = NULL;
    for (const char *at = row; *at && !found;) {
        char word[NAME_SIZE];
        const size_t len = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, at);
        found = towers_find(t, word);
        at += len + (at[len] == ' ');
    }
    return found;
}

static tower *find_same(towers *t, const char *name)
{
    tower *found = towers_find(t, name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !found; i++)
        if (has_name(rows[i], name)) found = find_in_row(t, rows[i]);
    return found;
}

/* "ViT-B/32" as "ViT-B-32" */
static void dashed(const char *name, size_t n, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%.*s", (int)n, name);
    for (char *p = out; *p; p++)
        if (*p == '/') *p = '-';
}

tower *name_find(towers *t, const char *name)
{
    char word[NAME_SIZE];
    const size_t n = trimmed(&name);
    if (!n || n >= NAME_SIZE) return NULL;
    snprintf(word, sizeof word, "%.*s", (int)n, name);
    tower *found = towers_find(t, word);
    if (!found && name_clean(word, word)) found = find_same(t, word);
    if (found) return found;
    dashed(name, n, word);
    return find_same(t, word);
}

tower *name_find_seeing(towers *t, const char *name)
{
    char word[NAME_SIZE];
    if (!name_clean(name, word)) return NULL;
    for (size_t i = 0; i < sizeof seeing / sizeof *seeing; i++)
        if (strcasecmp(seeing[i][0], word) == 0) return find_same(t, seeing[i][1]);
    return NULL;
}
