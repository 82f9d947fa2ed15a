"""What the counters say, beside what went through: of the application, and of the kernel's interface."""

import json
import re
import threading
import time

import pytest
from harness import FRIEND_TIMEOUT_S, MB, ONLINE_S, PATIENCE, Net, free_port, wait_until
from natbed import netpath

pytestmark = pytest.mark.isolated

PAYLOAD = 50 * MB
IDLE_S = 2
ETHERNET = 14  # bytes of each packet that the interface counts and we do not
GROWING = re.compile(r"_(total|bucket|count|sum)(\{|$)")


def samples(process):
    """{name and labels: value} of the metrics that may only grow."""
    text = process.namespace.fetch(process.stats_port, "/metrics")
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines if GROWING.search(name)}


def wait_growing(process, what, condition, timeout):
    """As wait_until, and no counter of the process may fall meanwhile."""
    last = samples(process)

    def look():
        nonlocal last
        now = samples(process)
        assert last.keys() <= now.keys()
        assert not [name for name, value in last.items() if now[name] < value]
        last = now
        return condition()

    wait_until(what, look, timeout)


class Ends:
    """A client in one namespace, a server and its node in another, and a cable between them."""

    device = "eth0"

    def __init__(self, network, directory):
        self.near, self.far = network.namespace("near"), network.namespace("far")
        network.wire(self.near, self.far, self.device, self.device)
        for number, end in enumerate((self.near, self.far), 1):
            end.ip("addr", "add", f"10.79.0.{number}/24", "dev", self.device)
            # Else a batch passes the cable as one packet with the headers of one.
            end.ip("link", "set", self.device, "gso_max_segs", 1)
        self.net = Net(directory, "cable-node", "10.79.0.2", self.far.argv([]))
        self.listener = self.far.socket()
        self.listener.settimeout(60 * PATIENCE)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        target = self.listener.getsockname()[1]
        self.port = free_port()
        self.server = self.start_server()
        self.client = self.net.client("cable-client", namespace=self.near, args=[
            "-L", f"{self.port}:127.0.0.1:{target}", "--to", self.server.toxid])
        self.client.wait_online()
        self.server.wait_online()

    def start_server(self):
        return self.net.server("cable-server", namespace=self.far)

    def counted(self, end):
        """{direction: bytes of IP packets} of an end's interface."""
        stats = json.loads(end.ip("-s", "-j", "link", "show", self.device))[0]["stats64"]
        return {ours: stats[kernels]["bytes"] - ETHERNET * stats[kernels]["packets"]
                for ours, kernels in (("in", "rx"), ("out", "tx"))}

    def connection(self):
        """The two ends of one through the tunnel: the application's and the service's."""
        application = self.near.socket()
        application.settimeout(60 * PATIENCE)
        application.connect(("127.0.0.1", self.port))
        service, _ = self.listener.accept()
        service.settimeout(60 * PATIENCE)
        return application, service


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    try:
        with netpath.Network() as network:
            ends = Ends(network, tmp_path_factory.mktemp("counters"))
            yield ends
            ends.net.close()
    except netpath.Unavailable as e:
        pytest.skip(str(e))


def carry(sender, receiver, length):
    """Sends so many bytes and returns when they have all arrived."""
    thread = threading.Thread(target=sender.sendall, args=(bytes(length),))
    thread.start()
    while length:
        chunk = len(receiver.recv(1 << 20))
        assert chunk, "the connection has ended"
        length -= chunk
    thread.join()


def grown(after, before, *path):
    for name in path:
        after, before = after[name], before[name]
    return after - before


def test_counters_agree_with_the_application_and_the_interface(ends, figure):
    places = {ends.client: ends.near, ends.server: ends.far}

    def look():
        return time.monotonic(), {p: (p.stats(), ends.counted(end)) for p, end in places.items()}

    application, service = ends.connection()
    with application, service:
        carry(application, service, 1)  # the channel is open before the first count
        idle_at, idle = look()
        time.sleep(IDLE_S)
        began, before = look()
        carry(service, application, PAYLOAD)
        carry(application, service, PAYLOAD)
        ended, after = look()
    for p in places:
        (stats, kernel), (was, kernel_was), (_, kernel_idle) = after[p], before[p], idle[p]
        channel, = stats["peers"][0]["channels"]
        assert channel["in"] + channel["out"] == 2 * PAYLOAD + 1
        for way in ("in", "out"):
            for level in (("data",), ("peers", 0)):
                assert grown(stats, was, *level, f"payload_{way}") == PAYLOAD
            true = grown(kernel, kernel_was, way)
            # What Tox says for itself is in no peer's figures.
            tox = grown(kernel_was, kernel_idle, way) / (began - idle_at) * (ended - began)
            of_peer = grown(stats, was, "peers", 0, f"network_{way}") / (true - tox)
            figure(f"{p.name}, {way}: the interface counted {true / MB:.2f} MB, {tox / MB:.2f} MB of "
                   f"them Tox's own; packets of the peer are {100 * of_peer:.2f} % of the others")
            assert 0.98 < of_peer < 1.02
            if p is ends.server:
                continue  # its socket is the node's neighbour, too, past the interface
            of_socket = grown(stats, was, "socket", f"bytes_{way}") / true
            figure(f"{p.name}, {way}: the socket {100 * of_socket:.2f} %")
            assert 0.98 < of_socket < 1.02


def peer(process):
    return process.stats()["peers"][0]


@pytest.mark.slow
def test_counters_and_connection_outlive_a_lost_line(ends):
    """The peer goes offline, as toxcore sees it, and comes back."""
    application, service = ends.connection()
    with application, service:
        carry(service, application, MB)
        before = {p: peer(p) for p in (ends.client, ends.server)}
        ends.near.ip("link", "set", ends.device, "down")
        for p, was in before.items():
            wait_growing(p, "the peer offline", lambda p=p, was=was:
                         peer(p)["drops"] > was["drops"], 2 * FRIEND_TIMEOUT_S)
        ends.near.ip("link", "set", ends.device, "up")
        for p in before:
            wait_growing(p, "the peer online", lambda p=p: peer(p)["ready"], ONLINE_S)
        carry(service, application, MB)
        for p, was in before.items():
            assert sorted(grown(peer(p), was, f"payload_{way}") for way in ("in", "out")) == [0, MB]


def test_counters_go_on_when_the_peer_is_a_new_process(ends):
    application, service = ends.connection()
    with application, service:
        carry(service, application, MB)
    before = peer(ends.client)
    ends.server.stop()
    wait_growing(ends.client, "the peer offline",
                 lambda: peer(ends.client)["path"] == "offline", ONLINE_S)
    ends.server = ends.start_server()
    wait_growing(ends.client, "the peer online", ends.client.ready, ONLINE_S)
    application, service = ends.connection()
    with application, service:
        carry(service, application, MB)
    after = peer(ends.client)
    assert grown(after, before, "payload_in") == MB and grown(after, before, "payload_out") == 0
    assert grown(after, before, "restarts") == grown(after, before, "drops") == 1
