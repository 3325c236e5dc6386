/* SPDX-License-Identifier: Apache-2.0
 * outliers.h - towers with random weights whose activations are as uneven as those of trained networks.
 *
 * With weights drawn from one bell curve every column of every activation is about as large as the next, and rounding
 * to 8 bits costs nothing to speak of. Training ends elsewhere, and what is rounded coarsely there is what these have:
 *
 * - residual channels: a few are 30 to 100 times the others in all rows, put there by positions and by the biases of
 *   the first blocks (LLM.int8(), arXiv 2208.07339, section 4; the same in CLIP's towers);
 * - gains of norms: spread evenly over two decades, small (a tenth) on most of the channels above, as they are in
 *   trained networks; not on all of them;
 * - values: some channels are 25 times the others, and what reads them is as much smaller;
 * - hidden units: some are 30 times the others, with a bias that keeps them on; what reads them is as much smaller;
 * - the first row: its position holds a few numbers of several hundred, so that it ends up massive in a few channels,
 *   as the first token does (Massive activations, arXiv 2402.17762);
 * - convolutions: batch norms whose gains are spread over a decade, some channels ten times as large as the rest.
 *
 * What feeds on such a channel is scaled down by what the channel was scaled up, so that every part of the network
 * still takes part in the answer: a network in which one channel drowned all others would hide errors, not show them.
 */
#ifndef SIMILE_TESTS_OUTLIERS_H
#define SIMILE_TESTS_OUTLIERS_H

#include "model/bert.h"
#include "model/params.h"
#include "model/resnet.h"
#include "model/textnet.h"
#include "model/vit.h"

typedef enum { OUTLIER_VIT, OUTLIER_RESNET, OUTLIER_TEXT, OUTLIER_BERT } outlier_kind;

typedef struct {
    const char *name;
    outlier_kind kind;
    int64_t dim;
    union {
        vit_config vit;
        resnet_config resnet;
        textnet_config text;
        bert_config bert;
    };
} outlier_tower;

typedef struct {
    tower *tower;
    weights *files;
    param_list params;
} outlier_loaded;

/* The weights as safetensors at `path`. */
simile_status outliers_write(const outlier_tower *t, const char *path, simile_error *err);
simile_status outliers_load(const outlier_tower *t, const char *path, outlier_loaded *out, simile_error *err);
void outliers_unload(outlier_loaded *o);

#endif
