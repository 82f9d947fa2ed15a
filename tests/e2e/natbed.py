"""Two homes behind routers with the kernel's NAT, and an internet between them with Tox nodes.

    a --- ra ===\\             /=== nodes
                 internet ---
    b --- rb ===/

a has the client, b the server and the service. The homes' cables are plain, their lines to the
internet (===) emulated by linkem: narrow, so that a transfer lasts, and they can be cut. The
addresses are those of a real internet, since toxcore treats private ones differently; nothing leaves
the namespaces.
"""

import contextlib
import shutil
import sys
import time
from dataclasses import dataclass

from harness import PATIENCE, ROOT, Load, Net, free_port, wait_until

sys.path.insert(0, str(ROOT / "bench"))
import netpath  # noqa: E402

LINE = {"rate": 16e6, "delay_us": 10_000, "queue_bytes": 200_000}
NODES_ADDRESS = {4: "192.0.2.2", 6: "2001:db8::2"}
# How a router translates a flow's source port: to the same for all destinations as far as it can,
# or to a new one for each.
MASQUERADE = {"port-restricted": "masquerade", "symmetric": "masquerade random,fully-random"}
NODE_COUNT = 2

RULES = """
flush ruleset
table inet home {{
	chain input {{
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		meta l4proto {{ icmp, ipv6-icmp }} accept
	}}
	chain forward {{
		type filter hook forward priority 0; policy drop;
		{blocked}
		ct state established,related accept
		iifname "lan" accept
	}}
}}
"""
TRANSLATION = """
table ip home_nat {{
	chain postrouting {{
		type nat hook postrouting priority 100;
		oifname != "lan" meta l4proto udp {udp}
		oifname != "lan" {others}
	}}
}}
"""


def program(name):
    """Whether it is installed, where only root looks too."""
    return shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")


@dataclass(frozen=True)
class Access:
    """What a home's provider and router make of its packets."""
    nat: str = "port-restricted"
    udp: bool = True
    mtu: int = 1500


class Home:
    """A host, its router, and the router's line."""

    def __init__(self, network, internet, label, number, family, access):
        self.family = family
        self.access = access
        self.number = number
        self.host = network.namespace(label)
        self.router = network.namespace(f"r{label}")
        self.internet = internet
        nets = (f"203.0.{number}", None) if family == 4 else (None, f"2001:db8:{number}")
        self.line = network.link(internet, self.router, nets=nets, **LINE)
        network.wire(self.host, self.router, "eth0", "lan")
        self.public = self._of_line(self.router)
        if family == 4:
            self.addresses = [f"192.168.{number}.{host}" for host in (1, 2)]
        else:
            self.addresses = [f"2001:db8:{number}:1::{host}" for host in (1, 2)]
        self._address(self.router, "add", self.addresses[0], "lan")
        self.router.sysctl(f"net.ipv{family}.{'ip_forward' if family == 4 else 'conf.all.forwarding'}",
                           1)
        self._address(self.host, "add", self.addresses[1], "eth0")
        self._route(self.host, "add", "default", self.addresses[0])
        self._route(self.router, "add", "default", self._of_line(internet))
        if family == 6:  # no translation: the internet knows the way to the host
            self._route(internet, "add", f"2001:db8:{number}:1::/64", self.public)
        for end in self.line.ends:
            end.ip("link", "set", self.line.device, "mtu", access.mtu)
        self.set_rules()

    def _of_line(self, end):
        return self.line.address(end) if self.family == 4 else self.line.address6(end)

    def _address(self, where, verb, address, device):
        length = 24 if self.family == 4 else 64
        nodad = ["nodad"] if self.family == 6 and verb == "add" else []
        where.ip("addr", verb, f"{address}/{length}", "dev", device, *nodad)

    def _route(self, where, verb, to, via):
        where.ip(f"-{self.family}", "route", verb, to, "via", via)

    def set_rules(self, udp_port=None, udp=None):
        """Loads the router's rules. `udp_port`: what the source port of its UDP flows becomes."""
        udp = self.access.udp if udp is None else udp
        text = RULES.format(blocked="" if udp else "meta l4proto udp drop")
        if self.family == 4:
            others = MASQUERADE[self.access.nat]
            same = others if udp_port is None else f"masquerade to :{udp_port}"
            text += TRANSLATION.format(udp=same, others=others)
        done = self.router.run(["nft", "-f", "-"], stdin=None, input=text)
        if done.returncode != 0:
            raise netpath.Unavailable(f"nft: {done.stderr.strip()}")

    def forget_flows(self):
        """As a router that was rebooted: no connection is known any more."""
        done = self.router.run(["conntrack", "-F"])
        if done.returncode != 0:
            raise netpath.Unavailable(f"conntrack: {done.stderr.strip()}")

    def rebind(self, udp_port):
        """Flows are forgotten, and UDP gets another port than before."""
        self.set_rules(udp_port)
        self.forget_flows()

    def change_public_address(self, last):
        """As by a provider at night, or by another network for a laptop."""
        new = self.public.rpartition("." if self.family == 4 else ":")
        new = f"{new[0]}{new[1]}{last}"
        self._address(self.router, "del", self.public, self.line.device)
        self._address(self.router, "add", new, self.line.device)
        self._route(self.router, "replace", "default", self._of_line(self.internet))
        if self.family == 6:
            self._route(self.internet, "replace", f"2001:db8:{self.number}:1::/64", new)
        self.public = new
        self.forget_flows()

    def change_host_address(self, last):
        """The host gets another address in its own network."""
        old, self.addresses[1] = self.addresses[1], f"{self.addresses[0][:-1]}{last}"
        self._address(self.host, "del", old, "eth0")  # first, or the other is a secondary one
        self._address(self.host, "add", self.addresses[1], "eth0")
        self._route(self.host, "replace", "default", self.addresses[0])


class Bed:
    """The whole of it with a server in b and a client in a, which forwards to b's service."""

    def __init__(self, directory, a=Access(), b=Access(), family=4, nodes=NODE_COUNT, args=()):
        for name in ("nft", "conntrack"):
            if not program(name):
                raise netpath.Unavailable(f"no `{name}`")
        self._stack = contextlib.ExitStack()
        self.directory = directory
        self.family = family
        self.args = ["-v", *args]
        self.nodes = []
        self.server = self.client = None
        try:
            network = self._stack.enter_context(netpath.Network())
            self._build(network, a, b)
            for number in range(nodes):
                self.nodes.append(Net(directory, f"node{number}", self._node_address(),
                                      self.nodes_at.argv([])))
            self.load = Load(directory, self.b.host)
            self._stack.callback(self.load.server.kill)
            self.port = free_port()
            self.server = self.start_server()
            self.started = time.monotonic()
            self.client = self.start_client()
        except BaseException:
            self.kill()
            raise

    def _build(self, network, a, b):
        internet = network.namespace("internet")
        self.nodes_at = network.namespace("nodes")
        version = "ip_forward" if self.family == 4 else "conf.all.forwarding"
        internet.sysctl(f"net.ipv{self.family}.{version}", 1)
        network.wire(internet, self.nodes_at, "nodes", "eth0")
        here, there = NODES_ADDRESS[self.family][:-1] + "1", NODES_ADDRESS[self.family]
        bits = 24 if self.family == 4 else 64
        nodad = [] if self.family == 4 else ["nodad"]
        internet.ip("addr", "add", f"{here}/{bits}", "dev", "nodes", *nodad)
        self.nodes_at.ip("addr", "add", f"{there}/{bits}", "dev", "eth0", *nodad)
        self.nodes_at.ip(f"-{self.family}", "route", "add", "default", "via", here)
        self.a = Home(network, internet, "a", 113, self.family, a)
        self.b = Home(network, internet, "b", 114, self.family, b)

    def _node_address(self):
        address = NODES_ADDRESS[self.family]
        return address if self.family == 4 else f"[{address}]"

    def _net_args(self):
        return [*self.args, *(word for node in self.nodes[1:] for word in ("-b", node.node_arg))]

    def start_server(self):
        return self.nodes[0].server("server", args=self._net_args(), namespace=self.b.host)

    def start_client(self):
        ini = f"[client]\nload = {self.port}:127.0.0.1:{self.load.port}:{self.server.toxid}\n"
        return self.nodes[0].client("client", ini=ini, args=self._net_args(),
                                    namespace=self.a.host)

    def peer(self):
        """What the client tells of the server."""
        peers = self.client.stats()["peers"]
        return peers[0] if peers else {"ready": False, "path": "offline"}

    def wait_ready(self, timeout=60 * PATIENCE):
        """Seconds from the client's start until the tunnel works, and by which path at first."""
        def ready():
            with contextlib.suppress(OSError, ValueError):
                peer = self.peer()
                return peer["ready"] and peer
            return None

        peer = wait_until("the peer online", ready, timeout)
        return time.monotonic() - self.started, peer["path"]

    def wait_direct(self, timeout):
        """Seconds from the client's start until the path is a direct one, None when it is not."""
        with contextlib.suppress(AssertionError):
            wait_until("a direct path", lambda: self.peer()["path"] == "udp direct", timeout)
            return time.monotonic() - self.started
        return None

    def transfer(self, verb, seed, count, idle_s=60):
        """Starts a run of the load generator, client's end; finish with load.finish."""
        return self.load.start(verb, self.port, seed, count, before=self.a.host.argv([]),
                               idle_s=idle_s)

    def close(self):
        """Ends all; every program must have ended well."""
        try:
            for net in self.nodes:
                net.close()
        finally:
            self.kill()

    def kill(self):
        for net in self.nodes:
            for p in [*net.processes, net.node]:
                p.kill()
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        if kind:
            self.kill()
        else:
            self.close()
