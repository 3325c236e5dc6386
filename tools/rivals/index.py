#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets indexing a folder of photographs beside rclip and sentence-transformers: same files, same weights, from nothing.

    ninja -C build simile
    python3 tools/rivals/index.py [--count 1000] [--rounds 5] [--threads 1 2] [--rclip PROGRAM] [--out FILE.json]

Every side is a fresh process that reads the folder, decodes, prepares and encodes every picture with ViT-B/32 at 256
pixels (the network that rclip has; random weights, exported for it to ONNX in float32 from the very files that simile
reads) and keeps the vectors: simile and rclip in their databases, sentence-transformers in an array written to a file.
rclip also answers one search, because it has no command that only indexes. sentence-transformers gets the opened files
in lists of 128, as its documents do, and closes them. A process may use as many processors as there are threads.
Counted is all of it, from start to end, and the peak memory of the process.

Photographs: 4,000 x 3,000 pixels, 4:2:0 JPEG of quality 90 (3 to 6 MB): pictures of gallery/, enlarged, with detail and
grain. There are 24 of them; the rest are the same with another comment inside, so that none is known from its bytes.
"""
import glob
import os
import shutil
import sqlite3
import subprocess
import sys
import traceback

import common
import models

DISTINCT, WIDTH, HEIGHT, CHUNK, CHECKED = 24, 4000, 3000, 128, 8
PART = "ViT-B-32-256-datacomp_s34b_b86k"


# ---- photographs ----


def photograph(np, path, seed):
    """JPEG bytes."""
    import io

    from PIL import Image

    rng = np.random.default_rng(seed)
    picture = Image.open(path).convert("RGB")
    picture = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
    for size, strength in ((1, 5.0), (2, 5.0), (4, 6.0), (20, 8.0)):
        field = rng.standard_normal((HEIGHT // size, WIDTH // size), np.float32) * strength
        picture = picture + field.repeat(size, 0).repeat(size, 1)[:, :, None]
    out = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90, subsampling="4:2:0")
    return out.getvalue()


def commented(jpeg, text):
    body = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def photographs(np, report, count):
    folder = os.path.join(report.options.work, f"photographs-{count}")
    if models.ready(folder):
        return folder
    common.say(f"making {folder}")
    common.fresh(folder)
    sources = sorted(glob.glob(os.path.join(common.ROOT, "gallery", "*.jpg")))
    kept = [photograph(np, sources[i * 7 % len(sources)], i) for i in range(min(DISTINCT, count))]
    for i in range(count):
        with open(os.path.join(folder, f"{i:05d}.jpg"), "wb") as f:
            f.write(commented(kept[i % len(kept)], f"number {i}"))
    return models.done(folder)


def warm(folder):
    """All sides find the files in the page cache."""
    size = 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            size += len(f.read())
    return size


# ---- sides ----


def limited(threads):
    """A command's prefix: so many processors."""
    return ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))]


def measured(checks, command, env, cwd):
    seconds, peak = common.run_measured(command, env=env, cwd=cwd)
    checks["peak MB"] = round(max(peak, checks.get("peak MB", 0)))
    return seconds


def simile(report, model, pictures, threads, dtype, extra=()):
    folder = report.folder("index-simile")
    catalogue, checks = os.path.join(folder, "pictures.simile"), {}
    env = dict(os.environ, SIMILE_DTYPE=dtype) if dtype else dict(os.environ)

    def run():
        common.fresh(folder)
        return measured(checks, [*limited(threads), report.program("simile"), "add", "--quiet", "--model", model,
                                 "--catalog", catalogue, "--threads", str(threads), *extra, pictures], env, folder)

    how = "with thumbnails" if "--no-thumbnails" not in extra else ""
    return common.side("simile", run, how, dtype or "auto"), checks


def export_for_rclip(report, model, home):
    """visual.onnx and textual.onnx where rclip keeps them, and its vocabulary."""
    import gzip

    import torch

    folder = os.path.join(home, PART)
    if models.ready(folder):
        return
    common.say(f"exporting {folder}")
    common.fresh(folder)
    vocabulary = os.path.join(report.options.data, "vocab", "bpe_simple_vocab_16e6.txt.gz")
    with gzip.open(vocabulary):  # told here, not by rclip, which would want to download it
        os.makedirs(os.path.join(home, "tokenizer"), exist_ok=True)
        shutil.copy(vocabulary, os.path.join(home, "tokenizer"))
    inputs = {"visual": (models.torch_image(model), torch.zeros(2, 3, 256, 256)),
              "textual": (models.torch_text(model), torch.full((2, 77), 5, dtype=torch.int64))}
    for name, (module, x) in inputs.items():
        torch.onnx.export(module, (x,), os.path.join(folder, name + ".onnx"), dynamo=True, external_data=False,
                          input_names=["input"], output_names=["output"],
                          dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},))
    models.done(folder)


def rclip(report, model, pictures, threads, program):
    home, checks = report.folder("rclip"), {}
    export_for_rclip(report, model, home)
    env = dict(os.environ, RCLIP_DATADIR=home)

    def run():
        for name in glob.glob(os.path.join(home, "db.sqlite3*")):
            os.remove(name)
        return measured(checks, [*limited(threads), program, "two dogs in the snow"], env, pictures)

    version = subprocess.run([program, "--version"], env=env, stdout=subprocess.PIPE, text=True).stdout.split()
    report.versions["rclip"] = version[-1] if version else "?"
    return common.side("rclip", run, "", "f32"), checks


def sentence_transformers(report, model, pictures, threads):
    checks, out = {}, os.path.join(report.folder("index-st"), "vectors.npy")
    command = [*limited(threads), sys.executable, os.path.abspath(__file__), "--child", model, pictures, out,
               str(threads)]

    def run():
        return measured(checks, command, dict(os.environ), None)

    return common.side("sentence-transformers", run, "", "f32"), checks


def child(model, pictures, out, threads):
    """What a program with sentence-transformers would be."""
    import numpy as np
    import torch
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(int(threads))
    network = SentenceTransformer(model, device="cpu")
    names = sorted(glob.glob(os.path.join(pictures, "*.jpg")))
    vectors = []
    for at in range(0, len(names), CHUNK):
        opened = [Image.open(n) for n in names[at:at + CHUNK]]
        vectors.append(network.encode(opened, batch_size=32))
        for picture in opened:
            picture.close()
    np.save(out, np.concatenate(vectors))


# ---- are they the same vectors? ----


def cosines(np, report, model, pictures):
    """The least cosine to simile's float32 vectors over the first few pictures."""
    names = sorted(glob.glob(os.path.join(pictures, "*.jpg")))[:CHECKED]
    out = os.path.join(report.folder("index-simile"), "checked.npy")
    subprocess.run([report.program("simile"), "embed", "--model", model, "--format", "npy", "-o", out, "--image", *names],
                   check=True, env=dict(os.environ, SIMILE_DTYPE="f32"))
    ours, found = np.load(out), {}
    stored = os.path.join(report.options.work, "index-st", "vectors.npy")
    if os.path.exists(stored):
        found["sentence-transformers"] = np.load(stored)[:CHECKED]
    db = os.path.join(report.options.work, "rclip", "db.sqlite3")
    if os.path.exists(db):
        with sqlite3.connect(db) as connection:
            rows = dict(connection.execute("SELECT filepath, vector FROM images"))
        if all(n in rows for n in names):
            found["rclip"] = np.stack([np.frombuffer(rows[n], np.float32) for n in names])

    def least(a, b):
        return float((np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())

    return {who: round(least(ours, v), 5) for who, v in found.items()}


# ---- rounds ----


def compare(report, np, threads, program):
    count = report.options.count
    model, pictures = models.clip(report, 256, "gelu"), photographs(np, report, count)
    size = warm(pictures)
    made = [simile(report, model, pictures, threads, d, ("--no-thumbnails",)) for d in report.options.dtypes]
    made.append(simile(report, model, pictures, threads, report.options.dtypes[0]))
    for who, make in (("rclip", lambda: rclip(report, model, pictures, threads, program)),
                      ("sentence-transformers", lambda: sentence_transformers(report, model, pictures, threads))):
        if who not in report.options.rivals:
            continue
        try:
            made.append(make())
        except Exception as e:
            report.skip(who, repr(e))
    sides = common.alternate(report, [s for s, _ in made], warm=0)
    same = cosines(np, report, model, pictures)
    for s, checks in made:
        s["checks"] = dict(checks, **({"cosine to simile": same[s["who"]]} if s["who"] in same else {}))
    report.entry(f"indexing {count} photographs of 12 megapixels", threads, count, "pictures", sides,
                 {"rclip": 3.0, "sentence-transformers": 4.0}, megabytes=round(size * 1e-6))


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    report = common.Report(
        "index", __doc__, data={"default": os.environ.get("SIMILE_RIVALS_DATA", "")}, count={"type": int, "default": 1000},
        rclip={"default": shutil.which("rclip") or "rclip"}, dtypes={"nargs": "+", "default": ["", "f32"]},
        rivals={"nargs": "+", "default": ["rclip", "sentence-transformers"]})
    common.fixtures()
    np = report.module("numpy")
    if not np or not report.module("torch") or not report.module("PIL", "pillow"):
        report.write()
        sys.exit(3)
    report.module("sentence_transformers", "sentence-transformers")
    for threads in report.options.threads:
        try:
            compare(report, np, threads, report.options.rclip)
        except Exception as e:
            traceback.print_exc()
            report.skip(f"indexing on {threads} threads", repr(e))
    report.write()


if __name__ == "__main__":
    main()
