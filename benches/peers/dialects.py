"""Dragline beside Python and jq on logs that no database reads: `just dialects`.

Repeats a real log of Scrapy, of loguru (serialize=True) and of tracing-subscriber (nested) from
fixtures/logs to some hundred thousand records, and asks for events by level and answers by status: a
straightforward Python script (json, re, Counter), jq, and the whole `dragline report`. One process each, in turns,
medians; all must count the same. Writes the table into docs/benchmarks.md.

    python3 benches/peers/dialects.py [--runs 5] [--megabytes 100] [--work DIRECTORY]
"""

import argparse
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter

from compare import HERE, ROOT, run

BEGIN, END = "<!-- dialects -->\n", "<!-- end of dialects -->"
LOGS = os.path.join(ROOT, "fixtures", "logs")
SOURCES = {
    "scrapy": ["scrapy/no-dump-products.log"],
    "loguru": ["loguru/scrape.2026*.gz", "loguru/scrape.log"],
    "tracing": ["rust/nested.jsonl"],
}
JQ = {
    "loguru": """reduce inputs.record as $r ({}; .[$r.level.name] += 1
        | if $r.extra.status then .[$r.extra.status | tostring] += 1 else . end)""",
    "tracing": """reduce inputs as $r ({}; .[$r.level] += 1
        | if $r.fields.status then .[$r.fields.status | tostring] += 1 else . end)""",
}


def scrapy(path):
    """Heads, and the messages that tell of an answer."""
    head = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[^]]+\] ([A-Z]+): (.*)")
    answer = re.compile(r"(?:Crawled|Redirecting) \((\d{3})\)|Retrying <.*> \(failed \d+ times\): (\d{3}) ")
    counts = Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            found = head.match(line)
            if found:
                counts[found[1]] += 1
                told = answer.match(found[2])
                if told:
                    counts[told[1] or told[2]] += 1
    return counts


def jsonl(path, level, status):
    counts = Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            counts[level(record)] += 1
            code = status(record)
            if code:
                counts[str(code)] += 1
    return counts


SCRIPTS = {
    "scrapy": scrapy,
    "loguru": lambda path: jsonl(path, lambda r: r["record"]["level"]["name"], lambda r: r["record"]["extra"].get("status")),
    "tracing": lambda path: jsonl(path, lambda r: r["level"], lambda r: r["fields"].get("status")),
}
# Names of levels, as Dragline writes them.
NAMES = {"WARNING": "WARN", "SUCCESS": "INFO"}


def make(dialect, path, size):
    import glob

    text = b""
    for pattern in SOURCES[dialect]:
        for name in sorted(glob.glob(os.path.join(LOGS, pattern))):
            opener = gzip.open if name.endswith(".gz") else open
            text += opener(name, "rb").read()
    with open(path, "wb") as out:
        for _ in range(max(1, size // len(text))):
            out.write(text)


def of_report(text):
    totals = json.loads(text)["totals"]
    return Counter(totals["levels"]) + Counter(totals["status_codes"])


def of_counts(text):
    counts = Counter()
    for name, count in json.loads(text).items():
        counts[NAMES.get(name, name)] += count
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--work", default="/tmp/dragline-dialects")
    parser.add_argument("--script", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.script:
        print(json.dumps(SCRIPTS[args.script[0]](args.script[1])))
        return
    os.makedirs(args.work, exist_ok=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    subprocess.run(["cargo", "build", "--release", "-q"], cwd=ROOT, check=True)
    binary = os.path.join(target, "release", "dragline")
    rows = []
    for dialect in SOURCES:
        path = os.path.join(args.work, f"{dialect}.log")
        make(dialect, path, args.megabytes << 20)
        named = {
            "dragline report": ([binary, "report", "--no-cache", "--format", "json", path], of_report),
            "Python": ([sys.executable, os.path.abspath(__file__), "--script", dialect, path], of_counts),
        }
        if dialect in JQ and shutil.which("jq"):
            named["jq"] = (["jq", "-n", JQ[dialect], path], of_counts)
        taken = {name: [] for name in named}
        answers = {}
        for _ in range(args.runs):
            for name, (command, read) in named.items():
                text, *figures = run(command)
                answers[name] = read(text)
                taken[name].append(figures)
        if len({json.dumps(sorted(answer.items())) for answer in answers.values()}) > 1:
            sys.exit(f"{dialect}: the answers differ: {answers}")
        medians = {name: [statistics.median(column) for column in zip(*figures)] for name, figures in taken.items()}
        base = medians["dragline report"]
        size = os.path.getsize(path) / (1 << 20)
        for name, (wall, cpu, peak) in medians.items():
            times = "" if name == "dragline report" else f" ({wall / base[0]:.1f} times)"
            rows.append(f"| {dialect}, {size:.0f} MiB | {name} | {wall:.2f}{times} | {cpu:.2f} | {peak:.0f} |")
    table = "\n".join(["| log | | wall s | CPU s | peak MiB |", "|---|---|---:|---:|---:|", *rows]) + "\n"
    print(table)
    page = os.path.join(ROOT, "docs", "benchmarks.md")
    text = open(page, encoding="utf-8").read()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    open(page, "w", encoding="utf-8").write(before + BEGIN + table + END + after)


if __name__ == "__main__":
    main()
