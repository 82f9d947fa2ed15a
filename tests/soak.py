#!/usr/bin/python3
"""A soak of real processes: mixed loads through a server, a client and a node, with kills and cuts.

    tests/soak.py [--seconds 1200] [--seed N] [--workers 4]

Everything runs in a network namespace of its own. In the first part processes are killed and the
path is cut; in the second one it is only cut, so that the same processes live to its end. Every ten
seconds memory, descriptors and counters are printed. It fails when a byte is wrong, when a transfer
fails that no fault excuses, when memory or descriptors grow in the second part, or when anything is
left at the end. The seed draws loads and faults, not the moments at which packets move.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE.parent / "tools")]

import private_net  # noqa: E402
from harness import ONLINE_S, PATIENCE, Load, Net, free_port, wait_until  # noqa: E402
from test_outage import Darkness  # noqa: E402

KB = 1000
SAMPLE_S = 10
KILLS_UNTIL = 0.4       # of the time
GROWTH_KB = 8 * 1024    # of resident memory, beside a quarter of it
CUT_MOST_S = 45         # longer than toxcore's own time-out (32 s)
GRACE_S = 3             # after the peers are online again: the listeners have noticed


class Pair:
    """The processes, and the times at which a new connection or an old one may fail."""

    def __init__(self, directory, load):
        self.net = Net(directory / "net", "soak-node")
        self.port = free_port()
        self.server, self.client = self.net.pair("soak", {self.port: load.port})
        self.ini = (directory / "net" / "soak-client.ini").read_text(encoding="utf-8")
        self.lock = threading.Lock()
        self.killed = []              # times
        self.away = []                # [from, to] in which connections cannot be opened
        self.client.wait_online()

    def excused(self, began, ended):
        with self.lock:
            return (any(began <= t <= ended for t in self.killed)
                    or any(a - 1 <= began <= b for a, b in self.away))

    def fault(self, kind, seconds):
        away = [time.monotonic(), float("inf")]
        with self.lock:
            self.away.append(away)
            if kind in ("server", "client"):
                self.killed.append(away[0])
        if kind == "cut":
            with Darkness():
                time.sleep(seconds)
        elif kind == "node":
            self.net.node.kill()
            self.net.start_node()
        elif kind == "server":
            self.server.kill()
            self.server = self.net.server("soak-server")
        else:
            self.client.kill()
            self.client = self.net.client("soak-client", ini=self.ini)
        self.client.wait_online(timeout=3 * ONLINE_S)
        away[1] = time.monotonic() + GRACE_S
        with self.lock:
            if kind in ("server", "client"):  # its old connections end when the new one is known
                self.killed.append(away[1])


class Worker(threading.Thread):
    """One transfer after the other."""

    def __init__(self, number, seed, load, pair, stop):
        super().__init__(daemon=True)
        self.rng = random.Random(f"{seed}-{number}")
        self.number, self.load, self.pair, self.stop = number, load, pair, stop
        self.ok = self.excused = self.bytes = 0
        self.failed = []

    def run(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            verb = self.rng.choice(("get", "put", "echo"))
            size = int(self.rng.choice((1, 100, 10 * KB, 300 * KB, 5000 * KB))
                       * self.rng.uniform(1, 3))
            began = time.monotonic()
            try:
                r = self.load.run(verb, self.pair.port, self.number * 100_000 + n, size,
                                  check=False, idle_s=120 * PATIENCE, timeout=300 * PATIENCE)
            except AssertionError as e:
                r = {"ok": False, "error": str(e)}
            if r["ok"]:
                self.ok += 1
                self.bytes += size
            elif "wrong" not in r["error"] and self.pair.excused(began, time.monotonic()):
                self.excused += 1
            else:
                self.failed.append(f"{verb} of {size} bytes: {r['error']}")
            time.sleep(self.rng.uniform(0, 0.5))


def faults(pair, args, began, last):
    """Draws one after the other until the time is nearly over. To be called by the main thread:
    what a thread has started ends with it."""
    rng = random.Random(args.seed)
    while True:
        time.sleep(rng.uniform(5, 25))
        share = (time.monotonic() - began) / args.seconds
        if share > 0.85:
            return
        kinds = ("cut", "server", "client", "node") if share < KILLS_UNTIL else ("cut", "node")
        kind = rng.choice(kinds)
        seconds = rng.choice((1, 3, 10, CUT_MOST_S))
        last[0] = f"{kind} {seconds} s" if kind == "cut" else f"{kind} killed"
        pair.fault(kind, seconds)


def sample(pair):
    """(kB, descriptors, channels or None) of server, client and node; None between two lives."""
    try:
        return [(p.rss_kb(), p.fds(), p.channels() if p is not pair.net.node else None)
                for p in (pair.server, pair.client, pair.net.node)]
    except (OSError, AttributeError, AssertionError, ValueError):
        return None


def growth(rows):
    """What has grown from the first to the last third of the second part."""
    third = max(1, len(rows) // 3)
    for i, name in enumerate(("server", "client")):
        for what, column, slack in (("resident kB", 0, GROWTH_KB), ("descriptors", 1, 16)):
            first = statistics.median(r[i][column] for r in rows[:third])
            last = statistics.median(r[i][column] for r in rows[-third:])
            if last > first * 1.25 + slack:
                yield f"{name}: {what} grew from {first:.0f} to {last:.0f}"


def watch(pair, workers, args, began, last, rows):
    """Prints a sample every so often; those that count for growth go to rows."""
    print("    s     ok excused failed      MB | server: MB fds chan | client: MB fds chan |"
          " node: MB fds | fault", flush=True)
    while time.monotonic() - began < args.seconds:
        time.sleep(SAMPLE_S)
        at, row = time.monotonic() - began, sample(pair)
        cells = f"{'between two lives':61}|" if row is None else (
            "".join(f"{kb / 1024:11.1f} {fds:3} {channels:4} |" for kb, fds, channels in row[:2])
            + f"{row[2][0] / 1024:9.1f} {row[2][1]:3} |")
        print(f"{at:5.0f} {sum(w.ok for w in workers):6} {sum(w.excused for w in workers):7} "
              f"{sum(len(w.failed) for w in workers):6} "
              f"{sum(w.bytes for w in workers) / 1e6:7.1f} |{cells} {last[0]}", flush=True)
        if row and at > args.seconds * KILLS_UNTIL + ONLINE_S:
            rows.append(row)


def soak(args, directory):
    """What went wrong, a line each."""
    load = Load(directory)
    pair = Pair(directory, load)
    idle = sample(pair)
    stop, last, rows, began = threading.Event(), [""], [], time.monotonic()
    workers = [Worker(i + 1, args.seed, load, pair, stop) for i in range(args.workers)]
    watcher = threading.Thread(target=watch, args=(pair, workers, args, began, last, rows),
                               daemon=True)
    for t in (*workers, watcher):
        t.start()
    faults(pair, args, began, last)
    watcher.join()
    stop.set()
    for w in workers:
        w.join(400 * PATIENCE)
    wrong = [f for w in workers for f in w.failed]
    wrong += [f"worker {w.number} hangs" for w in workers if w.is_alive()]
    wrong += growth(rows) if rows else ["nothing was measured in the second part: too short"]
    for p, (_, fds, _) in zip((pair.server, pair.client), idle):
        p.wait_channels(0, 30 * PATIENCE)
        try:
            wait_until(f"{p.name}: no more descriptors than at the start",
                       lambda p=p, n=fds: p.fds() <= n + 4, 30 * PATIENCE)
        except AssertionError as e:
            wrong.append(f"{e}; {fds} then, {p.fds()} now")
    pair.net.close()
    return wrong


def main():
    p = argparse.ArgumentParser(description="soak real processes")
    p.add_argument("--seconds", type=float, default=1200)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--workers", type=int, default=4)
    args = p.parse_args()
    if not private_net.enter():
        print("soak: no network namespace can be made here: packets could leave this machine",
              file=sys.stderr)
        return 1
    directory = Path(tempfile.mkdtemp(prefix="toxtun-soak-"))
    wrong = soak(args, directory)
    for line in wrong:
        print(f"soak: {line}", file=sys.stderr)
    if wrong:
        print(f"soak: logs are in {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory)
        print(f"soak: {args.seconds:.0f} s, nothing lost, nothing grew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
