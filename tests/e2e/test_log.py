"""The log: a file that is rotated, a full disk, the journal's own fields."""

import json
import os
import signal
import socket
import tempfile
from pathlib import Path

import pytest
from harness import PATIENCE, TOXTUN, run_cli, wait_until

RECEIVE_MAX = 65536
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def logged(net, tmp_path):
    """Starts servers with a log file of their own."""
    started = []

    def start(log, *args, **where):
        name = f"logged-{tmp_path.name}-{len(started)}"
        server = net.server(name, args=["--log-file", log, *args], **where)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.alive():
            assert server.stop() == 0


def test_file_is_opened_anew_when_it_was_rotated(logged, tmp_path):
    log, rotated = tmp_path / "toxtun.log", tmp_path / "toxtun.log.1"
    server = logged(log, "--log-format", "json")
    assert log.stat().st_mode & 0o777 == 0o600
    log.rename(rotated)
    server.signal(signal.SIGHUP)
    wait_until("a new file", lambda: log.exists() and "read again" in log.read_text(), 5 * PATIENCE)
    assert server.stop() == 0
    assert "stopping" in log.read_text() and "stopping" not in rotated.read_text()
    for path in (log, rotated):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert {"time", "level", "msg"} <= json.loads(line).keys()
    assert server.err() == "", "what is in the file is not on standard error"


def test_reload_keeps_the_file_when_there_can_be_no_new_one(logged, tmp_path):
    directory = tmp_path / "logs"
    directory.mkdir()
    log = directory / "toxtun.log"
    server = logged(log)
    moved = directory.rename(tmp_path / "moved") / log.name
    run = run_cli("-d", server.data_dir, "reload", home=tmp_path)
    assert f"the log file {log} cannot be opened again, the old one is kept" in run.stderr
    assert server.stop() == 0
    assert "cannot be opened again" in moved.read_text() and "stopping" in moved.read_text()


def test_full_disk_does_not_end_the_program(logged, tmp_path):
    server = logged("/dev/full")
    server.signal(signal.SIGHUP)
    server.wait_for("the log file /dev/full cannot be written, lines are lost: No space left",
                    5 * PATIENCE, read=server.err)
    assert server.http("/stats.json")[0] == 200
    assert server.stop() == 0
    assert server.err().count("\n") == 1, "once is enough"


@ROOT_ONLY
def test_disk_that_is_full_for_a_while_leaves_whole_lines(logged, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    server = logged(disk / "log", "--log-format", "json", before=[
        "unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=4k none {disk} && exec "$@"',
        "sh"])
    log = Path(f"/proc/{server.pid}/root{disk}/log")

    def reload_until(condition):
        def once():
            server.signal(signal.SIGHUP)
            return condition()
        wait_until("reload", once, 20 * PATIENCE)

    def messages():
        text = log.read_text(encoding="utf-8")
        assert text.endswith("\n")
        return [json.loads(line)["msg"] for line in text.splitlines()]

    reload_until(lambda: "lines are lost: No space left" in server.err())
    full = messages()
    assert 3000 < log.stat().st_size <= 4096
    os.truncate(log, 0)
    reload_until(lambda: log.stat().st_size > 0)
    assert " lines could not be written here" in messages()[0] and messages()[0] not in full


def test_file_that_cannot_be_opened_is_an_error(tmp_path):
    run = run_cli("-d", tmp_path / "data", "--log-file", tmp_path / "none" / "log", "server",
                  home=tmp_path)
    assert run.returncode == 1 and run.stdout == ""
    assert f"the log file {tmp_path / 'none' / 'log'} cannot be opened: No such file" in run.stderr


def entry(datagram):
    """An entry as journald takes it, of values without line ends."""
    return dict(line.split("=", 1) for line in datagram.decode().splitlines())


@ROOT_ONLY
def test_journal_gets_fields_in_place_of_lines(net, tmp_path):
    # A short path: that of a socket has 107 bytes.
    with tempfile.TemporaryDirectory() as run, socket.socket(socket.AF_UNIX,
                                                             socket.SOCK_DGRAM) as journal:
        place = Path(run) / "systemd" / "journal"
        place.mkdir(parents=True)
        journal.bind(str(place / "socket"))
        journal.settimeout(10 * PATIENCE)
        server = net.server(f"journal-{tmp_path.name}", before=[
            "unshare", "--mount", "sh", "-c",
            f'mount --bind {run} /run && export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2)'
            ' && exec "$@"', "sh"])
        run_cli("-d", server.data_dir, "forward", "8080:localhost:80", server.toxid, home=tmp_path)
        seen = [entry(journal.recv(RECEIVE_MAX))]
        while "this machine itself" not in seen[-1]["MESSAGE"]:
            seen.append(entry(journal.recv(RECEIVE_MAX)))
        assert server.stop() == 0
    assert seen[-1]["PRIORITY"] == "3" and seen[0]["PRIORITY"] == "6"
    assert seen[-1]["TOXTUN_PEER"] == server.toxid[:8]
    assert {e["SYSLOG_IDENTIFIER"] for e in seen} == {TOXTUN.name}
    assert not [e for e in seen if "CODE_FILE" in e]
    assert server.err() == "", "it is all in the journal"
