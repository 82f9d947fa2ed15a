"""Programs that people tunnel: ssh, scp, curl and nginx, iperf3."""

import hashlib
import json
import os
import subprocess

import nginx as nginx_conf
import pytest
from harness import MB, PATIENCE, Proc, environment, size, wait_until
from harness import connect as tcp_connect
from sshd import Sshd


def run(argv, directory, timeout=120 * PATIENCE, **kwargs):
    """Runs a program to its end, which must be a good one."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout, env=environment(directory), check=False, **kwargs)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_listening(port, name):
    def listening():
        try:
            tcp_connect(port).close()
            return True
        except ConnectionRefusedError:
            return False

    wait_until(f"{name} listens", listening, 10)


@pytest.fixture(scope="module")
def nginx(world, directory):
    """The root of nginx's pages."""
    home = directory / "nginx"
    www = home / "www"
    www.mkdir(parents=True)
    for i in range(1, 51):
        (www / f"page{i}.html").write_text(f"<p>page {i}</p>\n" * i * 20, encoding="ascii")
    port = world.target_port["nginx"]
    p = nginx_conf.start(home, f"listen 127.0.0.1:{port}; root {www};", directory)
    wait_listening(port, "nginx")
    yield www
    p.stop()


def test_curl_fetches_fifty_pages_over_one_kept_connection(world, nginx, directory):
    got = directory / "pages"
    out = run(["curl", "-sS", "--fail", "--create-dirs", "-o", f"{got}/page#1.html",
               "-w", "%{num_connects} %{http_code}\n",
               f"http://127.0.0.1:{world.port['nginx']}/page[1-50].html"], directory)
    lines = out.decode().split("\n")[:50]
    assert [x.split()[1] for x in lines] == ["200"] * 50
    assert sum(int(x.split()[0]) for x in lines) == 1, "the connection was not kept"
    for i in range(1, 51):
        assert (got / f"page{i}.html").read_bytes() == (nginx / f"page{i}.html").read_bytes()


def test_curl_uploads_and_is_answered(world, nginx, directory):
    """nginx refuses PUT, but only after the body: curl must get that answer, not a reset."""
    body = directory / "body"
    body.write_bytes(os.urandom(size(MB)))
    out = run(["curl", "-sS", "-H", "Expect:", "-T", body, "-o", os.devnull, "-w", "%{http_code}",
               f"http://127.0.0.1:{world.port['nginx']}/up"], directory)
    assert out == b"405" or out == b"413"


@pytest.fixture(scope="module")
def ssh(world, directory):
    """Options for ssh and scp, and the user's name."""
    server = Sshd(directory, world.target_port["sshd"])
    yield server.options, server.user
    server.proc.kill()


def test_ssh_runs_a_remote_command(world, ssh, directory):
    options, user = ssh
    out = run(["ssh", *options, "-p", world.port["sshd"], f"{user}@127.0.0.1",
               "echo tunnelled; exit 0"], directory)
    assert out == b"tunnelled\n"


def test_ssh_passes_on_the_exit_code_and_both_outputs(world, ssh, directory):
    options, user = ssh
    done = subprocess.run(
        ["ssh", *map(str, options), "-p", str(world.port["sshd"]), f"{user}@127.0.0.1",
         "wc -c; echo err >&2; exit 7"], input=b"x" * 300000, capture_output=True,
        timeout=60 * PATIENCE, env=environment(directory), check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (7, b"300000", b"err\n")


@pytest.mark.slow
def test_scp_copies_a_hundred_megabytes_there_and_back(world, ssh, directory):
    options, user = ssh
    local, remote, back = (directory / f"scp-{x}" for x in ("local", "remote", "back"))
    local.write_bytes(os.urandom(size(100 * MB)))
    at = f"{user}@127.0.0.1:{remote}"
    run(["scp", "-q", *options, "-P", world.port["sshd"], local, at], directory)
    run(["scp", "-q", *options, "-P", world.port["sshd"], at, back], directory)
    assert sha256(local) == sha256(remote) == sha256(back)
    for path in (local, remote, back):
        path.unlink()


@pytest.fixture(scope="module")
def iperf_server(world, directory):
    p = Proc("iperf3", ["iperf3", "-s", "--forceflush", "-B", "127.0.0.1", "-p", world.target_port["iperf"]],
             directory)
    p.wait_for("listening", 10)
    yield p
    p.kill()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_iperf3_with_four_streams(world, iperf_server, directory, figure, direction):
    seconds = max(2, int(size(5000) / 1000))
    reverse = ["-R"] if direction == "down" else []
    out = run(["iperf3", "-c", "127.0.0.1", "-p", world.port["iperf"], "-P", 4, "-t", seconds,
               "-J", *reverse], directory)
    end = json.loads(out)["end"]
    received = [s["receiver"]["bytes"] for s in end["streams"]]
    assert len(received) == 4 and min(received) > 0, received
    figure(f"iperf3 -P 4 {direction}: {end['sum_received']['bits_per_second'] / 8e6:.1f} MB/s")
