"""Several servers in one entry: which of them a connection goes to, and what happens when one fails."""

import contextlib
import json
import re
import signal
import socket
import time

import pytest
from harness import ONLINE_S, PATIENCE, Net, Target, connect, free_port, read_to_end, run_cli
from harness import wait_until

STEADY_S = 30  # FAILOVER_STEADY of src/app/failover.h


class Cluster:
    """Servers one, two and three, and clients that have them in this order."""

    def __init__(self, directory):
        self.net = Net(directory / "failover", "failover-node")
        self.target = Target(free_port())
        self.target_port = self.target.sock.getsockname()[1]
        rules = f"[server]\ntargets = 127.0.0.1:{self.target_port}, 127.0.0.1:1\n"
        self.one = self.net.server("one", ini=rules)
        self.two = self.net.server("two", ini=rules, args=["--max-connections", "1"])
        self.three = self.net.server("three", ini=rules)
        entries = {
            "failover": (self.target_port, "one,two,three"),
            "limited": (self.target_port, "two,three"),
            "silent": (self.target_port, "two,three"),
            "ending": (self.target_port, "three,two"),
            "closed": (1, "one,three"),
            "forbidden": (2, "one,three"),
        }
        peers = "".join(f"[peer {p.name}]\nid = {p.toxid}\n"
                        for p in (self.one, self.two, self.three))
        self.port = {name: free_port() for name in (*entries, "spread")}
        self.client = self.net.client("failing", ini="[client]\n" + "".join(
            f"{name} = {self.port[name]}:127.0.0.1:{port}:{servers}\n"
            for name, (port, servers) in entries.items()) + peers)
        self.spreading = self.net.client("spreading", ini=(
            f"[client]\nspread = {self.port['spread']}:127.0.0.1:{self.target_port}:one,three\n"
            f"[options]\nstrategy = spread\n" + peers))
        self.port["named"] = free_port()
        self.named = self.net.client("named", ini=peers, args=[
            "-L", f"{self.port['named']}:127.0.0.1:{self.target_port}", "--to", "three,two"])
        self.client.wait_online(3)
        self.named.wait_online(2)
        self.spreading.wait_online(2)

    def taken(self, name):
        """How many connections that server has opened."""
        return getattr(self, name).stats()["connections"]["ok"]

    def carry(self, forward="failover", timeout=60 * PATIENCE):
        """A connection whose bytes must come out once; how long until the first one did."""
        start = time.monotonic()
        with connect(self.port[forward], timeout=timeout) as app:
            app.sendall(b"written before anything was answered")
            with self.accept() as (service, first):
                took = time.monotonic() - start
                app.shutdown(socket.SHUT_WR)
                assert first + read_to_end(service)[0] == b"written before anything was answered"
        return took

    @contextlib.contextmanager
    def accept(self):
        """The service's side of a connection that carries something: one that was opened at a
        server which then lost it to another one must have got nothing."""
        while True:
            with self.target.accept() as service:
                try:
                    first = service.recv(1)
                except ConnectionResetError:
                    continue
                if first:
                    yield service, first
                    return

    def goes_to(self, name, forward="failover"):
        self.two.wait_channels(0, 10 * PATIENCE)  # it may have one connection only
        before = self.taken(name)
        took = self.carry(forward)
        assert self.taken(name) == before + 1
        return took

    def ends(self, forward):
        """A connection that cannot be had; the client's log about it."""
        seen = len(self.client.err())
        try:
            with connect(self.port[forward]) as app:
                assert read_to_end(app)[0] == b""
        except ConnectionResetError:
            pass
        wait_until("the reason", lambda: "ERROR" in self.client.err()[seen:].upper(), 10)
        return self.client.err()[seen:]


@pytest.fixture(scope="module")
def cluster(directory):
    c = Cluster(directory)
    yield c
    c.net.close()
    c.target.sock.close()


def test_first_server_gets_the_connections(cluster):
    for _ in range(3):
        cluster.goes_to("one")


def test_spread_takes_turns(cluster):
    before = [cluster.taken(name) for name in ("one", "three")]
    for _ in range(6):
        cluster.carry("spread")
    assert [cluster.taken(name) - n for name, n in zip(("one", "three"), before)] == [3, 3]


def test_command_line_takes_names_and_lists(cluster):
    before = cluster.taken("three")
    cluster.carry("named")
    assert cluster.taken("three") == before + 1
    ini = cluster.net.directory / "named.ini"
    common = ("-d", cluster.named.data_dir, "-c", ini)
    home = cluster.net.directory
    ping = run_cli(*common, "ping", "-n", "1", "three", home=home)
    assert ping.returncode == 0 and f"peer {cluster.three.toxid[:8]}" in ping.stdout, ping.stderr
    assert re.search(r"1 sent, 1 answered, loss 0 %, time min [\d.]+ avg", ping.stdout)
    ping = run_cli(*common, "ping", "-n", "2", "--json", "three", home=home)
    rounds = [json.loads(line) for line in ping.stdout.splitlines()]
    assert [r.get("seq") for r in rounds] == [1, 2, None] and rounds[0]["path"] == "udp direct"
    assert rounds[2]["schema"] == 1 and rounds[2]["answered"] == 2 and rounds[2]["loss"] == 0
    assert rounds[2]["min_us"] <= rounds[2]["avg_us"] <= rounds[2]["max_us"]
    for command in (["ping", "four"], ["client", "four", "-L", "1:h:2"]):
        wrong = run_cli(*common, *command, home=home)
        assert wrong.returncode == 2
        assert "no such [peer] section; there are one, two, three" in wrong.stderr
    spec = f"{free_port()}:127.0.0.1:{cluster.target_port}"
    assert run_cli(*common, "forward", spec, "two,three", home=home).returncode == 0
    status = run_cli(*common, "status", home=home).stdout
    assert re.search(r"to 127.0.0.1:\d+ at two, three \(next: two\) \(added", status), status


def test_server_that_refuses_is_followed_by_the_next_at_once(cluster):
    with connect(cluster.port["limited"]) as first:
        first.sendall(b"x")
        with cluster.target.accept() as service:
            assert service.recv(1) == b"x"  # two has its only connection
            before = cluster.taken("three")
            assert cluster.carry("limited") < 2 * PATIENCE
    assert cluster.taken("three") == before + 1
    assert "reason=limit: another server is tried" in cluster.client.err()


def test_failure_everywhere_ends_with_its_reason(cluster):
    log = cluster.ends("closed")
    assert log.count("reason=refused_by_target") == 2 and "another server is tried" in log


def test_what_the_rules_forbid_is_not_tried_elsewhere(cluster):
    log = cluster.ends("forbidden")
    assert "reason=not_allowed" in log and "another server" not in log


def test_silent_server_is_left_and_asked_whether_it_is_back(cluster, figure):
    cluster.two.signal(signal.SIGSTOP)
    try:
        before = cluster.taken("three")
        took = cluster.carry("silent")
        figure(f"server stopped by SIGSTOP: a connection opened at the next after {took:.1f} s")
        assert took < 6 * PATIENCE
        assert cluster.carry("silent") < 1 * PATIENCE  # it is known to be silent now
        assert cluster.taken("three") == before + 2
    finally:
        cluster.two.signal(signal.SIGCONT)
    cluster.carry("silent")  # asks it
    log = run_cli("-d", cluster.client.data_dir, "status", home=cluster.net.directory).stdout
    assert re.search(r"tunnel +silent: .* at two, three \(next: three\)", log), log


def test_killed_server_loses_no_byte_of_a_new_connection(cluster, figure):
    cluster.one.kill()
    took = cluster.goes_to("three")
    figure(f"first server killed: a connection opened at the next after {took:.1f} s")
    assert took < 6 * PATIENCE
    cluster.one = cluster.net.server("one")
    cluster.client.wait_for(f"peer={cluster.one.toxid[:8]} was restarted", ONLINE_S,
                            read=cluster.client.err)
    cluster.goes_to("three")  # it has only just come back


@pytest.mark.slow
def test_first_server_is_used_again_when_it_was_there_for_a_while(cluster):
    time.sleep(STEADY_S + 2)
    cluster.goes_to("one")


def test_server_that_ends_is_followed_by_the_next_at_once(cluster):
    """It says so itself: nobody waits for a time-out."""
    cluster.three.signal(signal.SIGTERM)
    before = cluster.taken("two")
    assert cluster.carry("ending") < 2 * PATIENCE
    assert cluster.taken("two") == before + 1
    assert cluster.three.popen.wait(20 * PATIENCE) == 0
