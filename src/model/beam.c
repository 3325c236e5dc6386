/* SPDX-License-Identifier: Apache-2.0
 * beam.c - see beam.h. One thread; all memory of a search is its own. */
#include "model/beam.h"

#include <math.h>

#define NOTHING -1e9f /* the score of a beam or an answer that is not there */

/* ---- tokens of hypotheses: a tree, each text the way to its root ---- */

typedef struct {
    int32_t token, parent; /* parent -1: the start token */
} tree_node;

typedef struct {
    float score;
    int32_t node;  /* its last token */
    int32_t *rows; /* [longest]: keys and values of all tokens but the last */
} beam;

typedef struct {
    float score; /* already by length */
    int32_t node;
    bool there;
} answer;

typedef struct {
    float score;
    int32_t from, token; /* beam, what it goes on with */
} way;

typedef struct {
    beam *beams, *next; /* [B] */
    answer *answers;    /* [B], best first */
    way *ways;          /* [2B], best first */
    int32_t n_ways;
    bool improvable, done;
} source_state;

typedef struct {
    const marian_config *c;
    marian_run *run;
    nn_context *ctx;
    int32_t sources, beams, longest;
    bool early; /* as many answers as beams are enough; one beam is greedy search, which stops at its first end */
    source_state *states;
    tree_node *tree;
    size_t n_tree, tree_room;
    marian_query *queries; /* [sources x beams] */
    int32_t *owner;        /* [sources x beams]: the beam of the source that a query is about */
    float *log_sums;
    simile_error *err;
} search;

/* Of equal scores, what torch.topk would meet first: the earlier beam, then the smaller token. */
static bool better(const way *a, const way *b)
{
    if (a->score != b->score) return a->score > b->score;
    return a->from != b->from ? a->from < b->from : a->token < b->token;
}

static void put_way(source_state *s, int32_t most, way w)
{
    if (s->n_ways == most && !better(&w, &s->ways[most - 1])) return;
    int32_t at = s->n_ways < most ? s->n_ways++ : most - 1;
    for (; at > 0 && better(&w, &s->ways[at - 1]); at--) s->ways[at] = s->ways[at - 1];
    s->ways[at] = w;
}

/* Could any of these logits make a way that is kept? What is taken off and added is the same for all of them, and
 * rounding keeps their order: the largest decides. */
enum { RUN = 64 };

static bool run_matters(const source_state *s, int32_t most, const float *logits, float log_sum, float base)
{
    enum { LANES = 16 };
    float lane[LANES], largest;
    if (s->n_ways < most) return true;
    memcpy(lane, logits, sizeof lane);
    for (int i = LANES; i < RUN; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] = logits[i + k] > lane[k] ? logits[i + k] : lane[k];
    largest = lane[0];
    for (int k = 1; k < LANES; k++) largest = lane[k] > largest ? lane[k] : largest;
    return !(largest - log_sum + base < s->ways[most - 1].score);
}

/* All tokens that beam `from` may go on with, by their scores. length: tokens so far, the start token included. */
static void rank_row(const search *q, source_state *s, int32_t from, const float *logits, float log_sum, int32_t length)
{
    const marian_config *c = q->c;
    const int32_t most = 2 * q->beams;
    const float base = s->beams[from].score;
    if (c->forced_eos >= 0 && length == q->longest - 1) {
        put_way(s, most, (way){base, from, c->forced_eos});
        return;
    }
    if (c->bans_pad && c->renormalize) /* log(1 - p(pad)) less for all that is left */
        log_sum += log1pf(-expf(logits[c->pad] - log_sum));
    for (int32_t v = 0; v < c->vocab; v++) {
        if (v % RUN == 0 && v + RUN <= c->vocab && !run_matters(s, most, logits + v, log_sum, base)) {
            v += RUN - 1;
            continue;
        }
        const float score = logits[v] - log_sum + base;
        if (s->n_ways == most && score < s->ways[most - 1].score) continue;
        if (c->bans_pad && v == c->pad) continue;
        put_way(s, most, (way){score, from, v});
    }
}

static bool grow_tree(search *q, int32_t token, int32_t parent, int32_t *out)
{
    if (q->n_tree == q->tree_room) {
        const size_t room = q->tree_room ? q->tree_room * 2 : 256;
        tree_node *tree = mem_grow(q->tree, room, sizeof *tree);
        if (!tree) return false;
        q->tree = tree;
        q->tree_room = room;
    }
    q->tree[q->n_tree] = (tree_node){token, parent};
    *out = (int32_t)q->n_tree++;
    return true;
}

static bool ends(const search *q, const way *w, int32_t length)
{
    return w->token == q->c->eos || length + 1 >= q->longest;
}

/* Those among the first B ways that end become answers, if they are better than what is kept. */
static bool keep_answers(search *q, source_state *s, int32_t length)
{
    bool full = q->early;
    for (int32_t i = 0; i < q->beams; i++) full = full && s->answers[i].there;
    if (full || !s->improvable) return true;
    for (int32_t i = 0; i < s->n_ways && i < q->beams; i++) {
        const way *w = &s->ways[i];
        if (!ends(q, w, length) || w->score <= NOTHING / 2) continue;
        answer a = {(float)((double)w->score / pow((double)length, q->c->length_penalty)), -1, true};
        if (!(a.score > s->answers[q->beams - 1].score)) continue;
        if (!grow_tree(q, w->token, s->beams[w->from].node, &a.node)) return false;
        int32_t at = q->beams - 1;
        for (; at > 0 && a.score > s->answers[at - 1].score; at--) s->answers[at] = s->answers[at - 1];
        s->answers[at] = a;
    }
    return true;
}

/* The first B ways that do not end are the next beams. first: row of query 0; queries of this source begin at `base`.
 */
static bool move_beams(search *q, source_state *s, int32_t length, const int32_t *row_of)
{
    int32_t n = 0;
    for (int32_t i = 0; i < s->n_ways && n < q->beams; i++) {
        const way *w = &s->ways[i];
        if (ends(q, w, length)) continue;
        const beam *from = &s->beams[w->from];
        beam *to = &s->next[n++];
        to->score = w->score;
        if (!grow_tree(q, w->token, from->node, &to->node)) return false;
        memcpy(to->rows, from->rows, (size_t)(length - 1) * sizeof *to->rows);
        to->rows[length - 1] = row_of[w->from];
    }
    for (; n < q->beams; n++) s->next[n].score = NOTHING;
    beam *swap = s->beams;
    s->beams = s->next;
    s->next = swap;
    return true;
}

/* Can a beam still become better than the worst answer? length: as it is now. */
static void look_ahead(const search *q, source_state *s, int32_t length)
{
    const answer *worst = &s->answers[q->beams - 1];
    const float bound = worst->there ? worst->score : NOTHING;
    const double best = (double)s->beams[0].score / pow((double)(length - 1), q->c->length_penalty);
    s->improvable = s->improvable && (float)best > bound;
    bool full = true;
    for (int32_t i = 0; i < q->beams; i++) full = full && s->answers[i].there;
    s->done = !s->improvable || (q->early && full) || s->beams[0].score <= NOTHING / 2;
}

/* ---- one step of all sources ---- */

static int32_t list_queries(const search *q, int32_t length)
{
    int32_t n = 0;
    for (int32_t i = 0; i < q->sources; i++) {
        const source_state *s = &q->states[i];
        for (int32_t b = 0; !s->done && b < q->beams; b++) {
            if (s->beams[b].score <= NOTHING / 2) continue;
            q->queries[n] = (marian_query){i, q->tree[s->beams[b].node].token, s->beams[b].rows, length - 1};
            q->owner[n++] = b;
        }
    }
    return n;
}

static simile_status step(search *q, int32_t length, bool *going)
{
    const float *logits;
    int32_t first;
    const int32_t n = list_queries(q, length);
    *going = n > 0;
    if (n == 0) return SIMILE_OK;
    RETURN_IF_ERROR(marian_step(q->run, q->queries, n, &logits, &first, q->err));
    nn_log_sum_exp(q->ctx, n, q->c->vocab, logits, q->log_sums);
    for (int32_t at = 0; at < n;) {
        source_state *s = &q->states[q->queries[at].source];
        int32_t row_of[64] = {0}, end = at;
        s->n_ways = 0;
        for (; end < n && q->queries[end].source == q->queries[at].source; end++) {
            rank_row(q, s, q->owner[end], logits + (int64_t)end * q->c->vocab, q->log_sums[end], length);
            row_of[q->owner[end]] = first + end;
        }
        if (!keep_answers(q, s, length) || !move_beams(q, s, length, row_of)) return err_nomem(q->err);
        look_ahead(q, s, length + 1);
        at = end;
    }
    return SIMILE_OK;
}

/* ---- a whole search ---- */

static simile_status start(search *q)
{
    const size_t all = (size_t)q->sources * (size_t)q->beams, b = (size_t)q->beams;
    q->states = mem_zero_array((size_t)q->sources, sizeof *q->states);
    q->queries = mem_array(all, sizeof *q->queries);
    q->owner = mem_array(all, sizeof *q->owner);
    q->log_sums = mem_array(all, sizeof *q->log_sums);
    if (!q->states || !q->queries || !q->owner || !q->log_sums) return err_nomem(q->err);
    for (int32_t i = 0; i < q->sources; i++) {
        source_state *s = &q->states[i];
        s->beams = mem_zero_array(b, sizeof *s->beams);
        s->next = mem_zero_array(b, sizeof *s->next);
        s->answers = mem_zero_array(b, sizeof *s->answers);
        s->ways = mem_array(2 * b, sizeof *s->ways);
        if (!s->beams || !s->next || !s->answers || !s->ways) return err_nomem(q->err);
        s->improvable = true;
        for (size_t k = 0; k < b; k++) {
            s->beams[k].rows = mem_array((size_t)q->longest, sizeof(int32_t));
            s->next[k].rows = mem_array((size_t)q->longest, sizeof(int32_t));
            if (!s->beams[k].rows || !s->next[k].rows) return err_nomem(q->err);
            s->beams[k].score = k ? NOTHING : 0;
            s->answers[k].score = NOTHING;
        }
        if (!grow_tree(q, q->c->start, -1, &s->beams[0].node)) return err_nomem(q->err);
    }
    return SIMILE_OK;
}

static void finish(search *q)
{
    for (int32_t i = 0; q->states && i < q->sources; i++) {
        source_state *s = &q->states[i];
        for (int32_t k = 0; k < q->beams; k++) {
            if (s->beams) mem_free(s->beams[k].rows);
            if (s->next) mem_free(s->next[k].rows);
        }
        mem_free(s->beams);
        mem_free(s->next);
        mem_free(s->answers);
        mem_free(s->ways);
    }
    mem_free(q->states);
    mem_free(q->queries);
    mem_free(q->owner);
    mem_free(q->log_sums);
    mem_free(q->tree);
}

static simile_status read_answer(const search *q, const answer *from, beam_answer *out)
{
    size_t n = 0;
    for (int32_t at = from->node; q->tree[at].parent >= 0; at = q->tree[at].parent) n++;
    out->ids = mem_array(n + 1, sizeof *out->ids);
    if (!out->ids) return err_nomem(q->err);
    out->score = from->score;
    out->n = n;
    for (int32_t at = from->node; q->tree[at].parent >= 0; at = q->tree[at].parent) out->ids[--n] = q->tree[at].token;
    if (out->n && out->ids[out->n - 1] == q->c->eos) out->n--;
    return SIMILE_OK;
}

static simile_status read_answers(const search *q, const source_state *s, beam_answers *out)
{
    out->items = mem_zero_array((size_t)q->beams, sizeof *out->items);
    if (!out->items) return err_nomem(q->err);
    for (int32_t i = 0; i < q->beams && s->answers[i].there; i++)
        RETURN_IF_ERROR(read_answer(q, &s->answers[i], &out->items[out->n++]));
    return SIMILE_OK;
}

void beam_answers_release(beam_answers *a)
{
    for (size_t i = 0; i < a->n; i++) mem_free(a->items[i].ids);
    mem_free(a->items);
    *a = (beam_answers){0};
}

simile_status beam_search(marian_run *run, nn_context *ctx, const marian_config *c, int32_t sources,
                          const beam_options *options, beam_answers *out, simile_error *err)
{
    search q = {.c = c,
                .run = run,
                .ctx = ctx,
                .sources = sources,
                .beams = options->beams ? options->beams : (int32_t)c->beams,
                .longest = options->longest ? options->longest : (int32_t)c->longest,
                .err = err};
    q.early = c->early || q.beams == 1;
    for (int32_t i = 0; i < sources; i++) out[i] = (beam_answers){0};
    if (q.beams < 1 || q.beams > 64 || q.longest < 2 || q.longest > c->places)
        return err_set(err, SIMILE_E_ARG, "cannot search with %d beams for texts of %d tokens", q.beams, q.longest);
    bool going = true;
    simile_status status = start(&q);
    for (int32_t length = 1; length < q.longest && going && !status; length++) status = step(&q, length, &going);
    for (int32_t i = 0; i < sources && !status; i++) status = read_answers(&q, &q.states[i], &out[i]);
    finish(&q);
    return status;
}
