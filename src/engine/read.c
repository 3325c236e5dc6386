/* SPDX-License-Identifier: Apache-2.0
 * read.c - simile_reader: texts in any language to vectors, read directly, by way of a translation, or by a text tower
 * for many languages in the model's place; and what several candidates of a translation are together.
 *
 * Which way a text takes (choose) depends on its language, or its script where no language is given, and on what is
 * installed. Then all texts of one way are worked off at once: the phrases of all of them (a text itself, or candidates
 * of its translation) become vectors in one call, and fuse() makes of a text's vectors what was asked for.
 *
 * Translators and text towers are opened when a text first needs them and kept. What is missing or does not belong
 * beside the model is no error where nobody named it: AUTO then goes another way. Threads: one at a time. */
#include "base/buf.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "text/script.h"

#include <math.h>
#include <stdatomic.h>

_Static_assert((int)SCRIPT_THAI == (int)SIMILE_SCRIPT_THAI && (int)SCRIPT_OTHER == (int)SIMILE_SCRIPT_OTHER,
               "the interface has the numbers of the room text");

enum { DEFAULT_CANDIDATES = 5, MAX_CANDIDATES = 64, WAYS = SIMILE_VIA_MULTILINGUAL + 1, LANGUAGE_BYTES = 16 };

static const char *const default_tower = "simile-languages";

struct simile_reader {
    simile_encoder *encoder;
    char *search_path, *translator_name, *tower_name; /* NULL: by default */
    bool forced;
    int threads;
    /* what was opened so far */
    simile_translator *translator;
    simile_translator_session *session;
    char from[LANGUAGE_BYTES]; /* the language for which it was opened */
    simile_model *tower;
    simile_encoder *tower_encoder;
    /* what was found out, for AUTO */
    bool asked, no_translator, no_tower;
    const simile_text_tower *published; /* what is known of the model's own text tower; NULL: nothing */
};

struct simile_readings {
    simile_readings *whole; /* of a slice: what it shows a part of; else NULL, and the rest is its own */
    atomic_size_t handles;  /* on this one, slices included */
    simile_reading *items;
    size_t n;
    float **vectors; /* of each item; owned */
    buf texts;
    simile_translations *translations[SCRIPTS]; /* of the texts in each script */
    char *translators[SCRIPTS];                 /* names; owned */
};

/* ---- scripts ---- */

int32_t simile_script(const char *text, size_t len)
{
    return text ? (int32_t)script_of_text(text, len) : SIMILE_SCRIPT_NONE;
}

const char *simile_script_name(int32_t which)
{
    return script_name(which < 0 || which >= SCRIPTS ? SCRIPT_OTHER : (script)which);
}

/* ---- opening ---- */

static simile_status keep(const char *from, char **to, simile_error *err)
{
    if (!from || !*from) return SIMILE_OK;
    *to = mem_strdup(from);
    return *to ? SIMILE_OK : err_nomem(err);
}

simile_status simile_reader_new(simile_encoder *encoder, const simile_reader_options *options, simile_reader **out,
                                simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the reader was given");
    *out = NULL;
    simile_reader_options opt;
    if (!encoder) return err_set(err, SIMILE_E_ARG, "no encoder was given");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.threads < 0) return err_set(err, SIMILE_E_ARG, "the number of threads is negative");
    simile_reader *r = mem_new(simile_reader);
    if (!r) return err_nomem(err);
    r->encoder = encoder;
    r->forced = opt.force_pairing != 0;
    r->threads = opt.threads;
    simile_status status = keep(opt.search_path, &r->search_path, err);
    if (!status) status = keep(opt.translator, &r->translator_name, err);
    if (!status) status = keep(opt.text_model, &r->tower_name, err);
    if (status)
        simile_reader_free(r);
    else
        *out = r;
    return status;
}

static void close_translator(simile_reader *r)
{
    simile_translator_session_free(r->session);
    simile_translator_close(r->translator);
    r->session = NULL;
    r->translator = NULL;
}

void simile_reader_free(simile_reader *r)
{
    if (!r) return;
    close_translator(r);
    simile_encoder_free(r->tower_encoder);
    simile_model_close(r->tower);
    mem_free(r->search_path);
    mem_free(r->translator_name);
    mem_free(r->tower_name);
    mem_free(r);
}

/* A translator that was named is used for whatever language; else there is one for each. */
static simile_status need_translator(simile_reader *r, const char *from, simile_error *err)
{
    if (r->session && (r->translator_name || !strcmp(from, r->from))) return SIMILE_OK;
    if (strlen(from) >= LANGUAGE_BYTES) return err_set(err, SIMILE_E_NOT_FOUND, "no translator from '%.40s'", from);
    close_translator(r);
    const simile_translator_options options = {
        .struct_size = sizeof options, .search_path = r->search_path, .from = from, .to = "en"};
    const simile_translator_session_options session = {.struct_size = sizeof session, .threads = r->threads};
    RETURN_IF_ERROR(simile_translator_open(r->translator_name, &options, &r->translator, err));
    const simile_status status = simile_translator_session_new(r->translator, &session, &r->session, err);
    if (status) close_translator(r);
    memcpy(r->from, from, strlen(from) + 1);
    return status;
}

static const simile_model_info *own_info(const simile_reader *r)
{
    return model_info(r->encoder->model->m);
}

static simile_status need_tower(simile_reader *r, simile_error *err)
{
    if (r->tower_encoder || own_info(r)->text_name) return SIMILE_OK;
    const simile_model_options options = {
        .struct_size = sizeof options, .search_path = r->search_path, .compute = r->encoder->model->compute};
    const simile_encoder_options how = {.struct_size = sizeof how, .threads = r->threads};
    simile_model *tower;
    RETURN_IF_ERROR(simile_model_open(r->tower_name ? r->tower_name : default_tower, &options, &tower, err));
    simile_status status = reader_fits(r->encoder->model, tower, r->forced, err);
    if (!status) status = simile_encoder_new(tower, &how, &r->tower_encoder, err);
    if (status)
        simile_model_close(tower);
    else
        r->tower = tower;
    return status;
}

/* ---- which way ---- */

/* Is what failed just not there, or not for this model? */
static bool is_absence(simile_status status, bool named)
{
    return !named && (status == SIMILE_E_NOT_FOUND || status == SIMILE_E_VERSION || status == SIMILE_E_UNSUPPORTED);
}

static simile_status ask_tower(simile_reader *r, simile_error *err)
{
    simile_error why;
    if (r->asked) return SIMILE_OK;
    const simile_status status = simile_text_tower_of(own_info(r)->directory, NULL, &r->published, &why);
    if (status == SIMILE_E_NOMEM) return err_nomem(err);
    r->asked = true; /* where nothing can be found out, nothing is known */
    return SIMILE_OK;
}

/* Was the model taught this language, by its code or by the beginning of it ("zh")? */
static bool is_taught(const simile_reader *r, const char *language)
{
    const simile_language *l;
    bool taught = false;
    for (size_t i = 0; language && (l = simile_language_at(i)); i++)
        if (!strncmp(l->code, language, strlen(language)))
            taught |= (simile_text_tower_reads(r->published, l->code) & SIMILE_READS_TAUGHT) != 0;
    return taught;
}

static bool reads_english_alone(const simile_reader *r)
{
    const simile_language *l;
    int taught = 0;
    for (size_t i = 0; (l = simile_language_at(i)); i++)
        taught += (simile_text_tower_reads(r->published, l->code) & SIMILE_READS_TAUGHT) != 0;
    return taught == 1 && is_taught(r, "en");
}

static bool is_chinese(const char *language)
{
    return language && !strncmp(language, "zh", 2) && (!language[2] || language[2] == '-');
}

/* AUTO for a text that is not in Latin script, or whose language was said not to be English. */
static simile_status choose_foreign(simile_reader *r, const char *language, int32_t *way, simile_error *err)
{
    simile_error why;
    simile_status status = SIMILE_OK;
    RETURN_IF_ERROR(ask_tower(r, err));
    if (is_taught(r, language)) return SIMILE_OK;
    if (is_chinese(language) && !r->no_translator && reads_english_alone(r)) {
        status = need_translator(r, "zh", &why);
        r->no_translator = is_absence(status, r->translator_name != NULL);
        if (!status) *way = SIMILE_VIA_TRANSLATE;
    }
    if (*way == SIMILE_VIA_DIRECT && (!status || r->no_translator) && !r->no_tower) {
        status = need_tower(r, &why);
        r->no_tower = is_absence(status, r->tower_name != NULL);
        if (!status) *way = SIMILE_VIA_MULTILINGUAL;
    }
    if (!status || r->no_tower) return SIMILE_OK; /* an absence of the translator alone was followed by the tower */
    if (err) *err = why;
    return status;
}

/* The language from which a text is translated; NULL: it is not, being in Latin script or without a letter while nobody
 * named a language or a translator. */
static const char *translated_from(const simile_reader *r, const simile_read_options *opt, int32_t which)
{
    const char *language = opt->language ? opt->language : script_language((script)which);
    if (!opt->language && !r->translator_name && which <= SIMILE_SCRIPT_LATIN) return NULL;
    return !language || is_chinese(language) ? "zh" : language;
}

static simile_status choose(simile_reader *r, const simile_read_options *opt, int32_t which, int32_t *way,
                            simile_error *err)
{
    const char *language = opt->language ? opt->language : script_language((script)which);
    const bool english = opt->language ? !strcmp(opt->language, "en") : which <= SIMILE_SCRIPT_LATIN;
    *way = opt->via ? opt->via : SIMILE_VIA_DIRECT;
    if (opt->via == SIMILE_VIA_TRANSLATE && !translated_from(r, opt, which)) *way = SIMILE_VIA_DIRECT;
    if (opt->via == SIMILE_VIA_AUTO && !english && !own_info(r)->text_name)
        return choose_foreign(r, language, way, err);
    return opt->via == SIMILE_VIA_MULTILINGUAL ? need_tower(r, err) : SIMILE_OK;
}

/* ---- phrases to vectors ---- */

/* The texts that one encoder is to read, in the order of the readings they belong to. */
typedef struct {
    const char **items;
    size_t n;
    float *vectors;     /* [n, dim] */
    uint8_t *truncated; /* [n] */
} phrases;

static void phrases_release(phrases *p)
{
    mem_free(p->items);
    mem_free(p->vectors);
    mem_free(p->truncated);
}

/* How many candidates of a reading take part in its vector. */
static size_t parts(const simile_reading *item)
{
    if (!item->translation || item->fuse == SIMILE_FUSE_FIRST) return 1;
    return item->translation->n_candidates;
}

static const char *part(const simile_reading *item, size_t i)
{
    return item->translation ? item->translation->candidates[i].text : item->text;
}

static simile_encoder *encoder_for(const simile_reader *r, bool tower)
{
    return tower && r->tower_encoder ? r->tower_encoder : r->encoder;
}

/* The default template is English, and around a text in another language it would make neither: the tower for many
 * languages gets labels as they are, unless the caller has templates. */
static simile_status encode_phrases(simile_encoder *encoder, const simile_read_options *opt, bool tower, phrases *p,
                                    simile_error *err)
{
    const bool prompts = opt->n_templates || (opt->labels && !tower);
    const size_t dim = (size_t)encoder_dim(encoder);
    size_t all;
    p->vectors = mem_mul(p->n, dim, &all) ? mem_array(all, sizeof *p->vectors) : NULL;
    p->truncated = mem_zero_array(p->n, 1);
    if (!p->vectors || !p->truncated) return err_nomem(err);
    if (!prompts) return simile_encode_texts(encoder, p->items, p->n, p->vectors, p->truncated, err);
    return simile_label_vectors(encoder, p->items, p->n, opt->templates, opt->n_templates, p->vectors, err);
}

/* ---- fusing ---- */

/* Weights of n candidates that add up to 1. */
static void make_weights(const simile_reading *item, size_t n, double *weights)
{
    const simile_candidate *c = item->translation->candidates;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        /* the best comes first */
        weights[i] = item->fuse == SIMILE_FUSE_WEIGHTED ? exp((double)c[i].score - (double)c[0].score) : 1;
        sum += weights[i];
    }
    for (size_t i = 0; i < n; i++) weights[i] /= sum;
}

static simile_status mix(const simile_reading *item, float *vectors, size_t n, size_t dim, float *out,
                         simile_error *err)
{
    double weights[MAX_CANDIDATES];
    make_weights(item, n, weights);
    for (size_t i = 0; i < n; i++) simile_normalize(vectors + i * dim, (int32_t)dim);
    for (size_t d = 0; d < dim; d++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += weights[i] * (double)vectors[i * dim + d];
        out[d] = (float)sum;
    }
    if (make_unit(out, (int32_t)dim)) return SIMILE_OK;
    return err_set(err, SIMILE_E_ARG, "the candidates for '%.60s' cancel each other out", item->text);
}

/* Gives an item the vectors of its n phrases, or what they are together. */
static simile_status fuse(simile_reading *item, float **owned, float *vectors, size_t n, int32_t dim, simile_error *err)
{
    const bool mixed = n > 1 && item->fuse != SIMILE_FUSE_MAX;
    const size_t rows = mixed ? 1 : n, width = (size_t)dim;
    *owned = mem_array(rows * width, sizeof **owned);
    if (!*owned) return err_nomem(err);
    item->vectors = *owned;
    item->n_vectors = rows;
    item->dim = dim;
    item->candidate = item->translation && n == 1 ? 0 : -1;
    if (mixed) return mix(item, vectors, n, width, *owned, err);
    memcpy(*owned, vectors, n * width * sizeof *vectors);
    return SIMILE_OK;
}

/* All readings whose vectors come from the tower, or all others. */
static simile_status encode_readings(simile_reader *r, const simile_read_options *opt, bool tower, simile_readings *all,
                                     phrases *p, simile_error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < all->n; i++)
        if ((all->items[i].via == SIMILE_VIA_MULTILINGUAL) == tower) total += parts(&all->items[i]);
    if (!total) return SIMILE_OK;
    p->items = mem_array(total, sizeof *p->items);
    if (!p->items) return err_nomem(err);
    for (size_t i = 0; i < all->n; i++) {
        const simile_reading *item = &all->items[i];
        if ((item->via == SIMILE_VIA_MULTILINGUAL) != tower) continue;
        for (size_t k = 0; k < parts(item); k++) p->items[p->n++] = part(item, k);
    }
    simile_encoder *encoder = encoder_for(r, tower);
    const simile_model_info *info = model_info(encoder->model->m);
    RETURN_IF_ERROR(encode_phrases(encoder, opt, tower, p, err));
    for (size_t i = 0; i < all->n; i++) {
        simile_reading *item = &all->items[i];
        if ((item->via == SIMILE_VIA_MULTILINGUAL) != tower) continue;
        const size_t n = parts(item);
        item->text_model = info->text_name ? info->text_name : info->name;
        for (size_t k = 0; k < n; k++) item->truncated |= p->truncated[at + k];
        RETURN_IF_ERROR(fuse(item, &all->vectors[i], p->vectors + at * (size_t)info->dim, n, info->dim, err));
        at += n;
    }
    return SIMILE_OK;
}

/* ---- translating ---- */

/* Those that are to be translated from the language of one script; without a candidate they are read directly. */
static simile_status translate_script(simile_reader *r, const simile_read_options *opt, int32_t which,
                                      const char **texts, simile_readings *all, simile_error *err)
{
    const simile_translate_options options = {.struct_size = sizeof options, .best = opt->candidates};
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].via == SIMILE_VIA_TRANSLATE && all->items[i].script == which) texts[n++] = all->items[i].text;
    if (!n) return SIMILE_OK;
    RETURN_IF_ERROR(need_translator(r, translated_from(r, opt, which), err));
    RETURN_IF_ERROR(simile_translate(r->session, texts, n, &options, &all->translations[which], err));
    all->translators[which] = mem_strdup(simile_translator_get_info(r->translator)->name);
    if (!all->translators[which]) return err_nomem(err);
    n = 0;
    for (size_t i = 0; i < all->n; i++) {
        simile_reading *item = &all->items[i];
        if (item->via != SIMILE_VIA_TRANSLATE || item->script != which) continue;
        const simile_translation *t = simile_translations_at(all->translations[which], n++);
        item->via = t->n_candidates ? SIMILE_VIA_TRANSLATE : SIMILE_VIA_DIRECT;
        item->translation = t->n_candidates ? t : NULL;
        item->translator = t->n_candidates ? all->translators[which] : NULL;
    }
    return SIMILE_OK;
}

static simile_status translate_readings(simile_reader *r, const simile_read_options *opt, simile_readings *all,
                                        simile_error *err)
{
    simile_status status = SIMILE_OK;
    const char **texts = mem_array(all->n + 1, sizeof *texts);
    if (!texts) return err_nomem(err);
    for (int32_t which = 0; which < SCRIPTS && !status; which++)
        status = translate_script(r, opt, which, texts, all, err);
    mem_free(texts);
    return status;
}

/* ---- the public calls ---- */

static simile_status check_options(simile_read_options *opt, const simile_read_options *given, simile_error *err)
{
    RETURN_IF_ERROR(options_copy(opt, sizeof *opt, given, err));
    if (!opt->candidates) opt->candidates = DEFAULT_CANDIDATES;
    if (opt->candidates < 0 || opt->candidates > MAX_CANDIDATES)
        return err_set(err, SIMILE_E_ARG, "candidates of a translation are a number from 1 to %d", MAX_CANDIDATES);
    if (opt->via < 0 || opt->via >= WAYS) return err_set(err, SIMILE_E_ARG, "there is no such way to read texts");
    if (opt->fuse < 0 || opt->fuse > SIMILE_FUSE_WEIGHTED)
        return err_set(err, SIMILE_E_ARG, "there is no such way to fuse candidates");
    if (opt->language && !*opt->language) opt->language = NULL;
    if (opt->n_templates && !opt->templates) return err_set(err, SIMILE_E_ARG, "no templates were given");
    return SIMILE_OK;
}

/* Copies the texts, so that a reading needs nothing of the caller's, and makes the items. */
static simile_status make_items(simile_readings *all, const char *const *texts, size_t n, int32_t fusion,
                                simile_error *err)
{
    all->items = mem_zero_array(n + 1, sizeof *all->items);
    all->vectors = mem_zero_array(n + 1, sizeof *all->vectors);
    if (!all->items || !all->vectors) return err_nomem(err);
    all->n = n;
    for (size_t i = 0; i < n; i++) {
        if (!texts[i]) return err_set(err, SIMILE_E_ARG, "text %zu is missing", i + 1);
        if (!buf_append(&all->texts, texts[i], strlen(texts[i]) + 1)) return err_nomem(err);
    }
    const char *at = all->texts.data;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
        all->items[i] = (simile_reading){.text = at, .script = simile_script(at, strlen(at)), .fuse = fusion};
    return SIMILE_OK;
}

static simile_status read_all(simile_reader *r, const char *const *texts, size_t n, const simile_read_options *opt,
                              simile_readings *all, simile_error *err)
{
    RETURN_IF_ERROR(make_items(all, texts, n, opt->fuse, err));
    for (size_t i = 0; i < n; i++) RETURN_IF_ERROR(choose(r, opt, all->items[i].script, &all->items[i].via, err));
    RETURN_IF_ERROR(translate_readings(r, opt, all, err));
    for (int tower = 0; tower < 2; tower++) {
        phrases p = {0};
        const simile_status status = encode_readings(r, opt, tower != 0, all, &p, err);
        phrases_release(&p);
        if (status) return status;
    }
    return SIMILE_OK;
}

simile_status simile_read(simile_reader *reader, const char *const *texts, size_t n, const simile_read_options *options,
                          simile_readings **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the readings was given");
    *out = NULL;
    simile_read_options opt;
    if (!reader || (n && !texts)) return err_set(err, SIMILE_E_ARG, "no reader or texts were given");
    RETURN_IF_ERROR(check_options(&opt, options, err));
    simile_readings *all = mem_new(simile_readings);
    if (!all) return err_nomem(err);
    atomic_init(&all->handles, 1);
    buf_init(&all->texts, SIZE_MAX / 4);
    const simile_status status = read_all(reader, texts, n, &opt, all, err);
    if (status)
        simile_readings_free(all);
    else
        *out = all;
    return status;
}

size_t simile_readings_count(const simile_readings *all)
{
    return all ? all->n : 0;
}

const simile_reading *simile_readings_at(const simile_readings *all, size_t i)
{
    return all && i < all->n ? &all->items[i] : NULL;
}

simile_status simile_readings_slice(simile_readings *readings, size_t first, size_t n, simile_readings **out,
                                    simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the readings was given");
    *out = NULL;
    if (!readings || first > readings->n || n > readings->n - first)
        return err_set(err, SIMILE_E_ARG, "there are no such readings");
    simile_readings *slice = mem_new(simile_readings);
    if (!slice) return err_nomem(err);
    slice->whole = readings->whole ? readings->whole : readings;
    slice->items = readings->items + first;
    slice->n = n;
    atomic_fetch_add(&slice->whole->handles, 1);
    *out = slice;
    return SIMILE_OK;
}

void simile_readings_free(simile_readings *all)
{
    if (!all) return;
    if (all->whole) {
        simile_readings *slice = all;
        all = slice->whole;
        mem_free(slice);
    }
    if (atomic_fetch_sub(&all->handles, 1) > 1) return;
    for (size_t i = 0; i < all->n; i++) mem_free(all->vectors[i]);
    mem_free(all->vectors);
    mem_free(all->items);
    buf_release(&all->texts);
    for (int i = 0; i < SCRIPTS; i++) {
        simile_translations_free(all->translations[i]);
        mem_free(all->translators[i]);
    }
    mem_free(all);
}

float simile_reading_similarity(const simile_reading *reading, const float *vector, int32_t *which)
{
    size_t best = 0;
    float similarity = -INFINITY;
    if (which) *which = -1;
    if (!reading || !vector) return 0;
    for (size_t i = 0; i < reading->n_vectors; i++) {
        const float x = simile_similarity(reading->vectors + i * (size_t)reading->dim, vector, reading->dim);
        if (x > similarity) similarity = x, best = i;
    }
    if (which) *which = reading->n_vectors > 1 ? (int32_t)best : reading->candidate;
    return similarity;
}
