/* SPDX-License-Identifier: Apache-2.0
 * compare_text.c - compare_text [--tokens] DIR TEXTS IDS: encodes every text with the tokenizer in DIR, or with one
 * made of its tokens alone, and counts how many give exactly the ids in IDS. The large sets that
 * tools/fixtures/text_fixtures.py --full writes are checked with it.
 * Exit: 0 all equal, 1 some differ, 2 nothing could be compared. */
#include "pairs.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const bool tokens = argc > 1 && strcmp(argv[1], "--tokens") == 0;
    argv += tokens;
    if (argc - tokens != 4) {
        fprintf(stderr, "usage: compare_text [--tokens] DIR TEXTS IDS\n");
        return 2;
    }
    tokenizer *t, *whole = NULL;
    simile_error err;
    pair_report r;
    if (tokenizer_open(argv[1], tokens ? &whole : &t, &err) || (tokens && pairs_from_tokens(whole, &t, &err))) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    tokenizer_close(whole);
    const int failed = pairs_compare(t, argv[2], argv[3], &r);
    tokenizer_close(t);
    if (failed) {
        fprintf(stderr, "%s\n", r.detail);
        return 2;
    }
    printf("%zu of %zu texts equal (%zu bytes)\n", r.equal, r.lines, r.bytes);
    if (r.first_bad) printf("first difference: line %zu: %s\n", r.first_bad, r.detail);
    return r.equal == r.lines && r.lines > 0 ? 0 : 1;
}
