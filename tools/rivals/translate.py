#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets a translation by simile beside the same one by transformers: same weights, same 12 tokens, five beams each.

    python3 tools/fixtures/marian_fixtures.py --full /tmp/full                       # opus-mt-zh-en's shape
    ninja -C build bench/bench_translate
    python3 tools/rivals/translate.py --bench build/bench/bench_translate /tmp/full/opus-mt-zh-en [--rounds 9]

Needs torch and transformers; nothing of this is needed to build or test simile. Both sides run on the same processors
in one go, round by round one after the other, and the median of the rounds' ratios is quoted: on a machine that others
use too, a ratio of two neighbours is worth more than two numbers an hour apart. Processor seconds stand beside wall
seconds; of the two, those suffer less from company. The answers are compared as well. Where other programs keep the
processors busy, run it with OMP_WAIT_POLICY=passive: threads of either side that spin until their neighbour, which waits
for a processor, has done its part take that processor from it.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import torch
import transformers

IDS = [5, 9, 14, 20, 31, 44, 50, 61, 70, 77, 82, 0]


class Simile:
    """bench_translate --paced: a line in, a translation, a line out."""

    def __init__(self, program, folder, threads, longest):
        self.process = subprocess.Popen(
            [program, folder, "--paced", "--threads", str(threads), "--beams", "5", "--longest", str(longest)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        wall, processor, *best = self.process.stdout.readline().split()
        return float(wall), float(processor), [int(t) for t in best]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Transformers:
    def __init__(self, folder):
        self.model = transformers.MarianMTModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.ids = torch.tensor([IDS])

    @torch.inference_mode()
    def run(self, longest):
        wall, processor = time.perf_counter(), time.process_time()
        said = self.model.generate(
            input_ids=self.ids, attention_mask=torch.ones_like(self.ids), num_beams=5, num_return_sequences=5,
            max_length=longest, bad_words_ids=[[self.model.config.pad_token_id]],
            forced_eos_token_id=self.model.config.eos_token_id)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        best = said[0].tolist()[1:]
        end = self.model.config.eos_token_id
        return wall, processor, best[:best.index(end)] if end in best else best


def compare(arguments, threads):
    torch.set_num_threads(threads)
    theirs = Transformers(arguments.folder)
    ours = Simile(arguments.bench, arguments.folder, threads, arguments.longest)
    rows = []
    for r in range(arguments.rounds + 1):
        a, b = ours.run(), theirs.run(arguments.longest)
        if a[2] != b[2]:
            sys.exit(f"the answers differ: {a[2]} and {b[2]}")
        if r:  # the first round warms up
            rows.append(a[:2] + b[:2])
    ours.close()
    middle = lambda f: statistics.median(f(x) for x in rows)
    print(f"threads {threads}, {len(rows)} rounds, {len(a[2]) + 1} tokens said, load {os.getloadavg()[0]:.1f}")
    print(f"  wall       simile {middle(lambda x: x[0]) * 1e3:8.1f} ms  transformers {middle(lambda x: x[2]) * 1e3:8.1f} ms  "
          f"ratio {middle(lambda x: x[2] / x[0]):.2f} ({min(x[2] / x[0] for x in rows):.2f} .. "
          f"{max(x[2] / x[0] for x in rows):.2f})")
    print(f"  processor  simile {middle(lambda x: x[1]) * 1e3:8.1f} ms  transformers {middle(lambda x: x[3]) * 1e3:8.1f} ms  "
          f"ratio {middle(lambda x: x[3] / x[1]):.2f} ({min(x[3] / x[1] for x in rows):.2f} .. "
          f"{max(x[3] / x[1] for x in rows):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program bench_translate")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--longest", type=int, default=14, help="tokens of an answer, the start token included")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("folder")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    for threads in arguments.threads:
        compare(arguments, threads)


if __name__ == "__main__":
    main()
