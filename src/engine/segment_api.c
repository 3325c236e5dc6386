/* SPDX-License-Identifier: Apache-2.0
 * segment_api.c - simile_segmenter: finding a dictionary and the tables of the hidden Markov model, cutting texts.
 *
 * jieba's own files are large and the user's: they are looked for where people have them. The dictionary that comes
 * with the product is that of the bundled translator. Threads: a segmenter is immutable. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

struct simile_segmenter {
    segmenter *s;
    char *dictionary, *hmm; /* hmm: NULL without one */
    simile_segmenter_info info;
};

struct simile_words {
    char *bytes; /* each word with a NUL behind it */
    size_t *ends, n;
};

#define SYSTEM_JIEBA "/usr/lib/python3/dist-packages/jieba"

/* ---- where the files are ---- */

/* One of the places where jieba's files may lie; *out NULL: not on this machine. */
static simile_status jieba_folder(int i, char **out, simile_error *err)
{
    const char *set = getenv("SIMILE_JIEBA");
    char *home = NULL;
    *out = NULL;
    if (i == 0 && (!set || !*set)) return SIMILE_OK;
    if (i == 1 && !(home = path_data_home())) return SIMILE_OK;
    *out = i == 0 ? mem_strdup(set) : i == 1 ? path_join(home, "jieba") : mem_strdup(SYSTEM_JIEBA);
    mem_free(home);
    return *out ? SIMILE_OK : err_nomem(err);
}

/* folder/name of the first of jieba's folders that has folder/witness. *out stays NULL when none has it. */
static simile_status find_jieba(const char *name, const char *witness, char **out, simile_error *err)
{
    for (int i = 0; i < 3 && !*out; i++) {
        char *folder, *file;
        RETURN_IF_ERROR(jieba_folder(i, &folder, err));
        if (!folder) continue;
        file = path_join(folder, witness);
        const bool there = file && file_exists(file);
        if (there) *out = path_join(folder, name);
        const bool short_of_memory = !file || (there && !*out);
        mem_free(file);
        mem_free(folder);
        if (short_of_memory) return err_nomem(err);
    }
    return SIMILE_OK;
}

static simile_status find_bundled(const char *search_path, char **out, simile_error *err)
{
    char *folder;
    simile_error why;
    const simile_status status = find_model("simile-zh-en", search_path, &folder, &why);
    if (status)
        return status == SIMILE_E_NOMEM
                   ? err_nomem(err)
                   : err_set(err, SIMILE_E_NOT_FOUND,
                             "cannot find a dictionary of words: $SIMILE_JIEBA, the data folder, '%s' and the models "
                             "have none",
                             SYSTEM_JIEBA);
    *out = path_join(folder, "dict.txt");
    mem_free(folder);
    return *out ? SIMILE_OK : err_nomem(err);
}

static simile_status given_or_found(const char *given, const char *name, const char *witness, char **out,
                                    simile_error *err)
{
    *out = NULL;
    if (!given || !*given) return find_jieba(name, witness, out, err);
    *out = mem_strdup(given);
    return *out ? SIMILE_OK : err_nomem(err);
}

static simile_status open_files(simile_segmenter *h, const simile_segmenter_options *opt, simile_error *err)
{
    const char *user = opt->user_dictionary && *opt->user_dictionary ? opt->user_dictionary : NULL;
    RETURN_IF_ERROR(given_or_found(opt->dictionary, "dict.txt", "dict.txt", &h->dictionary, err));
    if (!h->dictionary) RETURN_IF_ERROR(find_bundled(opt->search_path, &h->dictionary, err));
    RETURN_IF_ERROR(given_or_found(opt->hmm, "finalseg", "finalseg/prob_emit.py", &h->hmm, err));
    const segmenter_files files = {.dictionary = h->dictionary, .user = user, .hmm = h->hmm};
    RETURN_IF_ERROR(segmenter_open(&files, &h->s, err));
    h->info = (simile_segmenter_info){h->dictionary, h->hmm, (int64_t)segmenter_words(h->s)};
    return SIMILE_OK;
}

simile_status simile_segmenter_open(const simile_segmenter_options *options, simile_segmenter **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the segmenter was given");
    *out = NULL;
    simile_segmenter_options opt;
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    simile_segmenter *handle = mem_new(simile_segmenter);
    if (!handle) return err_nomem(err);
    const simile_status status = open_files(handle, &opt, err);
    if (status)
        simile_segmenter_free(handle);
    else
        *out = handle;
    return status;
}

void simile_segmenter_free(simile_segmenter *handle)
{
    if (!handle) return;
    segmenter_free(handle->s);
    mem_free(handle->dictionary);
    mem_free(handle->hmm);
    mem_free(handle);
}

const simile_segmenter_info *simile_segmenter_get_info(const simile_segmenter *handle)
{
    return handle ? &handle->info : NULL;
}

/* ---- cutting ---- */

static simile_status keep_words(const segment_list *list, simile_words *out, simile_error *err)
{
    out->bytes = mem_array(list->bytes.len + list->n + 1, 1);
    out->ends = mem_array(list->n + 1, sizeof *out->ends);
    if (!out->bytes || !out->ends) return err_nomem(err);
    size_t at = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t len;
        const char *word = segment_list_at(list, i, &len);
        memcpy(out->bytes + at, word, len);
        out->bytes[at + len] = 0;
        out->ends[i] = at += len + 1;
    }
    out->n = list->n;
    return SIMILE_OK;
}

simile_status simile_segment(const simile_segmenter *handle, const char *text, size_t len,
                             const simile_segment_options *options, simile_words **out, simile_error *err)
{
    static const segment_mode modes[] = {SEGMENT_PRECISE, SEGMENT_FULL, SEGMENT_SEARCH};
    simile_segment_options opt;
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the words was given");
    *out = NULL;
    if (!handle || (!text && len)) return err_set(err, SIMILE_E_ARG, "no segmenter or text was given");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.mode < SIMILE_SEGMENT_PRECISE || opt.mode > SIMILE_SEGMENT_SEARCH)
        return err_set(err, SIMILE_E_ARG, "there is no mode %d of cutting texts", opt.mode);
    simile_words *words = mem_new(simile_words);
    if (!words) return err_nomem(err);
    segment_list list;
    segment_list_init(&list);
    simile_status status =
        segmenter_cut(handle->s, text ? text : "", len, modes[opt.mode], opt.no_hmm == 0, &list, err);
    if (!status) status = keep_words(&list, words, err);
    segment_list_release(&list);
    if (status)
        simile_words_free(words);
    else
        *out = words;
    return status;
}

size_t simile_words_count(const simile_words *words)
{
    return words ? words->n : 0;
}

const char *simile_words_at(const simile_words *words, size_t i, size_t *len)
{
    if (!words || i >= words->n) return NULL;
    const size_t begin = i ? words->ends[i - 1] : 0;
    if (len) *len = words->ends[i] - begin - 1;
    return words->bytes + begin;
}

void simile_words_free(simile_words *words)
{
    if (!words) return;
    mem_free(words->bytes);
    mem_free(words->ends);
    mem_free(words);
}
