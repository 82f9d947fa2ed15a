#!/usr/bin/python3
"""The loss matrix: toxtun, plain TCP and kcptun over the same emulated links, in turn.

    matrix.py                                              everything, most of an hour
    matrix.py download --cells 100M-100ms-1% --tools toxtun,bbr --repeat 3
    matrix.py ping --tools toxtun                          64 bytes beside a download
    matrix.py share --pairs toxtun+toxtun,toxtun+cubic     two downloads of one link
    matrix.py channels --tools toxtun                      100 downloads through one tunnel
    matrix.py download --toxtun new=build/toxtun --toxtun old=/tmp/toxtun --tools new,old
    matrix.py download --cells 100M-100ms --tools toxtun --keep /tmp/look

Links are named as cells.py says. Each tool is started anew for each measurement and meets the same
chances of loss in the same repeat. Needs root (namespaces, TUN devices); nothing leaves the
machine.
"""

import argparse
import datetime
import json
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import cells
import netpath
import report
import ways
from common import machine, machine_text, progress, table
from scenarios import CHANNELS, PING_BYTES, SCENARIOS

OTHER_TOOLS = ("bbr", "cubic", "kcptun", "kcptun-fec")

# ---- tables ----


def percent(x, digits=1):
    return "-" if x is None else f"{x * 100:.{digits}f} %"


def number(form):
    return lambda x: "-" if x is None else format(x, form)


# Heading, key, form: what a row shows of its results, each the median of the repeats.
LINK_COLUMNS = (
    ("repeated", "repeated", percent), ("lost", "lost", percent),
    ("dropped", "queue_drops", percent), ("queue ms", "queue_ms", number(".1f")),
    ("p95", "queue_p95_ms", number(".1f")), ("busy", "machine_busy", lambda x: percent(x, 0)))
COLUMNS = {
    "download": (("share", "share", percent), ("seconds", "seconds", number(".1f")),
                 ("net/byte", "network_per_byte", number(".3f")),
                 ("back/byte", "back_per_byte", number(".3f")), *LINK_COLUMNS),
    "ping": (("min ms", "min_ms", number(".1f")), ("median", "median_ms", number(".1f")),
             ("p99", "p99_ms", number(".1f")), ("max", "max_ms", number(".1f")),
             ("link use", "link_use", percent), *LINK_COLUMNS),
    "share": (("first", "first", percent), ("second", "second", percent),
              ("both, of the link", "share", percent), *LINK_COLUMNS),
    "channels": (("Jain's index", "jain", number(".3f")), ("least", "least", percent),
                 ("all, of the link", "share", percent), *LINK_COLUMNS),
}
TITLES = {
    "download": "Downloads: payload as a share of the link's rate, slow start included",
    "ping": f"Round trips of {PING_BYTES} bytes beside a download",
    "share": "Two downloads of one link at the same time: share of each",
    "channels": f"{CHANNELS} downloads through one tunnel at the same time; least: of the slowest, "
                "100 % being an equal part",
}


def row(columns, results):
    """Medians; a transfer that did not finish has an upper bound of its share."""
    good = [r for r in results if "error" not in r]
    if not good:
        return ["failed", *[""] * (len(columns) - 1)]
    texts = []
    for _, key, form in columns:
        values = [r[key] for r in good if r.get(key) is not None]
        texts.append(form(statistics.median(values)) if values else "-")
    if not all(r.get("finished", True) for r in good):
        texts[0] = "< " + texts[0]
    return texts


def tables(results):
    """Lines of all tables, and of what spoils them."""
    lines = []
    for scenario in SCENARIOS:
        groups = {}
        for r in (r for r in results if r["scenario"] == scenario):
            groups.setdefault((r["cell"], r["tool"]), []).append(r)
        if groups:
            columns = COLUMNS[scenario]
            rows = [[cell, tool, *row(columns, found)] for (cell, tool), found in groups.items()]
            lines += [TITLES[scenario] + ":", "",
                      *table(["link", "tool", *(c[0] for c in columns)], rows), ""]
    lines += [f"- failed: {r['scenario']} {r['cell']} {r['tool']}: {r['error']}"
              for r in results if "error" in r]
    for spoilt, found in (
            ("the machine was too busy, 1 % of the packets came more than a millisecond late",
             {r["cell"]: r for r in results if r.get("link_late_ms", 0) > 1}),
            ("packets were lost ahead of the emulated link",
             {r["cell"]: r for r in results if r.get("device_drops")})):
        if found:
            lines.append(f"- {spoilt}: {', '.join(found)}")
    return lines


# ---- the whole ----


def possible_pair(tools):
    """The congestion control of TCP is the link's: two flows cannot differ in it."""
    return len(tools) == 2 and (tools[0] == tools[1] or not set(tools) <= set(ways.TCP))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                   help="download, ping, share, channels (all of them)")
    p.add_argument("--cells", help="links, comma separated")
    p.add_argument("--tools", help="toxtun[-MODE], bbr, cubic, reno, kcptun, kcptun-fec")
    p.add_argument("--pairs", help="for share: TOOL+TOOL,...")
    p.add_argument("--repeat", type=int, default=1, help="how often each, in turn")
    p.add_argument("--scale", type=float, default=1, help="factor of the transfers' sizes")
    p.add_argument("--pings", type=int, default=300, help="how many round trips (300)")
    p.add_argument("--seconds", type=float, default=20, help="how long downloads share the link (20)")
    p.add_argument("--toxtun", action="append", metavar="[NAME=]PATH",
                   help="the program (build/toxtun); with a name it is a tool of that name")
    p.add_argument("--keep", type=Path, metavar="DIRECTORY",
                   help="leave logs there, and traces of link and sender, ten lines a second")
    p.add_argument("--json", type=Path, help="write all results here")
    p.add_argument("--page", type=Path, metavar="FILE",
                   help="put the tables between the marks of this Markdown page")
    args = p.parse_args()
    if args.keep and args.keep.exists() and any(args.keep.iterdir()):
        p.error(f"{args.keep} is not empty")
    args.scenarios = args.scenarios or list(SCENARIOS)
    args.toxtuns = {}
    for spec in args.toxtun or [str(netpath.ROOT / "build" / "toxtun")]:
        name, _, path = spec.rpartition("=")
        args.toxtuns[name or "toxtun"] = Path(path).resolve()
    own = [t for name in args.toxtuns for t in (name, f"{name}-fast3")]
    pairs = [f"{name}+{other}" for name in args.toxtuns for other in (name, "cubic", "bbr")]
    tools = args.tools.split(",") if args.tools else [*own, *OTHER_TOOLS]
    args.tools = {"download": tools, "ping": tools,
                  "channels": args.tools.split(",") if args.tools else [*args.toxtuns, "cubic"],
                  "share": args.pairs.split(",") if args.pairs else pairs}
    known = [t for s in args.scenarios for p in args.tools.get(s, ()) for t in p.split("+")]
    try:
        bad = [s for s in args.scenarios if s not in SCENARIOS]
        bad += [t for t in known if not ways.known(t, args.toxtuns)]
        bad += [p for p in args.tools["share"] if not possible_pair(p.split("+"))]
        bad += [str(path) for path in args.toxtuns.values() if not path.exists()]
        if bad:
            raise ValueError("unknown: " + ", ".join(bad))
        args.cells = {s: [cells.parse(n, args.scale) for n in (
            args.cells.split(",") if args.cells else
            cells.DOWNLOADS if s == "download" else [cells.SHARED])] for s in SCENARIOS}
    except ValueError as e:
        p.error(str(e))
    return args


def measure(args, world, scenario, tool, cell, run):
    """One result, whatever happens."""
    result = {"scenario": scenario, "cell": cell.name, "tool": tool, "run": run}
    trace = args.keep and args.keep / f"{scenario}-{cell.name}-{tool}-{run}.jsonl"
    try:
        result.update(SCENARIOS[scenario](world, tool, cell, run, trace, args))
    except Exception as e:  # pylint: disable=broad-exception-caught
        result["error"] = str(e).strip() or type(e).__name__
    shown = row(COLUMNS[scenario], [result])
    progress(f"{scenario} {cell.name} {tool}: " + ", ".join(
        f"{heading} {text}" for (heading, _, _), text in list(zip(COLUMNS[scenario], shown))[:4]))
    return result


def run_all(args, world, results):
    for run in range(1, args.repeat + 1):
        for scenario in args.scenarios:
            for cell in args.cells[scenario]:
                for tool in args.tools[scenario]:
                    results.append(measure(args, world, scenario, tool, cell, run))


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def main():
    args = arguments()
    about = {"machine": machine(), "when": datetime.date.today().isoformat(),
             "toxtun": {name: str(path) for name, path in args.toxtuns.items()}}
    results, whole = [], False
    signal.signal(signal.SIGTERM, interrupted)
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="toxtun-matrix-") as directory:
        try:
            with ways.World(args.keep or Path(directory), args.toxtuns) as world:
                run_all(args, world, results)
                whole = True
        except netpath.Unavailable as e:
            print(f"skipped: {e}", file=sys.stderr)
            return 77
        except KeyboardInterrupt:
            progress("interrupted")
    text = [*tables(results), f"{about['when']}. {machine_text(about['machine'])}."]
    print("\n".join(text))
    if args.page and whole:
        report.put_into(args.page, text, "make matrix")
    if args.json:
        args.json.write_text(json.dumps({**about, "results": results}, indent=1) + "\n",
                             encoding="utf-8")
    return 0 if whole and not any("error" in r for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
