"""A path that goes dark and comes back under running connections."""

import subprocess
import time

import pytest
from harness import MB, PATIENCE, Net, free_port, size, wait_until

# Longer than it takes to send more packets at full speed than toxcore can lose in a row (21,845),
# shorter than toxcore waits before it gives a friend up (32 s).
DARK_S = 20
# toxcore takes 8 s to find that UDP is gone, and some seconds to find that it is back.
CHANGE_S = 60 * PATIENCE


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "outage", "outage-node")
    yield n
    n.close()


class Darkness:
    """Drops all UDP packets of this network namespace."""

    def __enter__(self):
        self.nft("add table inet dark",
                 "add chain inet dark in { type filter hook input priority 0; }",
                 "add rule inet dark in meta l4proto udp drop")

    def __exit__(self, *exc):
        self.nft("delete table inet dark")

    @staticmethod
    def nft(*lines):
        done = subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", text=True,
                              capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"nft cannot be used here: {done.stderr.strip()}")


@pytest.mark.slow
def test_cut_at_full_speed_breaks_neither_session_nor_connection(net, load, figure):
    port = free_port()
    server, client = net.pair("cut", {port: load.port}, server_args=["--no-relay"],
                              client_args=["--no-relay"])
    client.wait_online()
    load.run("get", port, 81, 10 * MB)
    running = load.start("get", port, 82, 600 * MB)
    time.sleep(1)
    before = server.stats()["peers"][0]
    with Darkness():
        time.sleep(DARK_S)
        dark = server.stats()["peers"][0]
    back = time.monotonic()
    while server.stats()["peers"][0]["payload_out"] == dark["payload_out"]:
        assert time.monotonic() - back < 10, "nothing moves after the path is back"
        time.sleep(0.05)
    figure(f"cut for {DARK_S} s: goes on {time.monotonic() - back:.1f} s after the path is back")
    load.finish(running)
    assert dark["packets_out"] - before["packets_out"] < 16_384
    after = server.stats()["peers"][0]
    assert after["drops"] == before["drops"], "the friend was given up"
    client.wait_channels(0, 30)
    client.stop()
    server.stop()


def wait_path(path, *programs):
    wait_until(f"both ends by {path}", lambda: all(
        p.stats()["peers"][0]["path"] == path for p in programs), CHANGE_S)


def payload(p):
    """Bytes of both directions that have gone out or come in."""
    data = p.stats()["data"]
    return data["payload_out"] + data["payload_in"]


@pytest.mark.slow
def test_transfers_both_ways_survive_the_change_to_a_relay_and_back(net, load, figure):
    port = free_port()
    server, client = net.pair("change", {port: load.port})
    client.wait_online()
    wait_path("udp direct", client, server)
    length = max(size(250 * MB), 100 * MB)  # enough to be under way until UDP is back
    running = [load.start("get", port, 83, length), load.start("put", port, 84, length)]
    wait_until("something by UDP", lambda: payload(client) > size(10 * MB), CHANGE_S)
    with Darkness():
        start = time.monotonic()
        wait_path("tcp relay", client, server)
        before = payload(client)
        wait_until("something by the relay",
                   lambda: payload(client) > before + size(5 * MB), CHANGE_S)
        figure(f"UDP gone: {time.monotonic() - start:.1f} s until 5 MB came by the relay")
        assert all(r.poll() is None for r in running), "too short for the change"
    start = time.monotonic()
    wait_path("udp direct", client, server)
    figure(f"UDP back: used after {time.monotonic() - start:.1f} s")
    assert all(r.poll() is None for r in running), "too short for the change"
    for r in running:
        load.finish(r)
    for p in (client, server):
        assert p.stats()["peers"][0]["drops"] == 0, "the friend was given up"
    client.wait_channels(0, 30)
    client.stop()
    server.stop()


def test_dead_relay_does_not_keep_a_process_busy(directory):
    """toxcore keeps the socket of a relay that is gone for up to 40 s, and it is readable."""
    net = Net(directory / "deserted", "deserted-node")
    server = net.server("deserted", args=["--no-udp"])
    server.wait_for("connected to the Tox network", 30 * PATIENCE, server.err)
    net.node.stop()
    time.sleep(0.5)
    before = server.stats()["process"]["cpu_seconds"]
    time.sleep(3)
    used = server.stats()["process"]["cpu_seconds"] - before
    # a process that spins has all that the machine gives it
    assert used < 0.6, f"{used:.2f} s of CPU in 3 s"
    server.stop()
