/* SPDX-License-Identifier: Apache-2.0
 * metaspace.c - see metaspace.h. As WhitespaceSplit and Metaspace of the tokenizers library.
 *
 * Threads: running only reads. */
#include "text/metaspace.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/kind.h"
#include "text/staged.h"
#include "text/unicode.h"

/* ---- tokenizer.json ---- */

static simile_status refuse(const char *path, const char *name, simile_error *err)
{
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the pre-tokenizer '%s' is not supported", path, name);
}

static simile_status read_metaspace(metaspace *m, const json_t *part, const char *path, simile_error *err)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const json_from f = {.object = part, .subject = path};
    const char *mark = "\xe2\x96\x81", *scheme = NULL;
    bool prefix = true;
    m->replace = m->split = true;
    RETURN_IF_ERROR(json_get_string(f, "replacement", &mark, err));
    RETURN_IF_ERROR(json_get_bool(f, "add_prefix_space", &prefix, err));
    RETURN_IF_ERROR(json_get_string(f, "prepend_scheme", &scheme, err));
    RETURN_IF_ERROR(json_get_bool(f, "split", &m->split, err));
    m->mark_len = strlen(mark);
    if (m->mark_len == 0 || m->mark_len > 4) return refuse(path, "Metaspace with such a replacement", err);
    memcpy(m->mark, mark, m->mark_len + 1);
    m->prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER;
    if (!scheme) return SIMILE_OK;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(scheme, schemes[i]) != 0) continue;
        m->prepend = (metaspace_prepend)i;
        return SIMILE_OK;
    }
    return refuse(path, "Metaspace with such a prepend_scheme", err);
}

simile_status metaspace_from_json(metaspace *m, const json_t *part, const char *path, simile_error *err)
{
    *m = (metaspace){.prepend = PREPEND_NEVER};
    for (size_t i = 0; i < staged_parts(part, "pretokenizers"); i++) {
        const json_t *step = staged_part(part, "pretokenizers", i);
        const char *type = json_string_value(json_object_get(step, "type"));
        if (type && strcmp(type, "WhitespaceSplit") == 0 && !m->split_white && !m->replace)
            m->split_white = true;
        else if (type && strcmp(type, "Metaspace") == 0 && !m->replace)
            RETURN_IF_ERROR(read_metaspace(m, step, path, err));
        else
            return refuse(path, type ? type : "without a type", err);
    }
    return SIMILE_OK;
}

/* ---- running ---- */

static void put_marks(const metaspace *m, const char *text, size_t len, buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ')
            buf_append(out, m->mark, m->mark_len);
        else
            buf_byte(out, text[i]);
    }
}

/* The place of the next mark behind `from`, or the end. */
static size_t next_mark(const metaspace *m, const char *text, size_t len, size_t from)
{
    if (from >= len) return len;
    const char *hit = memmem(text + from, len - from, m->mark, m->mark_len);
    return hit ? (size_t)(hit - text) : len;
}

static simile_status run_word(const metaspace *m, const char *text, size_t len, bool first, metaspace_word_fn fn,
                              void *user, simile_error *err)
{
    if (!m->replace) return fn(user, text, len);
    buf marked;
    buf_init(&marked, 16 * (size_t)TEXT_MAX);
    const bool begins = *text == ' ' || (len >= m->mark_len && memcmp(text, m->mark, m->mark_len) == 0);
    if (!begins && (m->prepend == PREPEND_ALWAYS || (m->prepend == PREPEND_FIRST && first)))
        buf_append(&marked, m->mark, m->mark_len);
    put_marks(m, text, len, &marked);
    simile_status status = buf_ok(&marked) ? SIMILE_OK : err_nomem(err);
    for (size_t at = 0, end; at < marked.len && !status; at = end) {
        end = m->split ? next_mark(m, marked.data, marked.len, at + 1) : marked.len;
        status = fn(user, marked.data + at, end - at);
    }
    buf_release(&marked);
    return status;
}

simile_status metaspace_run(const metaspace *m, const char *text, size_t len, bool first, metaspace_word_fn fn,
                            void *user, simile_error *err)
{
    if (!m->split_white) return len > 0 ? run_word(m, text, len, first, fn, user, err) : SIMILE_OK;
    size_t start = 0;
    for (size_t at = 0; at < len;) {
        const size_t here = at;
        if (unicode_class(utf8_next(text, len, &at)) != CLASS_SPACE) continue;
        if (here > start) RETURN_IF_ERROR(run_word(m, text + start, here - start, first && start == 0, fn, user, err));
        start = at;
    }
    return start < len ? run_word(m, text + start, len - start, first && start == 0, fn, user, err) : SIMILE_OK;
}
