"""-W: standard input and output to one target, alone and through a client that runs."""

import fcntl
import os
import pty
import shlex
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time
import tty

import pytest
from harness import EXIT_S, MB, ONLINE_S, PATIENCE, Net, Target, die_with_parent, environment
from harness import free_port, own_id, read_to_end, run_cli, wait_until
from sshd import Sshd


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "stdio", "stdio-node")
    yield n
    n.close()


@pytest.fixture(scope="module")
def server(net):
    return net.server("stdio-server")


@pytest.fixture(scope="module")
def client(net, server):
    """A running client, which other commands go through."""
    c = net.client("stdio-client", args=["-D", free_port(), "--to", server.toxid,
                                         "--connect-timeout", 2 * PATIENCE])
    c.wait_online()
    return c


def argv(net, data_dir, server, target, *options):
    return [str(a) for a in (*net.common(), "-d", data_dir, *options, "-W", target, "client",
                             server if isinstance(server, str) else server.toxid)]


def start(net, data_dir, server, target, *options, **kwargs):
    kwargs = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
              **kwargs}
    return subprocess.Popen(argv(net, data_dir, server, target, *options), **kwargs,
                            env=environment(net.directory), preexec_fn=die_with_parent)


def at(target):
    return f"127.0.0.1:{target.sock.getsockname()[1]}"


def is_locked(data_dir):
    """A process has the data directory."""
    return subprocess.run(["flock", "-n", data_dir / "lock", "true"], check=False).returncode != 0


def wait_free(data_dir):
    wait_until("the background process ends", lambda: not is_locked(data_dir), EXIT_S)


def talks(p, target):
    """Bytes go both ways and each direction ends alone, the command's first."""
    service = target.accept()
    p.stdin.write(b"up")
    p.stdin.flush()
    assert service.recv(2, socket.MSG_WAITALL) == b"up"
    p.stdin.close()
    assert read_to_end(service) == (b"", True)
    service.sendall(b"down")
    service.close()
    assert p.stdout.read() == b"down"
    assert p.wait(EXIT_S) == 0
    assert p.stderr.read() == b""


def first_byte_s(net, data_dir, server, target):
    """From the start of the command until the target's first byte has come through it."""
    begin = time.monotonic()
    p = start(net, data_dir, server, at(target))
    service = target.accept()
    service.sendall(b"x")
    assert p.stdout.read(1) == b"x"
    took = time.monotonic() - begin
    service.close()
    p.communicate(timeout=EXIT_S)
    return took


def test_through_a_client_that_runs(net, client, server, figure):
    with Target(free_port()) as target:
        talks(start(net, client.data_dir, server, at(target)), target)
        warm = statistics.median(first_byte_s(net, client.data_dir, server, target)
                                 for _ in range(11))
        data_dir = net.data_dir("stdio-cold")
        cold = [first_byte_s(net, data_dir, server, target)]
        wait_free(data_dir)
        cold.append(first_byte_s(net, data_dir, server, target))
        wait_free(data_dir)
    figure(f"-W, first byte from the target: {cold[0]:.1f} s with a new identity, {cold[1]:.1f} s "
           f"with a known one, {warm * 1000:.0f} ms through a client that runs")
    assert warm < 0.5 * PATIENCE  # meeting anew takes more than a second


def test_alone_and_two_at_once(net, server):
    """The second finds the first one's control socket, and outlives it."""
    data_dir = net.data_dir("stdio-alone")
    with Target(free_port()) as target:
        one = start(net, data_dir, server, at(target))
        first = target.accept()
        two = start(net, data_dir, server, at(target))
        second = target.accept()
        first.sendall(b"one")
        first.close()
        one.stdin.close()
        assert one.stdout.read() == b"one" and one.wait(EXIT_S) == 0
        assert one.stderr.read() == b"", "somebody still has its standard error, or wrote to it"
        second.sendall(b"two")
        second.close()
        two.stdin.close()
        assert two.stdout.read() == b"two" and two.wait(EXIT_S) == 0
    wait_free(data_dir)


def test_first_starts_of_several_meet(net, server):
    data_dir = net.data_dir("stdio-race")
    own_id(data_dir, net.directory)
    with Target(free_port()) as target:
        many = [start(net, data_dir, server, at(target)) for _ in range(4)]
        for _ in many:
            s = target.accept()
            s.sendall(b"hello")
            s.close()
        for p in many:
            p.stdin.close()
            assert p.stdout.read() == b"hello"
            assert (p.wait(EXIT_S), p.stderr.read()) == (0, b"")
        # and one that starts while the process of the others ends
        p = start(net, data_dir, server, at(target))
        target.accept().close()
        p.stdin.close()
        assert (p.wait(EXIT_S), p.stderr.read()) == (0, b"")
    wait_free(data_dir)


@pytest.mark.parametrize("alone", [False, True])
def test_exit_codes(net, client, server, alone):
    data_dir = net.data_dir("stdio-codes") if alone else client.data_dir
    cases = [(f"127.0.0.1:{free_port()}", 4, "refused the connection"),
             (f"[::1]:{free_port()}", 4, "refused the connection"),
             ("10.1.2.3:80", 4, "does not allow")]
    for target, code, words in cases:
        p = start(net, data_dir, server, target)
        out, err = p.communicate(timeout=ONLINE_S)
        assert (p.returncode, out) == (code, b"") and words in err.decode(), err
        assert len(err.splitlines()) == 1, err
    if alone:
        wait_free(data_dir)


def test_server_that_is_offline(net, client):
    nobody = own_id(net.data_dir("stdio-nobody"), net.directory)
    for data_dir in (client.data_dir, net.data_dir("stdio-lonely")):
        p = start(net, data_dir, nobody, "127.0.0.1:1", "--connect-timeout", 1)
        out, err = p.communicate(timeout=ONLINE_S)
        assert (p.returncode, out) == (3, b""), err


def test_own_id_and_bad_usage_are_said(net, client):
    own = client.stats()["toxid"]
    p = start(net, client.data_dir, own, "127.0.0.1:1")
    _, err = p.communicate(timeout=ONLINE_S)
    assert p.returncode == 1 and b"the machine itself" in err
    run = run_cli("-W", "nowhere", "client", own, home=net.directory)
    assert run.returncode == 2 and "-W takes HOST:PORT" in run.stderr


def test_connection_that_breaks_off(net, client, server):
    with Target(free_port()) as target:
        p = start(net, client.data_dir, server, at(target))
        service = target.accept()
        service.sendall(b"x")
        assert p.stdout.read(1) == b"x"  # it is open, and does not fail to be
        service.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.close()
        assert p.wait(EXIT_S) == 1 and b"broke off" in p.stderr.read()


# ---- descriptors of every kind ----


def test_files(net, client, server):
    """As large as several windows, both ways at once."""
    data = os.urandom(MB * 8)
    one, other = net.directory / "stdio-in", net.directory / "stdio-out"
    one.write_bytes(data)
    with Target(free_port()) as target, one.open("rb") as stdin, other.open("wb") as stdout:
        p = start(net, client.data_dir, server, at(target), stdin=stdin, stdout=stdout)
        service = target.accept()
        sender = threading.Thread(target=lambda: (service.sendall(data[::-1]),
                                                  service.shutdown(socket.SHUT_WR)))
        sender.start()
        assert read_to_end(service) == (data, True)
        sender.join()
        assert p.wait(EXIT_S) == 0
        service.close()
    assert other.read_bytes() == data[::-1]


def test_pipe_that_nobody_reads_does_not_stop_the_other_direction(net, client, server):
    with Target(free_port()) as target:
        p = start(net, client.data_dir, server, at(target))
        service = target.accept()
        service.settimeout(0.5)
        sent = 0
        try:
            while True:  # until everything on the way is full
                sent += service.send(bytes(65536))
        except TimeoutError:
            pass
        service.settimeout(30 * PATIENCE)
        p.stdin.write(b"still moving")
        p.stdin.close()
        assert read_to_end(service) == (b"still moving", True)
        service.shutdown(socket.SHUT_WR)
        assert len(p.stdout.read()) == sent and p.wait(EXIT_S) == 0


def test_one_socket_for_both(net, client, server):
    ours, its = socket.socketpair()
    with Target(free_port()) as target, ours:
        p = start(net, client.data_dir, server, at(target), stdin=its, stdout=its)
        its.close()
        service = target.accept()
        service.sendall(b"hello")
        service.shutdown(socket.SHUT_WR)
        assert read_to_end(ours) == (b"hello", True)
        ours.sendall(b"bye")
        ours.shutdown(socket.SHUT_WR)
        assert read_to_end(service) == (b"bye", True)
        assert p.wait(EXIT_S) == 0


def test_terminal_stays_as_it_was(net, client, server):
    master, slave = pty.openpty()
    tty.setraw(slave)
    with Target(free_port()) as target:
        p = start(net, client.data_dir, server, at(target), stdin=slave, stdout=slave)
        service = target.accept()
        os.write(master, b"typed")
        assert service.recv(5, socket.MSG_WAITALL) == b"typed"
        service.sendall(b"shown")
        got = b""
        while len(got) < 5:
            got += os.read(master, 100)
        assert got == b"shown"
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
        p.terminate()
        p.wait(EXIT_S)
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
        service.close()
    os.close(master)
    os.close(slave)


def test_reader_that_goes_away_ends_it(net, client, server):
    with Target(free_port()) as target:
        p = start(net, client.data_dir, server, at(target))
        service = target.accept()
        p.stdout.close()
        assert p.wait(EXIT_S) == 1 and b"standard output" in p.stderr.read()
        service.close()


# ---- programs ----


@pytest.fixture(scope="module")
def sshd(directory):
    server = Sshd(directory, free_port())
    yield server
    server.proc.kill()


@pytest.fixture(scope="module")
def ssh(net, client, server, sshd):
    """The words of an ssh that goes through -W."""
    proxy = shlex.join(argv(net, client.data_dir, server, "%h:%p"))
    return ["ssh", *map(str, sshd.options), "-p", str(sshd.port), "-o", f"ProxyCommand={proxy}"]


def run(net, words, **kwargs):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=100 * PATIENCE, check=False, **{
                              "env": environment(net.directory), **kwargs})
    assert done.returncode == 0, f"{words}:\n{done.stderr.decode()}"
    return done.stdout


def test_ssh(net, ssh, sshd):
    assert run(net, [*ssh, f"{sshd.user}@127.0.0.1", "echo over -W"]) == b"over -W\n"


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_git_clone(net, ssh, sshd):
    repo = net.directory / "repo"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c",
           "safe.directory=*", "-C", repo]
    repo.mkdir()
    (repo / "file").write_bytes(os.urandom(MB))
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        run(net, [*git, *words])
    env = {**environment(net.directory), "GIT_SSH_COMMAND": shlex.join(ssh)}
    run(net, ["git", "clone", "-q", f"{sshd.user}@127.0.0.1:{repo}", net.directory / "clone"],
        env=env)
    assert (net.directory / "clone" / "file").read_bytes() == (repo / "file").read_bytes()


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync")
def test_rsync_there_and_back(net, ssh, sshd):
    one, there, back = (net.directory / f"rsync-{x}" for x in ("one", "there", "back"))
    one.write_bytes(os.urandom(3 * MB))
    shell = ["rsync", "-e", shlex.join(ssh)]
    run(net, [*shell, one, f"{sshd.user}@127.0.0.1:{there}"])
    run(net, [*shell, f"{sshd.user}@127.0.0.1:{there}", back])
    assert back.read_bytes() == one.read_bytes()
