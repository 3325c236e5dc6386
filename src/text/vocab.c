/* SPDX-License-Identifier: Apache-2.0
 * vocab.c - see vocab.h.
 *
 * The pieces lie one behind the other in one block, each with a NUL; an array gives their places by id. Ids are found
 * by an open hash table with linear probing, at most half full. The hash is SipHash-1-3 (Aumasson and Bernstein, 2012)
 * under a key drawn at random, because the pieces come from foreign files: with a known hash they could be chosen so
 * that all fall into one place, and reading a file would take hours.
 *
 * Threads: reading an unchanging vocabulary is safe from any number of them. */
#include "text/vocab.h"

#include "base/jscan.h"
#include "base/mem.h"

#include <sys/random.h>

typedef struct {
    uint32_t at;  /* in the block */
    uint32_t end; /* behind its NUL; 0: there is none */
} piece_place;

typedef struct {
    int32_t id;    /* -1: free */
    uint32_t hash; /* of the piece: most slots need no look at the piece itself */
} slot;

struct vocab {
    buf block;
    piece_place *pieces; /* [capacity], by id */
    size_t size, capacity;
    slot *slots; /* [n_slots], a power of two */
    size_t n_slots, n_pieces;
    uint64_t key[2];
};

enum { FIRST_SLOTS = 1024 };

/* ---- the hash ---- */

static inline uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn(v[1], 13) ^ v[0];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] = turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] = turn(v[2], 32);
}

static uint32_t hash_of(const vocab *v, const char *bytes, size_t len)
{
    uint64_t s[4] = {v->key[0] ^ 0x736f6d6570736575u, v->key[1] ^ 0x646f72616e646f6du, v->key[0] ^ 0x6c7967656e657261u,
                     v->key[1] ^ 0x7465646279746573u};
    for (size_t at = 0; at <= len; at += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, len - at < 8 ? len - at : 8);
        if (len - at < 8) word |= (uint64_t)len << 56;
        s[3] ^= word;
        sip_round(s);
        s[0] ^= word;
    }
    s[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(s);
    return (uint32_t)(s[0] ^ s[1] ^ s[2] ^ s[3]);
}

/* ---- the table ---- */

/* The slot that holds the piece, or the free one where it belongs. */
static slot *slot_of(const vocab *v, const char *bytes, size_t len, uint32_t hash)
{
    const size_t mask = v->n_slots - 1;
    size_t i = hash & mask;
    for (; v->slots[i].id >= 0; i = (i + 1) & mask) {
        if (v->slots[i].hash != hash) continue;
        const piece_place *p = &v->pieces[v->slots[i].id];
        if (p->end - p->at == len + 1 && memcmp(v->block.data + p->at, bytes, len) == 0) break;
    }
    return &v->slots[i];
}

static bool make_slots(vocab *v, size_t n)
{
    slot *slots = mem_array(n, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < n; i++) slots[i] = (slot){.id = -1};
    for (size_t i = 0; i < v->n_slots; i++) {
        if (v->slots[i].id < 0) continue;
        size_t to = v->slots[i].hash & (n - 1);
        while (slots[to].id >= 0) to = (to + 1) & (n - 1);
        slots[to] = v->slots[i];
    }
    mem_free(v->slots);
    v->slots = slots;
    v->n_slots = n;
    return true;
}

static bool make_pieces(vocab *v, size_t n)
{
    if (n <= v->capacity) return true;
    size_t capacity = v->capacity ? v->capacity : FIRST_SLOTS;
    while (capacity < n) capacity *= 2;
    piece_place *pieces = mem_grow(v->pieces, capacity, sizeof *pieces);
    if (!pieces) return false;
    memset(pieces + v->capacity, 0, (capacity - v->capacity) * sizeof *pieces);
    v->pieces = pieces;
    v->capacity = capacity;
    return true;
}

vocab *vocab_new(void)
{
    vocab *v = mem_new(vocab);
    if (!v) return NULL;
    buf_init(&v->block, UINT32_MAX);
    /* Without entropy the address must do. */
    if (getrandom(v->key, sizeof v->key, GRND_NONBLOCK) != (ssize_t)sizeof v->key) v->key[0] = (uint64_t)(uintptr_t)v;
    if (!make_slots(v, FIRST_SLOTS)) {
        vocab_free(v);
        return NULL;
    }
    return v;
}

void vocab_free(vocab *v)
{
    if (!v) return;
    buf_release(&v->block);
    mem_free(v->pieces);
    mem_free(v->slots);
    mem_free(v);
}

/* Whether the piece, whose id is `found` or -1 so far, may have this id. */
static simile_status check_new(const vocab *v, int64_t id, const char *piece, int32_t found, const char *subject,
                               simile_error *err)
{
    if (id < 0 || id >= VOCAB_MAX)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': the id of '%s' is not between 0 and %d", subject, piece,
                       VOCAB_MAX - 1);
    if (found == id) return SIMILE_OK;
    if (found >= 0)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': '%s' has the ids %d and %d", subject, piece,
                       (int)found, (int)id);
    if (vocab_piece(v, (int32_t)id))
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': '%s' and '%s' have the same id %d", subject,
                       vocab_piece(v, (int32_t)id), piece, (int)id);
    return SIMILE_OK;
}

/* Room for n pieces more that take `bytes` with their NULs. */
static bool make_room(vocab *v, size_t n, size_t bytes)
{
    size_t slots = v->n_slots;
    while (slots < 2 * (v->n_pieces + n)) slots *= 2;
    return (slots == v->n_slots || make_slots(v, slots)) && buf_reserve(&v->block, bytes);
}

/* A piece that is not there, in a table with room for it. */
static bool put_new(vocab *v, int32_t id, const char *piece, size_t len, uint32_t hash, slot *to)
{
    const size_t at = v->block.len;
    if (!make_pieces(v, (size_t)id + 1) || !buf_append(&v->block, piece, len) || !buf_byte(&v->block, 0)) return false;
    *to = (slot){.id = id, .hash = hash};
    v->pieces[id] = (piece_place){(uint32_t)at, (uint32_t)v->block.len};
    v->n_pieces++;
    if ((size_t)id >= v->size) v->size = (size_t)id + 1;
    return true;
}

simile_status vocab_add(vocab *v, int64_t id, const char *piece, const char *subject, simile_error *err)
{
    const size_t len = strlen(piece);
    const uint32_t hash = hash_of(v, piece, len);
    const int32_t found = slot_of(v, piece, len, hash)->id;
    RETURN_IF_ERROR(check_new(v, id, piece, found, subject, err));
    if (found >= 0) return SIMILE_OK;
    if (!make_room(v, 1, len + 1) || !put_new(v, (int32_t)id, piece, len, hash, slot_of(v, piece, len, hash)))
        return err_nomem(err);
    return SIMILE_OK;
}

simile_status vocab_add_json(vocab *v, const json_t *object, const char *subject, simile_error *err)
{
    if (json_object_size(object) == 0)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': the vocabulary is empty", subject);
    const char *piece;
    const json_t *value;
    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        piece = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (!json_is_integer(value))
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': the id of '%s' is not a whole number", subject,
                           piece);
        RETURN_IF_ERROR(vocab_add(v, json_integer_value(value), piece, subject, err));
    }
    return SIMILE_OK;
}

/* ---- the quick way ----
 * Building a tree of the JSON first takes ten times as long as filling the table. So the bytes are read as what they
 * nearly always are, {"piece": id, ...} with ids that are free, and at the first surprise all is forgotten and the tree
 * is built: it knows what to say. */

typedef struct {
    vocab *v;
    jscan s;
    buf decoded;
} quick;

static bool is_plain(char c)
{
    return (uint8_t)c >= 0x20 && (uint8_t)c < 0x80 && c != '"' && c != '\\';
}

/* A string of ASCII without escapes is taken where it lies; jscan decodes and checks all others. */
static bool quick_string(quick *q, const char **piece, size_t *len)
{
    jscan *s = &q->s;
    if (jscan_peek(s) != '"') return false;
    size_t at = s->at + 1;
    while (at < s->len && is_plain(s->text[at])) at++;
    if (at < s->len && s->text[at] == '"') {
        *piece = s->text + s->at + 1;
        *len = at - s->at - 1;
        s->at = at + 1;
        return true;
    }
    if (!jscan_string(s, &q->decoded)) return false;
    *piece = q->decoded.data ? q->decoded.data : "";
    *len = q->decoded.len;
    return true;
}

static bool quick_id(jscan *s, int32_t *id)
{
    uint32_t value = 0;
    if (jscan_peek(s) == 0) return false;
    const size_t first = s->at;
    for (; s->at < s->len && (uint8_t)(s->text[s->at] - '0') < 10 && value < VOCAB_MAX; s->at++)
        value = 10 * value + (uint32_t)(s->text[s->at] - '0');
    *id = (int32_t)value;
    return s->at > first && value < VOCAB_MAX && (s->text[first] != '0' || s->at == first + 1);
}

static bool quick_pair(quick *q)
{
    const char *piece;
    size_t len;
    int32_t id;
    if (!quick_string(q, &piece, &len) || jscan_peek(&q->s) != ':') return false;
    q->s.at++;
    if (!quick_id(&q->s, &id) || vocab_piece(q->v, id)) return false;
    const uint32_t hash = hash_of(q->v, piece, len);
    slot *to = slot_of(q->v, piece, len, hash);
    return to->id < 0 && put_new(q->v, id, piece, len, hash, to);
}

static bool quick_object(quick *q)
{
    size_t colons = 0;
    for (size_t i = 0; i < q->s.len; i++) colons += q->s.text[i] == ':';
    if (colons > VOCAB_MAX || !make_room(q->v, colons, q->s.len) || jscan_peek(&q->s) != '{') return false;
    char c;
    do {
        q->s.at++; /* the bracket, or a comma */
        if (!quick_pair(q)) return false;
        c = jscan_peek(&q->s);
    } while (c == ',');
    if (c != '}') return false;
    q->s.at++;
    return jscan_peek(&q->s) == 0 && q->s.at == q->s.len;
}

static bool vocab_clear(vocab *v)
{
    buf_release(&v->block);
    buf_init(&v->block, UINT32_MAX);
    mem_free(v->pieces);
    mem_free(v->slots);
    v->pieces = NULL;
    v->slots = NULL;
    v->size = v->capacity = v->n_slots = v->n_pieces = 0;
    return make_slots(v, FIRST_SLOTS);
}

simile_status vocab_read_json(vocab *v, const char *text, size_t len, const char *subject, simile_error *err)
{
    quick q = {.v = v};
    jscan_init(&q.s, text, len);
    buf_init(&q.decoded, len + 1);
    const bool whole = quick_object(&q);
    buf_release(&q.decoded);
    if (whole) return SIMILE_OK;
    json_t *root;
    if (!vocab_clear(v)) return err_nomem(err);
    RETURN_IF_ERROR(json_parse_object(text, len, subject, &root, err));
    const simile_status status = vocab_add_json(v, root, subject, err);
    json_decref(root);
    return status;
}

int32_t vocab_find(const vocab *v, const char *piece, size_t len)
{
    return slot_of(v, piece, len, hash_of(v, piece, len))->id;
}

void vocab_find_all(const vocab *v, const vocab_text *pieces, size_t n, int32_t *ids)
{
    uint32_t hashes[VOCAB_AT_ONCE];
    const size_t mask = v->n_slots - 1;
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_of(v, pieces[i].text, pieces[i].len);
        __builtin_prefetch(&v->slots[hashes[i] & mask]);
    }
    for (size_t i = 0; i < n; i++) { /* most are found at the first place */
        ids[i] = v->slots[hashes[i] & mask].id;
        if (ids[i] >= 0) __builtin_prefetch(&v->pieces[ids[i]]);
    }
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0) __builtin_prefetch(v->block.data + v->pieces[ids[i]].at);
    for (size_t i = 0; i < n; i++) ids[i] = slot_of(v, pieces[i].text, pieces[i].len, hashes[i])->id;
}

const char *vocab_piece(const vocab *v, int32_t id)
{
    if (id < 0 || (size_t)id >= v->size || !v->pieces[id].end) return NULL;
    return v->block.data + v->pieces[id].at;
}

size_t vocab_size(const vocab *v)
{
    return v->size;
}

simile_status vocab_read_part(vocab *v, json_part part, const json_t *object, const char *subject, simile_error *err)
{
    return part.text ? vocab_read_json(v, part.text, part.len, subject, err) : vocab_add_json(v, object, subject, err);
}

bool vocab_is_joined(const vocab *v, int32_t id, const char *left, size_t left_len, const char *right, size_t right_len)
{
    const char *const piece = vocab_piece(v, id);
    if (!piece || v->pieces[id].end - v->pieces[id].at != left_len + right_len + 1) return false;
    return !memcmp(piece, left, left_len) && !memcmp(piece + left_len, right, right_len);
}
