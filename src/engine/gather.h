/* SPDX-License-Identifier: Apache-2.0
 * gather.h - searches of several threads, made together when they come at once. Private to engine/. */
#ifndef SIMILE_ENGINE_GATHER_H
#define SIMILE_ENGINE_GATHER_H

#include "engine/internal.h"

/* As snapshot_scan_now(), perhaps together with others. */
simile_status gather_scan(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests, size_t n,
                          simile_error *err);

#endif
