"""A peer that keeps to no rule beside one that does.

One server, one honest client and tests/hostile, whose attacks run one after the other. The honest
client goes on with checked transfers meanwhile; the server must stay up, within bounds of memory,
descriptors and log lines, and be rid of everything afterwards. `make hostile` runs this alone and
asks for half of the client's speed or better, which says nothing beside other tests.
"""

import json
import os
import socket
import subprocess
import threading
import time

import pytest
from harness import (MB, PATIENCE, SANITIZED, TOXTUN, Net, die_with_parent, environment, free_port,
                     own_id, size, wait_until)

HOSTILE = TOXTUN.parent / "tests" / "hostile" / "hostile"
ALONE_S = 0.5
ATTACK_S = 1.5
TRIES = 3
# The least share of its own speed that the honest client keeps; 0: any, as long as it gets on
SPEED_MIN = float(os.environ.get("TOXTUN_HOSTILE_SPEED", "0"))
# What a server may hold beyond what it holds in peace: 64 MiB for each direction of one peer and
# 16,384 channels. A sanitizer's allocator gives nothing back.
HELD_MAX_KB = 180_000 * (4 if SANITIZED else 1)
LEFT_MAX_KB = 40_000 * (16 if SANITIZED else 1)
LEFT_MAX_FDS = 16
# Of one attack and the honest client's peace before it
LOG_LINES_MAX = 40

# What shows at the server that the attack has reached it: figures of its statistics that grew.
ATTACKS = {
    "control": ("close_reasons", "not_allowed"),
    "lossy": ("data", "malformed"),
    "lengths": ("data", "malformed"),
    "convs": ("data", "packets_in"),
    "collide": ("connections", "total"),
    "replay": ("data", "segments_duplicate"),
    "open": ("connections", "ok"),
    "half-open": ("connections", "total"),
    "deaf": ("connections", "ok"),
    "window": ("connections", "total"),
    "fins": ("close_reasons", "protocol_error"),
    "acks": ("data", "network_out"),
    "hellos": ("limits", "hellos"),
    "numbers": ("limits", "log_lines"),
    "chat": None,
    "huge": ("limits", "log_lines"),
    "restarts": None,
}

pytestmark = [pytest.mark.isolated,
              pytest.mark.skipif(not HOSTILE.exists(), reason="tests/hostile was not built")]


class BlackHole:
    """A port that takes no connection: its queue is full and nobody accepts."""

    def __init__(self):
        self.port = free_port()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(0)
        self.waiting = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(s)

    def close(self):
        for s in [self.listener, *self.waiting]:
            s.close()


class Silent:
    """A port whose connections the kernel takes, and nobody says a word."""

    def __init__(self):
        self.port = free_port()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(4096)

    def drain(self):
        """Lets go of those whose other end has gone, so that the queue has room again."""
        self.listener.setblocking(False)
        try:
            while True:
                self.listener.accept()[0].close()
        except BlockingIOError:
            pass

    def close(self):
        self.listener.close()


class Hostile:
    """The program, doing one attack at a time."""

    def __init__(self, net, victim, data_dir, port, black_hole):
        self.popen = subprocess.Popen(
            ["nice", "-n", "19", HOSTILE, net.node_arg, victim, data_dir, str(port),
             str(black_hole)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env=environment(net.directory), preexec_fn=die_with_parent)

    def start(self, attack, seconds):
        self.popen.stdin.write(f"{attack} {seconds}\n")

    def report(self):
        """What the attack that was started has done; waits for its end."""
        line = self.popen.stdout.readline()
        assert line, f"hostile ended with {self.popen.wait()}"
        return json.loads(line)

    def stop(self):
        self.popen.stdin.close()
        return self.popen.wait(20 * PATIENCE)


class Watch(threading.Thread):
    """The most memory and descriptors that a process had."""

    def __init__(self, proc):
        super().__init__()
        self.proc, self.rss_kb, self.fds = proc, 0, 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.rss_kb = max(self.rss_kb, self.proc.rss_kb())
            self.fds = max(self.fds, self.proc.fds())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.join()


class Arena:
    def __init__(self, directory, load):
        self.load = load
        self.net = Net(directory / "hostile", "hostile-node")
        self.hole, self.silent = BlackHole(), Silent()
        self.port = free_port()
        names = ("honest", "enemy")
        allow = [word for name in names
                 for word in ("--allow", own_id(self.net.data_dir(name), self.net.directory))]
        self.server = self.net.server("victim", args=allow)
        self.client = self.net.client("honest", ini=(
            f"[client]\nload = {self.port}:127.0.0.1:{load.port}:{self.server.toxid}\n"))
        self.enemy = self.hostile("enemy")
        self.strangers = self.hostile("strangers")
        self.strangers.start("requests", 1000)
        self.seed = 0
        self.client.wait_online()
        self.speed(0.2)
        self.calm()
        self.calm_kb, self.calm_fds = self.server.rss_kb(), self.server.fds()

    def hostile(self, name):
        return Hostile(self.net, self.server.toxid, self.net.data_dir(name), self.silent.port,
                       self.hole.port)

    def calm(self):
        """The hostile peer has nothing open and does nothing."""
        self.enemy.start("calm", 0.1)
        self.enemy.report()
        self.silent.drain()

    def speed(self, seconds):
        """Bytes a second of checked downloads and uploads, one after the other."""
        start, done = time.monotonic(), 0
        while done == 0 or time.monotonic() - start < seconds:
            self.seed += 1
            verb = "get" if self.seed % 2 else "put"
            self.load.run(verb, self.port, self.seed, size(8 * MB))
            done += size(8 * MB)
        return done / (time.monotonic() - start)

    def attack(self, name, seconds):
        """The honest client's speed beside the attack, and what it made of the server."""
        self.enemy.start(name, seconds)
        with Watch(self.server) as most:
            beside = self.speed(seconds)
            did = self.enemy.report()
        return beside, most, did

    def log_lines(self):
        return self.server.err().count("\n")

    def close(self):
        self.strangers.popen.kill()
        self.strangers.popen.wait()
        code = self.enemy.stop()
        self.net.close()
        self.hole.close()
        self.silent.close()
        assert code == 0


@pytest.fixture(scope="module")
def arena(directory, load):
    a = Arena(directory, load)
    yield a
    a.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_honest_client_is_served_beside(arena, figure, attack):
    for i in range(TRIES):
        arena.calm()
        lines, before = arena.log_lines(), arena.server.stats()
        alone = arena.speed(ALONE_S)
        beside, most, did = arena.attack(attack, ATTACK_S * (1 + i))
        after, lines = arena.server.stats(), arena.log_lines() - lines
        figure(f"{attack:10} {beside / MB:5.1f} of {alone / MB:5.1f} MB/s, {most.rss_kb // 1024} "
               f"MiB, {most.fds} descriptors, {lines} log lines, {did}")
        group, name = ATTACKS[attack] or (None, None)
        felt = not group or after[group][name] > before[group][name]
        if felt and beside >= alone * SPEED_MIN:
            break
    else:
        assert felt, f"{attack} did nothing: {did}"
        pytest.fail(f"{beside / MB:.1f} MB/s beside {attack}, {alone / MB:.1f} alone")
    assert arena.server.alive() and arena.client.ready() == 1
    assert most.rss_kb - arena.calm_kb < HELD_MAX_KB
    assert lines < LOG_LINES_MAX


def test_nothing_is_left_of_the_attacks(arena, figure):
    arena.calm()
    wait_until("channels of the hostile peer closed", lambda: arena.server.channels() == 0,
               20 * PATIENCE)
    stats = arena.server.stats()
    left = arena.server.rss_kb() - arena.calm_kb
    figure(f"left: {left} kB, {arena.server.fds()} descriptors of {arena.calm_fds}, "
           f"limits hit {stats['limits']}, {stats['refused_requests']} requests refused")
    assert left < LEFT_MAX_KB
    assert arena.server.fds() - arena.calm_fds < LEFT_MAX_FDS
    assert len(stats["peers"]) == 2, "a stranger is held"
    assert stats["refused_requests"] > 0
    assert arena.speed(ALONE_S) > 0
