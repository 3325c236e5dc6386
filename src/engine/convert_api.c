/* SPDX-License-Identifier: Apache-2.0
 * convert_api.c - simile_model_convert(): the public side of model/convert.c. */
#include "engine/internal.h"

simile_status simile_model_convert(const simile_model *handle, const char *folder,
                                   const simile_convert_options *options, simile_convert_report *report,
                                   simile_error *err)
{
    simile_convert_options opt;
    simile_convert_report unseen;
    if (!report) report = &unseen;
    *report = (simile_convert_report){0};
    if (!handle || !folder || !*folder) return err_set(err, SIMILE_E_ARG, "no model or no folder was named");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.dtype < SIMILE_DTYPE_STORED || opt.dtype > SIMILE_DTYPE_INT8)
        return err_set(err, SIMILE_E_ARG, "%d is no type that weights can be written in", opt.dtype);
    return model_convert(handle->m, folder, &opt, report, err);
}
