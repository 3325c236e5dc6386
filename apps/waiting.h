/* SPDX-License-Identifier: Apache-2.0
 * waiting.h - how the threads of the networks wait for each other. */
#ifndef SIMILE_APPS_WAITING_H
#define SIMILE_APPS_WAITING_H

/* From now on they sleep, unless the environment says how they wait ($OMP_WAIT_POLICY, $GOMP_SPINCOUNT). Called first
 * thing: where nothing is said, the program starts itself again. argv: whole. */
void waiting_by_sleeping(char **argv);

#endif
