#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets simile's exact search beside faiss-cpu, usearch and hnswlib: the same rows, the same queries, in turns.

    ninja -C build bench/search_peer
    python3 tools/rivals/search.py [--rows 1000000] [--graph-rows 100000] [--kinds clustered gap] [--out FILE.json]
    python3 tools/rivals/search.py --npy FOLDER                # rows.npy and queries.npy, float32, unit length, as
                                                               # bench/own_vectors writes them for a model

One query at a time, the best ten. Scans (faiss IndexFlatIP and its scalar quantizers, usearch's exact search) run over
all rows; graphs (faiss HNSW32, usearch, hnswlib) are built over --graph-rows of them, on all threads, and are asked
with the smallest breadth of search whose recall@10 over the first 200 queries reaches 0.99, or with the widest one tried;
their recall and the time they took to build are given, and simile is compared over the same number of rows. simile's
answer must be the brute-force one.

Rows, when no --npy is given:
  clustered  unit noise and twice one of rows/250 unit centres; a query is one more of the same kind
  gap        pictures around one direction with a spectrum that falls off, queries around another, far from all of them:
             as vectors of sentences and pictures of one model are
"""
import os
import sys
import time
import traceback

import common

DIM, TOP, HIDDEN, LEAST_RECALL, CHECKED = 512, 10, 64, 0.99, 200
BREADTHS = (16, 32, 64, 128, 256, 512, 1024)
EXACT_QUERIES = 1000


# ---- data ----


def unit(np, x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clustered(np, rng, n, centres):
    x = unit(np, rng.standard_normal((n, DIM), np.float32))
    return unit(np, x + 2 * centres[rng.integers(0, len(centres), n)])


def gap(np, rng, n, basis, query):
    x = unit(np, rng.standard_normal((n, DIM), np.float32))
    x += (2 if query else 1.5) * basis[1 if query else 0] + (0.4 * basis[0] if query else 0)
    weight = (0.8 / np.sqrt(np.arange(1, HIDDEN + 1))).astype(np.float32)
    x += (rng.standard_normal((n, HIDDEN), np.float32) * weight) @ basis[2:]
    return unit(np, x)


def generate(np, folder, kind, rows, queries):
    rng = np.random.default_rng(5)
    basis = unit(np, rng.standard_normal((rows // 250 + 1 if kind == "clustered" else HIDDEN + 2, DIM), np.float32))

    def draw(n, query):
        return clustered(np, rng, n, basis) if kind == "clustered" else gap(np, rng, n, basis, query)

    out = np.lib.format.open_memmap(os.path.join(folder, "rows.npy"), "w+", np.float32, (rows, DIM))
    for at in range(0, rows, 50000):
        out[at:at + 50000] = draw(min(50000, rows - at), False)
    out.flush()
    np.save(os.path.join(folder, "queries.npy"), draw(queries, True).astype(np.float32))


def load(np, report, kind):
    """The folder and its two arrays, whose width is from then on that of everything."""
    global DIM
    o = report.options
    folder = o.npy
    if not folder:
        folder = report.folder(f"search-{kind}-{o.rows}")
        if not os.path.exists(os.path.join(folder, "queries.npy")):
            common.say(f"drawing {o.rows} rows, {kind}")
            generate(np, folder, kind, o.rows, EXACT_QUERIES)
    rows = np.load(os.path.join(folder, "rows.npy"), mmap_mode="r")
    DIM = rows.shape[1]
    return folder, rows, np.load(os.path.join(folder, "queries.npy"))


def brute_force(np, rows, queries):
    """The ids of the best ten of each query and their scores, best first, in float32 and then once more in float64."""
    ids = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for at in range(0, len(rows), 50000):
        part = queries @ np.asarray(rows[at:at + 50000]).T
        best = np.argpartition(-part, min(TOP + 5, part.shape[1] - 1), axis=1)[:, :TOP + 5]
        ids = np.concatenate([ids, best + at], 1)
        scores = np.concatenate([scores, np.take_along_axis(part, best, 1)], 1)
        keep = np.argsort(-scores, axis=1)[:, :TOP + 5]
        ids, scores = np.take_along_axis(ids, keep, 1), np.take_along_axis(scores, keep, 1)
    exact = np.einsum("qkd,qd->qk", np.asarray(rows)[ids].astype(np.float64), queries.astype(np.float64))
    keep = np.argsort(-exact, axis=1, kind="stable")[:, :TOP]
    return np.take_along_axis(ids, keep, 1), np.take_along_axis(exact, keep, 1)


def recall(found, truth):
    return sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist())) / truth.size


# ---- sides ----


class Ours:
    def __init__(self, report, folder, rows, threads):
        self.peer = common.Peer(report.program("bench/search_peer"), os.path.join(folder, rows),
                                os.path.join(folder, "queries.npy"), "--threads", str(threads))
        first = self.peer.process.stdout.readline().split()
        self.coding, self.bytes = float(first[0]), int(first[1])
        self.out = os.path.join(folder, "ids")

    def ask(self, np, how, first, count):
        self.peer.ask(how, first, count, TOP, self.out)
        return np.fromfile(self.out, np.int64).reshape(count, TOP)

    def seconds(self, how, first, count):
        return float(self.peer.ask(how, first, count, TOP, "-"))


class Window:
    """Each round has other queries, the same ones for every side; the first ones are for trials."""

    def __init__(self, total, size):
        self.total, self.size, self.at = total, size, {}

    def next(self, who):
        i = self.at.get(who, 0)
        self.at[who] = i + 1
        return i * self.size % (self.total - self.size + 1)


def one_by_one(ask, queries, window, who):
    def run():
        first = window.next(who)
        begin = time.perf_counter()
        for i in range(first, first + window.size):
            ask(queries[i:i + 1])
        return time.perf_counter() - begin

    return run


def rival(who, how, ask, np, queries, truth, **checks):
    """ask(one query as [1, dim]) -> ids [1, 10]"""
    found = np.concatenate([np.asarray(ask(queries[i:i + 1])).reshape(1, -1) for i in range(len(truth))])
    return {"who": who, "how": how, "ask": ask, "checks": {"recall@10": round(recall(found, truth), 4), **checks}}


# ---- scans ----


def faiss_scans(report, np, rows, queries, truth):
    faiss = report.module("faiss", "faiss-cpu", "faiss-cpu")
    if not faiss:
        return
    report.versions["faiss-cpu instructions"] = faiss.get_compile_options().strip()
    ip = faiss.METRIC_INNER_PRODUCT

    def filled(index):
        begin = time.perf_counter()
        if not index.is_trained:
            index.train(np.asarray(rows[:100000]))
        for at in range(0, len(rows), 100000):
            index.add(np.asarray(rows[at:at + 100000]))
        return index, time.perf_counter() - begin

    kinds = [("IndexFlatIP", lambda: faiss.IndexFlatIP(DIM))]
    for name in ("QT_8bit", "QT_4bit", "QT_6bit", "QT_fp16", "QT_bf16"):
        if hasattr(faiss.ScalarQuantizer, name):
            kinds.append(("SQ " + name[3:], lambda n=name: faiss.IndexScalarQuantizer(
                DIM, getattr(faiss.ScalarQuantizer, n), ip)))
    for how, make in kinds:
        index, build = filled(make())
        yield rival("faiss", how, lambda q, i=index: i.search(q, TOP)[1], np, queries, truth,
                    **{"build s": round(build, 2)})


def usearch_scan(report, np, rows, queries, truth):
    if not report.module("usearch"):
        return
    from usearch.index import MetricKind, search

    matrix, threads = np.ascontiguousarray(rows), report.threads_now
    yield rival("usearch", "exact", lambda q: search(matrix, q[0], TOP, MetricKind.IP, exact=True,
                                                      threads=threads).keys, np, queries, truth)


# ---- graphs ----


def narrowest(make, np, queries, truth):
    """The rival with the smallest breadth that reaches the recall, else with the widest."""
    for breadth in BREADTHS:
        found = make(breadth)
        if found["checks"]["recall@10"] >= LEAST_RECALL:
            break
    return found


def hnsw_faiss(report, np, rows, queries, truth):
    faiss = report.module("faiss", "faiss-cpu", "faiss-cpu")
    if not faiss:
        return
    faiss.omp_set_num_threads(os.cpu_count())
    index = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    begin = time.perf_counter()
    index.add(np.ascontiguousarray(rows))
    build = time.perf_counter() - begin

    def make(breadth):
        index.hnsw.efSearch = breadth
        return rival("faiss", f"HNSW32, efSearch {breadth}", lambda q: index.search(q, TOP)[1], np, queries, truth,
                     **{"build s": round(build, 1)})

    yield narrowest(make, np, queries, truth)


def graph_usearch(report, np, rows, queries, truth):
    if not report.module("usearch"):
        return
    from usearch.index import Index

    index = Index(ndim=DIM, metric="ip", dtype="f32")
    begin = time.perf_counter()
    index.add(np.arange(len(rows)), np.ascontiguousarray(rows), threads=os.cpu_count())
    build = time.perf_counter() - begin

    def make(breadth):
        index.expansion_search = breadth
        return rival("usearch", f"f32, expansion {breadth}", lambda q: index.search(q[0], TOP, threads=1).keys, np,
                     queries, truth, **{"build s": round(build, 1)})

    yield narrowest(make, np, queries, truth)


def graph_hnswlib(report, np, rows, queries, truth):
    hnswlib = report.module("hnswlib")
    if not hnswlib:
        return
    index = hnswlib.Index("ip", DIM)
    index.init_index(len(rows), ef_construction=200, M=16)
    begin = time.perf_counter()
    index.add_items(np.ascontiguousarray(rows), num_threads=os.cpu_count())
    build = time.perf_counter() - begin
    index.set_num_threads(1)

    def make(breadth):
        index.set_ef(max(breadth, TOP))
        return rival("hnswlib", f"M 16, ef {breadth}", lambda q: index.knn_query(q, TOP)[0], np, queries, truth,
                     **{"build s": round(build, 1)})

    yield narrowest(make, np, queries, truth)


GRAPHS = {"faiss": hnsw_faiss, "usearch": graph_usearch, "hnswlib": graph_hnswlib}


# ---- rounds ----


def collect(report, makers, np, rows, queries, truth):
    found = []
    for maker in makers:
        try:
            for r in maker(report, np, rows, queries, truth):
                common.say(f"    {r['who']} {r['how']}: {r['checks']}")
                found.append(r)
        except Exception as e:
            traceback.print_exc()
            report.skip(maker.__name__, repr(e))
    return found


def set_threads(report, threads):
    report.threads_now = threads
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(threads)


def rounds(report, np, work, threads, ours, rivals, queries, n, targets, per_round):
    window = Window(len(queries), per_round)

    def own(how):
        return lambda: ours.seconds(how, window.next("simile " + how), window.size)

    sides = [common.side("simile", own("codes"), "exact, by codes", "", **{"coding s": round(ours.coding, 3), **ours.checks}),
             common.side("simile floats", own("floats"), "exact, floats alone")]
    for r in rivals:
        who = r["who"] + " " + r["how"]
        sides.append(common.side(r["who"], one_by_one(r["ask"], queries, window, who), r["how"], "", **r["checks"]))
    set_threads(report, threads)
    common.alternate(report, sides)
    report.entry(work, threads, per_round, "queries", sides, targets, rows=n)


def against(report, np, folder, name, rows, queries, makers, work, targets, per_round, checked):
    """One collection of rows, all thread counts."""
    truth, _ = brute_force(np, rows, queries[:checked])
    set_threads(report, os.cpu_count())
    rivals = collect(report, makers, np, rows, queries, truth)
    for threads in report.options.threads:
        ours = Ours(report, folder, name, threads)
        wanted, _ = brute_force(np, rows, queries) if threads == report.options.threads[0] else (wanted, None)
        got = ours.ask(np, "codes", 0, len(queries))
        few = min(CHECKED // 2, len(queries))
        floats = ours.ask(np, "floats", 0, few)
        ours.checks = {"queries with other ids than brute force": int((np.sort(got, 1) != np.sort(wanted, 1)).any(1).sum()),
                       "than its own floats": int((got[:few] != floats).any(1).sum())}
        rounds(report, np, work, threads, ours, rivals, queries, len(rows), targets, per_round)
        ours.peer.close()


def compare(report, np, kind):
    folder, rows, queries = load(np, report, kind)
    queries = queries[:report.options.queries]
    called = report.options.called if report.options.npy else kind
    if not report.options.graphs_alone:
        against(report, np, folder, "rows.npy", rows, queries, (faiss_scans, usearch_scan),
                f"exact scan of {len(rows):,} x {DIM}, {called}", {"IndexFlatIP": 10.0, "SQ": 4.0},
                report.options.per_round, CHECKED // 4)
    n = min(report.options.graph_rows, len(rows))
    if not n or kind not in report.options.graph_kinds:
        return
    name = f"rows-{n}.npy"
    if n != len(rows):
        np.save(os.path.join(folder, name), rows[:n])
    else:
        name = "rows.npy"
    against(report, np, folder, name, np.load(os.path.join(folder, name), mmap_mode="r"), queries,
            [GRAPHS[one] for one in report.options.graphs], f"graphs over {n:,} x {DIM}, {called}", {"graph": 1.0}, 200, CHECKED)


def main():
    report = common.Report(
        "search", __doc__, rows={"type": int, "default": 1000000}, graph_rows={"type": int, "default": 100000},
        kinds={"nargs": "+", "default": ["clustered", "gap"], "choices": ["clustered", "gap"]},
        graph_kinds={"nargs": "+", "default": ["clustered", "gap", "given"]},
        graphs={"nargs": "+", "default": list(GRAPHS), "choices": list(GRAPHS)},
        graphs_alone={"action": "store_true", "help": "no scans"},
        queries={"type": int, "default": 1000, "help": "of the file, how many are asked at most"},
        per_round={"type": int, "default": 20, "help": "queries a round over all rows"},
        npy={"help": "a folder with rows.npy and queries.npy"},
        called={"default": "given", "help": "what the rows of --npy are, for the tables"})
    np = report.module("numpy")
    if not np:
        sys.exit(3)
    for kind in ["given"] if report.options.npy else report.options.kinds:
        try:
            compare(report, np, kind)
        except Exception as e:
            traceback.print_exc()
            report.skip(f"search, {kind}", repr(e))
    report.write()


if __name__ == "__main__":
    main()
