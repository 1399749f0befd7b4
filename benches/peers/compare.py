"""Dragline's scanner beside DuckDB, ClickHouse (chdb) and polars: `just compare`.

Makes the corpus, installs the peers from PyPI into a virtual environment, asks all the same question
(questions.py, question.rs) and makes sure that all answer the same; the whole report and libdeflate's
bare decompression stand beside it. Whole processes, two threads, the contenders in turns, medians.
Writes the table into docs/benchmarks.md.

    python3 benches/peers/compare.py [--runs 5] [--events 2000000] [--work DIRECTORY]
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = ["duckdb", "chdb", "polars"]
BEGIN, END = "<!-- peers -->\n", "<!-- end of peers -->"


def run(command):
    """Runs a command; its output, wall and CPU seconds, and peak memory in MiB."""
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        output.seek(0)
        text = output.read().decode()
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return text, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def contenders(python, binaries, directory, is_gz):
    question = lambda name: [python, os.path.join(HERE, "questions.py"), name, directory]
    named = {"dragline, the question": [os.path.join(binaries, "question"), directory]}
    named |= {name: question(name) for name in PEERS}
    named["dragline report"] = [os.path.join(binaries, "dragline"), "report", "--no-cache", directory]
    if is_gz and shutil.which("libdeflate-gunzip"):
        named["libdeflate-gunzip alone, one thread"] = ["sh", "-c", f"libdeflate-gunzip -c '{directory}'/*.gz > /dev/null"]
    return named


def measure(named, runs):
    taken = {name: [] for name in named}
    answers = {}
    for _ in range(runs):
        for name, command in named.items():
            text, *figures = run(command)
            taken[name].append(figures)
            if name in PEERS or name.endswith("question"):
                answers[name] = text.split()
    if len({tuple(answer) for answer in answers.values()}) != 1:
        sys.exit(f"the answers differ: {answers}")
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in taken.items()}


def table(title, medians):
    own = medians["dragline, the question"]
    lines = [f"| {title} | wall s | CPU s | peak MiB | wall, ratio | CPU, ratio |", "|---|---:|---:|---:|---:|---:|"]
    for name, (wall, cpu, memory) in medians.items():
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {wall / own[0]:.2f} | {cpu / own[1]:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "dragline-peers"))
    args = parser.parse_args()
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    binaries = os.path.join(target, "release")
    # One after the other: built together they would share features, and polars would be built again.
    for packages in [[], ["-p", "dragline-benches", "--bins"]]:
        subprocess.run(["cargo", "build", "--release", *packages], cwd=ROOT, check=True)
    python = os.path.join(args.work, "venv", "bin", "python")
    if not os.path.exists(python):
        venv.create(os.path.dirname(os.path.dirname(python)), with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    freeze = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    versions = [line.replace("==", " ") for line in freeze.splitlines() if line.split("==")[0] in PEERS]
    text = f"{args.events:,} events, {args.runs} runs in turns, medians; {', '.join(versions)}; {os.cpu_count()} cores, {platform.machine()}.\n\n"
    for kind, flags in [("28 gzip files", []), ("28 plain files", ["--plain"])]:
        directory = os.path.join(args.work, f"{'plain' if flags else 'gz'}-{args.events}")
        if not os.path.isdir(directory):
            subprocess.run([os.path.join(binaries, "corpus"), directory, "--events", str(args.events), *flags], check=True)
        text += table(kind, measure(contenders(python, binaries, directory, not flags), args.runs)) + "\n"
    print(text)
    page = os.path.join(ROOT, "docs", "benchmarks.md")
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(page, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
