"""The ways to a service that the benchmarks compare, each behind the same few methods.

A tunnel leads from a client's end to a TCP service at the server's end. Every way but `direct` has a
server, and clients of it that each listen on a port of their own.
"""

import shutil
import time
from dataclasses import dataclass

from common import package_version, toxtun_version
from harness import ONLINE_S, TOXTUN, Net, Proc, free_port
from sshd import Sshd

# A client that is started is ready when a byte has come through it; toxtun's has to find its server.
READY_S = 30
# The fastest that kcptun was here with encryption on: no compression and no error correction, which
# cost it a third on a path that loses nothing, and larger windows and buffers than its own.
KCPTUN_BOTH = ("--crypt", "salsa20", "--mode", "fast3", "--nocomp", "--quiet",
               "--datashard", 0, "--parityshard", 0, "--sndwnd", 4096, "--rcvwnd", 4096,
               "--sockbuf", 16 << 20, "--smuxver", 2, "--smuxbuf", 16 << 20, "--streambuf", 4 << 20)


@dataclass(frozen=True)
class Place:
    """Where the two ends are: words ahead of their command lines (`ip netns exec NAME`), and the
    address at which the client's end reaches the server's."""
    client: tuple = ()
    server: tuple = ()
    address: str = "127.0.0.1"


LOOPBACK = Place()


@dataclass
class Client:
    """Where connections go in, and the program that takes them (None: there is none)."""
    port: int
    host: str = "127.0.0.1"
    proc: Proc = None


class Tunnel:
    """`target` is the port of the service at the server's end; `load` the load generator."""
    name = None   # in options and files
    title = None  # in tables
    udp = False   # whether a client's port is one of UDP too

    def __init__(self, directory, load, target, place=LOOPBACK):
        self.directory = directory / f"{self.name}-{free_port()}"
        self.directory.mkdir()
        self.load = load
        self.target = target
        self.place = place
        self.servers = []  # processes
        self.clients = []
        self.start_server()

    @staticmethod
    def missing():
        """The Debian package that has to be installed first, or nothing."""
        return ""

    @staticmethod
    def version():
        return ""

    def start_server(self):
        raise NotImplementedError

    def start_client(self, port, name):
        """Starts a client that listens on the port; the same name has the same identity."""
        raise NotImplementedError

    def add_client(self, name=None):
        """A client that was started and may not be ready yet."""
        port = free_port()
        proc = self.start_client(port, name or f"client{len(self.clients)}")
        self.clients.append(Client(port, proc=proc))
        return self.clients[-1]

    def wait_path(self, client):
        """Until the client has found its server, where that takes time."""

    def wait_ready(self, client):
        """Until a byte comes through."""
        end = time.monotonic() + READY_S
        while not (done := self.run(client, "open", 1, 1, check=False))["ok"]:
            assert not client.proc or client.proc.alive(), \
                f"{client.proc.name} ended:\n{client.proc.err()}"
            assert time.monotonic() < end, f"{self.title}: nothing comes through: {done['error']}"
            time.sleep(0.05)

    def run(self, client, verb, *args, **kwargs):
        """A run of the load generator at the client's end; see harness.Load.run."""
        return self.load.run(verb, client.port, *args, host=client.host, before=self.place.client,
                             **kwargs)

    def start(self, client, verb, *args, **kwargs):
        return self.load.start(verb, client.port, *args, host=client.host,
                               before=self.place.client, **kwargs)

    def client_procs(self):
        return [c.proc for c in self.clients if c.proc and c.proc.alive()]

    def processes(self):
        """All that carries bytes."""
        return [*self.servers, *self.client_procs()]

    def close(self):
        for p in [*self.client_procs(), *self.servers]:
            p.stop()


class Direct(Tunnel):
    """A TCP connection to the service itself; it has to listen at the place's address."""
    name = "direct"
    title = "direct TCP"
    udp = True

    def start_server(self):
        pass

    def add_client(self, name=None):
        self.clients.append(Client(self.target, host=self.place.address))
        return self.clients[-1]


class Toxtun(Tunnel):
    """Its node, which is no part of the tunnel, runs at the server's end."""
    name = "toxtun"
    title = "toxtun"
    udp = True

    def __init__(self, *args, options=(), program=TOXTUN, **kwargs):
        self.options = options  # of both ends
        self.program = program
        self.net = None
        super().__init__(*args, **kwargs)

    @staticmethod
    def version():
        return toxtun_version(TOXTUN)

    def start_server(self):
        self.net = Net(self.directory, address=self.place.address, before=self.place.server,
                       program=self.program)
        self.servers = [self.net.server("server", args=self.options, before=self.place.server)]

    def start_client(self, port, name):
        forward = f"127.0.0.1:{port}:127.0.0.1:{self.target}"
        return self.net.client(name, before=self.place.client, args=[
            *self.options, "-L", forward, "-L", f"{forward}/udp", "--to", self.servers[0].toxid])

    def wait_path(self, client):
        """Until the path is a direct one: what comes first may be a relay."""
        client.proc.wait_for("by direct UDP", ONLINE_S, read=client.proc.err)

    def wait_ready(self, client):
        self.wait_path(client)
        super().wait_ready(client)

    def close(self):
        self.net.close()


class Ssh(Tunnel):
    name = "ssh"
    title = "ssh -L"

    def __init__(self, *args, **kwargs):
        self.sshd = None
        super().__init__(*args, **kwargs)

    @staticmethod
    def missing():
        path = "/usr/sbin:/sbin:/usr/bin:/bin"
        return "" if shutil.which("sshd", path=path) else "openssh-server"

    @staticmethod
    def version():
        return f"OpenSSH {package_version('openssh-client')}"

    def start_server(self):
        self.sshd = Sshd(self.directory, free_port(), self.place.address, self.place.server)
        self.servers = [self.sshd.proc]

    def start_client(self, port, name):
        return Proc(name, [
            *self.place.client, "ssh", *self.sshd.options, "-N", "-o", "ExitOnForwardFailure=yes",
            "-L", f"127.0.0.1:{port}:127.0.0.1:{self.target}", "-p", self.sshd.port,
            f"{self.sshd.user}@{self.sshd.address}"], self.directory)


class Kcptun(Tunnel):
    name = "kcptun"
    title = "kcptun"

    def __init__(self, *args, options=KCPTUN_BOTH, **kwargs):
        self.options = options
        self.port = free_port()
        super().__init__(*args, **kwargs)

    @staticmethod
    def missing():
        return "" if shutil.which("kcptun-client") else "kcptun"

    @staticmethod
    def version():
        return f"kcptun {package_version('kcptun')}, {' '.join(map(str, KCPTUN_BOTH))}"

    def start_server(self):
        self.servers = [Proc("kcptun-server", [
            *self.place.server, "kcptun-server", "-l", f"{self.place.address}:{self.port}",
            "-t", f"127.0.0.1:{self.target}", *self.options], self.directory)]

    def start_client(self, port, name):
        return Proc(name, [
            *self.place.client, "kcptun-client", "-l", f"127.0.0.1:{port}",
            "-r", f"{self.place.address}:{self.port}", *self.options], self.directory)


TUNNELS = {t.name: t for t in (Toxtun, Direct, Ssh, Kcptun)}
