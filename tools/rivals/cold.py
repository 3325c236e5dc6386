#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets a search as a fresh process beside rclip's: 100,000 pictures, ViT-B/32, ten results.

    ninja -C build simile bench/bench_cold
    python3 tools/rivals/cold.py --data DATA --rclip PROGRAM [--items 100000] [--rounds 9] [--out FILE.json]

bench_cold makes simile's model (ViT-B/32's shape, random weights) and its catalogue of random unit vectors and is asked
twice, so that what simile keeps beside a model is there; rclip gets ViT-B/32 at 256 pixels as index.py exports it (the
towers of texts are of the same shape) and a database of its own making with as many rows. It is told not to look for new
pictures (--no-indexing), as simile does not. The files are in the page cache. Counted is the whole process.
"""
import os
import shutil
import sqlite3
import subprocess
import sys
import traceback

import common
import index
import models

QUERY = "two dogs are playing in the deep snow"


def simile(report, threads, dtype):
    folder = report.folder("cold-simile")
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(folder, "cache"), SIMILE_DTYPE=dtype)
    subprocess.run([report.program("bench/bench_cold"), "--json", "--rounds", "1", "--items", str(report.options.items),
                    "--threads", str(threads), "--dtype", dtype, "--keep", folder],
                   check=True, stdout=subprocess.DEVNULL)
    checks = {}
    command = [*index.limited(threads), report.program("simile"), "--catalog",
               os.path.join(folder, f"{report.options.items}.simile"), "--model", os.path.join(folder, "vit-b-32"),
               "--threads", str(threads), "search", QUERY]
    return common.side("simile", lambda: index.measured(checks, command, env, None), "", dtype), checks


def fill(np, home, pictures, items):
    """Rows as rclip writes them."""
    rng = np.random.default_rng(4)
    with sqlite3.connect(os.path.join(home, "db.sqlite3")) as db:
        if db.execute("SELECT COUNT(*) FROM images").fetchone()[0] == items:
            return
        db.execute("DELETE FROM images")
        for at in range(0, items, 10000):
            x = rng.standard_normal((min(10000, items - at), 512), np.float32)
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            db.executemany("INSERT INTO images(filepath, modified_at, size, vector, hash) VALUES (?, 0, 1, ?, ?)",
                           [(os.path.join(pictures, f"{at + i:07d}.jpg"), v.tobytes(), f"{at + i:040x}")
                            for i, v in enumerate(x)])


def rclip(report, np, threads):
    program, home, pictures = report.options.rclip, report.folder("rclip-cold"), report.folder("cold-pictures")
    exported = report.folder("rclip")
    index.export_for_rclip(report, models.clip(report, 256, "gelu"), exported)
    for name in (index.PART, "tokenizer"):
        if not os.path.exists(os.path.join(home, name)):
            os.symlink(os.path.join(exported, name), os.path.join(home, name))
    env, checks = dict(os.environ, RCLIP_DATADIR=home), {}
    if not os.path.exists(os.path.join(home, "db.sqlite3")):
        subprocess.run([program, QUERY], env=env, cwd=pictures, check=True, stdout=subprocess.DEVNULL)
    fill(np, home, pictures, report.options.items)
    command = [*index.limited(threads), program, "--no-indexing", QUERY]
    return common.side("rclip", lambda: index.measured(checks, command, env, pictures), "", "f32"), checks


def compare(report, np, threads):
    made = []
    for dtype in report.options.dtypes:
        try:
            made.append(simile(report, threads, dtype))
        except Exception as e:
            report.skip(f"simile {dtype}", repr(e))
    try:
        made.append(rclip(report, np, threads))
    except Exception as e:
        report.skip("rclip", repr(e))
    sides = common.alternate(report, [s for s, _ in made])
    for s, checks in made:
        s["checks"] = checks
    report.entry(f"search among {report.options.items:,} pictures, a fresh process", threads, 1, "searches", sides,
                 {"rclip": 20.0})


def main():
    report = common.Report(
        "cold", __doc__, data={"default": os.environ.get("SIMILE_RIVALS_DATA", "")},
        items={"type": int, "default": 100000}, rclip={"default": shutil.which("rclip") or "rclip"},
        dtypes={"nargs": "+", "default": ["f32", "bf16", "int8"]})
    common.fixtures()
    np = report.module("numpy")
    if not np or not report.module("torch"):
        report.write()
        sys.exit(3)
    for threads in report.options.threads:
        try:
            compare(report, np, threads)
        except Exception as e:
            traceback.print_exc()
            report.skip(f"a cold search on {threads} threads", repr(e))
    report.write()


if __name__ == "__main__":
    main()
