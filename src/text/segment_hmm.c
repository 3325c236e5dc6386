/* SPDX-License-Identifier: Apache-2.0
 * segment_hmm.c - the hidden Markov model of words that no dictionary has: see segment_dict.h.
 *
 * The tables are read from the Python files in which jieba ships them; of Python only this much is understood:
 * comments, one "from ... import" line, "P =", nested dictionaries of strings and numbers. Viterbi's algorithm as jieba
 * runs it: each state has two that may stand before it, and of equally probable ways the one by the larger letter is
 * taken. */
#include "text/segment_dict.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

static const char letters[HMM_STATES] = {'B', 'E', 'M', 'S'};
static const uint8_t before[HMM_STATES][2] = {
    [HMM_B] = {HMM_E, HMM_S}, [HMM_M] = {HMM_B, HMM_M}, [HMM_S] = {HMM_E, HMM_S}, [HMM_E] = {HMM_B, HMM_M}};

simile_status hmm_init(hmm_table *h, simile_error *err)
{
    h->emit = mem_array(HMM_CHARACTERS, sizeof *h->emit);
    if (!h->emit) return err_nomem(err);
    for (size_t c = 0; c < HMM_CHARACTERS; c++) {
        for (int s = 0; s < HMM_STATES; s++) h->emit[c][s] = HMM_NEVER;
    }
    for (int s = 0; s < HMM_STATES; s++) {
        h->start[s] = HMM_NEVER;
        for (int t = 0; t < HMM_STATES; t++) h->move[s][t] = HMM_NEVER;
    }
    return SIMILE_OK;
}

void hmm_release(hmm_table *h)
{
    mem_free(h->emit);
    h->emit = NULL;
}

/* ---- reading ---- */

typedef struct {
    const char *text;
    size_t len, at;
    bool bad;
} scanner;

static char look(scanner *s)
{
    while (s->at < s->len && (s->text[s->at] == ' ' || (s->text[s->at] >= '\t' && s->text[s->at] <= '\r'))) s->at++;
    return s->at < s->len ? s->text[s->at] : 0;
}

static bool take(scanner *s, char c)
{
    if (s->bad || look(s) != c) return false;
    s->at++;
    return true;
}

static void expect(scanner *s, char c)
{
    if (!take(s, c)) s->bad = true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A string of one character, written as itself or as \uXXXX. */
static uint32_t read_character(scanner *s)
{
    const char quote = look(s);
    uint32_t c = 0;
    if (quote != '\'' && quote != '"') s->bad = true;
    s->at++;
    if (s->bad || s->at >= s->len) return 0;
    if (s->text[s->at] == '\\') {
        if (s->len - s->at < 6 || s->text[s->at + 1] != 'u') s->bad = true;
        for (size_t i = 2; i < 6 && !s->bad; i++) {
            const int digit = hex_digit(s->text[s->at + i]);
            if (digit < 0) s->bad = true;
            c = c << 4 | (uint32_t)(digit & 15);
        }
        s->at += 6;
    } else {
        c = utf8_next(s->text, s->len, &s->at);
    }
    if (s->bad || s->at >= s->len || s->text[s->at] != quote) s->bad = true;
    s->at++;
    return c;
}

static double read_value(scanner *s)
{
    char digits[48];
    size_t n = 0;
    look(s);
    while (s->at < s->len && n + 1 < sizeof digits && s->text[s->at] && strchr("0123456789+-.eE", s->text[s->at]))
        digits[n++] = s->text[s->at++];
    digits[n] = 0;
    char *end;
    const double value = strtod(digits, &end);
    if (n == 0 || *end || !(value <= 0) || !isfinite(value)) s->bad = true;
    return value;
}

static int read_state(scanner *s)
{
    const uint32_t c = read_character(s);
    for (int i = 0; i < HMM_STATES; i++) {
        if ((uint32_t)letters[i] == c) return i;
    }
    s->bad = true;
    return 0;
}

static void read_inner(scanner *s, hmm_table *h, hmm_part part, int state)
{
    expect(s, '{');
    while (!s->bad && look(s) != '}') {
        const uint32_t c = part == HMM_EMIT ? read_character(s) : (uint32_t)read_state(s);
        expect(s, ':');
        const double value = read_value(s);
        if (s->bad) return;
        if (part == HMM_TRANS)
            h->move[state][c] = value;
        else if (c < HMM_CHARACTERS)
            h->emit[c][state] = value;
        if (!take(s, ',')) break;
    }
    expect(s, '}');
}

/* Everything before "P =" that may stand there. */
static void skip_head(scanner *s)
{
    for (char c = look(s); c && c != 'P'; c = look(s)) {
        if (c != '#' && c != 'f' && c != 'i') {
            s->bad = true;
            return;
        }
        while (s->at < s->len && s->text[s->at] != '\n') s->at++;
    }
    expect(s, 'P');
    expect(s, '=');
}

simile_status hmm_parse(hmm_table *h, hmm_part part, const char *text, size_t len, const char *subject,
                        simile_error *err)
{
    scanner s = {text, len, 0, false};
    skip_head(&s);
    expect(&s, '{');
    while (!s.bad && look(&s) != '}') {
        const int state = read_state(&s);
        expect(&s, ':');
        if (s.bad) break;
        if (part == HMM_START)
            h->start[state] = read_value(&s);
        else
            read_inner(&s, h, part, state);
        if (!take(&s, ',')) break;
    }
    expect(&s, '}');
    if (look(&s)) s.bad = true;
    if (!s.bad) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': byte %zu is not as in a table of jieba's finalseg", subject,
                   s.at);
}

/* ---- Viterbi ---- */

static double emission(const hmm_table *h, uint32_t c, int state)
{
    return c < HMM_CHARACTERS ? h->emit[c][state] : HMM_NEVER;
}

/* One step for one state: the better of the two that may stand before it. */
static double step(const hmm_table *h, const double *last, int state, double emitted, uint8_t *from)
{
    const int a = before[state][0], b = before[state][1]; /* a has the smaller letter */
    const double by_a = last[a] + h->move[a][state] + emitted, by_b = last[b] + h->move[b][state] + emitted;
    *from = (uint8_t)(by_a > by_b ? a : b);
    return by_a > by_b ? by_a : by_b;
}

simile_status hmm_best(const hmm_table *h, const uint32_t *characters, size_t n, uint8_t *states, simile_error *err)
{
    double last[HMM_STATES];
    if (n == 0) return SIMILE_OK;
    uint8_t(*from)[HMM_STATES] = mem_array(n, sizeof *from);
    if (!from) return err_nomem(err);
    for (int s = 0; s < HMM_STATES; s++) last[s] = h->start[s] + emission(h, characters[0], s);
    for (size_t i = 1; i < n; i++) {
        double now[HMM_STATES];
        for (int s = 0; s < HMM_STATES; s++) now[s] = step(h, last, s, emission(h, characters[i], s), &from[i][s]);
        memcpy(last, now, sizeof last);
    }
    states[n - 1] = last[HMM_E] > last[HMM_S] ? HMM_E : HMM_S;
    for (size_t i = n - 1; i > 0; i--) states[i - 1] = from[i][states[i]];
    mem_free(from);
    return SIMILE_OK;
}
