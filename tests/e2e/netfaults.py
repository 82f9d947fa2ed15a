#!/usr/bin/python3
"""Runs the scenarios of faults.py, one after another, and shows what became of them.

    make faults                                      all, a quarter of an hour; writes doc/paths.md
    tests/e2e/netfaults.py --only NAT                those whose name has this in it
    tests/e2e/netfaults.py --transfers 60 --seed 1   transfers with faults drawn by seed
    tests/e2e/netfaults.py --transfers 1 --seed 17   one of them again
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import faults  # noqa: E402
import private_net  # noqa: E402
from natbed import netpath  # noqa: E402

BEGIN, END = "<!-- the figures of `make faults` -->", "<!-- end of the figures -->"
HEADER = ("scenario", "path found", "tunnel up after", "direct after", "path at the end",
          "longest stall after the fault", "bytes checked", "result")


def log(text):
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def seconds(value):
    return "-" if value is None else f"{value:.1f} s"


def row(r):
    return (r.name, r.before or "none", seconds(r.ready_s), seconds(r.direct_s), r.after or "none",
            seconds(r.stall_s), f"{r.checked / 1e6:.0f} MB", "; ".join(r.problems) or "ok")


def table(results):
    rows = [HEADER, *(row(r) for r in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
                     for row in rows)


def chosen(args):
    """(name, function of a directory) of each run that the command line asks for."""
    if args.transfers:
        for seed in range(args.seed, args.seed + args.transfers):
            scenario, how = faults.drawn(seed)
            yield scenario.name, lambda d, s=scenario, h=how: faults.run(s, d, log, **h)
        return
    for scenario in faults.SCENARIOS:
        if args.only in scenario.name:
            yield scenario.name, lambda d, s=scenario: faults.run(s, d, log)
    if args.only in faults.SERVER_KILLED:
        yield faults.SERVER_KILLED, lambda d: faults.server_killed(d, log)


def run_all(runs, directory):
    results = []
    for number, (name, run) in enumerate(runs):
        try:
            results.append(run(directory / f"{number:02}"))
        except netpath.Unavailable as e:
            sys.exit(f"netfaults: {name}: {e}")
        log(" | ".join(row(results[-1])))
    return results


def write_page(page, text):
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    if not rest:
        sys.exit(f"netfaults: {page} has no line {BEGIN}")
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="scenarios whose name has this in it")
    parser.add_argument("--transfers", type=int, metavar="N",
                        help="instead: so many transfers, each with a fault drawn by seed")
    parser.add_argument("--seed", type=int, default=1, help="of the first of them")
    parser.add_argument("--page", type=Path, help="Markdown page to write the table into")
    parser.add_argument("--keep", action="store_true", help="keep the logs of all processes")
    args = parser.parse_args()
    if not private_net.enter():
        sys.exit("netfaults: no network namespace can be made here; try as root")
    with contextlib.ExitStack() as stack:
        if args.keep:
            directory = tempfile.mkdtemp(prefix="netfaults-")
            log(f"logs in {directory}")
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="netfaults-"))
        results = run_all(chosen(args), Path(directory))
    failed = [r for r in results if r.problems]
    checked = sum(r.checked for r in results) / 1e6
    text = f"{table(results)}\n\n{len(results)} runs, {checked:.0f} MB checked, {len(failed)} failed."
    print(text)
    if args.page:
        write_page(args.page, text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
