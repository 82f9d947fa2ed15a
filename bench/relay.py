#!/usr/bin/python3
"""A download that neither end lets go by UDP: through `toxtun node` and through tox-bootstrapd.

    bench/relay.py [--repeats N] [--seconds S] [--relay node|tox-bootstrapd]... [TOXTUN]

In a network namespace of its own, the relays in turn. For each run: payload a second, segments that
were repeated, the smoothed round trip while it runs, and CPU seconds of the relay for each gigabyte.
tox-bootstrapd is of Debian's toxcore-utils.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, cpu_seconds, progress, table

MB = 1000 * 1000
WARM_BYTES = 2 * MB  # the first round trips, and what is done once
FOREVER = 100_000 * MB
RELAYS = ("node", "tox-bootstrapd")
OPTIONS = ("--no-udp",)  # of both ends


def bootstrapd(net_class):
    """harness.Net with Debian's daemon in place of our node."""
    from harness import PATIENCE, Proc, environment

    class Bootstrapd(net_class):
        def start_node(self):
            d = self.directory / "bootstrapd"
            d.mkdir(parents=True)
            conf = d / "conf"
            conf.write_text(f"""port = {self.node_port}
keys_file_path = "{d}/keys"
pid_file_path = "{d}/pid"
enable_ipv6 = true
enable_ipv4_fallback = true
enable_lan_discovery = false
enable_tcp_relay = true
tcp_relay_ports = [{self.node_port}]
enable_motd = false
bootstrap_nodes = ()
""", encoding="ascii")
            self.node = Proc("tox-bootstrapd", [
                "tox-bootstrapd", "--foreground", "--log-backend=stdout", f"--config={conf}"],
                self.directory, env=environment(d))
            key = self.node.wait_for(r"Public Key: ([0-9A-Fa-f]{64})", 20 * PATIENCE)
            self.node_arg = f"{self.address}:{self.node_port}:{key.group(1)}"

    return Bootstrapd


def by_relay(client):
    try:
        peers = client.stats()["peers"]
    except OSError:
        return False  # not listening yet
    return peers and peers[0]["ready"] and peers[0]["path"] == "tcp relay"


def run(relay, seconds, load, directory):
    from harness import ONLINE_S, Net, free_port, wait_until

    net = (Net if relay == "node" else bootstrapd(Net))(directory, relay)
    port = free_port()
    server, client = net.pair(relay, {port: load.port}, OPTIONS, OPTIONS)
    wait_until("the peer by a relay", lambda: by_relay(client), ONLINE_S, 0.2)
    load.run("get", port, 1, WARM_BYTES)
    running = load.start("get", port, 2, FOREVER)
    time.sleep(1)
    before, cpu, began = server.stats()["data"], cpu_seconds([net.node]), time.monotonic()
    time.sleep(seconds)
    after, took = server.stats(), time.monotonic() - began
    cpu = cpu_seconds([net.node]) - cpu
    running.kill()
    running.communicate()
    data = {k: after["data"][k] - v for k, v in before.items()}
    mb = data["payload_out"] / MB
    rtt_ms = after["peers"][0]["rtt_us"] / 1000
    for p in (client, server):
        p.stop()
    net.node.kill()
    return (mb / took, 100 * data["segments_retransmitted"] / max(1, data["segments_out"]), rtt_ms,
            cpu / mb * 1000 if mb else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each download")
    parser.add_argument("--relay", choices=RELAYS, action="append")
    parser.add_argument("toxtun", nargs="?", default=ROOT / "build" / "toxtun")
    args = parser.parse_args()
    relays = args.relay or RELAYS
    os.environ["TOXTUN"] = str(args.toxtun)
    if "tox-bootstrapd" in relays and not shutil.which("tox-bootstrapd"):
        sys.exit("relay.py: there is no tox-bootstrapd: install Debian's toxcore-utils, "
                 "or measure only ours with --relay node")
    import private_net
    if not private_net.enter():
        sys.exit("relay.py: this system allows no network namespace")
    from harness import Load
    figures = {relay: [] for relay in relays}
    with tempfile.TemporaryDirectory(prefix="toxtun-relay-") as directory:
        load = Load(Path(directory))
        for i in range(args.repeats):
            for relay in relays:
                progress(f"{relay}, {i + 1} of {args.repeats}")
                figures[relay].append(
                    run(relay, args.seconds, load, Path(directory) / f"{relay}-{i}"))
        load.server.kill()
    rows = [[relay, *(f"{statistics.median(v):.3g} ({min(v):.3g}-{max(v):.3g})"
                      for v in zip(*runs))] for relay, runs in figures.items()]
    print(*table(["relay: median (least-most)", "MB/s", "repeated, %", "round trip, ms",
                 "relay's CPU, s/GB"], rows), sep="\n")


if __name__ == "__main__":
    main()
