"""WireGuard inside a UDP forward: two programs of wireguard-go, each end in a namespace of its own."""

import json
import os
import re
import subprocess

import pytest
from harness import PATIENCE, Proc, environment, free_port

MTU = 1420  # WireGuard's own: its packets are longer than one of Tox and go in two fragments


class End:
    """One end: its process and socket stay here, its interface moves away."""

    def __init__(self, directory, name, address):
        self.env = environment(directory)
        self.name = f"{name}{os.getpid()}"
        self.address = address
        self.port = free_port()
        self.key_file = directory / f"{self.name}.key"
        self.key_file.write_text(self.run("wg", "genkey"), encoding="ascii")
        self.public = self.run("wg", "pubkey", stdin=self.key_file.read_text()).strip()
        self.wireguard = Proc("wireguard-go", ["wireguard-go", "-f", self.name], directory,
                              env={**self.env, "LOG_LEVEL": "error"})
        self.holder = Proc("namespace", ["unshare", "-n", "sh", "-c", "echo ready; exec sleep 300"],
                           directory)
        self.holder.wait_for("ready", 10)

    def run(self, *argv, stdin=None, check=True):
        done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True,
                              timeout=60, env=self.env, check=False)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def inside(self):
        return ["nsenter", "-t", self.holder.pid, "-n"]

    def start(self, peer, endpoint=()):
        self.run("wg", "set", self.name, "private-key", self.key_file, "listen-port", self.port,
                 "peer", peer.public, "allowed-ips", f"{peer.address}/32", *endpoint)
        self.run("ip", "link", "set", self.name, "mtu", MTU, "netns", self.holder.pid)
        self.run(*self.inside(), "ip", "address", "add", f"{self.address}/24", "dev", self.name)
        self.run(*self.inside(), "ip", "link", "set", self.name, "up")

    def close(self):
        self.holder.kill()
        self.wireguard.kill()


@pytest.fixture(scope="module")
def ends(directory):
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun")
    a, b = End(directory, "wga", "10.9.0.1"), End(directory, "wgb", "10.9.0.2")
    try:
        for end in (a, b):
            socket_path = f"/var/run/wireguard/{end.name}.sock"
            for _ in range(50 * PATIENCE):
                if os.path.exists(socket_path) or not end.wireguard.alive():
                    break
                end.run("sleep", "0.1")
            if not os.path.exists(socket_path):
                pytest.skip(f"wireguard-go does not start here: {end.wireguard.err()}")
        yield a, b
    finally:
        a.close()
        b.close()


@pytest.mark.isolated
def test_wireguard_carries_pings_and_tcp(net, directory, ends, figure):
    a, b = ends
    port = free_port()
    server = net.server("wg-server")
    client = net.client("wg-client", ini=(
        f"[client]\nwg = udp:{port}:127.0.0.1:{b.port}:{server.toxid}\n"))
    client.wait_online()
    b.start(a)
    a.start(b, ["endpoint", f"127.0.0.1:{port}"])
    ping = a.run(*a.inside(), "ping", "-n", "-c", 20, "-i", "0.05", "-W", 2, "-s", 1300, b.address,
                 check=False)
    received = int(re.search(r"(\d+) received", ping).group(1))
    assert received >= 18, ping  # the first may meet the handshake

    service = Proc("iperf3", [*b.inside(), "iperf3", "-s", "-1", "--forceflush"], directory)
    service.wait_for("listening", 10)
    run = a.run(*a.inside(), "iperf3", "-c", b.address, "-t", 2, "-J")
    end = json.loads(run)["end"]
    mbit = end["sum_received"]["bits_per_second"] / 1e6
    figure(f"WireGuard inside: ping {re.search('= (.*) ms', ping).group(1)} ms, TCP {mbit:.0f} Mbit/s")
    assert mbit > 1
    dropped = client.stats()["udp"]["dropped"]
    figure(f"WireGuard inside: dropped {({k: v for k, v in dropped.items() if v})}")
    client.stop()
    server.stop()
