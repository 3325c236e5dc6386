/* SPDX-License-Identifier: Apache-2.0
 *
 * waiting.c - see waiting.h.
 *
 * By default a thread of OpenMP, which oneDNN works with, waits for the others of its team in a loop. That is quickest
 * on a machine that has nothing else to do. A server, and what runs for hours, shares its machine: with other
 * programs, and between its own threads; where one of a team has to give up its processor, the others burn theirs until
 * it comes back, many times in each text. OpenMP reads its environment before main() begins and has no call for this,
 * so there is no way but a second beginning. */
#include "waiting.h"

#include <stdlib.h>
#include <unistd.h>

void waiting_by_sleeping(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || setenv("OMP_WAIT_POLICY", "passive", 1)) return;
    execv("/proc/self/exe", argv); /* comes back only where it fails, and then nothing is lost but time */
}
