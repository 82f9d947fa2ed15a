#!/usr/bin/python3
"""Measures toxtun beside a direct TCP connection, `ssh -L` and kcptun, on this machine.

Every measure goes from one to the next of them, several times over, all in a network namespace of
its own. Prints a table, writes every sample as JSON and draws a chart. Exits with 1 when a measure
failed; the others are done all the same.
"""

import argparse
import dataclasses
import datetime
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import chart
import common
import private_net
import report
from common import ROOT, progress
from harness import MB, TOXTUN
from measures import MEASURES
from session import QUICK, TINY, Session, Sizes
from tunnels import TUNNELS

LIMIT_MIN, QUICK_LIMIT_MIN = 17, 3


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}; there are {', '.join(known)}")
        return chosen
    return parse


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0], epilog=(
        f"measures: {', '.join(MEASURES)}. TOXTUN names another program than build/toxtun."))
    p.add_argument("--quick", action="store_const", dest="sizes", const=QUICK, default=Sizes(),
                   help="small sizes, once: for a first look")
    p.add_argument("--tiny", action="store_const", dest="sizes", const=TINY,
                   help="only to see that it runs: the figures mean nothing")
    p.add_argument("--measures", type=names(MEASURES), default=list(MEASURES), metavar="A,B",
                   help="only these, in this order")
    p.add_argument("--tools", type=names(TUNNELS), metavar="A,B",
                   help=f"only these of {','.join(TUNNELS)}")
    p.add_argument("--repeats", type=int, help="how often each is measured")
    p.add_argument("--size", type=int, metavar="MB", help="of a download or upload")
    p.add_argument("--limit", type=float, metavar="MINUTES",
                   help=f"begin nothing after that: {LIMIT_MIN}, or {QUICK_LIMIT_MIN} if --quick")
    p.add_argument("--json", type=Path, metavar="FILE", default=ROOT / "build" / "bench.json")
    p.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart")
    p.add_argument("--page", type=Path, metavar="FILE",
                   help="put the table between the marks of this Markdown page")
    p.add_argument("--from", dest="source", type=Path, metavar="FILE",
                   help="measure nothing: show this JSON of an earlier run")
    return p.parse_args()


def sizes_of(args):
    sizes = args.sizes
    if args.repeats:
        sizes = dataclasses.replace(sizes, repeats=args.repeats)
    if args.size:
        sizes = dataclasses.replace(sizes, transfer=args.size * MB, clients_transfer=args.size * MB)
    return sizes


def measure(session, run, end):
    """One run of a measure with a tunnel; what it found and what went wrong goes into `run`."""
    began = time.monotonic()
    try:
        if began > end:
            raise TimeoutError("not begun, the time for all of them was up")
        for values in MEASURES[run["measure"]].run(session, run["tool"]):
            run["values"].update(values)
    except Exception as e:  # pylint: disable=broad-exception-caught
        run["error"] = str(e).strip().split("\n", maxsplit=1)[0] or type(e).__name__
        run["trace"] = str(e)
        session.drop(run["tool"])
    run["seconds"] = round(time.monotonic() - began, 3)
    found = ", ".join(f"{name} {report.figure(value)}" for name, value in run["values"].items())
    progress(f"{run['measure']}, {run['tool']}, {run['repeat']}: "
             + "; ".join(filter(None, (found, run.get("error")))))


def measure_all(session, chosen, tools, runs, end):
    for name in chosen:
        failed = set()
        for repeat in range(session.sizes.repeats if MEASURES[name].repeated else 1):
            # Who comes first changes, so that what the machine does meanwhile meets all of them.
            for tool in tools[repeat % len(tools):] + tools[:repeat % len(tools)]:
                if tool in failed or (tool == "direct" and not MEASURES[name].with_direct):
                    continue
                run = {"measure": name, "tool": tool, "repeat": repeat + 1, "values": {}}
                runs.append(run)
                measure(session, run, end)
                if "error" in run:
                    failed.add(tool)


def choose_tools(args):
    """Those that can be had, and those that are missing: {name: package}."""
    missing = {name: package for name, t in TUNNELS.items() if (package := t.missing())}
    if args.tools and (wanted := [missing[t] for t in args.tools if t in missing]):
        sys.exit(f"missing: {' '.join(wanted)} (tools/deps.sh bench installs them)")
    return [t for t in args.tools or TUNNELS if t not in missing], {} if args.tools else missing


def run_all(args, directory):
    """Everything that was measured until the end, or until an interruption."""
    sizes = sizes_of(args)
    tools, missing = choose_tools(args)
    limit = args.limit or (LIMIT_MIN if args.sizes == Sizes() else QUICK_LIMIT_MIN)
    began = time.monotonic()
    results = {
        "schema": 1, "when": datetime.date.today().isoformat(), "machine": common.machine(),
        "tools": {t: TUNNELS[t].version() for t in tools}, "missing": missing,
        "measures": args.measures, "sizes": dataclasses.asdict(sizes), "runs": [],
        "problems": [],
    }
    session = Session(directory, sizes)
    try:
        measure_all(session, args.measures, tools, results["runs"], began + 60 * limit)
    except KeyboardInterrupt:
        results["problems"].append("interrupted")
    try:
        session.close()
    except AssertionError as e:
        results["problems"].append(str(e))
    results["seconds"] = round(time.monotonic() - began, 1)
    results["metrics"] = report.summary(results, sizes)
    return results


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def main():
    args = arguments()
    if args.source:
        results = json.loads(args.source.read_text(encoding="utf-8"))
    else:
        if not TOXTUN.exists():
            sys.exit(f"{TOXTUN} is not there: run `make build`, or set TOXTUN")
        signal.signal(signal.SIGTERM, interrupted)
        common.raise_file_limit()
        if not private_net.enter():
            sys.exit("this system lets us make no network namespace, and nothing may leave it")
        directory = Path(tempfile.mkdtemp(prefix="toxtun-bench-"))
        results = run_all(args, directory)
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if report.failures(results):
            progress(f"the logs of what failed are in {directory}")
        else:
            shutil.rmtree(directory)
    text = report.lines(results)
    print("\n".join(text))
    if args.svg:
        args.svg.write_text(chart.draw(results), encoding="utf-8")
    if args.page:
        report.put_into(args.page, text)
    return 1 if report.failures(results) else 0


if __name__ == "__main__":
    sys.exit(main())
