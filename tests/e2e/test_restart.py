"""Processes that die and come back. Each test has its own pair on a network of its own."""

import signal
import socket
import time
from types import SimpleNamespace

import pytest
from harness import (FRIEND_TIMEOUT_S, MB, ONLINE_S, PATIENCE, Net, Target, connect, free_port,
                     read_to_end, size, wait_until)

NAMES = ("server-killed", "client-killed", "node-restarted", "server-stopped")

# Connections outlive an absence of the peer by this long; the default is 600 s.
RESUME_S = 3
SERVER_ARGS = {"client-killed": ("--resume-timeout", RESUME_S)}


@pytest.fixture(scope="module")
def pairs(directory, load):
    """The pairs, started together since each needs 10 s to meet."""
    net = Net(directory / "restart", "restart-node")
    pairs = SimpleNamespace(net=net)
    for name in NAMES:
        p = SimpleNamespace(name=name, port=free_port(), own_port=free_port(),
                            target=free_port())
        p.server, p.client = net.pair(name, {p.port: load.port, p.own_port: p.target},
                                      server_args=SERVER_ARGS.get(name, ()))
        setattr(pairs, name.replace("-", "_"), p)
    for name in NAMES:
        getattr(pairs, name.replace("-", "_")).client.wait_online()
    yield pairs
    net.close()


def echo_works(load, port):
    return load.run("echo", port, 51, 1000, check=False, timeout=60 * PATIENCE)["ok"]


@pytest.mark.slow
def test_server_killed_in_mid_transfer_ends_old_and_serves_new_connections(pairs, load, figure):
    pair = pairs.server_killed
    download = load.start("get", pair.port, 52, 100_000 * MB)
    time.sleep(2)
    with Target(pair.target) as target, connect(pair.own_port) as idle:
        idle.sendall(b"x")
        with target.accept() as service:
            assert service.recv(1) == b"x"
            pair.server.kill()
            # Its kernel closes the connections to the services.
            service.settimeout(10)
            assert read_to_end(service)[0] == b""

            start = time.monotonic()
            pair.server = pairs.net.server("server-killed-server")
            # Connections of the former process end as soon as the new one has said who it is.
            idle.settimeout(ONLINE_S)
            assert read_to_end(idle)[0] == b""
    result = load.finish(download, ONLINE_S, check=False)
    assert not result["ok"] and result["bytes"] > 0, result
    assert "peer_restarted" in pair.client.err()

    wait_until("a new connection works", lambda: echo_works(load, pair.port), ONLINE_S)
    figure(f"server killed and restarted: tunnel works again after "
           f"{time.monotonic() - start:.1f} s")
    load.run("get", pair.port, 53, size(20 * MB))
    pair.client.wait_channels(0, 20 * PATIENCE)


@pytest.mark.slow
def test_client_killed_ends_the_connections_to_the_service(pairs, figure):
    pair = pairs.client_killed
    with Target(pair.target) as target:
        app = connect(pair.own_port)
        app.sendall(b"x")
        with target.accept() as service:
            assert service.recv(1) == b"x"
            start = time.monotonic()
            pair.client.kill()
            app.close()
            service.settimeout(FRIEND_TIMEOUT_S + RESUME_S + 15 * PATIENCE)
            assert read_to_end(service)[0] == b""
            figure(f"client killed: its connections at the service ended after "
                   f"{time.monotonic() - start:.1f} s")
    pair.server.wait_channels(0, 20 * PATIENCE)


@pytest.mark.slow
def test_node_restarted_disturbs_nobody_and_lets_peers_meet_again(pairs, load):
    pair = pairs.node_restarted
    with Target(pair.target) as target, connect(pair.own_port) as app:
        app.sendall(b"before")
        with target.accept() as service:
            assert service.recv(6) == b"before"
            assert pairs.net.node.stop() == 0
            time.sleep(2)
            load.run("echo", pair.port, 54, 100_000)  # a new connection without the node
            pairs.net.start_node()
            app.sendall(b"after")
            app.shutdown(socket.SHUT_WR)
            assert read_to_end(service) == (b"after", True)
        assert read_to_end(app) == (b"", True)
    # Somebody new needs the node.
    port = free_port()
    newcomer = pairs.net.client("newcomer", ini=(
        f"[client]\nx = {port}:127.0.0.1:{load.port}:{pair.server.toxid}\n"))
    newcomer.wait_online()
    load.run("echo", port, 55, 1000)
    assert newcomer.stop() == 0


@pytest.mark.slow
def test_server_stopped_in_mid_transfer_says_so_and_its_client_comes_back(pairs, load):
    pair = pairs.server_stopped
    with Target(pair.target) as target, connect(pair.own_port) as app:
        app.sendall(b"x")
        with target.accept() as service:
            assert service.recv(1) == b"x"
            download = load.start("get", pair.port, 56, 100_000 * MB)
            time.sleep(1)
            start = time.monotonic()
            assert pair.server.stop() == 0
            assert time.monotonic() - start < 10 * PATIENCE
        # An orderly end need not wait for the friend time-out.
        app.settimeout(15 * PATIENCE)
        assert read_to_end(app)[0] == b""
    assert not load.finish(download, 60 * PATIENCE, check=False)["ok"]
    pair.server = pairs.net.server("server-stopped-server")
    wait_until("a new connection works", lambda: echo_works(load, pair.port), ONLINE_S)


def test_client_ends_in_bounded_time_with_connections_open(pairs, load):
    pair = pairs.server_stopped
    download = load.start("get", pair.port, 57, 100_000 * MB)
    time.sleep(1)
    pair.client.signal(signal.SIGINT)
    assert pair.client.wait_exit(10 * PATIENCE) == 0
    assert not load.finish(download, 30 * PATIENCE, check=False)["ok"]
