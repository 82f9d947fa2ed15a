"""UDP ASSOCIATE of the proxy: who may send, where to, and what ends it."""

import socket
import struct

import pytest
from datagrams import TIMEOUT_S, Echo, SocksUdp, dnsmasq
from harness import free_port, run_cli, wait_until

LOGIN = "user:pass word"
FLOWS_MAX = 256  # of an association
HOSTS = {"v4": "127.0.0.1", "v6": "::1", "name": "localhost"}


class World:
    """A proxy, its server, and services that the server reaches."""

    def __init__(self, net):
        self.port, self.login_port = free_port(), free_port()
        self.server = net.server(
            "socks-udp-server", ini="[server]\ntargets = 127.0.0.1:*, [::1]:*, 127.1.0.0/16:*\n")
        self.client = net.client("socks-udp-client", args=[
            "-D", self.port, "--to", self.server.toxid])
        secret = net.directory / "socks-udp-login"
        secret.write_text(LOGIN + "\n", encoding="utf-8")
        self.locked = net.client("socks-udp-locked", args=[
            "--socks-login-file", secret, "-D", self.login_port, "--to", self.server.toxid])
        self.echo = {name: Echo(free_port(), "::1" if name == "v6" else "127.0.0.1", name.encode())
                     for name in HOSTS}

    def echo_at(self, name):
        return HOSTS[name], self.echo[name].sock.getsockname()[1]

    def close(self):
        for echo in self.echo.values():
            echo.close()


@pytest.fixture(scope="module")
def world(net):
    w = World(net)
    w.client.wait_online()
    yield w
    w.close()


def udp(process):
    return process.stats()["udp"]


def dropped(world, why="proxy"):
    return udp(world.client)["dropped"][why]


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("length", [0, 1400, 9000, 65000])
def test_datagram_comes_back_from_where_it_was_sent_to(world, name, length):
    data = bytes(i * 7 % 251 for i in range(length))
    with SocksUdp(world.port) as app:
        assert app.relay[0] == "127.0.0.1"
        assert app.ask(*world.echo_at(name), data) == name.encode() + data


def test_proxy_that_was_reached_by_ipv6_relays_by_ipv6(world):
    with SocksUdp(world.port, "::1") as app:
        assert app.relay[0] == "::1"
        for name in HOSTS:
            assert app.ask(*world.echo_at(name), b"x") == name.encode() + b"x"


def test_destinations_of_one_association_are_not_mixed_up(world):
    with SocksUdp(world.port) as app:
        for _ in range(3):
            for name in HOSTS:
                app.ask(*world.echo_at(name), b"warm")
        wanted = {name: name.encode() + b"now" for name in HOSTS}
        for name in HOSTS:
            app.send(*world.echo_at(name), b"now")
        for _ in HOSTS:
            datagram = app.sock.recv(65536)
            name = next(n for n in wanted if datagram.endswith(wanted[n]))
            kind = {"v4": 1, "v6": 4, "name": 3}[name]
            assert datagram[3] == kind
            del wanted[name]


def test_dnsmasq_is_asked(world, directory):
    port = free_port()
    service = dnsmasq(port, directory, "--address=/a.test/192.0.2.7")
    question = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\1a\4test\0" + struct.pack(">2H", 1, 1)
    try:
        with SocksUdp(world.port) as app:
            answer = app.ask("localhost", port, question)
        assert answer[:2] == question[:2] and answer.endswith(socket.inet_aton("192.0.2.7"))
    finally:
        service.kill()


def test_only_the_first_port_of_the_application_is_heard(world):
    before = dropped(world)
    with SocksUdp(world.port) as app, SocksUdp(world.port) as other:
        assert app.ask(*world.echo_at("v4"), b"a") == b"v4a"
        app.sock, other.sock = other.sock, app.sock
        app.send(*world.echo_at("v4"), b"b")
        assert app.gets_nothing() and dropped(world) == before + 1
        app.sock, other.sock = other.sock, app.sock
        assert app.ask(*world.echo_at("v4"), b"c") == b"v4c"
    assert "not from the address and port of the application" in world.client.err()


def test_another_address_is_not_heard(world):
    before = dropped(world)
    with SocksUdp(world.port) as app, SocksUdp(world.port, source="127.0.0.2") as other:
        other.send(*world.echo_at("v4"), b"b")
        assert other.gets_nothing() and dropped(world) == before + 1
        assert app.ask(*world.echo_at("v4"), b"c") == b"v4c"


def test_port_that_the_application_says_is_the_one_that_is_heard(world):
    """... unless it says it beside an address that is not its own: many name a target there."""
    wrong = free_port()
    for said in (("0.0.0.0", wrong), ("127.0.0.1", wrong)):
        before = dropped(world)
        with SocksUdp(world.port, said=said) as app:
            app.send(*world.echo_at("v4"), b"b")
            assert app.gets_nothing() and dropped(world) == before + 1
            app.sock.close()
            app.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            app.sock.settimeout(TIMEOUT_S)
            app.sock.bind(("127.0.0.1", wrong))
            assert app.ask(*world.echo_at("v4"), b"c") == b"v4c"
    with SocksUdp(world.port, said=world.echo_at("name")) as app:
        assert app.ask(*world.echo_at("v4"), b"d") == b"v4d"
    with SocksUdp(world.port, said=("192.0.2.1", 53)) as app:
        assert app.ask(*world.echo_at("v4"), b"d") == b"v4d"


def test_fragments_and_what_has_no_header_are_dropped(world):
    before = dropped(world)
    with SocksUdp(world.port) as app:
        app.send(*world.echo_at("v4"), b"b", frag=1)
        for raw in (b"", b"\0\0\0", b"\0\0\0\x09abcdef", b"\0\0\0\x01\x7f\0\0\x01\0\0x"):
            app.send_raw(raw)
        assert app.gets_nothing()
        assert dropped(world) == before + 5
        assert app.ask(*world.echo_at("v4"), b"c") == b"v4c"
    assert "it is a fragment" in world.client.err()


def test_rules_of_the_server_hold(world):
    failed = udp(world.server)["flows_failed"]
    with SocksUdp(world.port) as app:
        for _ in range(10):  # they cost the server one answer, not ten
            app.send("127.0.0.2", 80, b"x")
        world.client.wait_for("target=127.0.0.2:80/udp .*reason=not_allowed", TIMEOUT_S,
                              world.client.err)
        app.send("127.0.0.2", 80, b"x")
        assert app.gets_nothing()
        assert udp(world.server)["flows_failed"] == failed + 1
        assert dropped(world, "no_peer") >= 1
        assert app.ask(*world.echo_at("v4"), b"c") == b"v4c"  # others are not concerned


def test_dead_target_works_once_it_is_there(world):
    port = free_port()
    with SocksUdp(world.port) as app:
        app.send("127.0.0.1", port, b"x")
        world.client.wait_for(f":{port}/udp .*reason=refused_by_target", TIMEOUT_S,
                              world.client.err)
        late = Echo(port)
        app.sock.settimeout(1)
        assert app.ask("127.0.0.1", port, b"now", tries=10) == b"now"
        late.close()


def is_over(world, relay):
    """Long before any flow's time is up the relay's port is free and the flows are gone."""
    def free():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(relay)
            except OSError:
                return False
        return True

    wait_until("the relay's port is free", free, TIMEOUT_S)
    for process in (world.client, world.server):
        wait_until(f"{process.name}: no flows", lambda p=process: udp(p)["flows"] == 0, TIMEOUT_S)


def test_end_of_the_connection_is_the_end_of_the_association(world):
    fds = [p.fds() for p in (world.client, world.server)]
    for hard in (False, True):
        with SocksUdp(world.port) as app:
            for name in HOSTS:
                app.ask(*world.echo_at(name), b"x")
            app.tcp.sendall(b"bytes that have no meaning")
            assert app.ask(*world.echo_at("v4"), b"x") == b"v4x"
            assert udp(world.client)["flows"] >= 3
            if hard:
                app.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            app.tcp.close()
            is_over(world, app.relay)
    wait_until("all sockets are closed",
               lambda: [p.fds() for p in (world.client, world.server)] <= fds, TIMEOUT_S)


def test_association_has_so_many_flows_and_no_more(world):
    """The one that was unused for longest makes room."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, SocksUdp(world.port) as app:
        silent.bind(("0.0.0.0", 0))
        app.ask(*world.echo_at("v4"), b"x")
        app.ask(*world.echo_at("v6"), b"x")
        for i in range(FLOWS_MAX - 1):
            app.send(f"127.1.{i // 250}.{i % 250 + 1}", silent.getsockname()[1], b"x")
            if i % 64 == 0:  # the relay's socket must not overflow
                assert app.ask(*world.echo_at("v4"), b"x") == b"v4x"
        assert udp(world.client)["flows"] == FLOWS_MAX
        opened = udp(world.client)["flows_total"]
        assert app.ask(*world.echo_at("v4"), b"x") == b"v4x"
        assert udp(world.client)["flows_total"] == opened
        assert app.ask(*world.echo_at("v6"), b"x") == b"v6x"  # by a new flow
        assert udp(world.client)["flows_total"] == opened + 1
        assert udp(world.client)["flows"] == FLOWS_MAX
    is_over(world, app.relay)


def test_login_is_asked_for(world):
    world.locked.wait_online()
    with SocksUdp(world.login_port, login=LOGIN) as app:
        assert app.ask(*world.echo_at("v4"), b"x") == b"v4x"
    with SocksUdp(world.login_port) as app:
        assert app.greeting == b"\x05\xff"
    with SocksUdp(world.login_port, login="user:wrong") as app:
        assert app.greeting == b"\x05\x02\x01\x01"


def test_proxy_that_is_cancelled_ends_its_associations(world, directory):
    def command(*args):
        run = run_cli("-d", world.client.data_dir, *args, home=directory)
        assert run.returncode == 0, run.stderr
        return run

    port = free_port()
    command("forward", f"socks:{port}")
    with SocksUdp(world.port) as other, SocksUdp(port) as app:
        assert app.ask(*world.echo_at("v4"), b"x") == b"v4x"
        assert other.ask(*world.echo_at("v4"), b"x") == b"v4x"
        command("cancel", f"socks:{port}")
        assert app.tcp.recv(1) == b""
        assert other.ask(*world.echo_at("v4"), b"x") == b"v4x"
