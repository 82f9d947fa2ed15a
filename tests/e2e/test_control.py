"""The control socket and the commands that use it, and what can be changed at run time."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from harness import EXIT_S, PATIENCE, TOXTUN, Net, Proc, Target, connect, free_port, own_id
from harness import question_and_answer, read_to_end, run_cli, wait_until


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "control", "control-node")
    yield n
    n.close()


class Pair:
    """A server and a client whose ini files a test may write anew."""

    def __init__(self, net, name, server_ini="[server]\nname = office\n"):
        self.net = net
        self.target = Target(free_port())
        self.port = free_port()
        self.other_port = free_port()
        self.server = net.server(f"{name}-server", ini=server_ini)
        self.client = net.client(f"{name}-client", ini=self.client_ini(self.entry("web")),
                                 args=["--connect-timeout", "3"])
        self.client.wait_online()

    def entry(self, name, port=None):
        target_port = self.target.sock.getsockname()[1]
        return f"{name} = {port or self.port}:127.0.0.1:{target_port}:office\n"

    def client_ini(self, *entries):
        return f"[client]\n{''.join(entries)}[peer office]\nid = {self.server.toxid}\n"

    def write(self, p, text):
        (self.net.directory / f"{p.name}.ini").write_text(text, encoding="utf-8")

    def open(self, port=None):
        """A connection through the tunnel: the application's socket and the service's."""
        app = connect(port or self.port)
        return app, self.target.accept()


@pytest.fixture(scope="module")
def pair(net):
    p = Pair(net, "pair")
    yield p
    p.target.sock.close()


def ask(p, *args, **kwargs):
    return run_cli("-d", p.data_dir, *args, home=p.data_dir.parent, **kwargs)


def raw(p):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10 * PATIENCE)
    s.connect(str(p.data_dir / "control"))
    return s


def answer(s):
    """The objects of one answer, up to its exit code."""
    data = bytearray()
    while b'{"exit":' not in data or not data.endswith(b"\n"):
        chunk = s.recv(65536)
        assert chunk, f"the connection ended after {bytes(data)!r}"
        data += chunk
    return [json.loads(line) for line in data.splitlines()]


def carries(app, service):
    app.sendall(b"ping")
    assert service.recv(4) == b"ping"
    service.sendall(b"pong")
    assert app.recv(4) == b"pong"


def listens(port):
    """Seen from outside: a connection would reach the target."""
    lines = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
               for line in lines)


# ---- the socket ----


def test_socket_is_its_owners_only(pair):
    for p in (pair.server, pair.client):
        mode = os.stat(p.data_dir / "control").st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
        assert stat.S_IMODE(os.stat(p.data_dir).st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_turned_away_even_where_the_modes_let_it_in(pair):
    p = pair.server
    code = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('control');" \
           "s.sendall(b'{\"cmd\":\"status\"}\\n'); print(len(s.recv(100)))"
    os.chmod(p.data_dir, 0o755)
    os.chmod(p.data_dir / "control", 0o666)
    try:
        run = subprocess.run([sys.executable, "-c", code], cwd=p.data_dir, user=65534, text=True,
                             capture_output=True, timeout=20 * PATIENCE, check=False)
    except OSError:
        pytest.skip("no other user in this namespace")
    finally:
        os.chmod(p.data_dir, 0o700)
        os.chmod(p.data_dir / "control", 0o600)
    assert run.stdout.strip() == "0" or "Error" in run.stderr  # closed, or already reset
    assert "user 65534 may not use it" in p.err()


@pytest.mark.parametrize("request_line, code, words", [
    (b"status\n", 2, "one JSON object"),
    (b"[]\n", 2, "one JSON object"),
    (b"\x00\xff\xfe{}\n", 2, "one JSON object"),
    (b"{}\n", 2, '"cmd"'),
    (b'{"cmd":7}\n', 2, '"cmd"'),
    (b'{"cmd":"dance"}\n', 2, "dance"),
    (b'{"cmd":"forward"}\n', 2, '"spec"'),
    (b'{"cmd":"ping","peer":"x"}\n', 2, "no Tox ID"),
    (b"x" * 20000, 2, "at most"),
])
def test_garbage_gets_an_error(pair, request_line, code, words):
    with raw(pair.client) as s:
        s.sendall(request_line)
        said = answer(s)
    assert said[-1] == {"exit": code}
    assert words in said[0]["error"]


def test_several_clients_are_answered_side_by_side(pair):
    with raw(pair.client) as silent, raw(pair.client) as half, raw(pair.client) as deaf:
        half.sendall(b'{"cmd":"sta')
        deaf.setblocking(False)
        for _ in range(1000):  # until the sockets' buffers are full of answers
            try:
                deaf.send(b'{"cmd":"status","json":true}\n')
            except BlockingIOError:
                break
        assert ask(pair.client, "status").returncode == 0
        half.sendall(b'tus"}\n{"cmd":"status","json":true}\n')
        assert answer(half)[-1] == {"exit": 0}
        silent.sendall(b'{"cmd":"status","json":true}\n')
        assert "stats" in answer(silent)[0]
    assert ask(pair.client, "status").returncode == 0


def served(p):
    """A connection that has been answered: it has one of the places, which those that the tests
    before this one have closed may hold a moment longer. None while there is none."""
    s = raw(p)
    s.sendall(b'{"cmd":"status","json":true}\n')
    if "stats" in answer(s)[0]:
        return s
    s.close()
    return None


def test_one_client_too_many_hears_it(pair):
    held = []
    try:
        for i in range(16):
            held.append(wait_until(f"place {i}", lambda: served(pair.client), 10 * PATIENCE))
        with raw(pair.client) as s:
            assert "too many" in answer(s)[0]["error"]
    finally:
        for s in held:
            s.close()
    wait_until("free again", lambda: ask(pair.client, "status").returncode == 0, 10 * PATIENCE)


@pytest.mark.parametrize("command", [
    ["status"], ["reload"], ["forward", "8080:localhost:80"], ["cancel", "web"], ["stop"]])
def test_without_a_process_every_command_says_so(tmp_path, command):
    run = run_cli("-d", tmp_path / "nothing", *command, home=tmp_path)
    assert run.returncode == 1 and run.stdout == ""
    assert f"no toxtun runs on the data directory {tmp_path / 'nothing'}" in run.stderr


def test_stale_socket_is_replaced_and_other_files_are_left(net):
    first = net.server("stale")
    wait_until("the socket", (first.data_dir / "control").exists, 10 * PATIENCE)
    first.kill()
    assert (first.data_dir / "control").exists()
    again = net.server("stale")
    wait_until("status", lambda: ask(again, "status").returncode == 0, 10 * PATIENCE)
    assert again.stop() == 0
    assert not (again.data_dir / "control").exists()
    (again.data_dir / "control").write_text("mine", encoding="utf-8")
    third = net.server("stale")
    third.wait_for("no control socket: .*control: Address already in use", 10 * PATIENCE,
                   read=third.err)
    assert third.stop() == 0
    assert (again.data_dir / "control").read_text(encoding="utf-8") == "mine"


def test_path_that_is_too_long_is_said_at_both_ends(net):
    p = net.server("l" * 100)
    p.wait_for("no control socket: .* is longer than 107 bytes", 10 * PATIENCE, read=p.err)
    run = ask(p, "status")
    assert run.returncode == 1 and "too long for a socket" in run.stderr
    assert p.stop() == 0


# ---- connections ----


def channel_ids(p):
    return {c["id"] for peer in p.stats()["peers"] for c in peer["channels"]}


def line(cmd, **members):
    """A request of the control socket."""
    return json.dumps({"cmd": cmd, **members}).encode() + b"\n"


def test_a_request_ends_what_it_names_and_nothing_else(pair):
    app, service = pair.open()
    number = max(channel_ids(pair.server))
    key = pair.server.stats()["peers"][0]["key"]
    with raw(pair.server) as s:
        for wrong, code in [({"peer": "x", "id": number}, 2), ({"id": number}, 2),
                            ({"peer": key}, 1), ({"peer": key, "id": number + 1}, 1),
                            ({"peer": key, "id": str(number)}, 1),
                            ({"peer": key, "id": number, "opener": True}, 1),
                            ({"peer": pair.server.toxid, "id": number}, 1)]:
            s.sendall(line("end", **wrong))
            said = answer(s)
            assert said[-1] == {"exit": code} and "error" in said[0], (wrong, said)
        carries(app, service)
        s.sendall(line("end", peer=key, id=number, opener=False))
        assert answer(s)[-1] == {"exit": 0}
        assert read_to_end(app)[0] == b"" and read_to_end(service)[0] == b""
        s.sendall(line("end", peer=key, id=number))
        assert answer(s)[-1] == {"exit": 1}
    for end in (app, service):
        end.close()


def test_a_udp_flow_is_ended_and_the_next_datagram_opens_another(pair):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app, raw(pair.client) as s:
        target.bind(("127.0.0.1", 0))
        target.settimeout(10 * PATIENCE)
        port = free_port()
        spec = f"{port}:127.0.0.1:{target.getsockname()[1]}/udp"
        assert ask(pair.client, "forward", spec, "office").returncode == 0

        def flows():
            peer = pair.client.stats()["peers"][0]
            return {c["id"]: peer["key"] for c in peer["channels"] if c["proto"] == "udp"}

        app.sendto(b"first", ("127.0.0.1", port))
        assert target.recv(100) == b"first"
        (number, key), = flows().items()
        s.sendall(line("end", peer=key, id=number, opener=True))
        assert answer(s)[-1] == {"exit": 0}
        assert number not in flows()

        def another():  # after a second, as after any flow that failed
            app.sendto(b"second", ("127.0.0.1", port))
            return flows()

        assert number not in wait_until("another flow", another, 10 * PATIENCE, 0.1)
        assert target.recv(100) == b"second"
        assert ask(pair.client, "cancel", spec).returncode == 0


def test_figures_come_in_the_order_that_is_asked_for(pair):
    opened = [pair.open() for _ in range(3)]
    wait_until("three", lambda: len(channel_ids(pair.client)) >= 3, 5 * PATIENCE)
    with raw(pair.client) as s:
        def ids(**members):
            s.sendall(line("status", json=True, **members))
            stats = answer(s)[0]["stats"]
            return [c["id"] for peer in stats["peers"] for c in peer["channels"]]

        youngest = ids(sort="age")
        assert youngest == sorted(youngest, reverse=True) and len(youngest) >= 3
        assert ids(sort="age", reverse=True, channels=2) == youngest[::-1][:2]
        assert ids(channels=0) == []
        s.sendall(line("status", json=True, sort="size"))
        assert answer(s)[-1] == {"exit": 2}
    for ends in opened:
        for end in ends:
            end.close()


# ---- status, ping, stop ----


def test_status_says_what_is_going_on(pair):
    run = ask(pair.client, "status")
    assert run.returncode == 0 and run.stderr == ""
    for word in ("toxtun client", "connected to office", "direct UDP", "RTT", "MB/s", "tunnel",
                 f"127.0.0.1:{pair.port}", "0 connections", "Tox ID"):
        assert word in run.stdout, f"no {word!r} in\n{run.stdout}"
    assert "toxtun server" in ask(pair.server, "status").stdout
    node = run_cli("-d", pair.net.data_dir(pair.net.node_name), "status",
                   home=pair.net.directory)
    assert node.returncode == 0 and "toxtun node" in node.stdout


def test_status_as_json_is_that_of_the_stats_service(pair):
    said = json.loads(ask(pair.client, "status", "--json").stdout)
    assert said.keys() == pair.client.stats().keys()
    assert said["toxid"] == pair.client.stats()["toxid"]


def test_status_says_what_is_wrong_and_what_to_do(pair):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", pair.other_port))
        taken.listen()
        pair.write(pair.client, pair.client_ini(
            pair.entry("web"), pair.entry("busy", pair.other_port)))
        assert ask(pair.client, "reload").returncode == 0
        said = ask(pair.client, "status").stdout
        assert "what is wrong, and what to do:" in said
        assert "Tunnel busy cannot listen" in said and "Choose another local port" in said
    pair.write(pair.client, pair.client_ini(pair.entry("web")))
    assert ask(pair.client, "reload").returncode == 0
    assert "cannot listen" not in ask(pair.client, "status").stdout


def test_ping_goes_through_the_process_that_has_the_directory(pair):
    run = ask(pair.client, "ping", "-n", "2", pair.server.toxid)
    assert run.returncode == 0, run.stderr
    assert "seq 2, time " in run.stdout and "2 sent, 2 answered" in run.stdout
    own = pair.client.stats()["toxid"]
    assert ask(pair.client, "ping", own).returncode == 1
    run = ask(pair.client, "forward", f"{pair.other_port}:localhost:1", own)
    assert run.returncode == 1 and "the machine itself" in run.stderr
    nobody = own_id(pair.net.data_dir("nobody"), pair.net.directory)
    run = ask(pair.client, "ping", nobody)
    assert run.returncode == 3 and "is not reachable" in run.stderr
    assert len(pair.client.stats()["peers"]) == 1  # it was a friend for this only


def test_ping_that_is_lost_counts_as_lost(pair):
    pair.server.signal(signal.SIGSTOP)
    try:
        run = ask(pair.client, "ping", "-n", "1", pair.server.toxid)
    finally:
        pair.server.signal(signal.SIGCONT)
    assert run.returncode == 3 and "1 sent, 0 answered, loss 100 %" in run.stdout, run.stderr
    assert ask(pair.client, "ping", "-n", "1", pair.server.toxid).returncode == 0


def test_interrupted_ping_says_what_it_has(pair, tmp_path):
    p = Proc("ping", [TOXTUN, "-d", pair.client.data_dir, "ping", "-n", "99", pair.server.toxid],
             tmp_path)
    p.wait_for("seq 2, time", 20 * PATIENCE)
    p.signal(signal.SIGINT)
    assert p.wait_exit(EXIT_S) == 0
    assert p.out().splitlines()[-1].startswith("2 sent, 2 answered, loss 0 %")


def test_stop_is_an_orderly_end(net):
    p = net.server("stopped")
    wait_until("the socket", (p.data_dir / "control").exists, 10 * PATIENCE)
    assert ask(p, "stop").returncode == 0
    assert p.wait_exit(EXIT_S) == 0
    assert not (p.data_dir / "control").exists()


# ---- forwards at run time ----


def test_forward_and_cancel_leave_the_others_alone(pair):
    spec = f"{pair.other_port}:127.0.0.1:{pair.target.sock.getsockname()[1]}"
    app, service = pair.open()
    for name in (["office"], [pair.server.toxid], []):  # a single server need not be named
        run = ask(pair.client, "forward", spec, *name)
        assert run.returncode == 0 and f"port {pair.other_port}" in run.stdout, run.stderr
        carries(app, service)
        second = pair.open(pair.other_port)
        carries(*second)
        assert f"tunnel        {spec}: " in ask(pair.client, "status").stdout
        run = ask(pair.client, "cancel", spec)
        assert run.returncode == 0, run.stderr
        assert not listens(pair.other_port)
        carries(*second)  # as with ssh: open connections stay
        carries(app, service)
        for s in second:
            s.close()
    app.close()
    service.close()


@pytest.mark.parametrize("args, words", [
    (["forward", "80"], "[BIND:]PORT:HOST:HOSTPORT"),
    (["forward", "x:localhost:80"], "the local port"),
    (["forward", "81:localhost:80", "nobody"], "nobody"),
    (["forward", "80-90:localhost:80"], "equally long"),
    (["forward", "-R", "80:localhost:0"], "the local port"),
    (["cancel", "nothing"], "there is no tunnel nothing"),
    (["cancel", "81:localhost:80"], "there is no tunnel"),
    (["forward"], "forward what?"),
    (["cancel"], "cancel what?"),
])
def test_mistakes_have_their_words(pair, args, words):
    run = ask(pair.client, *args)
    assert run.returncode == 2 and run.stdout == ""
    assert words in run.stderr


def test_port_in_use_is_refused(pair):
    run = ask(pair.client, "forward", f"{pair.port}:localhost:1")
    assert run.returncode == 1 and "is taken by the tunnel web" in run.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", pair.other_port))
        taken.listen()
        run = ask(pair.client, "forward", f"{pair.other_port}:localhost:1")
        assert run.returncode == 1 and "another program has this port" in run.stderr
    assert ask(pair.client, "status").stdout.count("\ntunnel ") == 1


def test_cancel_by_name_ends_a_udp_entry_and_its_flows(pair):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        service.bind(("127.0.0.1", free_port()))
        service.settimeout(10 * PATIENCE)
        app.connect(("127.0.0.1", pair.other_port))
        pair.write(pair.client, pair.client_ini(pair.entry("web"), (
            f"dns = udp:{pair.other_port}:127.0.0.1:{service.getsockname()[1]}:office\n")))
        assert ask(pair.client, "reload").returncode == 0
        app.send(b"question")
        assert service.recv(100) == b"question"
        assert pair.client.stats()["udp"]["flows"] == 1
        run = ask(pair.client, "cancel", "dns")
        assert run.returncode == 0 and "dns: closed; its UDP flows have ended" in run.stdout
        assert pair.client.stats()["udp"]["flows"] == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", pair.other_port))  # its port is free
        run = ask(pair.client, "cancel", "dns")
        assert run.returncode == 2 and "there is no tunnel dns" in run.stderr
    carries(*pair.open())
    pair.write(pair.client, pair.client_ini(pair.entry("web")))


# ---- a stream through the socket ----


def stream(p, target, rest=b"", **more):
    """The socket after the request, and the line that answers it."""
    s = raw(p)
    s.sendall(json.dumps({"cmd": "stream", "target": target, **more}).encode() + b"\n" + rest)
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what follows belongs to the stream
        byte = s.recv(1)
        assert byte, line
        line += byte
    return s, json.loads(line)


def test_connection_becomes_a_stream_to_a_target(pair):
    target = f"127.0.0.1:{pair.target.sock.getsockname()[1]}"
    app, said = stream(pair.client, target)
    assert said == {"stream": True}
    service = pair.target.accept()
    carries(app, service)
    block = os.urandom(1 << 20)
    service.sendall(block)
    came = b""
    while len(came) < len(block):
        came += app.recv(65536) or pytest.fail(f"the stream ended after {len(came)} bytes")
    assert came == block
    question_and_answer(app, service)  # each direction closes alone


def test_stream_that_cannot_be_is_refused_or_ends(pair):
    for target in ("80", "localhost:x", "a:b:c", "localhost:53/udp", "h" * 400 + ":80"):
        s, said = stream(pair.client, target)
        assert "error" in said and answer(s)[-1] == {"exit": 2}
        s.close()
    s, said = stream(pair.client, "127.0.0.1:80", rest=b"too early")
    assert "after the answer" in said["error"]
    s.close()
    s, said = stream(pair.client, f"127.0.0.1:{free_port()}")  # nothing listens there
    assert "refused the connection" in said["error"]
    assert read_to_end(s)[0] == b'{"exit":4}\n'
    s.close()
    assert ask(pair.client, "status").returncode == 0


def test_peer_that_only_connections_use_stays_until_they_end(pair):
    """At a server that names who may come in, a peer that no tunnel names is a stranger."""
    p = pair.net.server("choosy", ini=f"[server]\nallow = {'AB' * 32}\n")
    target = f"127.0.0.1:{pair.target.sock.getsockname()[1]}"
    wait_until("the socket", (p.data_dir / "control").exists, 10 * PATIENCE)
    app, said = stream(p, target, peer=pair.server.toxid)
    assert said == {"stream": True}
    service = pair.target.accept()
    run = ask(p, "reload")
    assert run.returncode == 0 and "is not allowed any more" in run.stdout
    carries(app, service)
    spec = f"{free_port()}:{target}"
    assert ask(p, "forward", spec, pair.server.toxid).returncode == 0
    second = connect(int(spec.split(":", maxsplit=1)[0])), pair.target.accept()
    assert ask(p, "cancel", spec).returncode == 0
    for s in app, service:
        s.close()
    wait_until("the stream's end", lambda: p.channels() == 1, 10 * PATIENCE)
    carries(*second)
    for s in second:
        s.close()
    wait_until("the peer's end", lambda: not p.stats()["peers"], 10 * PATIENCE)
    assert p.stop() == 0


# ---- reload ----


def test_reload_changes_what_has_changed(pair):
    app, service = pair.open()
    extra = free_port()
    assert ask(pair.client, "forward", f"{extra}:127.0.0.1:1").returncode == 0
    pair.write(pair.client, pair.client_ini(
        pair.entry("www"), pair.entry("more", pair.other_port)))
    run = ask(pair.client, "reload")
    assert run.returncode == 0, run.stderr
    assert "1 opened, 0 closed, 1 kept" in run.stdout
    more = pair.open(pair.other_port)
    carries(*more)
    carries(app, service)
    pair.write(pair.client, pair.client_ini(pair.entry("www")) + "[options]\nkcp-mode = fast\n")
    pair.client.signal(signal.SIGHUP)
    wait_until("the tunnel's end", lambda: not listens(pair.other_port), 10 * PATIENCE)
    carries(*more)
    carries(app, service)
    assert listens(extra)  # what was added at run time is not the file's to close
    assert ask(pair.client, "cancel", f"{extra}:127.0.0.1:1").returncode == 0
    run = ask(pair.client, "reload")
    assert "kcp-mode has changed, which needs a restart" in run.stderr
    pair.write(pair.client, pair.client_ini(pair.entry("web")))
    assert ask(pair.client, "reload").returncode == 0
    for s in (*more, app, service):
        s.close()


def test_mistake_in_the_file_changes_nothing(pair):
    app, service = pair.open()
    pair.write(pair.client, "[client]\nmore = 80\n")
    run = ask(pair.client, "reload")
    assert run.returncode == 2 and run.stdout == ""
    assert ".ini:2: " in run.stderr and "nothing was changed" in run.stderr
    pair.client.signal(signal.SIGHUP)
    pair.client.wait_for(r"SIGHUP[^\n]*\n[^\n]*\.ini:2: ", 10 * PATIENCE, read=pair.client.err)
    carries(app, service)
    carries(*pair.open())
    taken = f"{pair.other_port}:127.0.0.1:1"
    assert ask(pair.client, "forward", taken).returncode == 0
    pair.write(pair.client, pair.client_ini(
        pair.entry("web"), pair.entry("more", pair.other_port)))
    run = ask(pair.client, "reload")
    assert run.returncode == 2 and "added at run time: cancel that one first" in run.stderr
    assert ask(pair.client, "cancel", taken).returncode == 0
    pair.write(pair.client, pair.client_ini(pair.entry("web")))
    assert ask(pair.client, "reload").returncode == 0


def test_new_access_rules_hold_for_new_connections(net):
    p = Pair(net, "access")
    app, service = p.open()
    carries(app, service)
    secret = net.directory / "access.secret"
    p.write(p.server, f"[server]\ntargets = 127.0.0.1:1\n[options]\nsecret-file = {secret}\n")
    run = ask(p.server, "reload")  # no such file
    assert run.returncode == 1 and str(secret) in run.stderr
    carries(*p.open())

    p.write(p.server, "[server]\ntargets = 127.0.0.1:1\n")
    assert ask(p.server, "reload").returncode == 0
    try:
        with connect(p.port) as refused:
            assert read_to_end(refused)[0] == b""
    except ConnectionResetError:
        pass  # it was quicker than connect()
    assert p.client.stats()["close_reasons"]["not_allowed"] == 1
    assert "does not allow their target" in ask(p.client, "status").stdout
    carries(app, service)

    p.write(p.server, f"[server]\nallow = {'AB' * 32}\n")
    run = ask(p.server, "reload")
    assert run.returncode == 0
    assert "is not allowed any more and is removed" in run.stdout and "peers 1 removed" in run.stdout
    assert read_to_end(app) == (b"", False)  # told at once, not after a time-out
    assert p.client.stats()["close_reasons"]["not_allowed"] >= 2
    wait_until("the peer's end", lambda: not p.server.stats()["peers"], 5 * PATIENCE)
    assert p.server.stats()["connections"]["total"] >= 3  # what it carried still counts
    p.target.sock.close()
