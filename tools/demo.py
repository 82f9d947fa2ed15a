#!/usr/bin/python3
"""`make run`: a tunnel over a Tox network of its own, on this machine, seen at work.

Starts a node, a server, a client and a web server, fetches a page and a large file through the
tunnel with curl, compares checksums and says how fast it was. Ends by itself, leaves nothing behind
and exits with 1 when anything was wrong. Nothing leaves the machine.
"""

import ctypes
import hashlib
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import private_net

MB = 1000 * 1000
FILE_MB = int(os.environ.get("TOXTUN_DEMO_MB", "256"))
ONLINE_S = 45
FETCH_S = 60

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


class Problem(Exception):
    """What went wrong, for the user."""


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"{paint('1;34', '==>')} {paint('1', text)}")


def command(argv):
    """Shows a command as one would type it."""
    say("    " + paint("36", "$ " + " ".join(str(a) for a in argv)))


def fact(name, value):
    say(f"    {name:<22} {paint('32', value)}")


def short(text):
    """Tox IDs and keys take too much of a line."""
    return re.sub(r"[0-9A-F]{64,76}", lambda m: m.group(0)[:8] + "...", text)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Demo:
    def __init__(self, toxtun, home):
        self.toxtun = toxtun
        self.home = home
        self.running = []
        self.env = {k: v for k, v in os.environ.items()
                    if k in ("PATH", "LANG", "LC_ALL", "TERM")}
        self.env.update(HOME=str(home), PATH=self.env.get("PATH", "") + ":/usr/sbin:/sbin")
        self.common = []
        self.web_port, self.local_port = free_port(), free_port()
        self.stats_port = free_port()

    def start(self, name, argv, show=None):
        """A program in the background, its output in files."""
        if show:
            command(show)
        out, err = self.home / f"{name}.out", self.home / f"{name}.err"
        with open(out, "wb") as o, open(err, "wb") as e:
            p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=o,
                                 stderr=e, env=self.env, preexec_fn=die_with_parent)
        p.name, p.out, p.err = name, out, err
        self.running.append(p)
        return p

    def line(self, p, pattern, timeout=20):
        """The first line of a program's stdout that matches."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            match = re.search(pattern, p.out.read_text(errors="replace"), re.MULTILINE)
            if match:
                return match
            self.check(p)
            time.sleep(0.05)
        raise Problem(f"toxtun {p.name} did not get ready within {timeout} s")

    def check(self, p):
        if p.poll() is not None:
            raise Problem(f"toxtun {p.name} ended with {p.returncode}:\n"
                          + p.err.read_text(errors="replace"))

    def stop(self):
        """Ends everything that was started, in reverse; true when all ended well."""
        good = True
        for p in reversed(self.running):
            if p.poll() is None:
                p.terminate()
        for p in reversed(self.running):
            try:
                good = p.wait(10) in (0, -signal.SIGTERM) and good
            except subprocess.TimeoutExpired:
                say(f"    {p.name} did not end, it is killed")
                p.kill()
                p.wait()
                good = False
        self.running = []
        return good

    def toxtun_args(self, name):
        return [self.toxtun, "--no-default-nodes", "--no-lan", "-d", self.home / f"{name}-data",
                *self.common]

    # ---- the parts ----

    def web_server(self):
        """A page and a file of random bytes, behind nginx or Python's own server."""
        www = self.home / "www"
        www.mkdir()
        (www / "index.html").write_text("<h1>Hello through Tox</h1>\n", encoding="ascii")
        block = random.Random(2).randbytes(MB)
        digest = hashlib.sha256()
        with open(www / "large.bin", "wb") as f:
            for i in range(FILE_MB):
                part = i.to_bytes(8, "little") + block[8:]
                f.write(part)
                digest.update(part)
        nginx = shutil.which("nginx", path=self.env["PATH"])
        if nginx:
            config = self.home / "nginx.conf"
            user = f"user {pwd.getpwuid(0).pw_name};" if os.getuid() == 0 else ""
            temp = "".join(f"{x}_temp_path {self.home}/{x};" for x in (
                "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            config.write_text(
                f"daemon off; {user} worker_processes 1; pid {self.home}/nginx.pid;\n"
                f"error_log {self.home}/error.log; events {{ worker_connections 64; }}\n"
                f"http {{ access_log off; sendfile on; {temp}\n"
                f"server {{ listen 127.0.0.1:{self.web_port}; root {www}; }} }}\n",
                encoding="utf-8")
            self.start("nginx", [nginx, "-p", self.home, "-c", config, "-e",
                                 self.home / "error.log"])
        else:
            self.start("http.server", ["/usr/bin/python3", "-m", "http.server", "--bind",
                                       "127.0.0.1", "--directory", www, self.web_port])
        wait_listening(self.web_port, "the web server")
        return "nginx" if nginx else "Python's http.server", digest.hexdigest()

    def node(self):
        port = free_port()
        show = ["toxtun node"]
        p = self.start("node", [*self.toxtun_args("node"), "--stats", "off", "--udp-port", port,
                                "node"], show)
        match = self.line(p, r"^node: .*:(\d+):([0-9A-F]{64})$")
        self.common = ["-b", f"127.0.0.1:{match.group(1)}:{match.group(2)}"]
        say("    " + short(match.group(0)))

    def server(self):
        p = self.start("server", [*self.toxtun_args("server"), "--stats", "off", "server"],
                       ["toxtun", "-b", short(self.common[1]), "server"])
        match = self.line(p, r"^toxid: ([0-9A-F]{76})$")
        say("    " + match.group(0))
        return match.group(1)

    def client(self, toxid):
        forward = f"{self.local_port}:127.0.0.1:{self.web_port}"
        start = time.monotonic()
        p = self.start("client", [*self.toxtun_args("client"), "--stats",
                                  f"127.0.0.1:{self.stats_port}", "-L", forward, "client", toxid],
                       ["toxtun", "-b", short(self.common[1]), "-L", forward, "client",
                        short(toxid)])
        while not (path := self.path()):
            self.check(p)
            if time.monotonic() > start + ONLINE_S:
                raise Problem(f"the client did not find the server within {ONLINE_S} s:\n"
                              + p.err.read_text(errors="replace"))
            time.sleep(0.1)
        fact("found the server", f"after {time.monotonic() - start:.1f} s, by {path}")
        return start

    def path(self):
        """How the client reaches the server, as its stats service has it."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.stats_port}/stats.json", timeout=5) as f:
                peers = json.load(f)["peers"]
        except (OSError, ValueError):
            return None
        return next((p["path"] for p in peers if p["ready"] and "udp" in p["path"]), None)

    def curl(self, name, *options):
        """Fetches through the tunnel; curl's progress goes to the terminal."""
        url = f"http://127.0.0.1:{self.local_port}/{name}"
        got = self.home / f"got-{name}"
        shown = ["curl", *(["-#"] if "-#" in options else []), "-o", name, url]
        command(shown)
        done = subprocess.run(
            ["curl", "--noproxy", "*", "--fail", "--max-time", str(FETCH_S), *options, "-o", got,
             "-w", "%{time_starttransfer} %{speed_download} %{time_total}", url],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=self.env, check=False)
        if done.returncode != 0:
            raise Problem(f"curl {url} failed with {done.returncode}\n" + self.logs())
        return got, [float(x) for x in done.stdout.split()]

    def logs(self):
        return "".join(f"-- {p.name}\n" + "".join(
            p.err.read_text(errors="replace").splitlines(True)[-15:]) for p in self.running)

    def round_trips(self, count=100):
        """Times of small requests over one kept connection, in ms, sorted."""
        times = []
        with socket.create_connection(("127.0.0.1", self.local_port), 15) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                start = time.perf_counter()
                s.sendall(b"HEAD /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while not answer.endswith(b"\r\n\r\n"):
                    part = s.recv(4096)
                    if not part:
                        return sorted(times)  # the web server keeps no connection open
                    answer += part
                times.append((time.perf_counter() - start) * 1e3)
        return sorted(times)

    def ping(self, toxid):
        """The last line of `toxtun ping`."""
        argv = [*self.toxtun_args("ping"), "ping", toxid]
        command(["toxtun", "-b", short(self.common[1]), "ping", short(toxid)])
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, env=self.env,
                              check=False)
        if done.returncode != 0:
            raise Problem(f"toxtun ping ended with {done.returncode}:\n{done.stderr}")
        for line in done.stdout.splitlines():
            say("    " + short(line))

    # ---- the whole ----

    def run(self):
        step("A web server, reached by nobody but this machine")
        name, digest = self.web_server()
        fact(name, f"127.0.0.1:{self.web_port}, a page and a file of {FILE_MB} MB")

        step("A Tox network of its own: one node")
        self.node()
        step("The server, next to the service. It prints its Tox ID")
        toxid = self.server()
        step("The client, where the service is wanted")
        started = self.client(toxid)

        step("A page through the tunnel")
        page, _ = self.curl("index.html", "-sS")
        fact("start to first byte", f"{time.monotonic() - started:.1f} s")
        text = page.read_text(encoding="ascii")
        if text != (self.home / "www/index.html").read_text(encoding="ascii"):
            raise Problem(f"the page came out different: {text!r}")
        say("    " + text.rstrip())

        step(f"A file of {FILE_MB} MB through the tunnel")
        large, (first, speed, total) = self.curl("large.bin", *(["-#"] if COLOUR else []))
        got = hashlib.sha256(large.read_bytes()).hexdigest()
        fact("sha256 at the server", digest)
        fact("sha256 at the client", got)
        if got != digest:
            raise Problem("the checksums differ")

        step("How long a small request takes")
        self.ping(toxid)
        times = self.round_trips()
        say()
        step("Result")
        fact("checksums", "equal")
        fact("time to first byte", f"{first * 1e3:.1f} ms")
        fact("speed", f"{speed / MB:.1f} MB/s ({FILE_MB} MB in {total:.1f} s)")
        if len(times) > 1:
            fact("round trip (HTTP)", f"{times[len(times) // 2]:.2f} ms median, "
                                      f"{times[0]:.2f} ms least")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_listening(port, what):
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise Problem(f"{what} did not start") from None
            time.sleep(0.05)


TWO_MACHINES = """
The same between two machines, anywhere, with no port opened on either:

    1. where the service runs     toxtun server
                                  (prints  toxid: <ID>)
    2. where it is wanted         toxtun -L 8080:127.0.0.1:80 client <ID>
    3. and there                  curl http://127.0.0.1:8080/
"""


def interrupted(number, _frame):
    raise Problem(f"ended by signal {number}")


def main():
    if len(sys.argv) != 2:
        print("usage: demo.py TOXTUN", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    toxtun = Path(sys.argv[1]).resolve()
    alone = private_net.enter()
    say("Everything runs " + ("in a network namespace without a way out."
                              if alone else "on 127.0.0.1 and talks to nobody else.") + "\n")
    code = 1
    with tempfile.TemporaryDirectory(prefix="toxtun-demo-") as home:
        demo = Demo(toxtun, Path(home))
        try:
            demo.run()
            code = 0
        except (Problem, subprocess.TimeoutExpired, OSError) as e:
            say()
            say(paint("1;31", "failed: ") + str(e))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if not demo.stop() and code == 0:
                say(paint("1;31", "failed: ") + "not every program ended well")
                code = 1
    if code == 0:
        say(TWO_MACHINES)
    return code


if __name__ == "__main__":
    sys.exit(main())
