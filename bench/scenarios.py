"""What the loss matrix measures over an emulated link, one tool or pair of tools at a time.

Each scenario is a function of the World, a tool, a link, a seed of chance, the file of a trace (or
None) and the options of the command line. It returns figures, or raises Failed.
"""

import json
import threading
import time
from pathlib import Path

import ways

# A transfer that takes longer than this many times the link's ideal is given up.
PATIENCE = 8
LEAST_LIMIT_S = 20
PING_WARMUP_S = 4
PING_BYTES = 64
CHANNELS = 100
TRACE_INTERVAL_S = 0.1


class Failed(Exception):
    """A measurement that gave no figure, and why."""


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


def download_side_by_side(world, flow_ways, cell, trace, seconds):
    """A download over each of the ways at once: figures, and the bytes that each flow got."""
    seen = Observation(world, flow_ways[0], trace)
    flows = [Flow(world, way, cell, seconds) for way in flow_ways]
    for flow in flows:
        flow.start()
    for flow in flows:
        flow.join()
    got = [flow.bytes for flow in flows]
    figures = seen.figures(sum(got))
    for flow in flows:
        if flow.error:
            raise Failed(flow.error)
    if not any(got):
        raise Failed("no flow got a byte")
    return {**figures, "share": sum(got) * 8 / seconds / cell.rate}, got


def share(world, pair, cell, seed, trace, args):
    """Two downloads of one link at the same time."""
    first, second = pair.split("+")
    with world.start(first, cell, seed) as one, world.start(second, cell, seed) as other:
        figures, got = download_side_by_side(world, (one, other), cell, trace, args.seconds)
        return {**figures, "first": got[0] / sum(got), "second": got[1] / sum(got)}


def channels(world, tool, cell, seed, trace, args):
    """Many downloads through one tool at the same time; Jain's index says how fair it is, 1 being
    equal parts (Jain, Chiu, Hawe: DEC-TR-301)."""
    with world.start(tool, cell, seed) as way:
        figures, got = download_side_by_side(world, [way] * CHANNELS, cell, trace, args.seconds)
        return {**figures, "jain": sum(got) ** 2 / len(got) / sum(n * n for n in got),
                "least": min(got) / sum(got) * len(got)}


SCENARIOS = {"download": download, "ping": ping, "share": share, "channels": channels}
