"""Every way in once by a TCP relay, to services on IPv4 and IPv6."""

import socket
import struct
import subprocess

import pytest
from datagrams import Echo, SocksUdp, ask
from harness import (EXIT_S, ONLINE_S, PATIENCE, Net, Target, connect, die_with_parent, environment,
                     free_port, question_and_answer, read_to_end, wait_until)
from test_udp import client

HOSTS = ["127.0.0.1", "::1"]
RANGE = range(19010, 19013)  # below those of free_port, which are not in a row
RELAYED = ["--no-udp"]


def in_spec(host):
    return f"[{host}]" if ":" in host else host


class World:
    """Two servers and a client that no UDP reaches, and a service on each address."""

    def __init__(self, directory):
        self.net = net = Net(directory / "ways", "ways-node")
        self.at = net.directory
        self.service = {host: Target(free_port(), host) for host in HOSTS}
        self.range = [Target(port + 10) for port in RANGE]
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(str(self.at / "service.sock"))
        self.unix.listen()
        self.unix.settimeout(30 * PATIENCE)
        self.told = {host: Target(free_port(), host) for host in HOSTS}
        told = ", ".join(f"{in_spec(h)}:{port_of(t)}" for h, t in self.told.items())
        ini = ("[server]\nlistens = localhost:*\n"
               f"targets = 127.0.0.1:*, [::1]:*, unix:{self.at}/service.sock\n"
               f"proxy-protocol = {told}\n")
        self.one, self.two = (net.server(f"ways-{name}", ini=ini, args=RELAYED)
                              for name in ("one", "two"))
        self.port = {}
        one, lines = self.one.toxid, ["[client]"]
        for host in HOSTS:
            place, service = in_spec(host), port_of(self.service[host])
            lines += [
                f"{self.name('local', host)}:{place}:{service}:{one}",
                f"{self.name('told', host)}:{place}:{port_of(self.told[host])}:{one}",
                f"{self.name('udp', host, 'udp:')}:{place}:{service}:{one}",
                f"{self.name('failover', host)}:{place}:{service}:{one},{self.two.toxid}"]
        lines += [f"unix = {self.at}/local.sock:{self.at}/service.sock:{one}", "[reverse]"]
        for host in HOSTS:
            service = port_of(self.service[host])
            lines.append(f"{self.name('reverse', host)}:{in_spec(host)}:{service}:{one}")
        self.port["proxy"] = free_port()
        self.client = net.client("ways-client", ini="\n".join(lines) + "\n", args=[
            *RELAYED, "-D", self.port["proxy"], "--to", one,
            "-L", f"{RANGE[0]}-{RANGE[-1]}:127.0.0.1:{RANGE[0] + 10}-{RANGE[-1] + 10}"])
        wait_until("both servers by the relay", lambda: self.paths() == ["tcp relay"] * 2, ONLINE_S)

    def name(self, way, host, proto=""):
        """The beginning of an entry: its name, and the port where it listens on that address."""
        self.port[way, host] = port = free_port()
        return f"{way}{HOSTS.index(host)} = {proto}{in_spec(host)}:{port}"

    def paths(self):
        try:
            return [p["path"] for p in self.client.stats()["peers"] if p["ready"]]
        except OSError:
            return []  # not listening yet

    def carry(self, way, host):
        question_and_answer(connect(self.port[way, host], host), self.service[host].accept())

    def close(self):
        self.net.close()
        for target in (*self.service.values(), *self.told.values(), *self.range):
            target.sock.close()
        self.unix.close()


def port_of(target):
    return target.sock.getsockname()[1]


@pytest.fixture(scope="module")
def world(directory):
    w = World(directory)
    yield w
    assert "tcp relay" in w.paths() and "udp direct" not in w.paths()
    w.close()


@pytest.mark.parametrize("host", HOSTS)
def test_local_forward(world, host):
    world.carry("local", host)


def test_port_range(world):
    for port, service in zip(RANGE, world.range):
        question_and_answer(connect(port), service.accept())


@pytest.mark.parametrize("host", HOSTS)
def test_reverse_forward(world, host):
    port = world.port["reverse", host]
    world.client.wait_for(rf"listens on \S*:{port} ", 20 * PATIENCE, world.client.err)
    world.carry("reverse", host)


@pytest.mark.parametrize("host", HOSTS)
def test_socks_and_http_connect(world, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    port = port_of(world.service[host])
    app = connect(world.port["proxy"])
    app.sendall(b"\5\1\0")
    assert app.recv(2, socket.MSG_WAITALL) == b"\5\0"
    kind = b"\4" if ":" in host else b"\1"
    app.sendall(b"\5\1\0" + kind + socket.inet_pton(family, host) + struct.pack(">H", port))
    assert app.recv(4, socket.MSG_WAITALL)[:2] == b"\5\0"
    app.recv(6, socket.MSG_WAITALL)  # 0.0.0.0, port 0
    question_and_answer(app, world.service[host].accept())
    app = connect(world.port["proxy"])
    app.sendall(f"CONNECT {in_spec(host)}:{port} HTTP/1.1\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += app.recv(1) or pytest.fail(f"the answer is {answer!r}")
    assert answer.split()[1] == b"200"
    question_and_answer(app, world.service[host].accept())


@pytest.mark.parametrize("host", HOSTS)
def test_standard_input_and_output(world, host):
    """By itself where it is IPv4, and through the running client."""
    data = world.net.data_dir("ways-stdio") if host == HOSTS[0] else world.client.data_dir
    target = f"{in_spec(host)}:{port_of(world.service[host])}"
    with subprocess.Popen(
            [str(a) for a in (*world.net.common(), *RELAYED, "-d", data, "-W", target, "client",
                              world.one.toxid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(world.at),
            preexec_fn=die_with_parent) as p:
        p.stdin.write(b"question")
        p.stdin.close()
        with world.service[host].accept() as service:
            assert read_to_end(service) == (b"question", True)
            service.sendall(b"answer")
        assert (p.stdout.read(), p.wait(EXIT_S)) == (b"answer", 0)


@pytest.mark.parametrize("host", HOSTS)
def test_udp_and_socks_udp(world, host):
    service = Echo(port_of(world.service[host]), host)
    with client(world.port["udp", host], host) as app:
        for length in (1, 4000):
            assert ask(app, bytes(length)) == bytes(length)
    with SocksUdp(world.port["proxy"]) as app:
        assert app.ask(host, port_of(world.service[host]), b"x") == b"x"
    service.close()


def test_unix_sockets(world):
    app = socket.socket(socket.AF_UNIX)
    app.settimeout(30 * PATIENCE)
    app.connect(str(world.at / "local.sock"))
    question_and_answer(app, world.unix.accept()[0])


@pytest.mark.parametrize("host", HOSTS)
def test_target_hears_of_the_peer(world, host):
    with connect(world.port["told", host], host) as app:
        app.sendall(b"question")
        app.shutdown(socket.SHUT_WR)
        with world.told[host].accept() as service:
            data, orderly = read_to_end(service)
    assert orderly and data.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x21")
    assert data.endswith(b"question") and world.client.stats()["toxid"][:64].encode() in data


def test_next_server_takes_over(world):
    """The last test: it ends the first server."""
    for host in HOSTS:
        world.carry("failover", host)
    world.one.kill()
    for host in HOSTS:
        world.carry("failover", host)
