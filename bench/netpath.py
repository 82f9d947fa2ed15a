"""Network namespaces joined by emulated links, for the benchmarks and the end-to-end tests.

    with netpath.Network() as net:
        a, b = net.namespace("a"), net.namespace("b")
        link = net.link(a, b, rate=100e6, delay_us=50_000, loss=0.01, queue_bytes=1_250_000)
        a.run(["ping", "-c", "1", link.address(b)])
        link.set(ab_loss=0.05)
        link.cut()

or, for the common case of two ends, `with netpath.pair(rate=...) as (a, b, link):`. Nothing of it
reaches the machine's own network. Where it cannot be had, `Unavailable` says why.

Conditions are linkem's own, listed in bench/linkem/README.md: `rate` in bit/s, times in
microseconds, shares 0..1, each for both directions or with the prefix `ab_` or `ba_` for one.
"""

import contextlib
import ctypes
import http.client
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN_NETNS = "/run/netns"
DIRECTIONS = ("ab", "ba")
TCP_BUFFER = "4096 131072 33554432"
ANSWER_S = 10
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_networks = itertools.count()


class Unavailable(Exception):
    """This system does not let us make namespaces or TUN devices; the text says which."""


def find_linkem():
    """The emulator of the build directory that TOXTUN or LINKEM names, or of build/."""
    if "LINKEM" in os.environ:
        return Path(os.environ["LINKEM"])
    toxtun = Path(os.environ.get("TOXTUN", ROOT / "build" / "toxtun")).resolve()
    for build in (toxtun.parent, ROOT / "build"):
        program = build / "bench" / "linkem" / "linkem"
        if program.exists():
            return program
    raise Unavailable("bench/linkem is not built (make test-build)")


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _setns(file):
    """Moves the calling thread into another network namespace."""
    if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
        raise Unavailable(f"setns: {os.strerror(ctypes.get_errno())}")


def _ip(*args):
    done = subprocess.run(["ip", *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env={**os.environ, "PATH": _PATH}, check=False)
    if done.returncode != 0:
        raise Unavailable(f"ip {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def namespaces():
    """Names of all that this system has."""
    return os.listdir(RUN_NETNS) if os.path.isdir(RUN_NETNS) else []


def _forget_dead():
    """Removes namespaces that a killed run left behind; their names carry its pid."""
    for name in namespaces():
        match = re.fullmatch(r"toxtun-(\d+)-\d+-\w+", name)
        if match and not os.path.exists(f"/proc/{match.group(1)}"):
            with contextlib.suppress(Unavailable):
                _ip("netns", "del", name)


class Namespace:
    """A named network namespace and the programs that run in it."""

    def __init__(self, name, label):
        self.name = name
        self.label = label
        _ip("netns", "add", name)
        self.ip("link", "set", "lo", "up")
        # What one run learnt of the path must not help or hinder the next one, and a TCP connection
        # may fill a long path.
        self.sysctl("net.ipv4.tcp_no_metrics_save", 1)
        self.sysctl("net.ipv4.tcp_rmem", TCP_BUFFER)
        self.sysctl("net.ipv4.tcp_wmem", TCP_BUFFER)
        if os.path.isdir("/proc/sys/net/ipv6"):
            # No link-local addresses: no packet on a link that nobody asked for.
            self.sysctl("net.ipv6.conf.default.addr_gen_mode", 1)

    def ip(self, *args):
        return _ip("-n", self.name, *args)

    def argv(self, argv):
        """The command that runs `argv` in here."""
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, argv, **kwargs):
        """subprocess.run in here, with text output caught."""
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True,
                   "check": False, "preexec_fn": die_with_parent, **kwargs}
        return subprocess.run(self.argv(argv), **self._path(options))

    def popen(self, argv, **kwargs):
        """subprocess.Popen in here; whoever starts it ends it."""
        options = {"stdin": subprocess.DEVNULL, "preexec_fn": die_with_parent, **kwargs}
        return subprocess.Popen(self.argv(argv), **self._path(options))

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """A socket that belongs in here, for the calling program to use."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"{RUN_NETNS}/{self.name}", "rb") as here:
            _setns(here)
            try:
                return socket.socket(family, kind)
            finally:
                _setns(home)

    def fetch(self, port, path):
        """The body of a page that is served at this port of 127.0.0.1 in here."""
        connection = http.client.HTTPConnection("127.0.0.1", port)
        with self.socket() as connection.sock:
            connection.sock.settimeout(ANSWER_S)
            connection.sock.connect(("127.0.0.1", port))
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    @staticmethod
    def _path(options):
        env = dict(options.get("env") or os.environ)
        env["PATH"] = env.get("PATH", "") + ":/usr/sbin:/sbin"
        return {**options, "env": env}

    def sysctl(self, name, value):
        done = self.run(["sysctl", "-q", "-w", f"{name}={value}"])
        if done.returncode != 0:
            raise Unavailable(f"sysctl {name} in {self.label}: {done.stderr.strip()}")

    def close(self):
        with contextlib.suppress(Unavailable):
            _ip("netns", "del", self.name)


class Link:
    """An emulated link between the namespaces a and b, with an address at each end."""

    def __init__(self, number, a, b, seed, nets, conditions):
        self.ends = (a, b)
        self.net4, self.net6 = nets
        self.device = device = f"link{number}"
        self.process = subprocess.Popen(
            [find_linkem(), "-s", str(seed), *(f"{end.name}:{device}" for end in self.ends),
             *_words(conditions)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            preexec_fn=die_with_parent)
        self._buffer = b""
        try:
            self._answer(Unavailable)
            for end in self.ends:
                if self.net4:
                    end.ip("addr", "add", f"{self.address(end)}/24", "dev", device)
                if self.net6 and os.path.isdir("/proc/sys/net/ipv6"):
                    end.ip("addr", "add", f"{self.address6(end)}/64", "dev", device, "nodad")
        except BaseException:
            self.close()
            raise

    def address(self, end):
        """The IPv4 address of one of the two ends."""
        return f"{self.net4}.{self.ends.index(end) + 1}"

    def address6(self, end):
        return f"{self.net6}::{self.ends.index(end) + 1}"

    def congestion(self, end, name):
        """The congestion control of TCP connections that send from `end` over this link; it holds
        for those that are opened from now on."""
        end.ip("route", "change", f"{self.net4}.0/24", "dev", self.device, "proto", "kernel",
               "scope", "link", "src", self.address(end), "congctl", name)

    def set(self, **conditions):
        """Changes conditions; the others stay."""
        self._ask(" ".join(["set", *_words(conditions)]))

    def cut(self, direction=""):
        """Everything is lost from now on, in both directions or in `ab` or `ba`."""
        self._ask(f"cut {direction}")

    def restore(self, direction=""):
        self._ask(f"restore {direction}")

    def seed(self, number):
        """Begins chance anew: what follows meets the same fates after the same number."""
        self._ask(f"seed {number}")

    def reset(self):
        """Sets the counters to zero."""
        self._ask("reset")

    def counters(self):
        """Counters for each direction, explained in bench/linkem/README.md."""
        return self._ask("stats")

    def stats(self):
        """The counters, with `device_drops`."""
        stats = self.counters()
        for end, direction in zip(self.ends, DIRECTIONS):
            device = json.loads(end.ip("-s", "-j", "link", "show", self.device))[0]
            stats[direction]["device_drops"] = device["stats64"]["tx"]["dropped"]
        return stats

    def _ask(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise RuntimeError(f"linkem ended: {self._stderr()}") from None
        answer = self._answer()
        if "error" in answer:
            raise ValueError(f"{line}: {answer['error']}")
        return answer

    def _answer(self, problem=RuntimeError):
        end = time.monotonic() + ANSWER_S
        while b"\n" not in self._buffer:
            out = self.process.stdout
            ready = select.select([out], [], [], max(0, end - time.monotonic()))[0]
            part = os.read(out.fileno(), 65536) if ready else b""
            if not part:
                raise problem(f"linkem: {self._stderr() if ready else 'no answer'}")
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _stderr(self):
        self.process.kill()
        return self.process.stderr.read().decode(errors="replace").strip()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def _words(conditions):
    """{"rate": 1e6, "ab_loss": 0.1} as linkem writes it."""
    words = []
    for name, value in conditions.items():
        direction, _, rest = name.partition("_")
        if direction in DIRECTIONS:
            name = f"{direction}.{rest}"
        words.append(f"{name}={float(value):.12g}")
    return words


class Network:
    """Any number of namespaces and links; all of it is gone when the context ends."""

    def __init__(self):
        if not shutil.which("ip", path=_PATH):
            raise Unavailable("no `ip` (package iproute2)")
        if not os.path.exists("/dev/net/tun"):
            raise Unavailable("no /dev/net/tun")
        _forget_dead()
        self._prefix = f"toxtun-{os.getpid()}-{next(_networks)}"
        self._namespaces = []
        self._links = []

    def namespace(self, label):
        """A namespace with nothing but loopback; `label` is a short name of letters."""
        self._namespaces.append(Namespace(f"{self._prefix}-{label}", label))
        return self._namespaces[-1]

    def link(self, a, b, seed=1, nets=None, **conditions):
        """Joins two namespaces: 10.77.0.1 and .2, fd77::1 and ::2; the next link has 78. `nets`
        are other prefixes, such as ("192.0.2", "2001:db8"), None for a family that is not to be."""
        number = len(self._links)
        nets = nets or (f"10.{77 + number}.0", f"fd{77 + number}")
        self._links.append(Link(number, a, b, seed, nets, conditions))
        return self._links[-1]

    @staticmethod
    def wire(a, b, device_a, device_b):
        """A plain cable: devices that are up, with no address but the one from which a router asks
        for its IPv6 neighbours."""
        a.ip("link", "add", device_a, "type", "veth", "peer", "name", device_b, "netns", b.name)
        for number, (end, device) in enumerate(((a, device_a), (b, device_b)), 1):
            end.ip("link", "set", device, "up")
            if os.path.isdir("/proc/sys/net/ipv6"):
                end.ip("addr", "add", f"fe80::{number}/64", "dev", device, "nodad")

    def close(self):
        for part in [*reversed(self._links), *reversed(self._namespaces)]:
            part.close()
        self._links, self._namespaces = [], []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


@contextlib.contextmanager
def pair(seed=1, **conditions):
    """Two namespaces and the link between them."""
    with Network() as net:
        a, b = net.namespace("a"), net.namespace("b")
        yield a, b, net.link(a, b, seed, **conditions)
