"""What a service manager is told: a socket of the test's own stands for systemd's."""

import os
import signal
import socket
import time

import pytest
from harness import ONLINE_S, PATIENCE, free_port, wait_until

WATCHDOG_S = 1.0


class Manager:
    """Receives notifications, in order, with the time of each."""

    def __init__(self, address, watchdog_s=None):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        name = address.replace("\0", "@")
        self.before = ["env", f"NOTIFY_SOCKET={name}"]
        if watchdog_s:
            self.before += [f"WATCHDOG_USEC={int(watchdog_s * 1e6)}"]
        self.seen = []

    def wait_for(self, word, timeout, after=0):
        """The first notification that has this word, from the one with this number on."""
        end = time.monotonic() + timeout
        while True:
            for number, (when, lines) in enumerate(self.seen[after:], after):
                if any(word in line for line in lines):
                    return number, when, lines
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.sock.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"no {word} within {timeout} s: {self.seen}") from None
            self.seen.append((time.monotonic(), data.splitlines()))

    def count(self, word):
        return sum(word in line for _, lines in self.seen for line in lines)


@pytest.fixture
def manager():
    made = []

    def make(**kwargs):
        made.append(Manager(f"\0toxtun-test-{os.getpid()}-{len(made)}", **kwargs))
        return made[-1]

    yield make
    for m in made:
        m.sock.close()


def test_life_of_a_service(net, manager, tmp_path):
    systemd = manager()
    name = tmp_path.name
    server = net.server(f"{name}-server", before=systemd.before)
    ready, _, _ = systemd.wait_for("READY=1", ONLINE_S)
    assert "connected to the Tox network" in server.err()
    assert systemd.seen[0][1] == ["STATUS=looking for the Tox network"]

    systemd.wait_for("STATUS=connected to the Tox network, waiting for peers", 5 * PATIENCE, ready)
    client = net.client(f"{name}-client",
                        ini=f"[client]\nx = {free_port()}:localhost:80:{server.toxid}\n")
    systemd.wait_for(", direct UDP", ONLINE_S, ready)
    told = len(systemd.seen)

    server.signal(signal.SIGHUP)
    number, _, lines = systemd.wait_for("RELOADING=1", 5 * PATIENCE)
    stamp = int(lines[1].removeprefix("MONOTONIC_USEC=")) / 1e6
    assert abs(time.monotonic() - stamp) < 5 * PATIENCE
    systemd.wait_for("READY=1", 5 * PATIENCE, number)
    assert sum("STATUS=" not in lines[0] for _, lines in systemd.seen[told:]) == 2

    assert client.stop() == 0 and server.stop() == 0
    number, _, _ = systemd.wait_for("STOPPING=1", 5 * PATIENCE)
    systemd.wait_for("STATUS=stopping", 5 * PATIENCE, number)
    assert (systemd.count("READY=1"), systemd.count("STOPPING=1")) == (2, 1)


def test_watchdog_is_fed_while_the_loop_turns(net, manager, tmp_path):
    """Also while there is no network, when it is not ready."""
    systemd = manager(watchdog_s=WATCHDOG_S)
    server = net.server(f"{tmp_path.name}-server", before=systemd.before,
                        args=["--proxy", f"socks5://127.0.0.1:{free_port()}"])
    number, began = -1, time.monotonic()
    times = []
    while len(times) < 5:
        number, when, _ = systemd.wait_for("WATCHDOG=1", 5 * PATIENCE, number + 1)
        times.append(when)
    assert times[0] - began < WATCHDOG_S * PATIENCE
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(0.3 * WATCHDOG_S < gap < 0.9 * WATCHDOG_S * PATIENCE for gap in gaps), gaps
    server.signal(signal.SIGHUP)
    wait_until("reload", lambda: "read again" in server.err(), 5 * PATIENCE)
    assert server.stop() == 0
    assert systemd.count("READY=1") == systemd.count("RELOADING=1") == 0, "it was never ready"


def test_node_is_ready_at_once(net, manager, tmp_path):
    systemd = manager()
    before, node, arg, port = net.before, net.node, net.node_arg, net.node_port
    net.before, net.node_name, net.node_port = systemd.before, tmp_path.name, free_port()
    try:
        net.start_node()
        systemd.wait_for("READY=1", 5 * PATIENCE)
        assert net.node.stop() == 0
    finally:
        net.before, net.node, net.node_arg, net.node_port = before, node, arg, port
        net.node_name = "node"
