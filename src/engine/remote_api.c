/* SPDX-License-Identifier: Apache-2.0
 * remote_api.c - pictures of the web: the public side of hub/remote.c. The bytes live only until they are decoded. */
#include "base/buf.h"
#include "engine/internal.h"
#include "hub/hub.h"

enum { MAX_BYTES = 32 << 20, SECONDS = 20, MAX_SECONDS = 3600, REDIRECTS = 5, MAX_REDIRECTS = 20 };

static void complete(simile_fetch_options *o)
{
    if (o->max_bytes <= 0) o->max_bytes = MAX_BYTES;
    if (o->seconds <= 0) o->seconds = SECONDS;
    if (o->seconds > MAX_SECONDS) o->seconds = MAX_SECONDS;
    if (o->redirects == 0) o->redirects = REDIRECTS;
    if (o->redirects < 0) o->redirects = 0;
    if (o->redirects > MAX_REDIRECTS) o->redirects = MAX_REDIRECTS;
}

simile_status simile_image_fetch(const char *url, const simile_fetch_options *options, simile_image **out,
                                 simile_error *err)
{
    simile_fetch_options o;
    buf bytes;
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the picture was given");
    *out = NULL;
    if (!url) return err_set(err, SIMILE_E_ARG, "no URL was named");
    RETURN_IF_ERROR(options_copy(&o, sizeof o, options, err));
    complete(&o);
    const simile_image_options how = {
        .struct_size = sizeof how, .ignore_orientation = o.ignore_orientation, .max_pixels = o.max_pixels};
    buf_init(&bytes, (size_t)o.max_bytes);
    simile_status status = hub_remote(url, &o, &bytes, err);
    if (!status) status = simile_image_decode(bytes.data ? bytes.data : "", bytes.len, &how, out, err);
    buf_release(&bytes);
    return status;
}
