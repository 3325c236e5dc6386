/* SPDX-License-Identifier: Apache-2.0
 * abi.c - the sizes of the public structs, for tools/lint/check_abi.sh. */
#include "simile.h"

#include <stdio.h>

#define SIZE(type) printf("size %s %zu\n", #type, sizeof(type))

int main(void)
{
    SIZE(simile_error);
    SIZE(simile_model_options);
    SIZE(simile_model_info);
    SIZE(simile_image_options);
    SIZE(simile_image_info);
    SIZE(simile_encoder_options);
    SIZE(simile_library_options);
    SIZE(simile_add_work);
    SIZE(simile_add_options);
    SIZE(simile_add_report);
    SIZE(simile_stats);
    SIZE(simile_verify_report);
    SIZE(simile_item);
    SIZE(simile_filter);
    SIZE(simile_scanned);
    SIZE(simile_scan_options);
    SIZE(simile_duplicates_options);
    SIZE(simile_group);
    SIZE(simile_term);
    SIZE(simile_query);
    SIZE(simile_hit);
    SIZE(simile_known_model);
    SIZE(simile_pull_options);
    SIZE(simile_pull_report);
    SIZE(simile_installed_model);
    SIZE(simile_convert_options);
    SIZE(simile_convert_report);
    SIZE(simile_language);
    SIZE(simile_text_tower);
    SIZE(simile_segmenter_options);
    SIZE(simile_segmenter_info);
    SIZE(simile_segment_options);
    SIZE(simile_translator_options);
    SIZE(simile_translator_info);
    SIZE(simile_translator_session_options);
    SIZE(simile_candidate);
    SIZE(simile_translation);
    SIZE(simile_translate_options);
    SIZE(simile_match);
    SIZE(simile_evaluation);
    SIZE(simile_reader_options);
    SIZE(simile_read_options);
    SIZE(simile_reading);
    SIZE(simile_fetch_options);
    return 0;
}
