/* SPDX-License-Identifier: Apache-2.0
 * spm_model.c - see spm_model.h.
 *
 * A protobuf message is a row of fields: a varint (number << 3 | wire type), then a varint (0), 8 bytes (1), a length
 * and that many bytes (2), or 4 bytes (5). Groups (3, 4) are not used by the schema and are refused. Fields of other
 * numbers are passed over. The schema is google/sentencepiece, src/sentencepiece_model.proto:
 *     1 piece, repeated       {1 string, 2 float score, 3 type}
 *     2 trainer specification {3 model type, 24 treat_whitespace_as_suffix, 35 byte_fallback}
 *     3 normalizer            {2 map of characters, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape}
 * Every length is checked against the message that it lies in.
 *
 * Threads: none of its own. */
#include "text/spm_model.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>

typedef struct {
    const uint8_t *at, *end;
} cursor;

typedef struct {
    uint64_t number;
    unsigned wire;
    uint64_t value; /* of wire types 0, 1 and 5; the length of wire type 2 */
    const uint8_t *bytes;
} field;

static bool read_varint(cursor *c, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        const uint8_t byte = *c->at++;
        if (shift == 63 && byte > 1) return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool read_fixed(cursor *c, size_t n, uint64_t *out)
{
    if ((size_t)(c->end - c->at) < n) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)c->at[i] << (8 * i);
    c->at += n;
    return true;
}

/* The next field; false: damaged. */
static bool read_field(cursor *c, field *out)
{
    uint64_t tag;
    *out = (field){0};
    if (!read_varint(c, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
    out->number = tag >> 3;
    out->wire = tag & 7;
    switch (out->wire) {
    case 0: return read_varint(c, &out->value);
    case 1: return read_fixed(c, 8, &out->value);
    case 5: return read_fixed(c, 4, &out->value);
    case 2:
        if (!read_varint(c, &out->value) || out->value > (uint64_t)(c->end - c->at)) return false;
        out->bytes = c->at;
        c->at += out->value;
        return true;
    default: return false;
    }
}

static cursor inside(const field *f)
{
    return (cursor){.at = f->bytes, .end = f->bytes + f->value};
}

static bool is_field(const field *f, uint64_t number, unsigned wire)
{
    return f->number == number && f->wire == wire;
}

static bool read_piece(cursor c, spm_piece *out)
{
    *out = (spm_piece){.piece = "", .type = SPM_NORMAL};
    for (field f; c.at < c.end;) {
        if (!read_field(&c, &f)) return false;
        if (is_field(&f, 1, 2)) {
            out->piece = (const char *)f.bytes;
            out->len = (size_t)f.value;
        } else if (is_field(&f, 2, 5)) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&out->score, &bits, sizeof bits);
        } else if (is_field(&f, 3, 0)) {
            out->type = f.value;
        }
    }
    return true;
}

static bool read_trainer(cursor c, spm_model *m)
{
    for (field f; c.at < c.end;) {
        if (!read_field(&c, &f)) return false;
        if (is_field(&f, 3, 0)) m->model_type = f.value;
        if (is_field(&f, 24, 0)) m->suffix = f.value != 0;
        if (is_field(&f, 35, 0)) m->byte_fallback = f.value != 0;
    }
    return true;
}

static bool read_normalizer(cursor c, spm_model *m)
{
    for (field f; c.at < c.end;) {
        if (!read_field(&c, &f)) return false;
        if (is_field(&f, 2, 2)) {
            m->charsmap = f.bytes;
            m->charsmap_len = (size_t)f.value;
        }
        if (is_field(&f, 3, 0)) m->dummy_prefix = f.value != 0;
        if (is_field(&f, 4, 0)) m->remove_extra = f.value != 0;
        if (is_field(&f, 5, 0)) m->escape = f.value != 0;
    }
    return true;
}

static simile_status damaged(const text_file *file, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': not a SentencePiece model, or damaged", file->path);
}

static simile_status add_piece(const text_file *file, const field *f, spm_model *m, simile_error *err)
{
    spm_piece piece;
    if (!read_piece(inside(f), &piece)) return damaged(file, err);
    if (m->n == VOCAB_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d pieces", file->path, VOCAB_MAX);
    if (piece.len == 0 || memchr(piece.piece, 0, piece.len) || !utf8_valid(piece.piece, piece.len))
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': piece %zu is not a text", file->path, m->n);
    if (!isfinite(piece.score) || piece.type < SPM_NORMAL || piece.type > SPM_BYTE)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': piece %zu has no proper score or type", file->path,
                       m->n);
    if (m->n == m->capacity) {
        const size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        spm_piece *pieces = mem_grow(m->pieces, capacity, sizeof *pieces);
        if (!pieces) return err_nomem(err);
        m->pieces = pieces;
        m->capacity = capacity;
    }
    m->pieces[m->n++] = piece;
    return SIMILE_OK;
}

static simile_status read_all(const text_file *file, spm_model *m, simile_error *err)
{
    cursor c = {.at = (const uint8_t *)file->data, .end = (const uint8_t *)file->data + file->len};
    for (field f; c.at < c.end;) {
        if (!read_field(&c, &f)) return damaged(file, err);
        if (is_field(&f, 1, 2)) RETURN_IF_ERROR(add_piece(file, &f, m, err));
        if (is_field(&f, 2, 2) && !read_trainer(inside(&f), m)) return damaged(file, err);
        if (is_field(&f, 3, 2) && !read_normalizer(inside(&f), m)) return damaged(file, err);
    }
    size_t n_unknown = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->pieces[i].type != SPM_UNKNOWN) continue;
        m->unknown = i;
        n_unknown++;
    }
    if (m->n == 0) return damaged(file, err);
    if (n_unknown != 1)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': it has %zu unknown pieces, not one", file->path,
                       n_unknown);
    return SIMILE_OK;
}

simile_status spm_model_read(const text_file *file, spm_model *out, simile_error *err)
{
    *out = (spm_model){.model_type = SPM_UNIGRAM, .dummy_prefix = true, .remove_extra = true, .escape = true};
    const simile_status status = read_all(file, out, err);
    if (status) spm_model_release(out);
    return status;
}

void spm_model_release(spm_model *m)
{
    mem_free(m->pieces);
    *m = (spm_model){0};
}
