"""Rules that `dragline alerts suggest` proposes, judged on what came after: `just alert-suggestions`.

Each simulated fleet (`fleets make`) is split in time. Rules are proposed from the first half, and a backtest says what
they would have done in the second. An incident of the second half is found when a rule fires for its scraper while it
lasts, give or take an interval between two runs; what fires at other times is a false notice. The exit code is 1 when
fewer than 90 % of the incidents are found, or when more than one notice in 50 scraper-days is false.

    python3 benches/fleets/suggested.py --dragline PATH --fleets-bin PATH [--fleets 40] [--first-seed 1] [--verbose]
"""

import argparse
import datetime as dt
import json
import subprocess
import tempfile
from pathlib import Path


def time(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def concerns(incident, labels):
    """Whether labels are those of the incident's scraper; a rule about all scrapers has none."""
    return all(labels.get(name) in (None, incident[name]) for name in ("scraper_id", "site"))


def covers(incident, episode, slack):
    began, ended = time(episode["began"]), episode["ended"] and time(episode["ended"])
    return (
        concerns(incident, episode["labels"])
        and (ended is None or ended >= time(incident["since"]) - slack)
        and began <= time(incident["until"]) + slack
    )


def first_half(root, middle):
    """A directory with the runs that began before `middle`: each has a file of its own, named after its start."""
    half = root / "first"
    half.mkdir()
    for log in (root / "logs").iterdir():
        if log.name.split(".")[1] < middle.strftime("%Y%m%dT%H%M%SZ"):
            (half / log.name).hardlink_to(log)
    return half


def judge(args, seed, directory):
    root = Path(directory)
    run(args.fleets_bin, "make", root, "--seed", str(seed))
    truth = json.loads((root / "truth.json").read_text())
    report = json.loads(run(args.dragline, "report", root / "logs", "--format", "json"))
    start, end = time(report["period"]["start"]), time(report["period"]["end"])
    middle = start + (end - start) / 2
    proposed = run(args.dragline, "alerts", "suggest", first_half(root, middle))
    (root / "rules.toml").write_text(proposed)
    names = [line.split('"')[1] for line in proposed.splitlines() if line.startswith("alert = ")]
    chosen = [word for name in names for word in ("--rule", name)]
    rules = ("--rules", root / "rules.toml")
    told = json.loads(run(args.dragline, "alerts", "backtest", root / "logs", *rules, *chosen, "--format", "json"))
    episodes = [
        (rule["alert"], episode)
        for rule in told["rules"]
        for episode in rule["variations"][0]["episodes"]
        if time(episode["began"]) >= middle
    ]
    slack = lambda incident: dt.timedelta(seconds=1.5 * incident["interval_seconds"], hours=2)
    later = [one for one in truth["incidents"] if time(one["since"]) >= middle]
    found = [one for one in later if any(covers(one, episode, slack(one)) for _, episode in episodes)]
    false = [
        (rule, episode)
        for rule, episode in episodes
        if not any(covers(one, episode, slack(one)) for one in truth["incidents"])
    ]
    if args.verbose:
        for one in later:
            if one not in found:
                print(f"seed {seed}: missed {one['kind']} of {one['scraper_id']} since {one['since']}")
        for rule, episode in false:
            print(f"seed {seed}: false {rule} {episode['labels']} {episode['began']} to {episode['ended']}")
    days = sum(one["days"] for one in truth["scrapers"]) / 2
    return len(later), len(found), len(episodes), len(false), days


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dragline", required=True)
    parser.add_argument("--fleets-bin", required=True)
    parser.add_argument("--fleets", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    total = [0, 0, 0, 0, 0.0]
    for seed in range(args.first_seed, args.first_seed + args.fleets):
        with tempfile.TemporaryDirectory() as directory:
            total = [a + b for a, b in zip(total, judge(args, seed, directory))]
    incidents, found, episodes, false, days = total
    share = f"{100 * found / incidents:.1f} %" if incidents else "none planted"
    print(f"{args.fleets} fleets: {found} of {incidents} incidents ({share}) by {episodes} alerts;", end=" ")
    print(f"{false} false in {days:.0f} scraper-days ({50 * false / max(days, 1):.2f} in 50)")
    if 10 * found < 9 * incidents or 50 * false > days:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
