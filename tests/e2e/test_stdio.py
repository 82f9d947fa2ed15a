"""-W: standard input and output to one target, alone and through a client that runs."""

import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from harness import EXIT_S, ONLINE_S, PATIENCE, Net, Target, die_with_parent, environment
from harness import free_port, own_id, read_to_end, run_cli, wait_until
from sshd import Sshd


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "stdio", "stdio-node")
    yield n
    n.close()


@pytest.fixture(scope="module")
def server(net):
    return net.server("stdio-server")


@pytest.fixture(scope="module")
def client(net, server):
    """A running client, which other commands go through."""
    c = net.client("stdio-client", ini="[client]\n", args=["-D", free_port(), "--to", server.toxid])
    c.wait_online()
    return c


def argv(net, data_dir, server, target, *options):
    return [str(a) for a in (*net.common(), "-d", data_dir, *options, "-W", target, "client",
                             server if isinstance(server, str) else server.toxid)]


def start(net, data_dir, server, target, *options, **kwargs):
    kwargs = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
              **kwargs}
    return subprocess.Popen(argv(net, data_dir, server, target, *options), **kwargs,
                            env=environment(net.directory), preexec_fn=die_with_parent)


def at(target):
    return f"127.0.0.1:{target.sock.getsockname()[1]}"


def is_locked(data_dir):
    """A process has the data directory."""
    return subprocess.run(["flock", "-n", data_dir / "lock", "true"], check=False).returncode != 0


def wait_free(data_dir):
    wait_until("the background process ends", lambda: not is_locked(data_dir), EXIT_S)


def talks(p, target):
    """Bytes go both ways and each direction ends alone, the command's first."""
    service = target.accept()
    p.stdin.write(b"up")
    p.stdin.flush()
    assert service.recv(2, socket.MSG_WAITALL) == b"up"
    p.stdin.close()
    assert read_to_end(service) == (b"", True)
    service.sendall(b"down")
    service.close()
    assert p.stdout.read() == b"down"
    assert p.wait(EXIT_S) == 0
    assert p.stderr.read() == b""


def test_through_a_client_that_runs(net, client, server):
    with Target(free_port()) as target:
        begin = time.monotonic()
        p = start(net, client.data_dir, server, at(target))
        talks(p, target)
        assert time.monotonic() - begin < 2 * PATIENCE


def test_alone_and_two_at_once(net, server):
    """The second finds the first one's control socket, and outlives it."""
    data_dir = net.data_dir("stdio-alone")
    with Target(free_port()) as target:
        one = start(net, data_dir, server, at(target))
        first = target.accept()
        two = start(net, data_dir, server, at(target))
        second = target.accept()
        first.sendall(b"one")
        first.close()
        one.stdin.close()
        assert one.stdout.read() == b"one" and one.wait(EXIT_S) == 0
        assert one.stderr.read() == b"", "somebody still has its standard error, or wrote to it"
        second.sendall(b"two")
        second.close()
        two.stdin.close()
        assert two.stdout.read() == b"two" and two.wait(EXIT_S) == 0
    wait_free(data_dir)


def test_first_starts_of_several_meet(net, server):
    data_dir = net.data_dir("stdio-race")
    own_id(data_dir, net.directory)
    with Target(free_port()) as target:
        many = [start(net, data_dir, server, at(target)) for _ in range(4)]
        for _ in many:
            s = target.accept()
            s.sendall(b"hello")
            s.close()
        for p in many:
            p.stdin.close()
            assert p.stdout.read() == b"hello"
            assert (p.wait(EXIT_S), p.stderr.read()) == (0, b"")
        # and one that starts while the process of the others ends
        p = start(net, data_dir, server, at(target))
        target.accept().close()
        p.stdin.close()
        assert (p.wait(EXIT_S), p.stderr.read()) == (0, b"")
    wait_free(data_dir)
