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

#include "base/mem.h"

#include <sys/random.h>

typedef struct {
    size_t at; /* in the block */
    uint32_t len;
    bool used;
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
        if (p->len == len && memcmp(v->block.data + p->at, bytes, len) == 0) break;
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

simile_status vocab_add(vocab *v, int64_t id, const char *piece, const char *subject, simile_error *err)
{
    const size_t len = strlen(piece), at = v->block.len;
    const uint32_t hash = hash_of(v, piece, len);
    const int32_t found = slot_of(v, piece, len, hash)->id;
    RETURN_IF_ERROR(check_new(v, id, piece, found, subject, err));
    if (found >= 0) return SIMILE_OK;
    if (2 * (v->n_pieces + 1) > v->n_slots && !make_slots(v, 2 * v->n_slots)) return err_nomem(err);
    if (!make_pieces(v, (size_t)id + 1) || !buf_reserve(&v->block, len + 1)) return err_nomem(err);
    *slot_of(v, piece, len, hash) = (slot){.id = (int32_t)id, .hash = hash};
    buf_append(&v->block, piece, len + 1);
    v->pieces[id] = (piece_place){.at = at, .len = (uint32_t)len, .used = true};
    v->n_pieces++;
    if ((size_t)id >= v->size) v->size = (size_t)id + 1;
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

int32_t vocab_find(const vocab *v, const char *piece, size_t len)
{
    return slot_of(v, piece, len, hash_of(v, piece, len))->id;
}

const char *vocab_piece(const vocab *v, int32_t id)
{
    if (id < 0 || (size_t)id >= v->size || !v->pieces[id].used) return NULL;
    return v->block.data + v->pieces[id].at;
}

size_t vocab_size(const vocab *v)
{
    return v->size;
}
