"""Every way to say what is forwarded where."""

import socket

import pytest
from harness import PATIENCE, connect, free_port, own_id, read_to_end, wait_until


@pytest.fixture(scope="module")
def other(net, world, directory, load):
    """A second server, with a load generator of its own behind an IPv6 address."""

    class Other:
        server = net.server("other-server")
        port6 = free_port()
        generator = load.serve("::1", port6)

    yield Other
    Other.generator.kill()


def dead_id(net):
    """The ID of a server that is not running."""
    server = net.server("dead-server")
    assert server.stop() == 0
    return server.toxid


FORMS = ("short", "address", "any", "any_tcp", "tcp", "six", "name", "second", "failover")


@pytest.fixture(scope="module")
def forms(net, world, other, load):
    """One client with a tunnel of every form, to two servers at once."""
    port = {name: free_port() for name in FORMS}
    one, two, dead = world.server.toxid, other.server.toxid, dead_id(net)
    target = f"127.0.0.1:{load.port}"
    ini = f"""\
; every form of a tunnel
[client]
short    = {port["short"]}:{target}:{one}
address  = 127.0.0.1:{port["address"]}:{target}:{one.lower()}
any      = *:{port["any"]}:{target}:{one}
any_tcp  = tcp:*:{port["any_tcp"]}:{target}:{one}
tcp      = tcp:127.0.0.1:{port["tcp"]}:{target}:{one}
six      = [::1]:{port["six"]}:[::1]:{other.port6}:{two}
name     = {port["name"]}:localhost:{load.port}:{one}
second   = {port["second"]}:{target}:{two}
failover = tcp:127.0.0.1:{port["failover"]}:{target}:{dead},{two}
"""
    client = net.client("forms-client", ini=ini)
    client.wait_online(2)
    yield port
    assert client.stop() == 0


@pytest.mark.parametrize("name", [f for f in FORMS if f != "six"])
def test_ini_form_forwards(forms, load, name):
    load.run("echo", forms[name], 41, 100_000)


def test_ini_form_with_ipv6_on_both_sides_forwards(forms, load):
    load.run("echo", forms["six"], 42, 100_000, host="::1")


@pytest.mark.parametrize("name", ["any", "any_tcp"])
@pytest.mark.parametrize("host", ["127.0.0.3", "::1"])
def test_star_listens_on_every_address(forms, load, name, host):
    load.run("echo", forms[name], 43, 1000, host=host)


def test_forward_without_an_address_is_loopback_only(forms):
    """127.0.0.3 is this machine too, but neither 127.0.0.1 nor ::1."""
    with pytest.raises(ConnectionRefusedError):
        connect(forms["short"], "127.0.0.3")


def test_two_servers_work_at_the_same_time(forms, load):
    runs = [load.start("echo", forms[name], 44, 2_000_000) for name in ("short", "second")]
    for run in runs:
        load.finish(run)


@pytest.fixture(scope="module")
def command_line(net, world, load):
    """Forwards of the command line: two -L, one of them with an address."""
    ports = [free_port(), free_port()]
    client = net.client("options-client", args=[
        "-L", f"{ports[0]}:127.0.0.1:{load.port}",
        "-L", f"127.0.0.3:{ports[1]}:localhost:{load.port}", "--to", world.server.toxid])
    client.wait_online()
    yield ports
    assert client.stop() == 0


def test_option_L_forwards(command_line, load):
    load.run("echo", command_line[0], 45, 100_000)


def test_option_L_binds_the_address_it_names(command_line, load):
    load.run("echo", command_line[1], 46, 1000, host="127.0.0.3")
    with pytest.raises(ConnectionRefusedError):
        connect(command_line[1], "127.0.0.1")


@pytest.fixture(scope="module")
def both_roles(net, world, load):
    """A process that is a server and a client, and a client of it."""
    out, back = free_port(), free_port()
    both = net.server("both", ini=(
        "[server]\nname = both\n[client]\n"
        f"out = {out}:127.0.0.1:{load.port}:{world.server.toxid}\n"))
    user = net.client("both-user", ini=(
        f"[client]\nback = {back}:127.0.0.1:{load.port}:{both.toxid}\n"))
    both.wait_online(2)
    user.wait_online()
    yield out, back
    assert [user.stop(), both.stop()] == [0, 0]


def test_one_process_is_server_and_client(both_roles, load):
    runs = [load.start("echo", port, 47, 1_000_000) for port in both_roles]
    for run in runs:
        load.finish(run)


def try_connect(port):
    try:
        return connect(port)
    except ConnectionRefusedError:
        return None


def test_connection_made_before_the_server_is_found_waits(net, load):
    """The application connects at once; the tunnel opens when the peers have met."""
    port = free_port()
    pair = net.pair("early", {port: load.port})
    app = wait_until("the forward listens", lambda: try_connect(port), 10 * PATIENCE)
    with app:
        app.settimeout(30 * PATIENCE)
        app.sendall(b"put 1 0\n")
        app.shutdown(socket.SHUT_WR)
        assert read_to_end(app) == (b"ok 0 00000000\n", True)
    assert [p.stop() for p in reversed(pair)] == [0, 0]


@pytest.mark.slow
def test_connection_ends_when_no_server_is_found_in_time(net):
    port = free_port()
    client = net.client("nobody-client", args=["--connect-timeout", "3"], ini=(
        f"[client]\nnobody = {port}:127.0.0.1:80:{dead_id(net)}\n"))
    app = wait_until("the forward listens", lambda: try_connect(port), 10 * PATIENCE)
    with app:
        app.settimeout(15 * PATIENCE)
        assert read_to_end(app)[0] == b""
    client.wait_for("connect_timeout", 5, client.err)
    assert client.stop() == 0


@pytest.fixture(scope="module")
def allow_list(net, load, directory):
    """A server that lets one client in, and ports of that client and of another."""
    port = {"friend": free_port(), "stranger": free_port()}
    friend = own_id(net.data_dir("friend"), directory)
    server = net.server("choosy-server", ini=(
        f"[server]\nallow = friend\n[peer friend]\nid = {friend[:64]}\n"))
    clients = [net.client(name, args=["--connect-timeout", "5"], ini=(
        f"[client]\nx = {p}:127.0.0.1:{load.port}:{server.toxid}\n"))
        for name, p in port.items()]
    clients[0].wait_online()
    yield port
    assert [p.stop() for p in (*clients, server)] == [0, 0, 0]


def test_peer_on_the_allow_list_gets_in(allow_list, load):
    load.run("echo", allow_list["friend"], 48, 1000)


def test_peer_not_on_the_allow_list_gets_nothing(allow_list):
    with connect(allow_list["stranger"]) as app:
        app.settimeout(20 * PATIENCE)
        assert read_to_end(app)[0] == b""
