"""A path that goes dark and comes back under running connections."""

import subprocess
import time

import pytest
from harness import MB, Net, free_port

# Longer than it takes to send more packets at full speed than toxcore can lose in a row (21,845),
# shorter than toxcore waits before it gives a friend up (32 s).
DARK_S = 20


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
