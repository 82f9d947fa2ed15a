"""The process itself: how it ends, what it does at the limit of open files, what it keeps secret."""

import os
import pwd
import re
import signal
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from harness import (PATIENCE, SANITIZED, TOXTUN, Net, Proc, Target, connect, free_port, read_to_end,
                     wait_until)

FD_LIMIT = 80
CONNECTIONS_MAX = FD_LIMIT // 2  # fd_limit.c: half of a small limit
SECRET, PASSPHRASE = "hunter2-hunter2-hunter2", "a passphrase to look for"


def limited(files):
    return ["prlimit", f"--nofile={files}:{files}"]


def drain(seconds):
    return ["--drain-timeout", str(seconds)]


@pytest.fixture(scope="module")
def pairs(directory):
    """The pairs, started together since each needs seconds to meet."""
    net = Net(directory / "process", "process-node")
    pairs = SimpleNamespace(net=net)
    common = net.server("common-server")
    few = net.server("few-server", before=limited(FD_LIMIT))
    draining = net.server("draining-server", args=drain(60))
    for name, server, before, args in (
            ("few_at_client", common, limited(FD_LIMIT), []),
            ("few_at_server", few, (), []),
            ("client_drains", common, (), drain(60)),
            ("impatient", common, (), drain(60)),
            ("bounded", common, (), drain(2)),
            ("server_drains", draining, (), [])):
        p = SimpleNamespace(port=free_port(), target=free_port(), server=server)
        p.client = net.client(f"{name}-client", before=before, args=args, ini=(
            f"[client]\nx = {p.port}:127.0.0.1:{p.target}:{server.toxid}\n"))
        setattr(pairs, name, p)
    for p in vars(pairs).values():
        if p is not net:
            p.client.wait_online()
    yield pairs
    net.close()


class Echo(Target):
    """Answers every connection with what it says."""

    def __init__(self, port):
        super().__init__(port)
        self.sock.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def __exit__(self, *exc):
        self.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread, which holds the port
        super().__exit__(*exc)

    @staticmethod
    def serve(conn):
        with conn:
            try:
                while data := conn.recv(4096):
                    conn.sendall(data)
            except OSError:
                pass


def echoes(sock, data=b"x"):
    sock.sendall(data)
    got = b""
    while len(got) < len(data):
        chunk = sock.recv(4096)
        if not chunk:
            return False
        got += chunk
    return got == data


def is_closed(sock):
    """True when the other end has closed it. It does not block any more."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(p, word):
    return [line for line in p.err().splitlines() if word in line]


# ---- the limit of open files ----

def test_client_accepts_up_to_its_limit_and_goes_on_when_there_is_room(pairs):
    pair, extra = pairs.few_at_client, 20
    with Echo(pair.target):
        socks = [connect(pair.port) for _ in range(CONNECTIONS_MAX + extra)]
        pair.client.wait_channels(CONNECTIONS_MAX, 20 * PATIENCE)
        start, busy = time.monotonic(), cpu_seconds(pair.client.pid)
        assert all(echoes(s) for s in socks[:CONNECTIONS_MAX])
        time.sleep(1)
        took = time.monotonic() - start
        assert cpu_seconds(pair.client.pid) - busy < 0.5 * took * PATIENCE, "it spins"
        assert pair.client.channels() == CONNECTIONS_MAX
        assert len(lines(pair.client, "no room for more than")) == 1
        for s in socks[:extra]:
            s.close()
        assert all(echoes(s) for s in socks[CONNECTIONS_MAX:]), "those that waited are served"
        for s in socks:
            s.close()
    pair.client.wait_channels(0, 20 * PATIENCE)
    assert len(lines(pair.client, "no room for more than")) == 1


def test_server_refuses_what_is_above_its_limit(pairs):
    """One peer may have as many connections as are free, so that others find some."""
    pair, extra, most = pairs.few_at_server, 20, CONNECTIONS_MAX // 2
    with Echo(pair.target):
        socks = []
        for _ in range(most + extra):
            try:
                socks.append(connect(pair.port))
            except ConnectionResetError:
                pass  # refused before connect() had returned
        wait_until("refusals", lambda: pair.client.stats()["close_reasons"]["limit"] == extra,
                   20 * PATIENCE)
        assert pair.server.channels() == most
        assert 1 <= len(lines(pair.server, "reason=limit")) < extra
        for s in socks:
            s.close()
        pair.server.wait_channels(0, 20 * PATIENCE)
        with connect(pair.port) as again:
            assert echoes(again)


def test_relay_turns_clients_away_before_the_node_runs_out(tmp_path):
    port = free_port()
    node = Proc("crowded", [*limited(FD_LIMIT), TOXTUN, "--no-default-nodes", "--no-lan", "--stats",
                            "off", "--udp-port", port, "-d", tmp_path / "data", "node"], tmp_path)
    node.wait_for("^node: ", 20 * PATIENCE)
    socks = [connect(port) for _ in range(2 * FD_LIMIT)]
    wait_until("some are turned away", lambda: sum(is_closed(s) for s in socks) > FD_LIMIT,
               10 * PATIENCE)
    assert node.fds() < FD_LIMIT - 10
    assert node.stop() == 0
    assert "not saved" not in node.err()
    for s in socks:
        s.close()


# ---- the end ----

def refused(port):
    """True where nobody listens any more."""
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_client_that_is_stopped_lets_its_connections_end(pairs):
    pair = pairs.client_drains
    with Echo(pair.target), connect(pair.port) as app:
        assert echoes(app)
        pair.client.signal(signal.SIGTERM)
        wait_until("no new connections", lambda: refused(pair.port), 5 * PATIENCE)
        assert echoes(app, os.urandom(100_000))
        assert pair.client.alive()
    assert pair.client.wait_exit(5 * PATIENCE) == 0


def test_server_that_is_stopped_lets_its_connections_end(pairs):
    pair = pairs.server_drains
    with Echo(pair.target), connect(pair.port) as app:
        assert echoes(app)
        pair.server.signal(signal.SIGTERM)
        pair.server.wait_for("1 connections have 60 s", 5 * PATIENCE, read=pair.server.err)
        try:
            with connect(pair.port) as late:
                assert read_to_end(late)[0] == b""
        except ConnectionResetError:
            pass  # the answer was here before connect() had returned
        wait_until("the reason", lambda: lines(pair.client, "reason=shutdown"), 5 * PATIENCE)
        assert echoes(app, os.urandom(100_000))
        assert pair.server.alive()
    assert pair.server.wait_exit(5 * PATIENCE) == 0


def test_waiting_for_connections_is_bounded(pairs):
    pair = pairs.bounded
    with Echo(pair.target), connect(pair.port) as app:
        assert echoes(app)
        start = time.monotonic()
        pair.client.signal(signal.SIGTERM)
        assert pair.client.wait_exit(10 * PATIENCE) == 0
        assert 1.9 < time.monotonic() - start < 5 * PATIENCE
        assert read_to_end(app)[0] == b""


def test_second_signal_ends_at_once(pairs):
    pair = pairs.impatient
    with Echo(pair.target), connect(pair.port) as app:
        assert echoes(app)
        pair.client.signal(signal.SIGTERM)
        pair.client.wait_for("connections have 60 s", 5 * PATIENCE, read=pair.client.err)
        pair.client.signal(signal.SIGTERM)
        assert pair.client.wait_exit(3 * PATIENCE) == 0


def test_signals_until_the_very_end_do_not_change_the_exit_code(pairs):
    for _ in range(5):
        server = pairs.net.server("nagged")
        while server.alive():
            server.popen.send_signal(signal.SIGTERM)
        assert server.popen.returncode == 0


# ---- secrets ----

def writable_memory(pid):
    """What the process has in memory and may have changed, mapping by mapping."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if m and "[vvar]" not in line:
                start, end = (int(x, 16) for x in m.groups())
                mem.seek(start)
                yield mem.read(end - start)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look into the process")
def test_no_secret_is_seen_from_outside(pairs, tmp_path):
    """Run as somebody else than root, for whom the kernel hides a process that is not dumpable."""
    nobody = pwd.getpwnam("nobody").pw_uid
    net, name = pairs.net, "discreet"
    net.data_dir(name).mkdir(mode=0o700)
    os.chown(net.data_dir(name), nobody, -1)
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n", encoding="utf-8")
    for path in [passphrase, tmp_path, *tmp_path.parents, *net.data_dir(name).parents]:
        if path.stat().st_uid == os.geteuid() and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    server = net.server(name, args=["-vv", "--passphrase-file", passphrase], before=[
        "env", f"TOXTUN_SECRET={SECRET}", "prlimit", "--core=unlimited:unlimited", "setpriv",
        f"--reuid={nobody}", "--clear-groups"])

    def proc(file):
        with open(f"/proc/{server.pid}/{file}", "rb") as f:
            return f.read()

    assert os.stat(f"/proc/{server.pid}/environ").st_uid == 0, "it can be traced and dumped"
    assert re.search(rb"^Max core file size +0 +0", proc("limits"), re.MULTILINE)
    seen = [proc("cmdline"), proc("comm"), proc("environ"), server.out().encode(),
            server.err().encode(), *(server.http(path)[1].encode()
                                     for path in ("/", "/stats", "/stats.json", "/metrics"))]
    if not SANITIZED:  # which keeps what was freed
        memory = list(writable_memory(server.pid))
        assert any(str(net.data_dir(name)).encode() in text for text in memory)
        seen += memory
    for secret in (SECRET, PASSPHRASE):
        for text in seen:
            assert secret.encode() not in text
    assert (net.data_dir(name) / "identity.tox").read_bytes().startswith(b"toxEsave")
    assert server.stop() == 0
    assert SECRET not in server.err() and PASSPHRASE not in server.err()
