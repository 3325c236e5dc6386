#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_layers.sh - the one direction between the rooms. usage: tools/lint/check_layers.sh [SOURCE_FOLDER]
#
#     base < {nn, image, text} < model;  nn < index;  base < {store, hub};  {model, index, store, hub} < engine < apps
#
# Looks at every #include of src/ and apps/: of our own headers against that order, and of other people's libraries
# against the one room that each of them belongs to. Programs see simile.h and base, like anybody else.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"

find src apps -name '*.[ch]' | LC_ALL=C sort | xargs awk '
    BEGIN {
        may["base"]   = "base"
        may["nn"]     = "nn base"
        may["image"]  = "image base"
        may["text"]   = "text base"
        may["model"]  = "model nn image text base"
        may["index"]  = "index nn base"
        may["store"]  = "store base"
        may["hub"]    = "hub base"
        may["engine"] = "engine model index store hub nn image text base"
        may["apps"]   = "base serve"
        home["dnnl"] = "nn"; home["vips"] = "image"; home["glib"] = "image"; home["sqlite3"] = "store"
        home["utf8proc"] = "text"; home["zlib"] = "text"; home["curl"] = "hub"; home["jansson"] = "base"; home["microhttpd"] = "apps"
    }
    function complain(why) {
        printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0
        bad = 1
    }
    /^[ \t]*#[ \t]*include[ \t]/ {
        split(FILENAME, part, "/")
        room = part[1] == "apps" ? "apps" : part[2]
        includes++
        name = $0
        sub(/^[^"<]*["<]/, "", name)
        sub(/[">].*$/, "", name)
        if ($0 ~ /"/) {
            if (name == "simile.h") next
            if (index(name, "/") == 0) {
                if (room != "apps") complain("a header of our own is named with its room")
                next
            }
            target = substr(name, 1, index(name, "/") - 1)
            if (!(room in may)) complain("a room that nobody knows")
            else if (index(" " may[room] " ", " " target " ") == 0) complain(room " must not see " target)
            next
        }
        for (library in home)
            if (index(name, library) && room != home[library]) complain(library " belongs to " home[library])
    }
    END {
        if (!includes) { print "no #include was seen"; exit 1 }
        if (!bad) printf "layers: %d includes, all in order\n", includes
        exit bad
    }'
