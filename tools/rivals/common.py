# SPDX-License-Identifier: Apache-2.0
"""What the comparisons share: programs that take turns, rounds, versions, and the JSON that tables.py reads.

An entry is one piece of work done by several sides:

    {"area": "tokens", "work": "CLIP BPE, English captions", "threads": 1, "pieces": 5000, "unit": "lines",
     "targets": {"any": 3.0},
     "sides": [{"who": "simile", "how": "", "dtype": "", "seconds": [one a round], "checks": {"equal ids": true}}, ...]}

`seconds` are those of all the pieces. A ratio is taken within each round, other side over simile, and its median over
the rounds is what is quoted: above 1, simile is ahead by that factor.
"""
import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from importlib import metadata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Report:
    """The entries of one script, its options, and who was left out and why."""

    def __init__(self, name, description, **options):
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="the folder of the built programs")
        parser.add_argument("--work", default="/tmp/simile-rivals", help="where models and pictures are made and kept")
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
        parser.add_argument("--out", help="the JSON file; without it, only the table is printed")
        for option, settings in options.items():
            parser.add_argument("--" + option.replace("_", "-"), **settings)
        self.options = parser.parse_args()
        self.name = name
        self.entries, self.skipped, self.versions = [], [], {}
        self.began = time.time()
        os.makedirs(self.options.work, exist_ok=True)

    def skip(self, who, why):
        why = " ".join(str(why).split())[:300]
        say(f"SKIPPED: {who}: {why}")
        self.skipped.append({"area": self.name, "who": who, "why": why})

    def module(self, name, package=None, who=None):
        """The module, or None, said aloud."""
        try:
            found = importlib.import_module(name)
        except Exception as e:  # a library that is there and broken as well
            self.skip(who or name, f"cannot be imported: {e!r}")
            return None
        try:
            self.versions[package or name] = metadata.version(package or name)
        except metadata.PackageNotFoundError:
            self.versions[package or name] = getattr(found, "__version__", "?")
        return found

    def program(self, name):
        """One of simile's programs; without it there is nothing to compare."""
        path = os.path.join(self.options.build, name)
        if not os.path.exists(path):
            sys.exit(f"{path} is missing: ninja -C {self.options.build} {name}")
        return path

    def folder(self, *parts):
        path = os.path.join(self.options.work, *parts)
        os.makedirs(path, exist_ok=True)
        return path

    def entry(self, work, threads, pieces, unit, sides, targets=None, **more):
        found = {"area": self.name, "work": work, "threads": threads, "pieces": pieces, "unit": unit,
                 "targets": targets or {}, "sides": [s for s in sides if s["seconds"]], **more}
        self.entries.append(found)
        show(found)
        self.write()

    def write(self):
        """After each entry, so that a run that is cut short leaves what it has."""
        if not self.options.out:
            return
        content = {"machine": machine(), "versions": self.versions, "rounds": self.options.rounds,
                   "seconds": {self.name: round(time.time() - self.began, 1)}, "entries": self.entries,
                   "skipped": self.skipped}
        with open(self.options.out + ".part", "w", encoding="utf-8") as f:
            json.dump(content, f, indent=1, ensure_ascii=False)
        os.replace(self.options.out + ".part", self.options.out)


def side(who, run, how="", dtype="", **checks):
    """run(): does the work once and returns its seconds, or None when the side drops out."""
    return {"who": who, "how": how, "dtype": dtype, "seconds": [], "checks": checks, "run": run}


def alternate(report, sides, rounds=None, warm=1, pause=0.02):
    """Round by round, each side once, the order turned by one each time."""
    for s in list(sides):
        try:
            for _ in range(warm):
                s["run"]()
        except Exception as e:
            report.skip(s["who"] + " " + s["how"], f"failed: {e!r}")
            sides.remove(s)
    for i in range(rounds or report.options.rounds):
        for k in range(len(sides)):
            s = sides[(i + k) % len(sides)]
            time.sleep(pause)  # the threads of the one before stop waiting for more
            s["seconds"].append(s["run"]())
    for s in sides:
        del s["run"]
    return sides


def timed(fn, times=1):
    def run():
        begin = time.perf_counter()
        for _ in range(times):
            fn()
        return (time.perf_counter() - begin) / times

    return run


class Peer:
    """A program of ours that answers each line of its input with one line."""

    def __init__(self, *command, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(env or {})))

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.process.args[0]} ended without an answer")
        return answer.strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_measured(command, env=None, cwd=None):
    """Seconds and peak memory in MB of a process. A process that is begun by a large one is counted as large from its
    start, so a small one begins it: this file by itself."""
    helper = [sys.executable, "-S", "-E", os.path.abspath(__file__), *command]
    done = subprocess.run(helper, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    last = done.stdout.rsplit("\n", 2)[-2:] if done.stdout else []
    if done.returncode or not last:
        raise RuntimeError(f"{command} failed: {done.stderr[-600:]}")
    seconds, peak = last[0].split()
    return float(seconds), float(peak)


def measure_child(command):
    begin = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ,
                            file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(child, 0)
    print(time.perf_counter() - begin, usage.ru_maxrss / 1024)
    return os.waitstatus_to_exitcode(status)


def ratios(ours, theirs):
    return [b / a for a, b in zip(ours["seconds"], theirs["seconds"])]


def show(entry):
    ours = [s for s in entry["sides"] if s["who"] == "simile"]
    print(f"{entry['area']}: {entry['work']}, {entry['threads']} thread{'s' * (entry['threads'] > 1)}")
    for s in entry["sides"]:
        rate = entry["pieces"] / statistics.median(s["seconds"])
        against = "".join(f"  simile {o['dtype']} is {statistics.median(ratios(o, s)):.2f} times as fast"
                          for o in ours if s["who"] != "simile" and (not o["dtype"] or o["dtype"] == s["dtype"] or
                                                                     o["dtype"] == ours[-1]["dtype"]))
        label = " ".join(filter(None, (s["who"], s["how"], s["dtype"])))
        print(f"    {label:44} {rate:12.2f} {entry['unit']}/s{against}  "
              + " ".join(f"{k} {v}" for k, v in s["checks"].items()))
    sys.stdout.flush()


def machine():
    """The class of the machine, without its name."""
    info = {}
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            key, _, value = line.partition(":")
            info.setdefault(key.strip(), value.strip())
    flags = info.get("flags", "").split()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open("/etc/os-release", encoding="utf-8") as f:
        system = dict(line.strip().split("=", 1) for line in f if "=" in line).get("PRETTY_NAME", "").strip('"')
    return {"processor": info.get("model name", platform.machine()), "family": info.get("cpu family"),
            "model": info.get("model"), "cores": os.cpu_count(), "memory_gib": round(pages / 2**30, 1),
            "instructions": [f for f in wanted if f in flags], "system": system, "python": platform.python_version()}


def fixtures():
    """tools/fixtures, whose writers of models these scripts share."""
    path = os.path.join(ROOT, "tools", "fixtures")
    if path not in sys.path:
        sys.path.insert(0, path)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


if __name__ == "__main__":
    sys.exit(measure_child(sys.argv[1:]))
