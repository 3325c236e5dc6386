/* SPDX-License-Identifier: Apache-2.0
 * beam.h - the most probable texts that an encoder-decoder gives for a source, by beam search.
 *
 * The rules are those of transformers (5.x, generation/utils.py, GenerationMixin._beam_search), so that answers are the
 * same, the order and the scores included:
 *   - each step ranks the 2B best ways to go on from B beams; of those that end a text the ones among the first B are
 *     kept as answers, of the others the first B go on;
 *   - an answer's score is the sum of its log probabilities, by the number of its tokens (the end token too, the start
 *     token not) to the power of the length penalty; the best B answers are kept;
 *   - a source is done when B answers are kept and no beam can better the worst of them at its present length. */
#ifndef SIMILE_MODEL_BEAM_H
#define SIMILE_MODEL_BEAM_H

#include "model/marian.h"

typedef struct {
    int32_t *ids; /* without the start and the end token; owned */
    size_t n;
    float score;
} beam_answer;

typedef struct {
    beam_answer *items; /* best first */
    size_t n;           /* at most the number of beams */
} beam_answers;

void beam_answers_release(beam_answers *a);

typedef struct {
    int32_t beams, longest; /* 0: the model's */
} beam_options;

/* out: [sources], for beam_answers_release() even on failure. Answers of a source do not depend on the others. */
simile_status beam_search(marian_run *run, nn_context *ctx, const marian_config *c, int32_t sources,
                          const beam_options *options, beam_answers *out, simile_error *err);

#endif
