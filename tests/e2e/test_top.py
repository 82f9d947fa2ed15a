"""`toxtun top`, seen through tmux."""

import re
import signal

import pytest
from harness import MB, PATIENCE, Net, read_to_end, run_cli, wait_until
from terminal import Terminal
from test_control import Pair, carries, channel_ids


@pytest.fixture(scope="module")
def pair(directory):
    net = Net(directory / "top", "top-node")
    pair = Pair(net, "top")
    yield pair
    pair.target.sock.close()
    net.close()


def top(p, columns=80, rows=24, **kwargs):
    return Terminal(p.data_dir.parent / "tmux",
                    [p.argv[0], "-d", p.data_dir, "top"], columns, rows, **kwargs)


def row_of(screen, channel):
    """The line of a connection."""
    match = re.search(rf"^[ >] +{channel} .*$", screen, re.MULTILINE)
    return match.group(0) if match else ""


@pytest.mark.parametrize("side, columns, rows, locale, graph", [
    ("client", 80, 24, "C.UTF-8", "[▁-█]"),
    ("server", 200, 50, "C.UTF-8", "[▁-█]"),
    ("client", 80, 24, "C", "[#*+=:._-]"),
])
def test_a_transfer_is_seen(pair, side, columns, rows, locale, graph):
    p = getattr(pair, side)
    app, service = pair.open()
    number = max(channel_ids(p))
    app.settimeout(0.1)
    with app, service, top(p, columns, rows, locale=locale) as t:
        t.wait_for("connected to ")

        def moves(screen):
            service.setblocking(False)
            try:
                while True:
                    service.send(bytes(65536))
            except BlockingIOError:
                pass
            try:
                app.recv(MB)
            except TimeoutError:
                pass
            return re.search(rf" [0-9.]+[kM] .*{graph} *$", row_of(screen, number))

        screen = t.wait_for("a rate in the connection's line", moves)
        assert f":{pair.target.sock.getsockname()[1]}" in screen
        assert len(max(screen.split("\n"), key=len)) <= columns
        assert f"toxtun {side}, up" in screen and "q quit" in screen
        t.press("q")
        t.wait_for("exit code 0")


def test_one_connection_is_ended_and_only_it(pair):
    opened = {}
    for _ in range(3):
        known = channel_ids(pair.client)
        ends = pair.open()
        new = wait_until("its number", lambda k=known: channel_ids(pair.client) - k, 5 * PATIENCE)
        opened[new.pop()] = ends
    victim = sorted(opened)[1]
    with top(pair.client) as t:
        t.wait_for("all three", lambda s: all(row_of(s, c) for c in opened))
        t.press("a")
        t.press("Tab")
        t.wait_for("the youngest is chosen", lambda s: row_of(s, max(opened)).startswith(">"))
        t.press("Down")
        t.wait_for("the victim is chosen", lambda s: row_of(s, victim).startswith(">"))
        t.press("e")
        t.wait_for(f"End connection {victim}")
        t.press("n")
        t.wait_for("not ended")
        t.press("e")
        t.wait_for(f"End connection {victim}")
        t.press("y")
        t.wait_for(f"connection {victim} ended")
        t.wait_for("its line is gone", lambda s: not row_of(s, victim))
    for end in opened[victim]:
        assert read_to_end(end)[0] == b""
    for number, ends in opened.items():
        if number != victim:
            carries(*ends)
        for s in ends:
            s.close()


def test_it_follows_the_size_of_the_terminal(pair):
    with top(pair.client, 80, 24) as t:
        t.wait_for("CONNS")
        for columns, rows in [(200, 50), (40, 10), (8, 3), (2, 2), (80, 24)]:
            t.resize(columns, rows)
            t.wait_for(f"the screen of {columns}x{rows}",
                       lambda s, r=rows: s.rstrip("\n").count("\n") + 1 == r)
            assert max(map(len, t.lines())) <= columns
        t.wait_for("CONNS")
        t.press("q")
        t.wait_for("exit code 0")


def test_a_process_that_hangs_or_ends_is_said_and_found_again(pair):
    server = pair.net.server("top-lost")
    with top(server) as t:
        t.wait_for("toxtun server, up")
        server.signal(signal.SIGSTOP)
        t.wait_for("does not answer")
        server.signal(signal.SIGCONT)
        t.wait_for("it answers again", lambda s: "does not answer" not in s)
        server.stop()
        t.wait_for("has ended")
        pair.net.server("top-lost")
        t.wait_for("it is found again", lambda s: "has ended" not in s and "toxtun server" in s)
        t.press("C-c")
        t.wait_for("exit code 0")


def test_without_a_terminal_or_a_process_it_says_why(pair, directory):
    run = run_cli("-d", pair.client.data_dir, "top", home=directory)
    assert run.returncode == 2 and "needs a terminal" in run.stderr and not run.stdout
    for kind, words in [("nonesuch", "TERM=nonesuch is not known"), ("dumb", "cannot place")]:
        with Terminal(directory / "tmux", ["env", f"TERM={kind}", pair.client.argv[0], "-d",
                                           pair.client.data_dir, "top"]) as t:
            screen = t.wait_for("exit code 2")
            assert words in screen.replace("\n", " ")
    with Terminal(directory / "tmux", [pair.client.argv[0], "-d", directory / "none", "top"]) as t:
        assert "no toxtun runs on" in t.wait_for("exit code 1")
