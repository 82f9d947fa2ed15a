"""What is measured, and how.

A measure is a function of the session and the name of a tunnel. It yields {metric: value}, each as
soon as it is known, so that what was yielded before an error stays.
"""

import contextlib
import json
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from common import cpu_seconds, memory_bytes
from harness import MB, Proc, connect, free_port
from scraping import scraping
from session import LINK_RTT_MS
from tunnels import TUNNELS

RUN_S = 120        # that one run of the load generator may take
HOLD_S = 180       # that the opening of idle connections may take
SETTLE_S = 2       # between the opening of idle connections and the look at the memory
START_S = 60       # that a client may take to its first byte
UDP_BYTES = 1200   # of a datagram: what fits into one packet of most paths
STAGGER_S = 0.1    # between the starts of clients


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Measure:
    name: str
    run: Callable
    metrics: Callable          # of Sizes, as their names may have a count in them
    repeated: bool = True      # False: it takes long and varies little
    with_direct: bool = True   # False: a direct connection has no such figure


# ---- speed ----


def transfer(session, name, verb):
    tunnel, client = session.shared(name)
    before = cpu_seconds(tunnel.processes())
    got = tunnel.run(client, verb, 1, session.sizes.transfer, timeout=RUN_S)
    what = "download" if verb == "get" else "upload"
    yield {what: got["mb_per_s"]}
    if name != "direct":
        used = cpu_seconds(tunnel.processes()) - before
        yield {f"{what}_cpu": used / (got["bytes"] / 1e9)}


def download(session, name):
    return transfer(session, name, "get")


def upload(session, name):
    return transfer(session, name, "push")


def both(session, name):
    tunnel, client = session.shared(name)
    with contextlib.ExitStack() as stack:
        runs = {what: stack.enter_context(tunnel.start(client, verb, 2, session.sizes.transfer))
                for what, verb in (("both_down", "get"), ("both_up", "push"))}
        for popen in runs.values():
            stack.callback(popen.kill)  # nothing, unless the other one has failed
        for what, popen in runs.items():
            yield {what: session.load.finish(popen, RUN_S)["mb_per_s"]}


def at_once(session, name):
    tunnel, client = session.shared(name)
    yield {"at_once": tunnel.run(client, "fetch", session.sizes.at_once, MB,
                                 timeout=RUN_S)["mb_per_s"]}


# ---- time ----


def round_trip(session, name):
    tunnel, client = session.shared(name)
    got = tunnel.run(client, "ping", session.sizes.round_trips, 64, timeout=RUN_S)
    yield {f"rtt_{what}": got[f"{what}_ms"] for what in ("min", "median", "p99")}


def opening(session, name):
    tunnel, client = session.shared(name)
    yield {"open": tunnel.run(client, "open", session.sizes.opens, 1, timeout=RUN_S)["median_ms"]}


def opening_over_link(session, name):
    tunnel, client = session.shared(name, over_link=True)
    got = tunnel.run(client, "open", session.sizes.link_opens, 1, timeout=RUN_S)
    yield {"open_link": got["median_ms"] / LINK_RTT_MS}


def first_byte(client, end):
    """Tries until a byte has come back through a client that has only just been started."""
    while True:
        try:
            with connect(client.port, client.host, timeout=START_S) as s:
                s.sendall(b"echo\nx")
                if s.recv(1) == b"x":
                    return
        except ConnectionError:
            pass  # it does not listen yet
        assert client.proc.alive(), f"{client.proc.name} ended:\n{client.proc.err()}"
        assert time.monotonic() < end, f"no byte within {START_S} s"
        time.sleep(0.005)


def start(session, name):
    """toxtun's is measured twice: with a new identity, and with one that the server knows."""
    tunnel, _ = session.shared(name)
    identity = f"start{len(tunnel.clients)}"
    for what in ("start", "start_again") if name == "toxtun" else ("start",):
        began = time.monotonic()
        client = tunnel.add_client(identity)
        first_byte(client, began + START_S)
        yield {what: time.monotonic() - began}
        client.proc.stop()


# ---- what it costs to be there ----


def idle(session, name):
    with session.fresh(name) as tunnel:
        tunnel.wait_ready(tunnel.add_client())
        time.sleep(SETTLE_S)
        sides = {"client": tunnel.client_procs(), "server": tunnel.servers}
        before = {side: cpu_seconds(procs) for side, procs in sides.items()}
        time.sleep(session.sizes.idle_s)
        for side, procs in sides.items():
            used = cpu_seconds(procs) - before[side]
            yield {f"idle_cpu_{side}": used / session.sizes.idle_s * 100,
                   f"idle_memory_{side}": memory_bytes(procs) / MB}


def hold(tunnel, client, count):
    """A load generator with so many open connections; it checks and closes them at its end."""
    popen = tunnel.start(client, "hold", count, 1, stdin=subprocess.PIPE)
    ready = select.select([popen.stdout], [], [], HOLD_S)[0]
    line = popen.stdout.readline() if ready else f"not open within {HOLD_S} s"
    if not line.startswith("holding"):
        popen.kill()
        popen.communicate()
        raise AssertionError(f"{count} idle connections: {line.strip()}")
    return popen


def memory(session, name):
    with session.fresh(name) as tunnel, contextlib.ExitStack() as held:
        client = tunnel.add_client()
        tunnel.wait_ready(client)
        sides = {"client": tunnel.client_procs(), "server": tunnel.servers}
        before = {side: memory_bytes(procs) for side, procs in sides.items()}
        opened = 0
        for count in session.sizes.idle_connections:
            popen = hold(tunnel, client, count - opened)
            held.callback(session.load.finish, popen, RUN_S)
            opened = count
            time.sleep(SETTLE_S)
            for side, procs in sides.items():
                grown = memory_bytes(procs) - before[side]
                yield {f"memory_{side}_{count}": grown / count / 1000}


def clients(session, name):
    """One server, more and more clients that all download at the same time."""
    with session.fresh(name) as tunnel:
        for count in session.sizes.clients:
            for _ in range(count - len(tunnel.clients)):
                tunnel.add_client()
                time.sleep(STAGGER_S)
            for client in tunnel.clients:
                tunnel.wait_ready(client)
            share = session.sizes.clients_transfer // count
            ports = ",".join(str(client.port) for client in tunnel.clients)
            before = cpu_seconds(tunnel.servers)
            got = session.load.run("fetch", ports, count, share, timeout=RUN_S)
            yield {f"clients_{count}": got["mb_per_s"]}
            if tunnel.servers:
                used = cpu_seconds(tunnel.servers) - before
                yield {f"clients_{count}_cpu": used / (share * count / 1e9),
                       f"clients_{count}_memory": memory_bytes(tunnel.servers) / MB}


# ---- all of them, in the order of the table ----

def iperf3(session, client, port, rate):
    """What iperf3 says of datagrams at this rate (0: as fast as it can)."""
    service = Proc("iperf3", ["iperf3", "-s", "-1", "--forceflush", "-p", port], session.directory)
    try:
        service.wait_for("listening", 10)
        done = subprocess.run(
            ["iperf3", "-c", client.host, "-p", str(client.port), "-u", "-b", rate, "-l",
             str(UDP_BYTES), "-t", str(session.sizes.udp_s), "-J"],
            capture_output=True, text=True, timeout=RUN_S, check=False)
        answer = json.loads(done.stdout)
        assert "error" not in answer, f"iperf3: {answer['error']}"
        return answer["end"]["sum"]
    finally:
        service.kill()


def datagrams(session, name):
    if not TUNNELS[name].udp:
        return
    port = free_port()
    with session.fresh(name, target=port) as tunnel:
        client = tunnel.add_client()
        tunnel.wait_path(client)
        yield {"udp_lost": iperf3(session, client, port, "100M")["lost_percent"]}
        most = iperf3(session, client, port, "0")
        arrived = most["packets"] - most["lost_packets"]
        yield {"udp": arrived * UDP_BYTES / most["seconds"] / MB}


SIDES = ("client", "server")


def many(count):
    return f"{count} client{'s' * (count != 1)}"


MEASURES = {m.name: m for m in (
    Measure("download", download, lambda z: [
        Metric("download", "one download", "MB/s", True),
        Metric("download_cpu", "CPU of a download, both ends", "s/GB")]),
    Measure("upload", upload, lambda z: [
        Metric("upload", "one upload", "MB/s", True),
        Metric("upload_cpu", "CPU of an upload, both ends", "s/GB")]),
    Measure("both", both, lambda z: [
        Metric("both_down", "both at once: down", "MB/s", True),
        Metric("both_up", "both at once: up", "MB/s", True)]),
    Measure("at-once", at_once, lambda z: [
        Metric("at_once", f"{z.at_once} downloads of 1 MB at once", "MB/s", True)]),
    Measure("scraping", lambda session, name: scraping(session, name, RUN_S), lambda z: [
        Metric("scraped", "a download while scraped, to one while not", "%", True),
        Metric("scrape_cpu", "CPU of a scrape, both ends", "ms")], with_direct=False),
    Measure("rtt", round_trip, lambda z: [
        Metric("rtt_min", "64-byte round trip: least", "ms"),
        Metric("rtt_median", "64-byte round trip: median", "ms"),
        Metric("rtt_p99", "64-byte round trip: 99th percentile", "ms")]),
    Measure("open", opening, lambda z: [
        Metric("open", "open and first byte", "ms")]),
    Measure("open-link", opening_over_link, lambda z: [
        Metric("open_link", f"open and first byte over {LINK_RTT_MS} ms", "round trips")]),
    Measure("udp", datagrams, lambda z: [
        Metric("udp_lost", "UDP at 100 Mbit/s: lost", "%"),
        Metric("udp", "UDP as fast as it arrives", "MB/s", True)]),
    Measure("start", start, lambda z: [
        Metric("start", "client start to first byte", "s"),
        Metric("start_again", "the same, identity known to the server", "s")], with_direct=False),
    Measure("idle", idle, lambda z: [
        Metric(f"idle_{what}_{side}", f"{what.replace('cpu', 'CPU')} while idle, {side}", unit)
        for what, unit in (("cpu", "%"), ("memory", "MB"))
        for side in SIDES], repeated=False, with_direct=False),
    Measure("memory", memory, lambda z: [
        Metric(f"memory_{side}_{count}", f"each of {count:,} idle connections, {side}", "kB")
        for count in z.idle_connections for side in SIDES], repeated=False, with_direct=False),
    Measure("clients", clients, lambda z: [
        metric for count in z.clients for metric in (
            Metric(f"clients_{count}", f"{many(count)} of one server, in all", "MB/s", True),
            Metric(f"clients_{count}_cpu", f"{many(count)}: CPU of the server", "s/GB"),
            Metric(f"clients_{count}_memory", f"{many(count)}: memory of the server", "MB"))],
            repeated=False),
)}
