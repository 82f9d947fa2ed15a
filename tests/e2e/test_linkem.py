"""The link emulator: each condition, measured by sockets at the two ends."""

import socket
import statistics
import struct
import sys
import threading
import time

import pytest
from harness import PATIENCE, ROOT, SANITIZED, wait_until

sys.path.insert(0, str(ROOT / "bench"))
import netpath  # noqa: E402

PORT = 7000
HEADERS = 20 + 8  # IPv4, UDP
BUFFER = 64 << 20
SO_RCVBUFFORCE = 33


class Probe:
    """Numbered UDP packets from one end of a link to the other, and when each arrived."""

    def __init__(self, link, sender, receiver):
        self.address = (link.address(receiver), PORT)
        self.rx = receiver.socket(kind=socket.SOCK_DGRAM)
        self.rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.rx.bind(self.address)
        self.tx = sender.socket(kind=socket.SOCK_DGRAM)
        self.tx.connect(self.address)
        self.arrived = []  # (number, time)
        self.thread = threading.Thread(target=self._receive)
        self.thread.start()

    def _receive(self):
        while data := self.rx.recv(2048):
            self.arrived.append((struct.unpack_from("!I", data)[0], time.monotonic()))

    def send(self, count, size=1000, interval=0.0):
        """`size` is that of the IP packet."""
        start = time.monotonic()
        for i in range(count):
            self.tx.send(struct.pack("!I", i).ljust(size - HEADERS, b"x"))
            if interval:
                time.sleep(max(0, start + (i + 1) * interval - time.monotonic()))

    def settle(self, quiet=0.2):
        """Waits until nothing has come for a while; the numbers in the order of arrival."""
        seen = -1
        while seen != len(self.arrived):
            seen = len(self.arrived)
            time.sleep(quiet)
        return [number for number, _ in self.arrived]

    def rate(self, size):
        """Bits a second between the first and the last arrival."""
        return (len(self.arrived) - 1) * size * 8 / (self.arrived[-1][1] - self.arrived[0][1])

    def close(self):
        self.rx.sendto(b"", self.rx.getsockname())  # an empty one ends the receiver
        self.thread.join()
        self.rx.close()
        self.tx.close()


@pytest.fixture(scope="module")
def path():
    try:
        with netpath.pair() as (a, b, link):
            yield a, b, link
    except netpath.Unavailable as e:
        pytest.skip(str(e))


@pytest.fixture
def link(path):
    """The link with its default conditions and counters at zero."""
    link = path[2]
    link.restore()
    link.set(rate=0, delay_us=0, jitter_us=0, reorder=0, loss=0, ge_enter=0, ge_leave=0, ge_loss=0,
             duplicate=0, queue_bytes=1e6, mtu=1500)
    link.reset()
    return link


@pytest.fixture
def probe(path, link):
    p = Probe(link, path[0], path[1])
    yield p
    p.close()


@pytest.mark.parametrize("rate,count", [(2e6, 250), (50e6, 5000), (500e6, 30000)])
def test_rate_is_within_three_percent(link, probe, rate, count):
    if SANITIZED and rate > 100e6:
        pytest.skip("sanitizers make the emulator too slow")
    size = 1500
    link.set(rate=rate, queue_bytes=count * size)
    probe.send(count, size)
    assert probe.settle() == list(range(count))
    assert probe.rate(size) == pytest.approx(rate, rel=0.03)


def test_each_direction_has_its_own_rate(path, link):
    a, b, _ = path
    link.set(ab_rate=5e6, ba_rate=20e6)
    for sender, receiver, rate in ((a, b, 5e6), (b, a, 20e6)):
        probe = Probe(link, sender, receiver)
        probe.send(500)
        probe.settle()
        probe.close()
        assert probe.rate(1000) == pytest.approx(rate, rel=0.03)


def test_rate_changes_at_run_time(link, probe):
    link.set(rate=1e6)
    probe.send(1000)
    link.set(rate=20e6)
    assert len(probe.settle()) == 1000
    assert probe.rate(1000) == pytest.approx(20e6, rel=0.1)


def test_round_trip_is_twice_the_delay(path, link):
    a, b, _ = path
    link.set(delay_us=20_000)
    with a.socket(kind=socket.SOCK_DGRAM) as near, b.socket(kind=socket.SOCK_DGRAM) as far:
        far.bind((link.address(b), PORT))
        near.connect((link.address(b), PORT))
        times = []
        for _ in range(20):
            start = time.monotonic()
            near.send(b"ping")
            data, address = far.recvfrom(100)
            far.sendto(data, address)
            near.recv(100)
            times.append((time.monotonic() - start) * 1e3)
    assert 40 <= min(times)
    assert statistics.median(times) < 40 + 2 * PATIENCE


def test_both_address_families_work(path, link):
    a, b, _ = path
    with a.socket(socket.AF_INET6) as client, b.socket(socket.AF_INET6) as server:
        server.bind((link.address6(b), PORT))
        server.listen()
        client.connect((link.address6(b), PORT))
        server.accept()[0].close()
        assert client.recv(1) == b""


def test_random_loss_has_the_share_asked_for(link, probe):
    count, loss = 10_000, 0.05
    link.set(loss=loss)
    probe.send(count, 100)
    lost = count - len(probe.settle())
    sigma = (count * loss * (1 - loss)) ** 0.5
    assert abs(lost - count * loss) < 5 * sigma
    assert abs(link.stats()["ab"]["lost"] - lost) <= 2  # the kernel's own packets of IPv6


def test_bursts_of_loss_have_the_length_asked_for(link, probe):
    count, enter, leave = 20_000, 0.01, 0.2  # 1 packet in 21, 5 at a time
    link.set(ge_enter=enter, ge_leave=leave, ge_loss=1)
    probe.send(count, 100)
    numbers = probe.settle()
    bursts = [b - a - 1 for a, b in zip(numbers, numbers[1:]) if b > a + 1]
    assert sum(bursts) / count == pytest.approx(enter / (enter + leave), rel=0.35)
    assert statistics.mean(bursts) == pytest.approx(1 / leave, rel=0.35)


def test_what_does_not_fit_the_queue_is_dropped(link, probe):
    link.set(rate=1e6, queue_bytes=30_000)
    probe.send(100)
    # 30 wait and one is being sent; while these were handed in, one more may have found room.
    assert len(probe.settle()) - 31 in (0, 1)
    stats = link.stats()["ab"]
    assert stats["queue_drops"] in (68, 69)
    assert stats["queue_bytes_max"] == 30_000
    assert stats["queue_us"]["max"] == pytest.approx(30 * 8000, rel=0.1)
    assert stats["queue_us"]["median"] == pytest.approx(15 * 8000, rel=0.15)


def test_a_cut_loses_everything_until_it_is_restored(path, link, probe):
    a, b, _ = path
    link.cut("ab")
    probe.send(10)
    assert probe.settle() == []
    assert link.stats()["ab"]["cut"] >= 10
    other = Probe(link, b, a)
    other.send(10)
    assert len(other.settle()) == 10  # one direction was cut
    other.close()
    link.cut()
    link.restore()
    probe.send(10)
    assert probe.settle() == list(range(10))


def test_jitter_keeps_the_order_unless_it_is_to_reorder(link, probe):
    link.set(delay_us=5000, jitter_us=20_000)
    probe.send(300, interval=0.001)
    assert probe.settle() == list(range(300))
    probe.arrived.clear()
    link.set(reorder=1)
    probe.send(300, interval=0.001)
    numbers = probe.settle()
    assert sorted(numbers) == list(range(300))
    overtaken = sum(b < a for a, b in zip(numbers, numbers[1:]))
    assert 100 < overtaken < 200  # half of the neighbours are swapped


def test_duplicates_and_long_packets_are_counted(link, probe):
    link.set(duplicate=0.5, mtu=1280)
    probe.send(1000, 1280)
    probe.send(10, 1281)
    numbers = probe.settle()
    assert set(numbers) == set(range(1000))
    assert 400 < len(numbers) - 1000 < 600
    stats = link.stats()["ab"]
    assert stats["too_big"] == 10
    assert abs(stats["duplicated"] - (len(numbers) - 1000)) <= 2


def test_bad_conditions_are_refused(link):
    for bad in ({"speed": 1}, {"loss": 1.5}, {"rate": -1}, {"ab_": 1}, {"rate": float("nan")}):
        with pytest.raises(ValueError):
            link.set(**bad)
    with pytest.raises(ValueError):
        link.cut("sideways")


def test_nothing_is_left_when_the_context_ends():
    try:
        with netpath.pair() as (a, b, link):
            names, process = [a.name, b.name], link.process
            assert all(name in netpath.namespaces() for name in names)
    except netpath.Unavailable as e:
        pytest.skip(str(e))
    assert process.returncode == 0
    wait_until("namespaces gone", lambda: not set(names) & set(netpath.namespaces()), 5)
