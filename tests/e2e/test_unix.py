"""Unix sockets as local ends and as targets, in both directions."""

import os
import socket
import stat

import pytest
from harness import PATIENCE, Net, free_port, question_and_answer, read_to_end, run_cli
from harness import wait_until


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "unix", "unix-node")
    yield n
    n.close()


class UnixTarget:
    """A service at a path."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen(16)
        self.sock.settimeout(30 * PATIENCE)

    def accept(self):
        s, _ = self.sock.accept()
        s.settimeout(30 * PATIENCE)
        return s


def dial(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30 * PATIENCE)
    s.connect(str(path))
    return s


def wait_socket(path):
    wait_until(f"{path} is there", path.exists, 60 * PATIENCE)


@pytest.fixture(scope="module")
def world(net, load):
    """A server that offers one unix socket and lets one be made, and a client of every form."""

    class World:
        at = net.directory
        target = UnixTarget(at / "target.sock")
        own = UnixTarget(at / "own.sock")
        ports = [free_port() for _ in range(4)]
        server = net.server("unix-server", ini=(
            f"[server]\ntargets = 127.0.0.1:*, unix:{at}/target.sock, unix:{at}/gone.sock\n"
            f"listens = localhost:*, unix:{at}/granted.sock\n"))

    at, ports, toxid = World.at, World.ports, World.server.toxid
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(at / "stale.sock"))
    stale.close()
    World.client = net.client("unix-client", ini=f"""\
[client]
in = {at}/in.sock:127.0.0.1:{load.port}:{toxid}
out = {ports[0]}:{at}/target.sock:{toxid}
both = {at}/both.sock:{at}/target.sock:{toxid}
stale = {at}/stale.sock:{at}/target.sock:{toxid}
forbidden = {ports[1]}:{at}/own.sock:{toxid}
gone = {ports[2]}:{at}/gone.sock:{toxid}
[reverse]
granted = {at}/granted.sock:{at}/own.sock:{toxid}
refused = {at}/refused.sock:{at}/own.sock:{toxid}
port = {ports[3]}:{at}/own.sock:{toxid}
""")
    World.client.wait_online()
    return World


def test_socket_is_its_owners_only_and_carries(world):
    path = world.at / "both.sock"
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    question_and_answer(dial(path), world.target.accept())


def test_path_to_a_port(world):
    s = dial(world.at / "in.sock")
    s.shutdown(socket.SHUT_WR)
    read_to_end(s)  # the load generator ends what says nothing
    s.close()


def test_port_to_a_path(world):
    app = socket.create_connection(("127.0.0.1", world.ports[0]))
    question_and_answer(app, world.target.accept())


def test_socket_of_a_program_that_is_gone_is_replaced(world):
    question_and_answer(dial(world.at / "stale.sock"), world.target.accept())


@pytest.mark.parametrize("index, reason", [(1, "not_allowed"), (2, "refused_by_target")])
def test_target_that_cannot_be_had(world, index, reason):
    app = socket.create_connection(("127.0.0.1", world.ports[index]))
    app.settimeout(30 * PATIENCE)
    assert read_to_end(app)[0] == b""
    name = ("forbidden", "gone")[index - 1]
    world.client.wait_for(f"tunnel {name}: .*reason={reason}", 10 * PATIENCE, world.client.err)


def test_reverse_with_a_path_at_the_server(world):
    path = world.at / "granted.sock"
    wait_socket(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    question_and_answer(dial(path), world.own.accept())
    world.client.wait_for("refused.sock reason=not_allowed", 10 * PATIENCE, world.client.err)
    assert not (world.at / "refused.sock").exists()


def test_reverse_with_a_path_at_the_client(world):
    app = socket.create_connection(("127.0.0.1", world.ports[3]))
    question_and_answer(app, world.own.accept())


@pytest.mark.parametrize("kind", ["file", "link", "live"])
def test_what_is_no_stale_socket_is_left_alone(world, kind):
    path = world.at / f"{kind}-there"
    if kind == "file":
        path.write_text("precious", encoding="utf-8")
    elif kind == "link":
        path.symlink_to(world.target.path)
    else:
        live = UnixTarget(path)
    inode = os.lstat(path).st_ino
    run = run_cli("-d", world.client.data_dir, "forward", f"{path}:localhost:80",
                  home=world.at)
    assert run.returncode == 1
    assert ("another program listens" if kind == "live" else "is no socket") in run.stderr
    assert os.lstat(path).st_ino == inode
    if kind == "live":
        live.sock.close()


def test_sockets_go_with_their_forward_and_with_the_program(world):
    path = world.at / "late.sock"
    spec = f"{path}:localhost:80"
    for command, there in ("forward", True), ("cancel", False):
        run = run_cli("-d", world.client.data_dir, command, spec, home=world.at)
        assert run.returncode == 0, run.stderr
        assert path.exists() == there
    (world.at / "in.sock").rename(world.at / "moved.sock")
    (world.at / "in.sock").write_text("somebody else's", encoding="utf-8")
    assert world.client.stop() == 0
    wait_until("the server's is gone", lambda: not (world.at / "granted.sock").exists(),
               20 * PATIENCE)
    left = sorted(p.name for p in world.at.glob("*.sock"))
    assert left == ["in.sock", "moved.sock", "own.sock", "target.sock"]


def test_path_that_is_too_long_is_said(net, world):
    run = run_cli("-L", f"{world.at}/{'x' * 108}:h:80", "client", world.server.toxid,
                  home=net.directory)
    assert run.returncode == 2 and "at most 107 characters" in run.stderr
