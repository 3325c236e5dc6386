/* SPDX-License-Identifier: Apache-2.0
 * late.c - see late.h. Whoever calls sees to it that it happens once. */
#include "base/late.h"

#include "base/err.h"

#include <dlfcn.h>
#include <string.h>

_Static_assert(sizeof(void *) == sizeof(void (*)(void)), "addresses of functions and of objects are as long");

bool late_load(const char *library, const char *const *names, size_t n, void *calls)
{
    void *const loaded = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    bool whole = loaded != NULL;
    for (size_t i = 0; i < n && whole; i++) {
        void *const address = dlsym(loaded, names[i]);
        memcpy((char *)calls + i * sizeof address, &address, sizeof address); /* no cast leads from one to the other */
        whole = address != NULL;
    }
    if (whole) return true;
    const char *const why = dlerror();
    log_message(LOG_WARNING, "%s", why ? why : library);
    return false;
}
