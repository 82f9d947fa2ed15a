"""-D: SOCKS5 and HTTP CONNECT on one port, with the programs that people use and by hand."""

import http.server
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest
from datagrams import recv_exactly
from harness import PATIENCE, Net, Target, connect, environment, free_port, own_id, read_to_end
from harness import question_and_answer, run_cli, wait_until
from sshd import Sshd

LOGIN = "user:pass word"
HANDSHAKE_S = 2


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"page {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class WebV6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "proxy", "proxy-node")
    yield n
    n.close()


@pytest.fixture(scope="module")
def web():
    """The port of a web server on 127.0.0.1 and ::1."""
    port = free_port()
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), Page),
               WebV6(("::1", port), Page)]
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    yield port
    for s in servers:
        s.shutdown()
        s.server_close()


class Proxies:
    """A client with a proxy for everybody, and one in its ini file that asks for a login."""

    def __init__(self, net, forbidden):
        self.net = net
        self.forbidden = forbidden
        self.port, self.login_port = free_port(), free_port()
        rules = f"127.0.0.1:1-{forbidden - 1}, 127.0.0.1:{forbidden + 1}-65535, [::1]:*"
        self.server = net.server("proxy-server", ini=f"[server]\ntargets = {rules}\n")
        short = ["--connect-timeout", HANDSHAKE_S]
        self.client = net.client("proxy-client", args=[
            *short, "-D", self.port, "--to", self.server.toxid])
        secret = net.directory / "login"
        secret.write_text(LOGIN + "\n", encoding="utf-8")
        self.locked = net.client(
            "proxy-locked", args=[*short, "--socks-login-file", secret],
            ini=f"[client]\np = socks:127.0.0.1:{self.login_port}:{self.server.toxid}\n")
        for p in (self.client, self.locked):
            p.wait_online()


@pytest.fixture(scope="module")
def proxies(net):
    return Proxies(net, free_port())


def curl(directory, *args):
    return subprocess.run(["curl", "-sS", "--max-time", "30", *map(str, args)],
                          capture_output=True, text=True, timeout=60 * PATIENCE,
                          env=environment(directory), check=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("how", ["--socks5-hostname", "--socks5", "-px"])
def test_curl_fetches_a_page(proxies, web, directory, how, host):
    where = f"http://127.0.0.1:{proxies.port}" if how == "-px" else f"127.0.0.1:{proxies.port}"
    done = curl(directory, how, where, f"http://{host}:{web}/x")
    assert (done.returncode, done.stdout) == (0, "page /x"), done.stderr


def test_the_port_is_open_on_both_loopback_addresses(proxies, web, directory):
    done = curl(directory, "--socks5-hostname", f"[::1]:{proxies.port}",
                f"http://127.0.0.1:{web}/v6")
    assert done.stdout == "page /v6", done.stderr


# ---- by hand ----


def name_request(host, port, command=1):
    raw = host.encode()
    return bytes([5, command, 0, 3, len(raw)]) + raw + struct.pack(">H", port)


def socks(proxies, request, rest=b""):
    """The socket, and the reply code."""
    s = connect(proxies.port)
    s.sendall(b"\x05\x01\x00" + request + rest)
    reply = recv_exactly(s, 12)
    assert reply[:3] == b"\x05\x00\x05" and len(reply) == 12, reply
    return s, reply[3]


def http_connect(proxies, request, fields=""):
    """The socket, and the status."""
    s = connect(proxies.port)
    s.sendall(f"{request} HTTP/1.1\r\n{fields}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = s.recv(1)
        assert byte, head
        head += byte
    return s, int(head.split()[1])


def carries_and_ends(app, target):
    """Early bytes have arrived, and each direction ends alone."""
    service = target.accept()
    assert recv_exactly(service, 6) == b"early "
    question_and_answer(app, service)


def test_bytes_that_come_early_and_half_close_go_through_socks(proxies):
    with Target(free_port()) as target:
        port = target.sock.getsockname()[1]
        app, code = socks(proxies, name_request("127.0.0.1", port), b"early ")
        assert code == 0
        carries_and_ends(app, target)


def test_bytes_that_come_early_and_half_close_go_through_http(proxies):
    with Target(free_port()) as target:
        port = target.sock.getsockname()[1]
        app = connect(proxies.port)
        app.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nearly ".encode())
        answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
        assert recv_exactly(app, len(answer)) == answer
        carries_and_ends(app, target)


def test_handshake_may_come_byte_by_byte(proxies, web):
    s = connect(proxies.port)
    for byte in b"\x05\x01\x00" + name_request("127.0.0.1", web):
        s.sendall(bytes([byte]))
        time.sleep(0.005)
    assert recv_exactly(s, 12)[3] == 0
    s.close()


@pytest.mark.parametrize("host, port, code, status", [
    ("127.0.0.1", "forbidden", 2, 403),
    ("10.1.2.3", 80, 2, 403),
    ("127.0.0.1", "dead", 5, 502),
    ("::1", "dead", 5, 502),
    ("no spaces", 80, 1, 400),
])
def test_failure_has_its_code(proxies, host, port, code, status):
    port = {"forbidden": proxies.forbidden, "dead": free_port()}.get(port, port)
    s, got = socks(proxies, name_request(host, port))
    assert got == code and s.recv(1) == b""
    s.close()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    s, got = http_connect(proxies, f"CONNECT {authority}")
    assert got == status and read_to_end(s)[1]
    s.close()


def test_other_commands_are_not_supported(proxies, web):
    for command in (2, 4):  # BIND, and one that there is not
        s, code = socks(proxies, name_request("127.0.0.1", web, command))
        assert code == 7 and s.recv(1) == b""
        s.close()


def test_page_in_a_browser_cannot_use_it(proxies, web, directory):
    for args in (["-x", f"http://127.0.0.1:{proxies.port}", f"http://127.0.0.1:{web}/"],
                 [f"http://127.0.0.1:{proxies.port}/", "-d", "body"]):
        done = curl(directory, "-w", "%{http_code}", *args)
        assert "a proxy for the method CONNECT" in done.stdout and done.stdout.endswith("405")


def test_garbage_and_silence_are_let_go(proxies):
    tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for text, answer in ((tls, b""), (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"\x00\x5b" + bytes(6)),
                         (b"\x05\x01\x02", b"\x05\xff"), (b"\x05\x00", b"\x05\xff")):
        s = connect(proxies.port)
        s.sendall(text)
        assert read_to_end(s)[0] == answer
        s.close()
    s, slow = connect(proxies.port), connect(proxies.port)
    slow.sendall(b"\x05\x01")
    begin = time.monotonic()
    assert read_to_end(s)[0] == b"" and read_to_end(slow)[0] == b""
    assert time.monotonic() - begin < (HANDSHAKE_S + 3) * PATIENCE
    assert proxies.client.alive()


def test_server_that_is_offline_is_said(net, directory):
    nobody = own_id(net.data_dir("proxy-nobody"), net.directory)
    port = free_port()
    client = net.client("proxy-alone", args=["--connect-timeout", 1, "-D", port, "--to", nobody])
    wait_until("it listens", lambda: "listening on 127.0.0.1" in client.err(), 20 * PATIENCE)
    s = connect(port)
    s.sendall(b"\x05\x01\x00" + name_request("127.0.0.1", 80))
    assert recv_exactly(s, 12)[3] == 3
    s = connect(port)
    s.sendall(b"CONNECT a:1 HTTP/1.1\r\n\r\n")
    assert s.recv(100).startswith(b"HTTP/1.1 503 ")
    client.stop()


# ---- with a login, from the ini file ----


@pytest.mark.parametrize("user, code, status", [
    (LOGIN, 0, "200"), ("user:wrong", 97, "407"), (None, 97, "407")])
def test_login_is_asked_for(proxies, web, directory, user, code, status):
    login = ["-U", user] if user else []
    done = curl(directory, *login, "--socks5-hostname", f"127.0.0.1:{proxies.login_port}",
                f"http://127.0.0.1:{web}/x")
    assert done.returncode == code, done.stderr
    done = curl(directory, *login, "-p", "-x", f"http://127.0.0.1:{proxies.login_port}",
                "-w", "%{http_connect}", "-o", "/dev/null", f"http://127.0.0.1:{web}/x")
    assert done.stdout == status, done.stderr


def test_login_changes_with_a_reload(proxies, web, directory):
    def fetched(login):
        done = curl(directory, "-U", login, "--socks5-hostname",
                    f"127.0.0.1:{proxies.login_port}", f"http://127.0.0.1:{web}/x")
        return done.stdout == "page /x"

    def reload_with(text):
        (proxies.net.directory / "login").write_text(text, encoding="utf-8")
        return run_cli("-d", proxies.locked.data_dir, "reload", home=directory).returncode

    assert reload_with("other:word\n") == 0
    assert fetched("other:word") and not fetched(LOGIN)
    assert reload_with("no login\n") == 2  # and nothing has changed
    assert fetched("other:word")
    assert reload_with(LOGIN) == 0
    assert fetched(LOGIN)


def test_login_file_must_be_one(net):
    path = net.directory / "bad-login"
    for text in ("", "nobody\n", "user:\n", ":x\n"):
        path.write_text(text, encoding="utf-8")
        run = run_cli("-d", net.data_dir("bad"), "--socks-login-file", path, "-D", free_port(),
                      "client", "A" * 64, home=net.directory)
        assert run.returncode == 2 and "USER:PASSWORD" in run.stderr


# ---- ssh ----


@pytest.fixture(scope="module")
def sshd(directory):
    server = Sshd(directory, free_port())
    yield server
    server.proc.kill()


@pytest.mark.skipif(not shutil.which("nc"), reason="no nc")
@pytest.mark.parametrize("kind", ["5", "connect"])
def test_ssh_through_the_proxy(proxies, sshd, directory, kind):
    done = subprocess.run(
        ["ssh", *map(str, sshd.options), "-p", str(sshd.port), "-o",
         f"ProxyCommand=nc -X {kind} -x 127.0.0.1:{proxies.port} %h %p",
         f"{sshd.user}@127.0.0.1", "echo over the proxy"], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60 * PATIENCE, env=environment(directory), check=False)
    assert (done.returncode, done.stdout) == (0, "over the proxy\n"), done.stderr


# ---- at run time ----


def test_proxy_is_opened_and_closed_at_run_time(proxies, web, directory):
    port = free_port()

    def ask(*args):
        return run_cli("-d", proxies.client.data_dir, *args, home=directory)

    assert ask("forward", f"socks:{port}").returncode == 0
    assert f"127.0.0.1:{port}" in ask("status").stdout
    done = curl(directory, "--socks5-hostname", f"127.0.0.1:{port}", f"http://127.0.0.1:{web}/x")
    assert done.stdout == "page /x", done.stderr
    assert ask("forward", f"{port}:localhost:80").returncode == 1  # the port is taken
    assert ask("cancel", f"socks:{port}").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        connect(port)
