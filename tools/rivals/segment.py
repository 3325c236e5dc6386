#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets simile's cutting of Chinese texts into words beside jieba's: same lines, same dictionary, one thread.

    ninja -C build bench/bench_segment
    python3 tools/rivals/segment.py --bench build/bench/bench_segment lines.txt [--rounds 5]

Needs jieba; nothing of this is needed to build or test simile. Both run on the same processor, round by round one after
the other, and the median of the rounds' ratios is quoted. jieba returns lists of words (lcut, lcut_for_search), simile
lists of their bytes; neither joins or prints them.
"""
import argparse
import os
import re
import statistics
import subprocess
import time

import jieba

MODES = {
    ("precise", "hmm"): lambda line: jieba.lcut(line),
    ("precise", "no hmm"): lambda line: jieba.lcut(line, HMM=False),
    ("full", "no hmm"): lambda line: jieba.lcut(line, cut_all=True),
    ("search", "hmm"): lambda line: jieba.lcut_for_search(line),
    ("search", "no hmm"): lambda line: jieba.lcut_for_search(line, HMM=False),
}


def ours(program, path):
    """Characters a second by mode, as bench_segment prints them."""
    env = dict(os.environ, SIMILE_JIEBA=os.path.dirname(jieba.__file__))
    lines = subprocess.run([program, ".", path, "--rounds", "1"], env=env, check=True, stdout=subprocess.PIPE,
                           text=True).stdout.splitlines()
    rows = [re.match(r"(\w+) +(hmm|no hmm) +(\d+) characters/s", line) for line in lines]
    return {row.group(1, 2): float(row.group(3)) for row in rows if row}


def theirs(cut, lines, characters):
    begin = time.perf_counter()
    for line in lines:
        cut(line)
    return characters / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program bench_segment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("lines")
    arguments = parser.parse_args()
    with open(arguments.lines, encoding="utf-8") as f:
        lines = f.read().rstrip("\n").split("\n")
    characters = sum(map(len, lines))
    jieba.setLogLevel(60)
    jieba.initialize()
    print(f"jieba {jieba.__version__}, {len(lines)} lines, {characters} characters")
    rows = {mode: [] for mode in MODES}
    for _ in range(arguments.rounds):
        rates = ours(arguments.bench, arguments.lines)
        for mode, cut in MODES.items():
            rows[mode].append((rates[mode], theirs(cut, lines, characters)))
    for mode, pairs in rows.items():
        ratios = [a / b for a, b in pairs]
        print(f"{mode[0]:8} {mode[1]:7} simile {statistics.median(a for a, _ in pairs):11.0f} characters/s  "
              f"jieba {statistics.median(b for _, b in pairs):9.0f}  ratio {statistics.median(ratios):.1f} "
              f"({min(ratios):.1f} .. {max(ratios):.1f})")


if __name__ == "__main__":
    main()
