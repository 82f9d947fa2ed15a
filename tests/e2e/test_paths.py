"""Ways of packets: the levels of UDP input and output, and TCP relays only."""

import pytest
from harness import MB, ONLINE_S, Net, free_port, size, wait_until


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "paths", "paths-node")
    yield n
    n.close()


@pytest.mark.slow
@pytest.mark.parametrize("server_io,client_io", [("plain", "gso"), ("mmsg", "plain")])
def test_every_way_of_moving_packets_carries_the_same_bytes(net, load, server_io, client_io):
    name = f"io-{server_io}-{client_io}"
    port = free_port()
    server, client = start(net, name, load, port, server_io, client_io)
    client.wait_online()
    for p, level in ((server, server_io), (client, client_io)):
        assert f"UDP packets by {level}" in p.err()
    load.run("get", port, 71, size(50 * MB))
    load.run("put", port, 72, size(50 * MB))
    client.stop()
    server.stop()


def start(net, name, load, port, server_io, client_io):
    server = net.server(f"{name}-server", args=["-v"], before=["env", f"TOXTUN_IO={server_io}"])
    client = net.client(
        f"{name}-client", args=["-v"], before=["env", f"TOXTUN_IO={client_io}"],
        ini=f"[client]\nload = {port}:127.0.0.1:{load.port}:{server.toxid}\n")
    return server, client


@pytest.mark.slow
def test_tcp_relay_alone_carries_a_tunnel(net, load, figure):
    port = free_port()
    server, client = net.pair("relayed", {port: load.port}, server_args=["--no-udp"],
                              client_args=["--no-udp"])

    def relayed():
        try:
            peers = client.stats()["peers"]
        except OSError:
            return False  # not listening yet
        return peers and peers[0]["ready"] and peers[0]["path"] == "tcp relay"

    wait_until("the peer by a relay", relayed, ONLINE_S, 0.2)
    load.run("echo", port, 73, 100_000)
    result = load.run("get", port, 74, size(20 * MB))
    load.run("put", port, 75, size(20 * MB))
    figure(f"through a TCP relay: {result['mb_per_s']:.1f} MB/s" if "mb_per_s" in result
           else f"through a TCP relay: {result}")
    client.wait_channels(0, 30)
    client.stop()
    server.stop()
