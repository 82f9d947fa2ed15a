"""The line of server and client on a terminal: there, never in the way, gone at the end."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
from harness import (EXIT_S, ONLINE_S, PATIENCE, die_with_parent, environment, free_port,
                     wait_until)

COLUMNS = 80
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn |info ) ")


class Terminal:
    """A client whose standard error is a terminal, and the rows that are to be seen there."""

    def __init__(self, net, directory, *args, term="xterm"):
        self.mine, theirs = pty.openpty()
        self.resize(COLUMNS)
        self.popen = subprocess.Popen(
            list(map(str, [*net.common(), "-d", directory / "data", "--stats", "off",
                           *args])),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
            env={**environment(directory), "TERM": term}, preexec_fn=die_with_parent)
        os.close(theirs)
        self.written = b""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while True:
            try:
                self.written += os.read(self.mine, 65536)
            except OSError:  # EIO: the other side is closed
                return

    def resize(self, columns):
        fcntl.ioctl(self.mine, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def rows(self):
        """As after all that was written. The line is never wider than the terminal."""
        rows = []
        for row in self.written.decode().split("\r\n"):
            shown = ""
            for part in row.split("\r"):
                before, wiped, after = part.partition("\033[J")
                assert "\033" not in before + after, part
                assert len(before) < COLUMNS or not wiped, part
                shown = before + after if wiped else part + shown[len(part):]
            rows.append(shown)
        return rows

    def wait_line(self, pattern, timeout):
        wait_until(pattern, lambda: re.search(pattern, self.rows()[-1]), timeout)

    def end(self):
        self.popen.terminate()
        assert self.popen.wait(EXIT_S) == 0
        self.reader.join()
        os.close(self.mine)


@pytest.fixture
def terminal(net, tmp_path):
    started = []

    def start(*args, **kwargs):
        started.append(Terminal(net, tmp_path, *args, **kwargs))
        return started[-1]

    yield start
    for t in started:
        if t.popen.poll() is None:
            t.popen.kill()
            t.popen.wait()


def test_line_says_what_goes_on_and_keeps_out_of_the_way(net, load, terminal, tmp_path):
    server = net.server(f"{tmp_path.name}-server")
    port = free_port()
    t = terminal("-L", f"{port}:127.0.0.1:{load.port}", "client", server.toxid)
    t.wait_line("^looking for the Tox network", 10 * PATIENCE)
    tag = server.toxid[:8]
    t.wait_line(f"^connected to {tag}, direct UDP; 0 connections$", ONLINE_S)
    assert f"\rwaiting for {tag}; 0 conn".encode() in t.written

    running = load.start("get", port, 97, 10_000_000_000)
    try:
        t.wait_line(r"; 1 connection, in [\d.]+ [kM]B/s, out", 20 * PATIENCE)
        t.resize(20)
        t.popen.send_signal(signal.SIGWINCH)
        t.wait_line(f"^connected to {tag[:6]}$", 5 * PATIENCE)
        t.resize(COLUMNS)
        t.popen.send_signal(signal.SIGHUP)
        wait_until("lines of the reload", lambda: b"read again" in t.written, 5 * PATIENCE)
        t.wait_line(f"^connected to {tag}, direct UDP; 1 conn", 5 * PATIENCE)
    finally:
        running.kill()
        running.communicate()
    t.wait_line("; 0 connections$", 10 * PATIENCE)

    t.end()
    *lines, last = t.rows()
    assert last == "" and t.written.endswith(b"\r\033[J"), "the line is still there"
    assert [line for line in lines if not STAMP.match(line)] == []
    assert len(lines) > 5


@pytest.mark.parametrize("args,term", [(["-q"], "xterm"), ([], "dumb")])
def test_no_line_where_it_is_not_wanted(terminal, args, term, tmp_path):
    t = terminal(*args, "server", term=term)
    wait_until("start", (tmp_path / "data" / "control").exists, 10 * PATIENCE)
    time.sleep(1)  # for several lines
    t.end()
    assert b"\033" not in t.written and not re.search(rb"\r[^\n]", t.written)


def test_no_line_where_there_is_no_terminal(world):
    for p in (world.server, world.client):
        assert "\033" not in p.err() and "\r" not in p.err()
