#!/usr/bin/python3
"""The loss matrix: toxtun, plain TCP and kcptun over the same emulated links, in turn.

    matrix.py                                              everything, half an hour
    matrix.py download --cells 100M-100ms-1% --tools toxtun,bbr --repeat 3
    matrix.py ping --tools toxtun                          64 bytes beside a download
    matrix.py share --pairs toxtun+toxtun,toxtun+cubic     two downloads of one link
    matrix.py download --toxtun new=build/toxtun --toxtun old=/tmp/toxtun --tools new,old
    matrix.py download --cells 100M-100ms --tools toxtun --keep /tmp/look

Links are named as cells.py says. Each tool is started anew for each measurement and meets the same
chances of loss in the same repeat. Needs root (namespaces, TUN devices); nothing leaves the
machine.
"""

import argparse
import datetime
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import cells
import netpath
import ways
from common import machine, machine_text, progress, table

OTHER_TOOLS = ("bbr", "cubic", "kcptun", "kcptun-fec")
SCENARIOS = ("download", "ping", "share")
# A transfer that takes longer than this many times the link's ideal is given up.
PATIENCE = 8
LEAST_LIMIT_S = 20
PING_WARMUP_S = 4
PING_BYTES = 64
TRACE_INTERVAL_S = 0.1


class Failed(Exception):
    """A measurement that gave no figure, and why."""


# ---- one measurement each ----


def busy_seconds():
    """Processor time that the whole machine has used so far, and has had."""
    ticks = [int(x) for x in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


class Trace(threading.Thread):
    """Writes down ten times a second what the link and the sender do, as lines of JSON."""

    def __init__(self, world, way, path):
        super().__init__(daemon=True)
        self.world = world
        self.way = way
        self.path = path
        self.ended = threading.Event()
        self.start()

    def run(self):
        with open(self.path, "w", encoding="ascii") as f:
            while not self.ended.wait(TRACE_INTERVAL_S):
                json.dump({**self.world.link.counters(), "tool": self.way.state()}, f)
                f.write("\n")

    def end(self):
        self.ended.set()
        self.join()


class Observation:
    """What the link and the machine did between two moments."""

    def __init__(self, world, way, trace):
        self.world = world
        self.way = way
        self.busy = busy_seconds()
        self.segments = way.counters()
        world.link.reset()
        self.trace = Trace(world, way, trace) if trace else None

    def figures(self, payload):
        """To be called once, at the end; `payload` is what went through, 0 when that is not
        known."""
        if self.trace:
            self.trace.end()
        link, down = self.world.link.stats(), ways.DOWN
        busy = [b - a for a, b in zip(self.busy, busy_seconds())]
        sent, repeated = (b - a for a, b in zip(self.segments, self.way.counters()))
        return {
            "network_per_byte": link[down]["bytes_in"] / payload if payload else None,
            "back_per_byte": link[ways.UP]["bytes_in"] / payload if payload else None,
            "repeated": repeated / sent if sent else None,
            "lost": link[down]["lost"] / max(1, link[down]["packets_in"]),
            "queue_drops": link[down]["queue_drops"] / max(1, link[down]["packets_in"]),
            "queue_ms": link[down]["queue_us"]["median"] / 1e3,
            "queue_p95_ms": link[down]["queue_us"]["p95"] / 1e3,
            "machine_busy": busy[0] / max(1, busy[1]),
            "link_late_ms": link[down]["late_us"]["p99"] / 1e3,
            "device_drops": link[down]["device_drops"] + link[ways.UP]["device_drops"],
            "delivered_bytes": link[down]["delivered_bytes"],
        }


def download(world, tool, cell, seed, trace, _args):
    """One transfer, from connect() to the last byte."""
    limit = max(LEAST_LIMIT_S, PATIENCE * cell.ideal_s())
    with world.start(tool, cell, seed) as way:
        seen = Observation(world, way, trace)
        try:
            got = way.run(way.clients[0], "get", 1, cell.bytes, timeout=limit, check=False)
        except AssertionError:
            figures = seen.figures(0)
            # All that the link delivered, headers and repeats too: it was no more.
            return {**figures, "finished": False, "seconds": limit,
                    "share": figures["delivered_bytes"] * 8 / limit / cell.rate}
        figures = seen.figures(cell.bytes)
        if not got["ok"]:
            raise Failed(got["error"])
        return {**figures, "finished": True, "seconds": got["seconds"],
                "share": cell.bytes * 8 / got["seconds"] / cell.rate}


def ping(world, tool, cell, seed, trace, args):
    """Round trips of a few bytes beside a download, both through the same tool."""
    limit = args.pings * (cell.rtt_us / 1e6 + 1) + LEAST_LIMIT_S
    with world.start(tool, cell, seed) as way:
        client = way.clients[0]
        busy = way.start(client, "get", 1, int(cell.rate / 8 * limit))
        try:
            time.sleep(PING_WARMUP_S)
            seen, start = Observation(world, way, trace), time.monotonic()
            try:
                times = way.run(client, "ping", args.pings, PING_BYTES, timeout=limit, check=False)
            finally:
                figures, took = seen.figures(0), time.monotonic() - start
            if not times["ok"]:
                raise Failed(times["error"])
            if busy.poll() is not None:
                raise Failed("the download ended before the round trips")
            return {**figures, **{k: v for k, v in times.items() if k.endswith("_ms")},
                    "link_use": figures["delivered_bytes"] * 8 / took / cell.rate}
        finally:
            busy.kill()
            busy.communicate()


class Flow(threading.Thread):
    """A download that counts what comes for some seconds."""

    def __init__(self, world, way, cell, seconds):
        super().__init__()
        self.socket = world.client.socket()
        self.address = (way.clients[0].host, way.clients[0].port)
        self.request = f"get 1 {int(cell.rate / 8 * (seconds + 1))}\n".encode()
        self.until = time.monotonic() + seconds
        self.bytes = 0
        self.error = None

    def run(self):
        try:
            with self.socket as s:
                s.settimeout(max(1, self.until - time.monotonic()))
                s.connect(self.address)
                s.sendall(self.request)
                while (left := self.until - time.monotonic()) > 0:
                    s.settimeout(left)
                    part = s.recv(1 << 18)
                    if not part:
                        self.error = "early end"
                        return
                    self.bytes += len(part)
        except TimeoutError:
            pass  # nothing came until the end
        except OSError as e:
            self.error = str(e)


def share(world, pair, cell, seed, trace, args):
    """Two downloads of one link at the same time."""
    first, second = pair.split("+")
    with world.start(first, cell, seed) as one, world.start(second, cell, seed) as other:
        seen = Observation(world, one, trace)
        flows = [Flow(world, way, cell, args.seconds) for way in (one, other)]
        for flow in flows:
            flow.start()
        for flow in flows:
            flow.join()
        total = sum(flow.bytes for flow in flows)
        figures = seen.figures(total)
        for flow in flows:
            if flow.error:
                raise Failed(flow.error)
        if not total:
            raise Failed("neither got a byte")
        return {**figures, "first": flows[0].bytes / total, "second": flows[1].bytes / total,
                "share": total * 8 / args.seconds / cell.rate}


MEASURES = {"download": download, "ping": ping, "share": share}


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
}
TITLES = {
    "download": "Downloads: payload as a share of the link's rate, slow start included",
    "ping": f"Round trips of {PING_BYTES} bytes beside a download",
    "share": "Two downloads of one link at the same time: share of each",
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


def report(results):
    """Lines of all tables, and of what spoils them."""
    lines = []
    for scenario in SCENARIOS:
        groups = {}
        for r in (r for r in results if r["scenario"] == scenario):
            groups.setdefault((r["cell"], r["tool"]), []).append(r)
        if groups:
            columns = COLUMNS[scenario]
            rows = [[cell, tool, *row(columns, found)] for (cell, tool), found in groups.items()]
            lines += ["", TITLES[scenario], "",
                      *table(["link", "tool", *(c[0] for c in columns)], rows)]
    lines += [""] + [f"{r['cell']} {r['tool']}: {r['error']}" for r in results if "error" in r]
    late = sorted({r["cell"] for r in results if r.get("link_late_ms", 0) > 1})
    if late:
        lines.append("the machine was too busy for the emulated link (p99 over 1 ms late): "
                     + ", ".join(late))
    dropped = sorted({r["cell"] for r in results if r.get("device_drops")})
    if dropped:
        lines.append("packets were lost ahead of the emulated link: " + ", ".join(dropped))
    return lines


# ---- the whole ----


def possible_pair(tools):
    """The congestion control of TCP is the link's: two flows cannot differ in it."""
    return len(tools) == 2 and (tools[0] == tools[1] or not set(tools) <= set(ways.TCP))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                   help="download, ping, share (all of them)")
    p.add_argument("--cells", help="links, comma separated")
    p.add_argument("--tools", help="toxtun[-MODE], bbr, cubic, reno, kcptun, kcptun-fec")
    p.add_argument("--pairs", help="for share: TOOL+TOOL,...")
    p.add_argument("--repeat", type=int, default=1, help="how often each, in turn")
    p.add_argument("--scale", type=float, default=1, help="factor of the transfers' sizes")
    p.add_argument("--pings", type=int, default=300, help="how many round trips (300)")
    p.add_argument("--seconds", type=float, default=20, help="how long two share the link (20)")
    p.add_argument("--toxtun", action="append", metavar="[NAME=]PATH",
                   help="the program (build/toxtun); with a name it is a tool of that name")
    p.add_argument("--keep", type=Path, metavar="DIRECTORY",
                   help="leave logs there, and traces of link and sender, ten lines a second")
    p.add_argument("--json", type=Path, help="write all results here")
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
        result.update(MEASURES[scenario](world, tool, cell, run, trace, args))
    except (Failed, AssertionError, OSError, ValueError) as e:
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


def main():
    args = arguments()
    about = {"machine": machine(), "date": datetime.date.today().isoformat(),
             "toxtun": {name: str(path) for name, path in args.toxtuns.items()}}
    results = []
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="toxtun-matrix-") as directory:
        try:
            with ways.World(args.keep or Path(directory), args.toxtuns) as world:
                run_all(args, world, results)
        except netpath.Unavailable as e:
            print(f"skipped: {e}", file=sys.stderr)
            return 77
        except KeyboardInterrupt:
            progress("interrupted")
    print(machine_text(about["machine"]))
    print("\n".join(report(results)))
    if args.json:
        args.json.write_text(json.dumps({**about, "results": results}, indent=1) + "\n",
                             encoding="utf-8")
    return 1 if any("error" in r for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
