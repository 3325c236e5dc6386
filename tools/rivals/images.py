#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets decoding a photograph and preparing it for CLIP beside Pillow and Pillow-SIMD: one thread, in turns.

    ninja -C build bench/bench_image
    python3 tools/rivals/images.py [--simd PYTHON] [--rounds 5] [--out FILE.json]

The work is a 12-megapixel JPEG (as index.py makes them) in memory, decoded, the shorter side resized to 224 pixels by
bicubic interpolation, the middle cut out, normalized: [3, 224, 224] float32. "whole" decodes all of it, as rclip and
transformers do. "reduced" lets the JPEG library scale while it decodes: simile by its rule, Pillow by Image.draft() and,
as its documents recommend for thumbnails, resize(reducing_gap=2.0). --simd: the interpreter of an environment
with Pillow-SIMD in it, which cannot be beside Pillow.
"""
import io
import os
import subprocess
import sys
import time

import common

SIZE = 224


def prepare(Image, np, data, reduced):
    picture = Image.open(io.BytesIO(data))
    if reduced:
        picture.draft("RGB", (2 * SIZE, 2 * SIZE))
    picture = picture.convert("RGB")
    width, height = picture.size
    if width < height:
        size = (SIZE, int(SIZE * height / width))
    else:
        size = (int(SIZE * width / height), SIZE)
    picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0 if reduced else None)
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    picture = picture.crop((left, top, left + SIZE, top + SIZE))
    pixels = (np.asarray(picture, np.float32) * np.float32(1 / 255) - MEAN(np)) / STD(np)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def MEAN(np):
    return np.array([0.48145466, 0.4578275, 0.40821073], np.float32)


def STD(np):
    return np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def peer():
    """In the other environment: the lines that bench_image --peer answers."""
    import numpy as np
    from PIL import Image, __version__, features

    print(__version__, features.version("libjpeg_turbo"), flush=True)
    for line in sys.stdin:
        how, times, path, out = line.split()
        with open(path, "rb") as f:
            data = f.read()
        begin = time.perf_counter()
        for _ in range(int(times)):
            pixels = prepare(Image, np, data, how == "reduced")
        seconds = (time.perf_counter() - begin) / int(times)
        if out != "-":
            pixels.tofile(out)
        print(seconds, flush=True)


def start(report, who, python):
    """A peer of Pillow's, or None, said aloud."""
    try:
        found = common.Peer(python, os.path.abspath(__file__), "--peer")
        version = found.process.stdout.readline().split()
        if not version:
            raise RuntimeError("it ends at once")
        report.versions[who] = version[0] + (f" (libjpeg-turbo {version[1]})" if len(version) > 1 else "")
        return found
    except Exception as e:
        report.skip(who, repr(e))
        return None


def main():
    if sys.argv[1:] == ["--peer"]:
        return peer()
    report = common.Report("images", __doc__, simd={"default": ""}, count={"type": int, "default": 24})
    report.options.threads = [1]
    np = report.module("numpy")
    if not np or not report.module("PIL", "pillow"):
        report.write()
        sys.exit(3)
    import index

    path = os.path.join(index.photographs(np, report, report.options.count), "00000.jpg")
    peers = [("simile", common.Peer(report.program("bench/bench_image"), "--peer")),
             ("Pillow", start(report, "Pillow", sys.executable))]
    if report.options.simd:
        peers.append(("Pillow-SIMD", start(report, "Pillow-SIMD", report.options.simd)))
    else:
        report.skip("Pillow-SIMD", "no interpreter was named with --simd")
    whole = None
    for how in ("whole", "reduced"):
        sides = []
        for who, p in peers:
            if not p:
                continue
            out = os.path.join(report.folder("images"), "pixels")
            p.ask(how, 1, path, out)
            pixels = np.fromfile(out, np.float32)
            whole = pixels if whole is None else whole
            sides.append(common.side(who, lambda p=p, how=how: float(p.ask(how, 5, path, "-")), "", "",
                                     **{"mean difference to whole": round(float(np.abs(pixels - whole).mean()), 4)}))
        common.alternate(report, sides)
        report.entry(f"decode and prepare a 12-megapixel JPEG, {how}", 1, 1, "pictures", sides)
    for _, p in peers:
        if p:
            p.close()
    report.write()


if __name__ == "__main__":
    main()
