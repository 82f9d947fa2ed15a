#!/usr/bin/python3
"""Runs the scenarios of faults.py, one after another, and shows what became of them.

    make faults                                       all, a quarter of an hour; writes doc/paths.md
    tests/e2e/netfaults.py --only NAT                 those whose name has this in it
    tests/e2e/netfaults.py --list
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import faults  # noqa: E402
import private_net  # noqa: E402
from natbed import netpath  # noqa: E402

HEADER = ("scenario", "path found", "tunnel up after", "direct after", "path at the end",
          "longest stall after the fault", "bytes checked", "")


def log(text):
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def seconds(value):
    return "-" if value is None else f"{value:.1f} s"


def row(r):
    return (r.name, r.before or "none", seconds(r.ready_s), seconds(r.direct_s), r.after or "none",
            seconds(r.stall_s), f"{r.checked / 1e6:.0f} MB", "; ".join(r.problems) or "ok")


def table(rows):
    rows = [HEADER, tuple("-" * 3 for _ in HEADER), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    rows[1] = tuple("-" * width for width in widths)
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
                     for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--skip", type=int, default=0, help="so many of them from the start")
    parser.add_argument("--list", action="store_true", help="names of the scenarios")
    parser.add_argument("--keep", action="store_true", help="keep the logs of all processes")
    args = parser.parse_args()
    runs = [(s.name, lambda d, s=s: faults.run(s, d, log)) for s in faults.SCENARIOS]
    runs.append(("server killed with -9 and started again",
                 lambda d: faults.server_killed(d, log)))
    runs = [(name, run) for name, run in runs if args.only in name][args.skip:]
    if args.list:
        print("\n".join(name for name, _ in runs))
        return 0
    if not private_net.enter():
        sys.exit("netfaults: no network namespace can be made here; try as root")
    results = []
    with contextlib.ExitStack() as stack:
        if args.keep:
            directory = tempfile.mkdtemp(prefix="netfaults-")
            log(f"logs in {directory}")
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="netfaults-"))
        for number, (name, run) in enumerate(runs):
            try:
                results.append(run(Path(directory) / f"{number:02}"))
            except netpath.Unavailable as e:
                sys.exit(f"netfaults: {name}: {e}")
            print(" | ".join(row(results[-1])), flush=True)
    print("\n" + table([row(r) for r in results]))
    return 1 if any(r.problems for r in results) else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
