/* SPDX-License-Identifier: Apache-2.0
 * names.h - the models that clients of other systems mean by the names they use there. */
#ifndef SIMILE_SERVE_NAMES_H
#define SIMILE_SERVE_NAMES_H

#include "serve/towers.h"

enum { NAME_SIZE = 192 };

/* The part after the last '/', with ':' and '\' as '_' and without '.', blanks around it gone: Immich's spelling.
 * False: it is empty or too long. */
bool name_clean(const char *name, char out[NAME_SIZE]);

/* By the name as it is (an alias, an installed model), then as it is cleaned, then by other names of the same weights:
 * "ViT-B-32__openai", "ViT-B-32::openai", "ViT-B/32" and "openai/clip-vit-base-patch32" are one model. NULL: nobody. */
tower *name_find(towers *t, const char *name);
/* The tower that sees for a name under which only texts are read (Multilingual-CLIP's). NULL: nobody. */
tower *name_find_seeing(towers *t, const char *name);

#endif
