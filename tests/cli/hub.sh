#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# hub.sh - a transcript beside a server that plays the hub. usage: tests/cli/hub.sh BAD_SERVER PROGRAM SOURCE_FOLDER FILE.t
set -u
server=$(readlink -f -- "$1")
shift
HUB=$(mktemp -d "${TMPDIR:-/tmp}/simile-hub.XXXXXX") || exit 1
files=$2/tests/fixtures/archives/openai/script
"$server" "$HUB/port" "$HUB/log" "$files" &
pid=$!
trap 'kill $pid 2>/dev/null; rm -rf "$HUB"' EXIT
trap 'exit 130' INT TERM
tries=0
until [ -s "$HUB/port" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ] || ! kill -0 $pid 2>/dev/null; then
        echo "the server does not start"
        exit 1
    fi
    sleep 0.05
done
PORT=$(cat "$HUB/port")
HF_ENDPOINT=http://127.0.0.1:$PORT
bpe=bpe_simple_vocab_16e6.txt.gz
SIMILE_CLIP_BPE=http://127.0.0.1:$PORT/clip/models/$(sha256sum "$files/$bpe" | sed 's/ .*//')/$bpe
export HUB PORT HF_ENDPOINT SIMILE_CLIP_BPE
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY HF_TOKEN HF_TOKEN_PATH HF_HOME \
    HF_HUB_CACHE HF_HUB_OFFLINE
"$(dirname -- "$0")/run.sh" "$@"
