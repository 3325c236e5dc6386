#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - the tests of the page in a real browser. usage: tests/browser/run.sh [options of node --test]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/build/browser
mkdir -p "$tools"
if ! cmp -s "$root/tests/browser/package.json" "$tools/package.json"; then
    cp "$root/tests/browser/package.json" "$tools/package.json"
    (cd "$tools" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-audit --no-fund --no-package-lock)
fi
export SIMILE_BROWSER_TOOLS="$tools"
exec node --test --test-concurrency=1 "$@" "$root"/tests/browser/*.test.mjs
