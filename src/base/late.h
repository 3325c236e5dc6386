/* SPDX-License-Identifier: Apache-2.0
 * late.h - libraries that are loaded when they are first needed.
 *
 * A library that few commands need, and that brings many others along, would slow down the start of all. It is not
 * linked against: a room lists the calls that it makes of it, once, as
 *
 *     #define VIPS_CALLS(CALL) CALL(vips_init) CALL(vips_copy)
 *     typedef struct { VIPS_CALLS(LATE_MEMBER) } vips_calls;
 *
 * and lets each name stand for the member of a struct that late_load() has filled in. A call that is missing from the
 * list does not link. */
#ifndef SIMILE_BASE_LATE_H
#define SIMILE_BASE_LATE_H

#include <stdbool.h>
#include <stddef.h>

#define LATE_MEMBER(name) __typeof__(&name) name;
#define LATE_NAME(name)   #name,

/* names: [n]; calls: a struct of n pointers to functions, in this order. False: the library is not there, or lacks one
 * of them; the log says which. What was loaded stays. */
bool late_load(const char *library, const char *const *names, size_t n, void *calls);

#endif
