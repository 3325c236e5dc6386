# SPDX-License-Identifier: Apache-2.0
"""What the scripts beside this one share: vectors from the command line, to compare with, and how to count.

Each script takes the server's address (default http://127.0.0.1:7997) and asks it through a client that others made,
unchanged. SIMILE names the program (default: simile), SIMILE_GALLERY the folder of its pictures (default: gallery).
"""
import json
import os
import subprocess
import sys

import numpy as np

SERVER = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:7997"
SIMILE = os.environ.get("SIMILE", "simile")
GALLERY = os.environ.get("SIMILE_GALLERY", "gallery")
MODEL = os.environ.get("SIMILE_MODEL", "simile-scenes")
RED_CAR = os.path.join(GALLERY, "a-red-car-on-the-road-1.jpg")

failures = 0


def embed(kind, *what):
    """Raw vectors of texts ("--text") or of pictures ("--image"), as the command line makes them."""
    command = [SIMILE, "embed", "--model", MODEL, "--via", "direct", "--no-orient", kind, *what]
    lines = subprocess.run(command, check=True, capture_output=True).stdout.splitlines()
    return np.array([json.loads(line)["embedding"] for line in lines], dtype=np.float32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def check(name, good, detail=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name}{': ' + str(detail) if detail != '' else ''}")


def same(name, got, expected):
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if got.shape != expected.shape:
        check(name, False, f"{got.shape} instead of {expected.shape}")
        return
    worst = float(np.abs(got - expected).max())
    check(name, worst <= 1e-6, f"largest difference {worst:.1e}")


def end():
    sys.exit(1 if failures else 0)
