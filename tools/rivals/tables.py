#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of BENCHMARKS.md from what all.py and ./run bench wrote, so that no figure is typed by hand.

    python3 tools/rivals/tables.py --rivals rivals.json [more.json ...] --bench build/bench.json [--write BENCHMARKS.md]

With --write, what stands between the marks <!-- rivals --> and <!-- bench --> and their ends is replaced; without it the
tables are printed. Of several files of all.py, a later one's parts stand for those of an earlier one. Every ratio is the
median over the rounds of the other side's time over simile's in the same round.
"""
import argparse
import json
import re
import statistics

from common import ratios

LEAST_COSINE = 0.995
SPREAD = 100000  # queries over which a graph's building is spread
TITLES = {"encoders": "Encoders", "outliers": "Encoders with outliers", "index": "Indexing photographs",
          "search": "Search in memory", "cold": "Cold search", "tokens": "Tokenizers, one thread",
          "images": "Decoding and preparing pictures, one thread"}


def middle(side):
    return statistics.median(side["seconds"])


def ratio(ours, theirs):
    return statistics.median(ratios(ours, theirs))


def span(ours, theirs):
    r = ratios(ours, theirs)
    return f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})"


def name(side):
    return " ".join(filter(None, (side["who"], side["how"], side["dtype"])))


def amount(seconds):
    return f"{1e6 * seconds:.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.4g} ms" if seconds < 1 else f"{seconds:.3g} s"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, r)) + " |" for r in rows]) + "\n"


def ours_of(entry):
    return [s for s in entry["sides"] if s["who"] == "simile"]


def theirs_of(entry):
    return [s for s in entry["sides"] if not s["who"].startswith("simile")]


class Lines:
    """What was asked for and what came of it, for the last table."""

    def __init__(self):
        self.rows = []

    def add(self, what, threads, reached, asked):
        self.rows.append((what, threads, reached, asked))

    def text(self):
        lost = [(w, t, f"{r:.2f}", f"{a:g}", "behind" if r < 1 else "ahead, by less than asked")
                for w, t, r, a in self.rows if r < a]
        if not self.rows:
            return ""
        head = f"Of {len(self.rows)} lines, {len(self.rows) - len(lost)} hold.\n\n"
        return head + (table(("what", "threads", "ratio", "asked", ""), lost) if lost else "")


# ---- encoders ----


def encoder_rows(entries, lines):
    for e in entries:
        good = [s for s in e["sides"] if s["checks"].get("cosine", 1) >= LEAST_COSINE]
        row = [e["work"], e["threads"]]
        for dtypes, asked, label in ((("f32",), e["targets"].get("f32", 1), "float32"), (None, e["targets"].get("best", 1), "best")):
            some = [s for s in good if not dtypes or s["dtype"] in dtypes]
            ours, theirs = [s for s in some if s["who"] == "simile"], [s for s in some if s["who"] != "simile"]
            if not ours or not theirs:
                row += ["", "", ""]
                continue
            o, t = min(ours, key=middle), min(theirs, key=middle)
            row += [f"{amount(middle(o))}" + ("" if dtypes else f" {o['dtype']} ({o['checks'].get('cosine', 1):.4f})"),
                    f"{t['who']} {t['how']} ".rstrip() + ("" if dtypes else f" {t['dtype']} ({t['checks'].get('cosine', 1):.4f})")
                    + f", {amount(middle(t))}", f"**{ratio(o, t):.2f}**"]
            lines.add(f"{e['work']}, {label}", e["threads"], ratio(o, t), asked)
        yield row


def encoders(entries, lines):
    text = ("float32 against float32, and each side's fastest whose vectors have a cosine of at least 0.995 (in brackets: "
            "the least of the batch) to PyTorch's float32. Times are of the whole batch.\n\n")
    text += table(("work", "threads", "simile, f32", "best rival, f32", "ratio", "simile, best", "best rival", "ratio"),
                  encoder_rows(entries, lines))
    return text + "\nEvery side:\n\n" + table(
        ("work", "threads", "side", "time", "cosine"),
        [(e["work"], e["threads"], name(s), amount(middle(s)), f"{s['checks'].get('cosine', 1):.5f}")
         for e in entries for s in e["sides"]])


def outliers(entries, lines):
    return ("The same networks with weights whose activations have a few channels many times the others, as those of trained "
            "networks do (tests/unit/model/outliers.h): what 8 bits cost a side in accuracy shows here.\n\n"
            + encoders(entries, lines))


# ---- the others ----


def tokens(entries, lines):
    rows = []
    for e in entries:
        o = ours_of(e)[0]
        for t in theirs_of(e):
            rows.append((e["work"], f"{e['pieces'] / middle(o):,.0f}", f"{e['pieces'] / middle(t):,.0f}", span(o, t),
                         o["checks"].get("texts with other ids")))
            lines.add("tokenizer: " + e["work"], 1, ratio(o, t), e["targets"].get("any", 1))
    return table(("tokenizer and texts", "simile, texts/s", "Hugging Face, texts/s", "ratio", "texts with other ids"), rows)


def images(entries, lines):
    rows = []
    for e in entries:
        o = ours_of(e)[0]
        for t in theirs_of(e):
            rows.append((e["work"], amount(middle(o)), f"{t['who']}, {amount(middle(t))}", span(o, t)))
            lines.add(f"{e['work']}: {t['who']}", 1, ratio(o, t), 1)
    return table(("work", "simile", "rival", "ratio"), rows)


def search_asked(entry, side):
    """What the ratio to this side has to be, or None."""
    for kind, asked in entry["targets"].items():
        if side["how"].startswith(kind) or (kind == "graph" and side["checks"].get("recall@10", 0) >= 0.99):
            return asked
    return None


def search(entries, lines):
    text = ""
    for e in entries:
        o = ours_of(e)[0]
        rows = [("simile, exact", amount(middle(o) / e["pieces"]), "", "1", f"{o['checks'].get('coding s', 0)} s", "")]
        for t in (s for s in e["sides"] if s is not o):
            build = t["checks"].get("build s", 0)
            with_build = middle(t) / e["pieces"] + build / SPREAD
            spread = (with_build * e["pieces"]) / middle(o) if "graph" in e["targets"] else ratio(o, t)
            rows.append((name(t).replace("simile floats", "simile"), amount(middle(t) / e["pieces"]), span(o, t),
                         t["checks"].get("recall@10", "1"), f"{build} s" if build else "",
                         f"{spread:.2f}" if "graph" in e["targets"] and build else ""))
            asked = search_asked(e, t)
            if asked:
                lines.add(f"{e['work']}: {name(t)}" + (", building spread" if "graph" in e["targets"] else ""), e["threads"],
                          spread, asked)
        wrong = o["checks"].get("queries with other ids than brute force")
        text += f"{e['work']}, {e['threads']} thread{'s' * (e['threads'] > 1)}; queries that brute force answers otherwise: {wrong}\n\n"
        text += table(("side", "a query", "ratio", "recall@10", "built or coded in",
                       f"ratio with the building spread over {SPREAD:,} queries"), rows) + "\n"
    return text


def processes(entries, lines):
    rows = []
    for e in entries:
        ours = ours_of(e)
        for s in e["sides"]:
            per = f"{e['pieces'] / middle(s):.2f} /s" if e["pieces"] > 1 else amount(middle(s))
            row = [e["work"], e["threads"], name(s), per, f"{s['checks'].get('peak MB', 0)} MB"]
            best = min((o for o in ours if "thumbnails" not in o["how"]), key=middle)
            rows.append((*row, span(best, s) if s["who"] != "simile" else "", s["checks"].get("cosine to simile", "")))
            if s["who"] == "simile":
                continue
            lines.add(f"{e['work']}: {s['who']}", e["threads"], ratio(best, s), e["targets"].get(s["who"], 1))
            if e["area"] == "cold":
                lines.add(f"{e['work']}: under 150 ms", e["threads"], 0.15 / middle(best), 1)
            if e["area"] == "index":
                lines.add(f"{e['work']}: memory of {s['who']}", e["threads"],
                          s["checks"]["peak MB"] / max(best["checks"]["peak MB"], 1), 3)
    return table(("work", "threads", "side", "speed", "peak memory", "ratio to simile's fastest", "cosine"), rows)


MAKERS = {"encoders": encoders, "outliers": outliers, "tokens": tokens, "images": images, "search": search,
          "cold": processes, "index": processes}


def merged(paths):
    whole, parts = None, {}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
        for area in {e["area"] for e in found["entries"]}:
            parts[area] = [e for e in found["entries"] if e["area"] == area]
        if whole:
            whole["versions"].update(found["versions"])
            whole["skipped"] += found["skipped"]
        else:
            whole = found
    return whole, parts


def header(whole):
    m = whole["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(whole["versions"].items()))
    return (f"{m['processor']} (family {m['family']}, model {m['model']}; {', '.join(m['instructions'])}), {m['cores']} cores, "
            f"{m['memory_gib']} GiB, {m['system']}, Python {m['python']}; {whole.get('date', '')}, simile at "
            f"{whole.get('commit')}.\n\n{versions}.\n")


def rivals(paths):
    whole, parts = merged(paths)
    lines, text = Lines(), header(whole) + "\n"
    body = ""
    for area, title in TITLES.items():
        if area in parts:
            body += f"### {title}\n\n{MAKERS[area](parts[area], lines)}\n"
    text += "### Where it loses\n\n" + (lines.text() or "Nothing was compared.\n") + "\n" + body
    left = {(s["who"], s["why"]) for s in whole["skipped"]}
    if left:
        text += "### Left out\n\n" + "".join(f"- {who}: {why}\n" for who, why in sorted(left))
    return text.replace("\n\n\n", "\n\n")


def bench(path):
    with open(path, encoding="utf-8") as f:
        found = json.load(f)
    text = f"{found['processor']}, {found['processors']} processors; {found['seconds']:.0f} seconds.\n\n"
    rows = []
    for r in found["rows"]:
        bound = f"{r['bound']:.4g} {r['unit']}, {r['bound_is']}" if r["bound"] is not None else ""
        share = f"{100 * r['share']:.0f} %" if r["share"] is not None else ""
        rows.append((r["area"], r["what"], f"{r['value']:.4g} {r['unit']}", bound, share))
    return text + table(("area", "what", "figure", "bound", "share"), rows)


def put(text, mark, content):
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)", re.S)
    if not pattern.search(text):
        raise SystemExit(f"there is no mark '{mark}'")
    return pattern.sub(lambda m: m.group(1) + "\n" + content.strip("\n") + "\n\n" + m.group(2), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", nargs="+")
    parser.add_argument("--bench")
    parser.add_argument("--write")
    options = parser.parse_args()
    made = {}
    if options.rivals:
        made["rivals"] = rivals(options.rivals)
    if options.bench:
        made["bench"] = bench(options.bench)
    if not options.write:
        print("\n".join(made.values()))
        return
    with open(options.write, encoding="utf-8") as f:
        text = f.read()
    for mark, content in made.items():
        text = put(text, mark, content)
    with open(options.write, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
