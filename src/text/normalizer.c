/* SPDX-License-Identifier: Apache-2.0
 * normalizer.c - see normalizer.h.
 *
 * Each step reads one buffer and appends to another; two buffers change places. The steps do what those of the
 * tokenizers library do, character by character:
 *     lower case        one character at a time, no rule for a final sigma
 *     BertNormalizer    cleaning, spaces around ideographs, form D without marks of category Mn, lower case
 *     Replace           a plain string, or a regular expression that is one set of characters and a repetition:
 *                       \s+   ' {2,}'   [!"#\-]   nothing else is met in published files, all else is refused
 *
 * Threads: running only reads the steps. */
#include "text/normalizer.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/kind.h"
#include "text/unicode.h"

/* ---- building ---- */

static void release_step(norm_step *step)
{
    mem_free(step->from);
    mem_free(step->to);
    charsmap_release(&step->map);
    *step = (norm_step){0};
}

void normalizer_release(normalizer *z)
{
    for (size_t i = 0; i < z->n; i++) release_step(&z->steps[i]);
    z->n = 0;
}

simile_status normalizer_add(normalizer *z, norm_step step, const char *subject, simile_error *err)
{
    if (z->n == NORMALIZER_STEPS_MAX) {
        release_step(&step);
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d normalizers", subject,
                       NORMALIZER_STEPS_MAX);
    }
    z->steps[z->n++] = step;
    return SIMILE_OK;
}

simile_status normalizer_add_kind(normalizer *z, norm_kind kind, const char *subject, simile_error *err)
{
    return normalizer_add(z, (norm_step){.kind = kind}, subject, err);
}

simile_status normalizer_add_bert(normalizer *z, bert_cleaning flags, const char *subject, simile_error *err)
{
    if (flags.clean) RETURN_IF_ERROR(normalizer_add_kind(z, NORM_CLEAN, subject, err));
    if (flags.space_han) RETURN_IF_ERROR(normalizer_add_kind(z, NORM_SPACE_HAN, subject, err));
    if (flags.strip_accents) {
        RETURN_IF_ERROR(normalizer_add_kind(z, NORM_NFD, subject, err));
        RETURN_IF_ERROR(normalizer_add_kind(z, NORM_NONSPACING, subject, err));
    }
    return flags.lower ? normalizer_add_kind(z, NORM_LOWER, subject, err) : SIMILE_OK;
}

simile_status normalizer_add_spaces(normalizer *z, const char *subject, simile_error *err)
{
    norm_step spaces = {
        .kind = NORM_RUNS, .least = 1, .many = true, .spaces = true, .to = mem_strdup(" "), .to_len = 1};
    for (int c = 0x1c; c < 0x20; c++) spaces.set[c] = true; /* white space to Python */
    if (!spaces.to) return err_nomem(err);
    RETURN_IF_ERROR(normalizer_add(z, spaces, subject, err));
    return normalizer_add(z, (norm_step){.kind = NORM_STRIP, .left = true, .right = true}, subject, err);
}

/* string.punctuation of Python is what ASCII has beside letters, digits, space and controls. */
simile_status normalizer_add_canonical(normalizer *z, canonical_text flags, const char *subject, simile_error *err)
{
    norm_step underscores = {.kind = NORM_REPLACE, .from_len = 1, .to_len = 1};
    norm_step punctuation = {.kind = NORM_RUNS, .least = 1, .many = true};
    for (int c = '!'; c < 0x7f; c++) {
        const int letter = c | 0x20;
        punctuation.set[c] = !((c >= '0' && c <= '9') || (letter >= 'a' && letter <= 'z'));
    }
    if (flags.lower) RETURN_IF_ERROR(normalizer_add_kind(z, NORM_LOWER, subject, err));
    if (flags.underscores) {
        underscores.from = mem_strdup("_");
        underscores.to = mem_strdup(" ");
        const bool ok = underscores.from && underscores.to;
        if (!ok) release_step(&underscores);
        if (!ok) return err_nomem(err);
        RETURN_IF_ERROR(normalizer_add(z, underscores, subject, err));
    }
    punctuation.to = mem_strdup("");
    if (!punctuation.to) return err_nomem(err);
    RETURN_IF_ERROR(normalizer_add(z, punctuation, subject, err));
    return normalizer_add_spaces(z, subject, err);
}

/* ---- tokenizer.json ---- */

typedef struct {
    normalizer *z;
    const char *path;
    simile_error *err;
} reader;

static simile_status refuse(const reader *r, const char *name)
{
    return err_set(r->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the normalizer '%s' is not supported", r->path,
                   name);
}

static simile_status wrong(const reader *r, const char *what)
{
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': %s", r->path, what);
}

static simile_status read_bert(const reader *r, const json_t *part)
{
    bert_cleaning flags = {.clean = true, .space_han = true, .lower = true};
    const json_from f = {.object = part, .subject = r->path};
    RETURN_IF_ERROR(json_get_bool(f, "clean_text", &flags.clean, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "handle_chinese_chars", &flags.space_han, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "lowercase", &flags.lower, r->err));
    flags.strip_accents = flags.lower;
    if (!json_is_null(json_object_get(part, "strip_accents")))
        RETURN_IF_ERROR(json_get_bool(f, "strip_accents", &flags.strip_accents, r->err));
    return normalizer_add_bert(r->z, flags, r->path, r->err);
}

static simile_status read_strip(const reader *r, const json_t *part)
{
    norm_step step = {.kind = NORM_STRIP, .left = true, .right = true};
    const json_from f = {.object = part, .subject = r->path};
    RETURN_IF_ERROR(json_get_bool(f, "strip_left", &step.left, r->err));
    RETURN_IF_ERROR(json_get_bool(f, "strip_right", &step.right, r->err));
    return normalizer_add(r->z, step, r->path, r->err);
}

/* One character of a set, a backslash before it or not; its length in the pattern, 0: not understood. */
static size_t set_character(const char *at, norm_step *step)
{
    const bool escaped = *at == '\\';
    const char c = at[escaped];
    if (escaped && c == 's') {
        step->spaces = true;
        return 2;
    }
    if (c <= 0 || (escaped && ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))) return 0;
    step->set[(unsigned)c] = true;
    return 1 + (size_t)escaped;
}

/* "[...]", without ranges, classes and negation; NULL: not understood. */
static const char *bracket(const char *at, norm_step *step)
{
    const char *first = ++at;
    if (*at == '^') return NULL;
    for (size_t n; *at && (*at != ']' || at == first); at += n) {
        if (*at == '[' || (*at == '&' && at[1] == '&') || (*at == '-' && at != first && at[1] != ']')) return NULL;
        n = set_character(at, step);
        if (n == 0) return NULL;
    }
    return *at == ']' ? at + 1 : NULL;
}

/* Nothing, "+" or "{2,}"; false: something else. */
static bool repetition(const char *at, norm_step *step)
{
    step->least = 1;
    if (!*at) return true;
    step->many = true;
    if (strcmp(at, "+") == 0) return true;
    if (at[0] != '{' || at[1] < '1' || at[1] > '9' || strcmp(at + 2, ",}") != 0) return false;
    step->least = (size_t)(at[1] - '0');
    return true;
}

static bool read_pattern(const char *regex, norm_step *step)
{
    const char *at = regex;
    if (*at == '[') {
        at = bracket(at, step);
        if (!at) return false;
    } else {
        if (!*at || strchr(".^$|()*+?{", *at)) return false;
        const size_t n = set_character(at, step);
        if (n == 0) return false;
        at += n;
    }
    return repetition(at, step);
}

static simile_status read_replace(const reader *r, const json_t *part)
{
    const json_t *pattern = json_object_get(part, "pattern");
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    const char *plain = json_string_value(json_object_get(pattern, "String"));
    const char *content = json_string_value(json_object_get(part, "content"));
    norm_step step = {.kind = regex ? NORM_RUNS : NORM_REPLACE};
    if (!content || (!regex && (!plain || !*plain))) return wrong(r, "a Replace normalizer is not complete");
    if (regex && !read_pattern(regex, &step)) return refuse(r, regex);
    step.to = mem_strdup(content);
    step.to_len = strlen(content);
    step.from = mem_strdup(regex ? "" : plain);
    step.from_len = regex ? 0 : strlen(plain);
    if (!step.to || !step.from) {
        release_step(&step);
        return err_nomem(r->err);
    }
    return normalizer_add(r->z, step, r->path, r->err);
}

static simile_status read_prepend(const reader *r, const json_t *part)
{
    const char *text = json_string_value(json_object_get(part, "prepend"));
    if (!text) return wrong(r, "a Prepend normalizer has nothing to prepend");
    norm_step step = {.kind = NORM_PREPEND, .to = mem_strdup(text), .to_len = strlen(text)};
    if (!step.to) return err_nomem(r->err);
    return normalizer_add(r->z, step, r->path, r->err);
}

static simile_status read_precompiled(const reader *r, const json_t *part)
{
    norm_step step = {.kind = NORM_CHARSMAP};
    const json_t *map = json_object_get(part, "precompiled_charsmap");
    if (!map || json_is_null(map)) return SIMILE_OK;
    if (!json_is_string(map)) return wrong(r, "a Precompiled normalizer has no map");
    RETURN_IF_ERROR(charsmap_init_base64(&step.map, json_string_value(map), r->path, r->err));
    return normalizer_add(r->z, step, r->path, r->err);
}

static simile_status read_step(const reader *r, const json_t *part)
{
    static const struct {
        const char *name;
        norm_kind kind;
    } plain[] = {{"NFC", NORM_NFC}, {"NFD", NORM_NFD}, {"Lowercase", NORM_LOWER}};
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type) return wrong(r, "a normalizer has no type");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(type, plain[i].name) == 0) return normalizer_add_kind(r->z, plain[i].kind, r->path, r->err);
    }
    if (strcmp(type, "BertNormalizer") == 0) return read_bert(r, part);
    if (strcmp(type, "Strip") == 0) return read_strip(r, part);
    if (strcmp(type, "Replace") == 0) return read_replace(r, part);
    if (strcmp(type, "Precompiled") == 0) return read_precompiled(r, part);
    if (strcmp(type, "Prepend") == 0) return read_prepend(r, part);
    return refuse(r, type);
}

simile_status normalizer_from_json(normalizer *z, const json_t *part, const char *subject, simile_error *err)
{
    const reader r = {.z = z, .path = subject, .err = err};
    if (!part || json_is_null(part)) return SIMILE_OK;
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type || strcmp(type, "Sequence") != 0) return read_step(&r, part);
    const json_t *steps = json_object_get(part, "normalizers");
    if (!json_is_array(steps)) return wrong(&r, "its sequence of normalizers is not an array");
    for (size_t i = 0; i < json_array_size(steps); i++) RETURN_IF_ERROR(read_step(&r, json_array_get(steps, i)));
    return SIMILE_OK;
}

/* ---- running ---- */

static inline void put_char(buf *out, uint32_t c)
{
    char piece[4];
    if (c < 0x80)
        buf_byte(out, (char)c);
    else
        buf_append(out, piece, utf8_put(piece, c));
}

static inline bool is_visible(uint32_t c) /* of ASCII, and no space */
{
    return c - 0x21 < 0x5e;
}

static void lower(const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len;) {
        uint32_t made[2];
        const size_t n = unicode_lower(utf8_next(text, len, &at), made);
        for (size_t i = 0; i < n; i++) put_char(out, made[i]);
    }
}

static void clean(const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len;) {
        const uint32_t c = utf8_next(text, len, &at);
        if (is_visible(c))
            buf_byte(out, (char)c);
        else if (c == '\t' || c == '\n' || c == '\r')
            buf_byte(out, ' ');
        else if (!unicode_is_dropped(c))
            put_char(out, unicode_class(c) == CLASS_SPACE ? ' ' : c);
    }
}

static void space_han(const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len;) {
        const uint32_t c = utf8_next(text, len, &at);
        const bool han = unicode_is_han(c);
        if (han) buf_byte(out, ' ');
        put_char(out, c);
        if (han) buf_byte(out, ' ');
    }
}

static void drop_nonspacing(const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len;) {
        const uint32_t c = utf8_next(text, len, &at);
        if (!unicode_is_nonspacing(c)) put_char(out, c);
    }
}

static void strip(const norm_step *step, const char *text, size_t len, buf *out)
{
    size_t start = 0, end = 0;
    bool begun = !step->left;
    for (size_t at = 0; at < len;) {
        const size_t here = at;
        const uint32_t c = utf8_next(text, len, &at);
        if (!is_visible(c) && unicode_class(c) == CLASS_SPACE) continue;
        if (!begun) start = here;
        begun = true;
        end = at;
    }
    if (!step->right) end = len;
    if (begun && end > start) buf_append(out, text + start, end - start);
}

static void replace(const norm_step *step, const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len && buf_ok(out);) {
        const char *hit = memmem(text + at, len - at, step->from, step->from_len);
        const size_t until = hit ? (size_t)(hit - text) : len;
        buf_append(out, text + at, until - at);
        if (hit) buf_append(out, step->to, step->to_len);
        at = hit ? until + step->from_len : len;
    }
}

static bool in_set(const norm_step *step, uint32_t c)
{
    if (c < 128 && step->set[c]) return true;
    return step->spaces && unicode_class(c) == CLASS_SPACE;
}

static void replace_runs(const norm_step *step, const char *text, size_t len, buf *out)
{
    for (size_t at = 0; at < len && buf_ok(out);) {
        const size_t start = at;
        size_t n = 0;
        while (at < len && (step->many || n < step->least)) {
            size_t next = at;
            if (!in_set(step, utf8_next(text, len, &next))) break;
            at = next;
            n++;
        }
        if (n >= step->least) {
            buf_append(out, step->to, step->to_len);
            continue;
        }
        if (n == 0) utf8_next(text, len, &at);
        buf_append(out, text + start, at - start);
    }
}

static void run_step(const norm_step *step, const char *text, size_t len, buf *out)
{
    switch (step->kind) {
    case NORM_NFC: unicode_nfc(text, len, out); break;
    case NORM_NFD: unicode_nfd(text, len, out); break;
    case NORM_LOWER: lower(text, len, out); break;
    case NORM_CLEAN: clean(text, len, out); break;
    case NORM_SPACE_HAN: space_han(text, len, out); break;
    case NORM_NONSPACING: drop_nonspacing(text, len, out); break;
    case NORM_STRIP: strip(step, text, len, out); break;
    case NORM_PREPEND:
        if (len > 0) buf_append(out, step->to, step->to_len);
        buf_append(out, text, len);
        break;
    case NORM_REPLACE: replace(step, text, len, out); break;
    case NORM_RUNS: replace_runs(step, text, len, out); break;
    case NORM_CHARSMAP: charsmap_run(&step->map, text, len, out); break;
    }
}

/* Whether a step leaves anything of the first character. The library counts what its map removes as still there. */
static bool keeps_front(const norm_step *step, const char *text, size_t len)
{
    buf out;
    size_t at = 0;
    if (len == 0 || step->kind == NORM_CHARSMAP) return true;
    buf_init(&out, TEXT_FILE_MAX);
    utf8_next(text, len, &at);
    run_step(step, text, at, &out);
    const bool kept = out.len > 0;
    buf_release(&out);
    return kept;
}

simile_status normalizer_run(const normalizer *z, const char *text, size_t len, buf *out, bool *front,
                             simile_error *err)
{
    buf spare;
    buf_init(&spare, out->max);
    if (z->n == 0) buf_append(out, text, len);
    for (size_t i = 0; i < z->n && buf_ok(out); i++) {
        const buf swap = spare;
        spare = *out;
        *out = swap;
        buf_clear(out);
        if (i > 0) {
            text = spare.data;
            len = spare.len;
        }
        if (front && *front) *front = keeps_front(&z->steps[i], text, len);
        run_step(&z->steps[i], text, len, out);
    }
    buf_release(&spare);
    return buf_ok(out) ? SIMILE_OK : err_nomem(err);
}
