"""Fixtures of the end-to-end tests: one shared network, and what a failed test shows."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import private_net  # noqa: E402
from harness import PATIENCE, SANITIZED, TOXTUN, Load, Net, Proc, free_port  # noqa: E402

LOG_TAIL = 60
TEST_LIMIT_S = 300 * PATIENCE
_private = False
_figures = []


def pytest_configure(config):
    global _private  # pylint: disable=global-statement
    config.addinivalue_line("markers", "isolated: needs a network namespace of its own")
    config.addinivalue_line("markers", "slow: takes more than a quarter of a minute")
    if not TOXTUN.exists():
        pytest.exit(f"{TOXTUN} is not there: run `make build`, or set TOXTUN", 2)
    # With pytest -n each worker has a network of its own, and who only hands out the tests needs
    # none. On a shared network they would disturb each other, so there is one worker only.
    parallel = bool(config.getoption("numprocesses", None))
    private = private_net.allowed if parallel else private_net.enter
    _private = not os.environ.get("TOXTUN_E2E_NO_NAMESPACE") and private()
    if parallel and not _private:
        config.option.dist = "no"


def pytest_report_header(config):
    where = "a network namespace of its own" if _private else "loopback (no namespace allowed)"
    return f"toxtun: {TOXTUN}{' (sanitizers)' if SANITIZED else ''}, network: {where}"


def pytest_runtest_setup(item):
    if item.get_closest_marker("isolated") and not _private:
        pytest.skip("no network namespace: packets could leave this machine")
    item.user_properties.append(("started", time.monotonic()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the logs of every process that lived during a failed test."""
    report = (yield).get_result()
    if not report.failed:
        return
    started = dict(item.user_properties).get("started", 0)
    for p in Proc.started:
        p.alive()
        if p.ended_at is not None and p.ended_at < started:
            continue
        lines = (p.out() + p.err()).splitlines()
        state = "running" if p.ended_at is None else f"ended with {p.popen.returncode}"
        report.sections.append((f"{p.name}, pid {p.pid}, {state}", "\n".join(lines[-LOG_TAIL:])))


def pytest_sessionfinish(session):
    """A worker of pytest -n leaves its figures to the process that prints the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = _figures


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    _figures.extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter):
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figure():
    """figure(text) shows a measured figure at the end of the run."""
    return _figures.append


@pytest.fixture(scope="session", autouse=True)
def no_process_left():
    """Nothing that a test started may outlive the run."""
    yield
    left = [p for p in Proc.started if p.alive()]
    for p in left:
        p.kill()
    assert not left, f"still running: {[p.name for p in left]}"
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    assert not children.strip(), f"child processes left: {children}"


@pytest.fixture(autouse=True)
def time_limit():
    """A test that hangs fails, with its logs."""
    def expired(_number, _frame):
        raise AssertionError(f"the test took longer than {TEST_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("toxtun")


@pytest.fixture(scope="session")
def net(directory):
    n = Net(directory)
    yield n
    n.close()


@pytest.fixture(scope="session")
def load(directory):
    """The load generator; load.port is its server's."""
    generator = Load(directory)
    yield generator
    generator.server.kill()


class World:
    """A server and a client that most tests share, and the ports of its forwards."""

    services = ("target", "nginx", "sshd", "iperf", "closed")

    def __init__(self, net, load):
        self.target_port = {name: free_port() for name in self.services}
        self.target_port["load"] = load.port
        self.port = {name: free_port() for name in self.target_port}
        targets = {name: f"127.0.0.1:{port}" for name, port in self.target_port.items()}
        # An address that the namespace has no route to, a name that does not exist, and a place
        # that the server does not allow.
        targets["unreachable"] = "10.255.255.1:80"
        targets["no_such_host"] = "does-not-exist.invalid:80"
        targets["forbidden"] = "127.0.0.2:80"
        for name in ("unreachable", "no_such_host", "forbidden"):
            self.port[name] = free_port()
        self.server = net.server("server", ini=(
            "[server]\nname = e2e\n"
            "targets = 127.0.0.1:*, [::1]:*, 10.255.255.1:*, does-not-exist.invalid:*\n"))
        self.client = net.client("client", ini="[client]\n" + "".join(
            f"{name} = {self.port[name]}:{target}:{self.server.toxid}\n"
            for name, target in targets.items()))


@pytest.fixture(scope="session")
def world(net, load):
    w = World(net, load)
    w.client.wait_online()
    return w


@pytest.fixture(scope="session")
def patience():
    """Factor for time limits: a program built with sanitizers is slower."""
    return PATIENCE
