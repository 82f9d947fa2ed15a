"""What the end-to-end tests stand on: real processes on a private Tox network.

Nothing here knows pytest. Processes write their output to files, so that none can block on a full
pipe and a failed test can show them; each is ended by its own pid.
"""

import contextlib
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOXTUN = Path(os.environ.get("TOXTUN", ROOT / "build" / "toxtun")).resolve()
SCALE = float(os.environ.get("TOXTUN_E2E_SCALE", "1"))
MB = 1000 * 1000

# A program built with sanitizers runs several times slower and says what it found on stderr.
SANITIZED = TOXTUN.exists() and b"__asan_init" in TOXTUN.read_bytes()
PATIENCE = 4 if SANITIZED else 1
SANITIZER_FINDING = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:")

# toxcore's own timers: 9 to 10 s until two peers of a new network meet, 32 s until a silent friend
# is given up (FRIEND_CONNECTION_TIMEOUT, checked at intervals).
ONLINE_S = 60 * PATIENCE
FRIEND_TIMEOUT_S = 32
EXIT_S = 10 * PATIENCE

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_ports = itertools.count(20000)


def size(full):
    """A transfer size under TOXTUN_E2E_SCALE."""
    return max(1, int(full * SCALE))


def free_port():
    """A port that nobody uses, below the range from which the kernel takes its own."""
    for port in _ports:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
    raise RuntimeError("no free port")


def wait_until(what, condition, timeout, interval=0.05):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:.0f} s")
        time.sleep(interval)


def environment(home):
    """The environment for a program under test: nothing of the user's own set-up gets in."""
    env = {k: v for k, v in os.environ.items()
           if k in ("PATH", "LANG", "LC_ALL", "TERM", "TOXTUN_IO")}
    env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
    env.update(HOME=str(home), PATH=env.get("PATH", "") + ":/usr/sbin:/sbin")
    return env


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Proc:
    """A running program, its stdout and stderr in files."""

    started = []  # all of them, in order

    def __init__(self, name, argv, directory, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.argv = [str(a) for a in argv]
        directory.mkdir(parents=True, exist_ok=True)
        number = len(Proc.started)
        self.out_path = directory / f"{number:03}-{name}.out"
        self.err_path = directory / f"{number:03}-{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=out, stderr=err, cwd=cwd,
                env=env or environment(directory), preexec_fn=die_with_parent)
        self.pid = self.popen.pid
        self.ended_at = None
        Proc.started.append(self)

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def alive(self):
        if self.popen.poll() is None:
            return True
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        return False

    def wait_for(self, pattern, timeout, read=None):
        """Waits for a line of stdout (or of what `read` gives) and returns the match."""
        read = read or self.out
        compiled = re.compile(pattern, re.MULTILINE)

        def look():
            alive = self.alive()
            match = compiled.search(read())
            assert match or alive, f"{self.name} ended with {self.popen.returncode}:\n{self.err()}"
            return match

        return wait_until(f"{self.name}: {pattern}", look, timeout)

    def wait_exit(self, timeout):
        """The exit code; the process must end by itself."""
        wait_until(f"{self.name}: exit", lambda: not self.alive(), timeout)
        return self.popen.returncode

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def stop(self, timeout=EXIT_S):
        """Asks it to end and returns its exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait_exit(timeout)
        finally:
            self.kill()

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()
        self.alive()

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kb(self):
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Toxtun(Proc):
    """A `toxtun server` or `toxtun client` (or both in one)."""

    def __init__(self, name, argv, directory, data_dir, namespace=None, **kwargs):
        self.data_dir = data_dir
        self.namespace = namespace  # a netpath.Namespace, where it is not this program's own
        self.stats_port = free_port()
        # A UDP port that no process before had: others remember for two minutes whose it was.
        udp = [] if "--udp-port" in argv or "--no-udp" in argv else ["--udp-port", free_port()]
        argv = [*argv[:-1], "-d", data_dir, "--stats", f"127.0.0.1:{self.stats_port}", *udp,
                argv[-1]]
        super().__init__(name, argv, directory, **kwargs)
        self.toxid = None

    def read_toxid(self):
        self.toxid = self.wait_for(r"^toxid: ([0-9A-F]{76})$", 20 * PATIENCE).group(1)
        return self.toxid

    def http(self, path, method="GET", headers=None):
        """Status and body of the stats service."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.stats_port}{path}", method=method, headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def stats(self):
        if self.namespace:
            return json.loads(self.namespace.fetch(self.stats_port, "/stats.json"))
        status, body = self.http("/stats.json")
        assert status == 200, body
        return json.loads(body)

    def ready(self):
        """How many peers are online, have said hello and are reached directly."""
        return sum(p["ready"] and "udp" in p["path"] for p in self.stats()["peers"])

    def channels(self):
        """How many channels are open."""
        return self.stats()["channels"]

    def wait_online(self, peers=1, timeout=ONLINE_S):
        def online():
            assert self.alive(), f"{self.name} ended with {self.popen.returncode}:\n{self.err()}"
            try:
                return self.ready() >= peers
            except (OSError, ValueError):
                return False  # the stats service is not up yet

        wait_until(f"{self.name}: {peers} peer(s) online", online, timeout, 0.2)

    def wait_channels(self, count, timeout):
        wait_until(f"{self.name}: {count} channels", lambda: self.channels() == count, timeout, 0.2)

    def stop(self, timeout=EXIT_S):
        code = super().stop(timeout)
        finding = SANITIZER_FINDING.search(self.err())
        assert not finding, f"{self.name}:\n{self.err()[finding.start():]}"
        return code


class Net:
    """A private Tox network: a node and the servers and clients that a test adds.

    `before` are words ahead of a command line, such as `ip netns exec NAME`. The others reach the
    node at `address`.
    """

    def __init__(self, directory, name="node", address="127.0.0.1", before=(), program=TOXTUN):
        self.directory = directory
        self.address = address
        self.before = before
        self.program = program
        self.processes = []
        self.node_name = name
        self.node_port = free_port()
        self.node = None
        self.node_arg = None
        self.start_node()

    def start_node(self):
        self.node = Proc(self.node_name, [
            *self.before, self.program, "--no-default-nodes", "--no-lan", "--stats", "off",
            "--udp-port", self.node_port, "-d", self.directory / f"{self.node_name}-data", "node"],
            self.directory)
        line = self.node.wait_for(r"^node: (.*):(\d+):([0-9A-Fa-f]{64})$", 20 * PATIENCE)
        self.node_arg = f"{self.address}:{line.group(2)}:{line.group(3)}"

    def common(self):
        return [self.program, "--no-default-nodes", "--no-lan", "-b", self.node_arg]

    def data_dir(self, name):
        return self.directory / f"{name}-data"

    def _start(self, name, role, ini, args, before=(), namespace=None):
        if namespace:
            before = namespace.argv(before)
        argv = [*before, *self.common(), *args]
        if ini is not None:
            path = self.directory / f"{name}.ini"
            path.write_text(ini, encoding="utf-8")
            argv += ["-c", path]
        p = Toxtun(name, [*argv, role], self.directory, self.data_dir(name), namespace)
        self.processes.append(p)
        return p

    def server(self, name, ini=None, args=(), **where):
        """A server, ready as far as its Tox ID is known. The same name has the same identity.
        `where` is `before=` words ahead of the command line or a netpath `namespace=`."""
        p = self._start(name, "server", ini, args, **where)
        p.read_toxid()
        return p

    def client(self, name, ini=None, args=(), **where):
        """A client; wait_online says when it has found its servers."""
        return self._start(name, "client", ini, args, **where)

    def pair(self, name, forwards, server_args=(), client_args=(), before=()):
        """A server and a client with TCP forwards {local port: target port}."""
        server = self.server(f"{name}-server", args=server_args, before=before)
        ini = "[client]\n" + "".join(
            f"f{local} = {local}:127.0.0.1:{target}:{server.toxid}\n"
            for local, target in forwards.items())
        client = self.client(f"{name}-client", ini=ini, args=client_args, before=before)
        return server, client

    def close(self):
        """Ends everything, clients first; every program must have ended well."""
        codes = {p.name: p.stop() for p in reversed(self.processes) if p.alive()}
        codes[self.node_name] = self.node.stop() if self.node.alive() else 0
        bad = {name: code for name, code in codes.items() if code != 0}
        assert not bad, f"exit codes at SIGTERM: {bad}"


# ---- the load generator ----


def find_loadgen(directory):
    """Meson's, where it is there and newer than its source, else one that is built here."""
    sources = sorted((Path(__file__).resolve().parent / "tools").glob("loadgen*.[ch]"))
    changed = max(p.stat().st_mtime for p in sources)
    built = [p for p in (TOXTUN.parent / "tests" / "e2e" / "loadgen",
                         ROOT / "build" / "tests" / "e2e" / "loadgen")
             if p.exists() and p.stat().st_mtime >= changed]
    if built:
        return built[0]
    program = directory / "loadgen"
    compiler = os.environ.get("CC") or next(c for c in ("cc", "gcc", "clang") if shutil.which(c))
    subprocess.run([*compiler.split(), "-O2", "-D_GNU_SOURCE",
                    *(p for p in sources if p.suffix == ".c"), "-o", program, "-lz", "-lpthread"],
                   check=True)
    return program


class Load:
    """Runs the load generator's server and clients; the server in `namespace`, if it is given."""

    def __init__(self, directory, namespace=None):
        self.directory = directory
        self.program = find_loadgen(directory)
        self.port = free_port()
        self.server = self.serve("127.0.0.1", self.port, namespace.argv([]) if namespace else ())

    def serve(self, host, port, before=()):
        p = Proc("loadgen", [*before, self.program, "serve", host, port], self.directory)
        p.wait_for("^ready$", 10)
        return p

    def start(self, verb, port, *args, host="127.0.0.1", idle_s=60 * PATIENCE, before=(),
              stdin=subprocess.DEVNULL):
        env = {**environment(self.directory), "LOADGEN_TIMEOUT": str(int(idle_s))}
        return subprocess.Popen(
            [*before, self.program, verb, host, str(port), *map(str, args)], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
            preexec_fn=die_with_parent)

    def finish(self, popen, timeout=200, check=True):
        try:
            out, err = popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.communicate()
            raise AssertionError(f"{popen.args[1:]}: still running after {timeout} s") from None
        result = json.loads(out) if out.strip() else {"ok": False, "error": err}
        if check:
            assert result["ok"] and popen.returncode == 0, f"{popen.args[1:]}: {result['error']}"
        return result

    def run(self, verb, port, *args, host="127.0.0.1", timeout=200, check=True, **kwargs):
        return self.finish(self.start(verb, port, *args, host=host, **kwargs), timeout, check)


# ---- single connections ----


def connect(port, host="127.0.0.1", timeout=30 * PATIENCE):
    return socket.create_connection((host, port), timeout=timeout)


def read_to_end(sock):
    """All bytes until the end, and whether it was an orderly one."""
    data = bytearray()
    while True:
        try:
            chunk = sock.recv(65536)
        except ConnectionError:
            return bytes(data), False
        if not chunk:
            return bytes(data), True
        data += chunk


def question_and_answer(app, service):
    """A question, a half-close, and an answer, over two ends of one connection."""
    app.sendall(b"question")
    app.shutdown(socket.SHUT_WR)
    assert read_to_end(service) == (b"question", True)
    service.sendall(b"answer")
    service.close()
    assert read_to_end(app) == (b"answer", True)
    app.close()


def turned_away(port):
    """True where a connection ends at once with nothing read."""
    try:
        with connect(port) as app:
            return read_to_end(app) == (b"", False)
    except ConnectionError:
        return True


@contextlib.contextmanager
def silent_target(port, host="127.0.0.1"):
    """A target that answers no SYN: a listener whose queue is full."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            s = stack.enter_context(socket.socket(family))
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        time.sleep(0.2)
        yield


def with_hosts(directory, lines):
    """The words before a program for which these are the lines of /etc/hosts; none where the kernel
    does not let us."""
    hosts = directory / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + lines, encoding="utf-8")
    words = ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
    can = subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0
    return words if can else []


class Target:
    """A TCP service that a test plays itself, one accepted connection at a time."""

    def __init__(self, port, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        self.sock.listen(128)
        self.sock.settimeout(30 * PATIENCE)

    def accept(self):
        conn, _ = self.sock.accept()
        conn.settimeout(60 * PATIENCE)
        return conn

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


def run_cli(*args, timeout=30 * PATIENCE, home, env=None):
    """Runs toxtun to its end, without a terminal: a CompletedProcess with text output."""
    return subprocess.run(
        [str(TOXTUN), *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout, env={**environment(home), **(env or {})}, preexec_fn=die_with_parent,
        start_new_session=True, check=False)


def own_id(data_dir, home):
    """The Tox ID of a data directory, by `toxtun id`."""
    run = run_cli("-d", data_dir, "id", home=home)
    assert run.returncode == 0, run.stderr
    return re.search(r"[0-9A-F]{76}", run.stdout).group(0)
