"""The identity's passphrase, and what may be wrong with the place where the identity is kept."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from harness import (EXIT_S, PATIENCE, TOXTUN, Proc, die_with_parent, environment, own_id, run_cli,
                     wait_until)

FIRST, SECOND = "correct horse battery", "staple of another kind"
OFFLINE = ["--no-default-nodes", "--no-lan", "--stats", "off"]


@pytest.fixture
def files(tmp_path):
    """Files with the two passphrases."""
    paths = []
    for i, text in enumerate((FIRST, SECOND)):
        paths.append(tmp_path / f"passphrase-{i}")
        paths[i].write_text(text + "\n", encoding="utf-8")
        paths[i].chmod(0o600)
    return paths


def toxtun(tmp_path, *args, **kwargs):
    """Runs it with no terminal to ask on, as a service has none."""
    return run_cli("-d", tmp_path / "data", *args, home=tmp_path, **kwargs)


class Terminal:
    """A program on a terminal of its own, with somebody who types."""

    def __init__(self, tmp_path, *args):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            die_with_parent()
            os.execve(TOXTUN, [str(TOXTUN), "-d", str(tmp_path / "data"), *args],
                      environment(tmp_path))

    def read(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        try:
            chunk = os.read(self.fd, 4096) if ready else b""
        except OSError:  # the other end is closed
            chunk = b""
        self.said += chunk.decode(errors="replace")
        return bool(chunk)

    def answer(self, prompt, text):
        """Waits for the prompt, then types."""
        seen = len(self.said)
        end = time.monotonic() + 20 * PATIENCE
        while prompt not in self.said[seen:]:
            assert time.monotonic() < end, self.said
            self.read(0.1)
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        """The exit code."""
        limit = time.monotonic() + 20 * PATIENCE
        while True:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            assert time.monotonic() < limit, self.said
        while self.read(0):
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_passphrase_is_set_used_changed_and_removed(tmp_path, files):
    identity = own_id(tmp_path / "data", tmp_path)
    save = tmp_path / "data" / "identity.tox"
    assert toxtun(tmp_path, "id", "--set-passphrase", "--new-passphrase-file",
                  files[0]).returncode == 0
    assert save.read_bytes().startswith(b"toxEsave")

    for argument in ("id", "server", "node"):
        run = toxtun(tmp_path, *OFFLINE, argument)
        assert run.returncode == 1 and "--passphrase-file" in run.stderr
    wrong = toxtun(tmp_path, "--passphrase-file", files[1], "id")
    assert wrong.returncode == 1 and "wrong" in wrong.stderr
    assert identity in toxtun(tmp_path, "--passphrase-file", files[0], "id").stdout

    changed = toxtun(tmp_path, "--passphrase-file", files[0], "--new-passphrase-file", files[1],
                     "id", "--set-passphrase")
    assert changed.returncode == 0, changed.stderr
    assert toxtun(tmp_path, "--passphrase-file", files[0], "id").returncode == 1
    credential = tmp_path / "passphrase"
    credential.write_text(SECOND, encoding="utf-8")
    run = toxtun(tmp_path, "id", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert identity in run.stdout, run.stderr

    assert toxtun(tmp_path, "--passphrase-file", files[1], "id",
                  "--remove-passphrase").returncode == 0
    run = toxtun(tmp_path, "--passphrase-file", files[1], "id")
    assert identity in run.stdout and "is not encrypted" in run.stderr


def test_passphrase_is_asked_for_without_echo(tmp_path):
    t = Terminal(tmp_path, "id", "--set-passphrase")
    t.answer("New passphrase:", FIRST)
    t.answer("same again:", FIRST)
    assert t.end() == 0 and FIRST not in t.said
    identity = re.search(r"[0-9A-F]{76}", t.said).group(0)

    t = Terminal(tmp_path, "id")
    t.answer("Passphrase of", SECOND)
    t.answer("wrong", FIRST)
    assert t.end() == 0 and identity in t.said
    assert FIRST not in t.said and SECOND not in t.said

    t = Terminal(tmp_path, "id", "--set-passphrase")
    t.answer("Passphrase of", FIRST)
    t.answer("New passphrase:", SECOND)
    t.answer("same again:", SECOND + "!")
    assert t.end() == 1 and "differ" in t.said

    t = Terminal(tmp_path, "id", "--set-passphrase")
    t.answer("Passphrase of", FIRST)
    t.answer("New passphrase:", "short")
    assert t.end() == 1 and "too short" in t.said

    t = Terminal(tmp_path, "id")
    for prompt in ("Passphrase of", "wrong", "wrong"):
        t.answer(prompt, SECOND)
    assert t.end() == 1 and "is wrong" in t.said

    t = Terminal(tmp_path, "id")
    t.answer("Passphrase of", "")
    assert t.end() == 1


def test_server_keeps_its_encrypted_identity(tmp_path, files):
    """Made encrypted where a passphrase is there, and saved encrypted at the end."""
    save = tmp_path / "data" / "identity.tox"
    ids = set()
    for _ in range(2):
        p = Proc("encrypted", [TOXTUN, *OFFLINE, "--passphrase-file", files[0], "-d",
                               tmp_path / "data", "server"], tmp_path)
        ids.add(p.wait_for(r"^toxid: ([0-9A-F]{76})$", 20 * PATIENCE).group(1))
        run = toxtun(tmp_path, "--passphrase-file", files[0], "id")
        assert ids == {run.stdout.strip()}, run.stderr
        busy = toxtun(tmp_path, "--passphrase-file", files[0], "id", "--remove-passphrase")
        assert busy.returncode == 1 and "in use" in busy.stderr and str(p.pid) in busy.stderr
        assert p.stop() == 0
        assert save.read_bytes().startswith(b"toxEsave")


def mounted(tmp_path, mount, *args):
    """A command line in a mount namespace where `mount` was done; $1 is the data directory."""
    return ["unshare", "--mount", "sh", "-ec", f"{mount}; shift; exec \"$@\"", "sh",
            tmp_path / "data", TOXTUN, "-d", tmp_path / "data", *args]


@pytest.fixture
def mounts():
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace for this user")


def run_mounted(tmp_path, mount, *args):
    return subprocess.run([str(a) for a in mounted(tmp_path, mount, *args)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=20 * PATIENCE,
                          env=environment(tmp_path), preexec_fn=die_with_parent)


def test_start_on_a_full_or_read_only_disk_says_what_to_do(tmp_path, mounts):
    (tmp_path / "data").mkdir(mode=0o700)
    tmpfs = 'mount -t tmpfs -o size=8k,mode=700 none "$1"'
    full = run_mounted(tmp_path, f'{tmpfs}; head -c 8192 /dev/zero >"$1/filler" || :', "id")
    assert full.returncode == 1 and full.stdout == ""
    assert "No space left" in full.stderr and "make room" in full.stderr

    read_only = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"'
    run = run_mounted(tmp_path, read_only, "id")
    assert run.returncode == 1 and run.stdout == ""
    assert "Read-only" in run.stderr and "--data-dir" in run.stderr
    assert os.listdir(tmp_path / "data") == []


def test_disk_that_fills_up_ends_no_server(tmp_path, mounts):
    """The save at the end fails on a full disk, and the file stays as it was."""
    (tmp_path / "data").mkdir(mode=0o700)
    p = Proc("full", mounted(tmp_path, 'mount -t tmpfs -o size=12k,mode=700 none "$1"', *OFFLINE,
                             "server"), tmp_path)
    p.wait_for("^toxid: ", 20 * PATIENCE)
    inside = f"/proc/{p.pid}/root{tmp_path}/data"
    held = os.open(inside, os.O_RDONLY)  # keeps the file system when the process is gone
    with open(f"{inside}/identity.tox", "rb") as save, \
            open(f"{inside}/filler", "wb", buffering=0) as filler:
        before = save.read()
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(512))
    p.signal(signal.SIGTERM)
    assert p.wait_exit(EXIT_S) == 0
    assert "not saved" in p.err() and "make room" in p.err()
    os.unlink("filler", dir_fd=held)
    save = os.open("identity.tox", os.O_RDONLY, dir_fd=held)
    assert os.read(save, 1 << 20) == before
    assert sorted(os.listdir(held)) == ["identity.tox", "lock"]
    os.close(save)
    os.close(held)


@pytest.mark.parametrize("what, word", [
    ("empty", "is empty"), ("garbage", "damaged"), ("torn", "damaged"),
    ("directory", "is a directory"), ("link", "symbolic link"), ("dangling", "symbolic link"),
])
def test_unusable_identity_is_never_replaced(tmp_path, what, word):
    identity = own_id(tmp_path / "data", tmp_path)
    save, copy = tmp_path / "data" / "identity.tox", tmp_path / "data" / "copy"
    good = save.read_bytes()
    save.rename(copy)
    if what == "directory":
        save.mkdir()
    elif what in ("link", "dangling"):
        save.symlink_to("copy" if what == "link" else "nowhere")
    else:
        save.write_bytes({"empty": b"", "garbage": os.urandom(700), "torn": good[:100]}[what])
    before = os.lstat(save)
    for command in (["id"], [*OFFLINE, "server"], [*OFFLINE, "node"]):
        run = toxtun(tmp_path, *command)
        assert run.returncode == 1 and run.stdout == "", run.stdout
        assert word in run.stderr and "identity.tox" in run.stderr, run.stderr
        assert os.lstat(save).st_ino == before.st_ino
    assert copy.read_bytes() == good
    if what == "directory":
        save.rmdir()
    copy.replace(save)
    assert own_id(tmp_path / "data", tmp_path) == identity


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_files_of_somebody_else_are_refused(tmp_path):
    identity = own_id(tmp_path / "data", tmp_path)
    for path in (tmp_path / "data", tmp_path / "data" / "identity.tox"):
        os.chown(path, 12345, 12345)
        run = toxtun(tmp_path, "id")
        assert run.returncode == 1 and "12345" in run.stderr and "chown" in run.stderr
        os.chown(path, 0, 0)
    assert own_id(tmp_path / "data", tmp_path) == identity


def test_two_processes_never_share_a_directory(tmp_path):
    p = Proc("first", [TOXTUN, *OFFLINE, "-d", tmp_path / "data", "server"], tmp_path)
    p.wait_for("^toxid: ", 20 * PATIENCE)
    run = toxtun(tmp_path, *OFFLINE, "server")
    assert run.returncode == 1 and f"pid {p.pid}" in run.stderr and "--data-dir" in run.stderr
    assert p.stop() == 0
    wait_until("the lock is free", lambda: toxtun(tmp_path, "id").returncode == 0, 5)
