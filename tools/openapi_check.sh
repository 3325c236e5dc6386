#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# openapi_check.sh - asks a server everything that docs/openapi.json lets one ask, and much that it does not: no 5xx, no
# answer that is not described. Run by hand. usage: tools/openapi_check.sh [further options of schemathesis]
#
# Needs schemathesis 4 (SCHEMATHESIS: how it is called) and a built simile (SIMILE, default build/simile). The server has a
# catalogue of its own over a few pictures of the gallery, in a folder that is deleted in the end. News (/v1/events) do
# not end, so they are left out; so is /metrics, which is no JSON. Takes minutes: -n 10 asks less of each operation.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
simile=${SIMILE:-$root/build/simile}
schemathesis=${SCHEMATHESIS:-schemathesis}
work=$(mktemp -d "${TMPDIR:-/tmp}/simile-openapi.XXXXXX")
server=
# shellcheck disable=SC2317,SC2329 # called by the trap
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$work/pictures"
cp "$root"/gallery/a-[bg]*.jpg "$work/pictures/"
"$simile" add "$work/pictures" --text "a red boat" --catalog "$work/catalog.simile" --quiet
"$simile" serve --catalog "$work/catalog.simile" --root "$work/pictures" --port 0 --log off >"$work/url" &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if [ -s "$work/url" ]; then break; fi
    sleep 0.5
done
url=$(sed -n 's/^\(http:.*\)\/$/\1/p' "$work/url")
[ -n "$url" ] || {
    echo "openapi_check: the server did not start" >&2
    exit 1
}
cd "$work"
"$schemathesis" --config-file "$root/tools/schemathesis.toml" run "$root/docs/openapi.json" --url "$url" \
    --exclude-path /v1/events --exclude-path /metrics --continue-on-failure "$@"
