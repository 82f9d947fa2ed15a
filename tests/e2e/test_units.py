"""The units of dist/: systemd finds nothing wrong with them, and the program lives in their sandbox."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import ONLINE_S, PATIENCE, ROOT, SANITIZED, TOXTUN, Net, free_port

SANDBOX = ["/usr/bin/python3", ROOT / "tests" / "e2e" / "tools" / "sandbox.py"]
EXPOSURE_MAX = 2.0  # of 10, by systemd's own measure


def analyze(*args):
    return subprocess.run(["systemd-analyze", *map(str, args)], text=True, capture_output=True,
                          timeout=60 * PATIENCE, env={**os.environ, "SYSTEMD_COLORS": "0"})


@pytest.fixture(scope="module", autouse=True)
def systemd():
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")


@pytest.fixture(params=["toxtun.service", "toxtun-client@.service"])
def unit(request, tmp_path):
    """A unit as it is installed, but that its program is the one under test."""
    text = (TOXTUN.parent / "dist" / request.param).read_text(encoding="utf-8")
    path = tmp_path / request.param.replace("@.", "@home.")
    path.write_text(re.sub(r"^(Exec\w+)=\S+", rf"\1={TOXTUN}", text, flags=re.MULTILINE),
                    encoding="utf-8")
    return path


def test_unit_is_right_and_hardly_exposed(unit, figure):
    verified = analyze("verify", "--man=no", unit)
    assert verified.returncode == 0 and verified.stderr == "", verified.stderr
    security = analyze("security", "--offline=true", "--no-pager",
                       f"--threshold={int(EXPOSURE_MAX * 10)}", unit)
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", security.stdout)
    assert exposure and security.returncode == 0, security.stdout
    figure(f"{unit.name}: exposure {exposure.group(1)} of 10")


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need system calls of their own")
def test_program_needs_nothing_that_the_sandbox_refuses(directory, load):
    """A whole life: first start, transfer, measurement, connection in mid-air at the end."""
    pytest.importorskip("seccomp")
    told = subprocess.run(
        [*SANDBOX, "/usr/bin/python3", "-c", "import os; os.chroot('/')"], capture_output=True)
    assert told.returncode == -signal.SIGSYS, "the sandbox lets everything through"

    net = Net(directory / "sandbox", "sandbox-node")
    base = Path(tempfile.gettempdir())
    for path in (net.directory, *net.directory.parents):
        if path.is_relative_to(base) and path != base:
            path.chmod(0o755)
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    for name in ("boxed-server", "boxed-client"):
        net.data_dir(name).mkdir(mode=0o700)
        os.chown(net.data_dir(name), owner, -1)
    port = free_port()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"\0toxtun-boxed-{os.getpid()}")
    manager.settimeout(ONLINE_S)
    server = net.server("boxed-server", before=[
        "env", f"NOTIFY_SOCKET=@toxtun-boxed-{os.getpid()}", *SANDBOX])
    client = net.client("boxed-client", before=SANDBOX, args=["--drain-timeout", "1"], ini=(
        f"[client]\nx = {port}:localhost:{load.port}:{server.toxid}\n"))
    client.wait_online()
    while manager.recv(4096) != b"READY=1":
        pass
    manager.close()
    load.run("get", port, 91, 2_000_000)
    load.run("echo", port, 92, 100_000)
    running = load.start("get", port, 93, 10_000_000_000)
    client.wait_channels(1, 20 * PATIENCE)
    assert client.stop() == 0
    assert not load.finish(running, check=False)["ok"]
    net.close()
