/* SPDX-License-Identifier: Apache-2.0
 * trie.c - see trie.h.
 *
 * The strings are sorted; a node stands for a range of them that share their first bytes. Nodes are made level by
 * level, so that the children of one node lie side by side in the order of their bytes and are found by binary search;
 * a node with many of them has a table of all bytes. A vocabulary of 250,000 pieces has about a million nodes of 12
 * bytes and a few thousand tables of a kilobyte.
 *
 * Threads: a finished trie is only read. */
#include "text/trie.h"

#include "base/mem.h"

enum { NODES_MAX = 1 << 24, MANY = 24, TABLES_MAX = 1 << 13 };

typedef struct {
    const char *bytes;
    uint32_t len;
    int32_t id;
    size_t order; /* in which they came */
} entry;

typedef struct {
    uint32_t child; /* the first one */
    int32_t id;
    uint16_t n_children;
    uint8_t byte; /* that leads here */
    bool tabled;  /* child is the number of a table */
} node;

/* The child by the byte that leads to it, 0: none, which the root is of nobody. */
typedef struct {
    uint32_t child[256];
} table;

/* The entries below a node, while the trie is built. */
typedef struct {
    uint32_t low, high, depth;
} range;

struct trie {
    entry *entries;
    size_t n_entries, entries_capacity;
    node *nodes;
    range *ranges;
    size_t n_nodes, capacity;
    table *tables;
};

static void drop_entries(trie *t)
{
    mem_free(t->entries);
    mem_free(t->ranges);
    t->entries = NULL;
    t->ranges = NULL;
    t->n_entries = 0;
}

void trie_free(trie *t)
{
    if (!t) return;
    drop_entries(t);
    mem_free(t->tables);
    mem_free(t->nodes);
    mem_free(t);
}

static bool make_nodes(trie *t, size_t n)
{
    if (n <= t->capacity) return true;
    size_t capacity = t->capacity ? t->capacity : 256;
    while (capacity < n) capacity *= 2;
    node *nodes = mem_grow(t->nodes, capacity, sizeof *nodes);
    if (!nodes) return false;
    t->nodes = nodes;
    range *ranges = mem_grow(t->ranges, capacity, sizeof *ranges);
    if (!ranges) return false;
    t->ranges = ranges;
    t->capacity = capacity;
    return true;
}

trie *trie_new(void)
{
    trie *t = mem_new(trie);
    if (!t) return NULL;
    if (!make_nodes(t, 1)) {
        trie_free(t);
        return NULL;
    }
    t->nodes[0] = (node){.id = -1};
    t->n_nodes = 1;
    return t;
}

simile_status trie_put(trie *t, const char *bytes, size_t len, int32_t id, simile_error *err)
{
    if (len == 0) return SIMILE_OK;
    if (len > UINT32_MAX) return err_set(err, SIMILE_E_LIMIT, "a piece has %zu bytes", len);
    if (t->n_entries == t->entries_capacity) {
        const size_t capacity = t->entries_capacity ? 2 * t->entries_capacity : 256;
        entry *entries = mem_grow(t->entries, capacity, sizeof *entries);
        if (!entries) return err_nomem(err);
        t->entries = entries;
        t->entries_capacity = capacity;
    }
    t->entries[t->n_entries] = (entry){.bytes = bytes, .len = (uint32_t)len, .id = id, .order = t->n_entries};
    t->n_entries++;
    return SIMILE_OK;
}

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int order = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);
    if (order) return order;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The children of node i: one for each byte that follows in the entries of its range. */
static simile_status make_children(trie *t, size_t i, const char *subject, simile_error *err)
{
    range r = t->ranges[i];
    const size_t first = t->n_nodes;
    /* What ends here comes first, equal strings in the order in which they came. */
    if (r.low < r.high && t->entries[r.low].len == r.depth) t->nodes[i].id = t->entries[r.low].id;
    while (r.low < r.high && t->entries[r.low].len == r.depth) r.low++;
    while (r.low < r.high) {
        const uint8_t byte = (uint8_t)t->entries[r.low].bytes[r.depth];
        uint32_t end = r.low + 1;
        while (end < r.high && (uint8_t)t->entries[end].bytes[r.depth] == byte) end++;
        if (t->n_nodes == NODES_MAX)
            return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': its pieces are too long together", subject);
        if (!make_nodes(t, t->n_nodes + 1)) return err_nomem(err);
        t->ranges[t->n_nodes] = (range){.low = r.low, .high = end, .depth = r.depth + 1};
        t->nodes[t->n_nodes++] = (node){.id = -1, .byte = byte};
        r.low = end;
    }
    t->nodes[i].child = (uint32_t)first;
    t->nodes[i].n_children = (uint16_t)(t->n_nodes - first);
    return SIMILE_OK;
}

/* Gives the first nodes with many children, which are the ones nearest to the root, a table each. */
static simile_status make_tables(trie *t, simile_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_nodes && n < TABLES_MAX; i++) n += t->nodes[i].n_children >= MANY;
    t->tables = mem_zero_array(n, sizeof *t->tables);
    if (!t->tables) return err_nomem(err);
    uint32_t made = 0;
    for (size_t i = 0; i < t->n_nodes && made < n; i++) {
        node *parent = &t->nodes[i];
        if (parent->n_children < MANY) continue;
        for (uint32_t k = parent->child; k < parent->child + parent->n_children; k++)
            t->tables[made].child[t->nodes[k].byte] = k;
        parent->child = made++;
        parent->tabled = true;
    }
    return SIMILE_OK;
}

simile_status trie_finish(trie *t, const char *subject, simile_error *err)
{
    if (t->n_entries > 1) qsort(t->entries, t->n_entries, sizeof *t->entries, by_bytes);
    t->ranges[0] = (range){.low = 0, .high = (uint32_t)t->n_entries};
    for (size_t i = 0; i < t->n_nodes; i++) RETURN_IF_ERROR(make_children(t, i, subject, err));
    drop_entries(t);
    return make_tables(t, err);
}

bool trie_step(const trie *t, uint32_t *at, char byte)
{
    const node *parent = &t->nodes[*at];
    if (parent->tabled) {
        const uint32_t child = t->tables[parent->child].child[(uint8_t)byte];
        if (child) *at = child;
        return child != 0;
    }
    uint32_t low = parent->child, high = parent->child + parent->n_children;
    const uint32_t end = high;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (t->nodes[middle].byte < (uint8_t)byte)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == end || t->nodes[low].byte != (uint8_t)byte) return false;
    *at = low;
    return true;
}

int32_t trie_id(const trie *t, uint32_t at)
{
    return t->nodes[at].id;
}

int32_t trie_longest(const trie *t, const char *text, size_t len, size_t *taken)
{
    int32_t found = -1;
    uint32_t at = 0;
    for (size_t i = 0; i < len && trie_step(t, &at, text[i]); i++) {
        if (trie_id(t, at) < 0) continue;
        found = trie_id(t, at);
        *taken = i + 1;
    }
    return found;
}
