#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every comparison that tables.py makes tables of, one after the other, and puts what they found into one JSON.

    ninja -C build simile benchmarks tests/unit/model/test_precision
    python3 tools/rivals/all.py --data DATA --rclip PROGRAM --simd PYTHON --out rivals.json [--full] [--only tokens ...]

Three quarters of an hour by itself on two cores, with sizes that keep each part within minutes; --full takes the whole
sizes and hours, and gives PyTorch's compiler its turn. What was made once (models, exports, photographs, rows) is kept
in --work.
A rival that is not installed, or that fails, is named and left out; a part that takes longer than its share is stopped,
and keeps what it had written. Run it on a machine that does nothing else.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import common

HERE = os.path.dirname(os.path.abspath(__file__))

# part: (arguments, minutes), (arguments with --full, minutes)
PARTS = {
    "tokens": (["--rounds", "5"], 3, ["--rounds", "9"], 10),
    "images": (["--rounds", "7"], 2, ["--rounds", "15"], 5),
    "encoders": (["--rounds", "5", "--no-compile"], 16, ["--rounds", "7"], 90),
    "outliers": (["--rounds", "5", "--no-compile", "--outliers"], 16, ["--rounds", "7", "--outliers"], 90),
    "search": (["--rounds", "5", "--per-round", "10", "--graph-kinds", "clustered"], 11,
               ["--rounds", "7", "--graph-rows", "1000000"], 240),
    "cold": (["--rounds", "7"], 3, ["--rounds", "15"], 10),
    "index": (["--rounds", "5", "--count", "60", "--threads", "2"], 6, ["--rounds", "5", "--count", "1000"], 180),
}
SCRIPTS = {"outliers": "encoders"}  # others are called as their part
TAKES = {"tokens": ("data",), "images": ("simd",), "encoders": ("data",), "outliers": ("data",), "search": (),
         "cold": ("data", "rclip"), "index": ("data", "rclip")}


def merge(into, part, found):
    into["machine"] = found["machine"]
    into["versions"].update(found["versions"])
    into["entries"] += found["entries"]
    into["skipped"] += found["skipped"]
    into["seconds"].update(found["seconds"])
    into["rounds"][part] = found["rounds"]


def run(part, options, path):
    quick, minutes, whole, long = PARTS[part]
    arguments, limit = (whole, long) if options.full else (quick, minutes)
    script = os.path.join(HERE, SCRIPTS.get(part, part) + ".py")
    command = [sys.executable, script, "--build", options.build, "--work", options.work, "--out", path, *arguments]
    for name in TAKES[part]:
        if getattr(options, name):
            command += ["--" + name, getattr(options, name)]
    begin = time.time()
    try:
        code = subprocess.run(command, timeout=60 * limit * options.patience).returncode
        problem = None if code == 0 else f"ended with status {code}"
    except subprocess.TimeoutExpired:
        problem = f"stopped after {time.time() - begin:.0f} seconds"
    if problem:
        common.say(f"{part}: {problem}")
    return problem


def commit():
    done = subprocess.run(["git", "-C", common.ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(common.ROOT, "build"))
    parser.add_argument("--work", default="/tmp/simile-rivals")
    parser.add_argument("--data", default=os.environ.get("SIMILE_RIVALS_DATA", ""))
    parser.add_argument("--rclip", default="")
    parser.add_argument("--simd", default="")
    parser.add_argument("--out", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--patience", type=float, default=1.0, help="times the minutes that each part may take")
    options = parser.parse_args()
    options.build, options.work = os.path.abspath(options.build), os.path.abspath(options.work)
    whole = {"machine": common.machine(), "commit": commit(), "date": time.strftime("%Y-%m-%d"), "full": options.full,
             "versions": {}, "rounds": {}, "seconds": {}, "entries": [], "skipped": []}
    for part in options.only:
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "part.json")
            problem = run(part, options, path)
            if problem:
                whole["skipped"].append({"area": part, "who": part, "why": problem})
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    merge(whole, part, json.load(f))
        with open(options.out, "w", encoding="utf-8") as f:
            json.dump(whole, f, indent=1, ensure_ascii=False)
    for s in whole["skipped"]:
        common.say(f"left out: {s['who']}: {s['why']}")


if __name__ == "__main__":
    main()
