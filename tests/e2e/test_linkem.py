"""The link emulator: each condition, measured by sockets at the two ends."""

import array
import fcntl
import socket
import statistics
import struct
import sys
import termios
import threading
import time

import pytest
from harness import PATIENCE, ROOT, SANITIZED, wait_until

sys.path.insert(0, str(ROOT / "bench"))
import netpath  # noqa: E402

PORT = 7000
HOLD_RATE = 20e3  # a packet takes more than a third of a second
WAIT_S = 20 * PATIENCE
HEADERS = 20 + 8  # IPv4, UDP
BUFFER = 64 << 20
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35


class Probe:
    """Numbered UDP packets from one end of a link to the other, and when the kernel got each."""

    def __init__(self, link, sender, receiver):
        self.link = link
        self.direction = netpath.DIRECTIONS[link.ends.index(sender)]
        self.sent = 0
        self.address = (link.address(receiver), PORT)
        self.rx = receiver.socket(kind=socket.SOCK_DGRAM)
        self.rx.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.rx.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.rx.bind(self.address)
        self.tx = sender.socket(kind=socket.SOCK_DGRAM)
        self.tx.connect(self.address)
        self.arrived = []  # (number, time)
        self.thread = threading.Thread(target=self._receive)
        self.thread.start()

    def _receive(self):
        while (message := self.rx.recvmsg(4, 64))[0]:
            seconds, nanoseconds = struct.unpack("@qq", message[1][0][2])
            self.arrived.append((struct.unpack("!I", message[0])[0], seconds + nanoseconds / 1e9))

    def send(self, count, size=1000, interval=0.0):
        """`size` is that of the IP packet."""
        start = time.monotonic()
        for i in range(count):
            self.tx.send(struct.pack("!I", i).ljust(size - HEADERS, b"x"))
            if interval:
                time.sleep(max(0, start + (i + 1) * interval - time.monotonic()))
        self.sent += count

    def hold(self, count, size=1000):
        """Sends to a link that is all but stopped, until all wait for it. So it does not matter
        how fast this program gets to send."""
        self.link.set(**{f"{self.direction}_rate": HOLD_RATE})
        self.send(count, size)
        wait_until("all packets at the link",
                   lambda: self.counters()["packets_in"] >= self.sent, WAIT_S)

    def counters(self):
        return self.link.counters()[self.direction]

    def settle(self):
        """Waits until the link is empty and all is received; the numbers in order of arrival."""
        def empty():
            c = self.counters()
            waiting = array.array("i", [0])
            fcntl.ioctl(self.rx, termios.FIONREAD, waiting)
            left = c["packets_in"] + c["duplicated"] - sum(
                c[x] for x in ("delivered", "too_big", "queue_drops", "lost", "cut"))
            return c["packets_in"] >= self.sent and left <= 0 and waiting[0] == 0

        wait_until("the link to be empty", empty, WAIT_S)
        time.sleep(0.05)  # the last packet is on its way from the socket to the list
        wait_until("the link to be empty", empty, WAIT_S)
        return [number for number, _ in self.arrived]

    def rate(self, size):
        """Bits a second between arrivals, without the first ones, which began to be sent before
        the rate was set."""
        times = [t for _, t in self.arrived[2:]]
        return (len(times) - 1) * size * 8 / (times[-1] - times[0])

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


@pytest.mark.parametrize("rate,count", [(2e6, 200), (50e6, 3000), (500e6, 9000)])
def test_rate_is_within_three_percent(link, probe, rate, count):
    if SANITIZED and rate > 100e6:
        pytest.skip("sanitizers make the emulator too slow")
    size = 1500
    link.set(queue_bytes=count * size)
    probe.hold(count, size)
    link.set(rate=rate)
    assert probe.settle() == list(range(count))
    assert probe.rate(size) == pytest.approx(rate, rel=0.03)


def test_each_direction_has_its_own_rate(path, link):
    a, b, _ = path
    probes = [Probe(link, a, b), Probe(link, b, a)]
    for probe in probes:
        probe.hold(500)
    link.set(ab_rate=5e6, ba_rate=20e6)
    for probe, rate in zip(probes, (5e6, 20e6)):
        probe.settle()
        probe.close()
        assert probe.rate(1000) == pytest.approx(rate, rel=0.03)


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
    assert 40 <= min(times) < 40 + 2 * PATIENCE


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
    assert abs(probe.counters()["lost"] - lost) <= 2  # the kernel's own packets of IPv6


def test_bursts_of_loss_have_the_length_asked_for(link, probe):
    count, enter, leave = 20_000, 0.01, 0.2  # 1 packet in 21, 5 at a time
    link.set(ge_enter=enter, ge_leave=leave, ge_loss=1)
    probe.send(count, 100)
    numbers = probe.settle()
    bursts = [b - a - 1 for a, b in zip(numbers, numbers[1:]) if b > a + 1]
    assert sum(bursts) / count == pytest.approx(enter / (enter + leave), rel=0.35)
    assert statistics.mean(bursts) == pytest.approx(1 / leave, rel=0.35)


def test_what_does_not_fit_the_queue_is_dropped(link, probe):
    link.set(queue_bytes=30_500)
    probe.hold(100)
    link.set(rate=1e6)
    assert probe.settle() == list(range(31))  # one being sent, 30 wait
    stats = probe.counters()
    assert stats["queue_drops"] == 69
    assert 30_000 <= stats["queue_bytes_max"] <= 30_500
    # The last one waits for the first, which is sent at the rate of before, and 29 others.
    first_us = 1000 * 8 / HOLD_RATE * 1e6
    assert stats["queue_us"]["max"] == pytest.approx(first_us + 29 * 8000, rel=0.1)
    assert stats["queue_us"]["median"] == pytest.approx(first_us + 14 * 8000, rel=0.1)


def test_a_cut_loses_everything_until_it_is_restored(path, link, probe):
    a, b, _ = path
    link.cut("ab")
    probe.send(10)
    assert probe.settle() == []
    assert probe.counters()["cut"] >= 10
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
    stats = probe.counters()
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
