"""The ways to a service that the loss matrix compares, at the two ends of an emulated link.

A World has the two namespaces, the link between them and the load generator's server at the far
end. A way is started for each measurement, so that none profits from what it learnt before, and is
left by its context:

    with world.start("toxtun-fast3", cell, seed) as way:
        world.load_start(way, "get", 1, 1000)
"""

import contextlib
import json
import re
import signal

import common  # noqa: F401  pylint: disable=unused-import  # finds the harness
import harness
import netpath
import tunnels

# The service is at the link's end b: downloads travel from b to a.
DOWN, UP = "ba", "ab"
TCP = ("bbr", "cubic", "reno")
KCPTUN = {"kcptun": (0, 0), "kcptun-fec": (10, 3)}  # data and parity shards
KCPTUN_PACKET = 1350
KCPTUN_LEAST_WINDOW = 128
MODES = ("auto", "default", "normal", "fast", "fast2", "fast3")


class Way:
    """What a tunnel, whose clients are of this matrix, adds to the class of its kind."""

    def counters(self):
        """(segments sent, of these repeats) by the server so far."""
        raise NotImplementedError

    def state(self):
        """What the server says of its sending at this moment, in its own words."""
        return {}


class Tcp(Way, tunnels.Direct):
    """The kernel's TCP with a congestion control of its choice."""

    def __init__(self, world, congestion):
        self.server = world.server
        for end in (world.client, world.server):
            world.link.congestion(end, congestion)
        super().__init__(*world.tunnel_args())

    def counters(self):
        done = self.server.run(["cat", "/proc/net/snmp"])
        names, values = (line.split()[1:] for line in done.stdout.splitlines()
                         if line.startswith("Tcp:"))
        tcp = dict(zip(names, map(int, values)))
        return tcp["OutSegs"], tcp["RetransSegs"]


class Kcptun(Way, tunnels.Kcptun):
    """kcptun, with or without its own error correction. Four bandwidth-delay products of windows
    were the best for it: with one, loss makes it wait, and with many more it floods the queue."""

    def __init__(self, world, cell, shards):
        window = max(KCPTUN_LEAST_WINDOW, int(4 * cell.bdp_bytes() / KCPTUN_PACKET))
        super().__init__(*world.tunnel_args(), options=(
            *tunnels.KCPTUN_BOTH, "--sndwnd", window, "--rcvwnd", window,
            "--datashard", shards[0], "--parityshard", shards[1]))

    def counters(self):
        server = self.servers[0]
        before = server.err().count("KCP SNMP:")
        server.signal(signal.SIGUSR1)
        harness.wait_until("kcptun's counters",
                           lambda: server.err().count("KCP SNMP:") > before, 5)
        line = server.err().rsplit("KCP SNMP:", 1)[1]
        return tuple(int(re.search(rf"\b{name}:(\d+)", line)[1])
                     for name in ("OutSegs", "RetransSegs"))


class Toxtun(Way, tunnels.Toxtun):
    """A toxtun, whose counters its stats service tells."""

    def __init__(self, world, program, mode):
        self.namespace = world.server
        super().__init__(*world.tunnel_args(), options=("--kcp-mode", mode), program=program)

    def _stats(self):
        return json.loads(self.namespace.fetch(self.servers[0].stats_port, "/stats.json"))

    def counters(self):
        data = self._stats()["data"]
        return data["segments_out"], data["segments_retransmitted"]

    def state(self):
        """The numbers of its only peer."""
        peer = self._stats()["peers"][0]
        return {k: v for k, v in peer.items() if isinstance(v, (int, float))}


def known(tool, toxtuns):
    name, _, mode = tool.partition("-")
    return tool in TCP or tool in KCPTUN or (name in toxtuns and (mode or "auto") in MODES)


class World:
    """A client's and a server's namespace and what all ways share. `toxtuns` maps names to
    programs: the tool NAME is that program in mode auto, NAME-fast3 in mode fast3."""

    def __init__(self, directory, toxtuns):
        self.directory = directory
        self.toxtuns = toxtuns
        self._network = netpath.Network()
        self._processes = []
        try:
            self.client = self._network.namespace("client")
            self.server = self._network.namespace("server")
            self.link = self._network.link(self.client, self.server)
            self.place = tunnels.Place(tuple(self.client.argv([])), tuple(self.server.argv([])),
                                       self.link.address(self.server))
            self.load = harness.Load(directory)
            self.target = harness.free_port()
            self._processes = [self.load.server, self.load.serve(
                "0.0.0.0", self.target, before=self.place.server)]
        except BaseException:
            self.close()
            raise

    def tunnel_args(self):
        return self.directory, self.load, self.target, self.place

    def _make(self, tool, cell):
        if tool in TCP:
            return Tcp(self, tool)
        if tool in KCPTUN:
            return Kcptun(self, cell, KCPTUN[tool])
        name, _, mode = tool.partition("-")
        return Toxtun(self, self.toxtuns[name], mode or "auto")

    @contextlib.contextmanager
    def start(self, tool, cell, seed):
        """Starts a tool by its name, with one client, and sets the link: rate, delay and queue
        before, so that what the tool first learns of the path is true, loss and jitter when it is
        ready."""
        self.link.set(**cell.steady())
        way = self._make(tool, cell)
        try:
            way.wait_ready(way.add_client())
            self.link.set(**cell.full())
            self.link.seed(seed)
            yield way
        finally:
            way.close()

    def close(self):
        for p in self._processes:
            p.kill()
        self._network.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
