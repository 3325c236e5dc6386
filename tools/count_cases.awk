# SPDX-License-Identifier: Apache-2.0
#
# count_cases.awk - adds up the cases in meson's testlog.txt: prints "PASSED FAILED SKIPPED".
#
# A test program of ours ends with lines like cmocka's, "[  PASSED  ] 12 test(s).". One that has none is a single case,
# and so is one that died: its result then counts, whatever it had passed until then.
function flush() {
    if (!inside) return
    if (result ~ /exit status 77/ || result ~ /SKIP/) skipped += s ? s : 1
    else if (result ~ /exit status 0$/) { passed += known ? p : 1; skipped += s }
    else { failed += f ? f : 1; passed += p; skipped += s }
    inside = known = p = f = s = 0; result = ""
}
/^=+ [0-9]+\/[0-9]+ =+$/ { flush(); inside = 1 }
/^result:/ { result = $0; sub(/[ \t]+$/, "", result) }
/^\[  PASSED  \] [0-9]+ test/ { p += $4; known = 1 }
/^\[  FAILED  \] .*: [0-9]+ test/ { match($0, /: [0-9]+ test/); f += substr($0, RSTART + 2); known = 1 }
/^\[  SKIPPED \] .*: [0-9]+ test/ { match($0, /: [0-9]+ test/); s += substr($0, RSTART + 2); known = 1 }
/^Summary of Failures|^Ok:/ { flush() }
END { flush(); print passed + 0, failed + 0, skipped + 0 }
