"""Faults of networks and processes under running transfers: what can happen to the bed of natbed.py,
the list of scenarios, and how one is run. `netfaults.py` is the command that runs them all.

A scenario builds a bed, waits for the tunnel, starts a download and an echo (so bytes go both ways,
and every one is checked), lets the fault happen in their midst, and lets them finish.
"""

import contextlib
import random
import signal
import time
from dataclasses import dataclass, field
from typing import Callable

from harness import MB, PATIENCE, wait_until
from natbed import NODE_COUNT, Access, Bed

# How long a direct path is waited for where the routers allow one.
DIRECT_S = 20 * PATIENCE
# A transfer of these sizes takes the line of natbed.py some 5 seconds; the fault comes after 2.
DOWNLOAD = 5 * MB
ECHO = 3 * MB
FAULT_AFTER_S = 2
# What is left may take this long after a fault; a hang is reported then.
FINISH_S = 150 * PATIENCE
SERVER_KILLED = "server killed with -9 and started again"

SYMMETRIC = Access(nat="symmetric")
NO_UDP = Access(udp=False)
NARROW = Access(mtu=1280)


# ---- faults: each returns when the network or the process is whole again ----


def cut(seconds):
    def fault(bed):
        bed.a.line.cut()
        time.sleep(seconds)
        bed.a.line.restore()
    return fault


def suspend(seconds, who="client"):
    """As a laptop whose lid is closed: the process stops, time goes on."""
    def fault(bed):
        process = getattr(bed, who)
        process.signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.signal(signal.SIGCONT)
    return fault


def _at(home, what, *args):
    def fault(bed):
        getattr(getattr(bed, home), what)(*args)
    return fault


def rebind(home="b", port=30001):
    return _at(home, "rebind", port)


def forget_flows(home="b"):
    return _at(home, "forget_flows")


def change_public_address(home="a", last=77):
    return _at(home, "change_public_address", last)


def change_host_address(home="a", last=7):
    return _at(home, "change_host_address", last)


def block_udp(home="a"):
    """From now on the path has to be a relay."""
    def fault(bed):
        where = getattr(bed, home)
        where.set_rules(udp=False)
        where.forget_flows()
    return fault


def restart_nodes(seconds=2, which=None):
    """Nodes, which are the relays too, are killed and come back with the same key and port."""
    def fault(bed):
        nodes = bed.nodes if which is None else [bed.nodes[which]]
        for net in nodes:
            net.node.kill()
        time.sleep(seconds)
        for net in nodes:
            net.start_node()
    return fault


# ---- running one ----


@dataclass
class Scenario:
    name: str
    fault: Callable = None
    a: Access = Access()
    b: Access = Access()
    family: int = 4
    direct: bool = True      # a direct path is to be found
    stall_s: float = None    # the most that is allowed after the end of the fault
    args: tuple = ()


@dataclass
class Result:
    name: str
    ready_s: float = None     # from the client's start until the tunnel works
    direct_s: float = None    # and until the path is direct
    before: str = ""          # path at the start of the transfers
    after: str = ""           # and at their end
    stall_s: float = None     # longest pause in what the client received, from the fault's end on
    checked: int = 0          # bytes, both directions
    problems: list = field(default_factory=list)


def stall_after(runs, end):
    """The longest time after `end` in which a run received nothing."""
    pauses = [to - max(start, end) for run in runs for start, to in run["pauses"] if to > end]
    return max(pauses, default=0.0)


def transfers(bed, result, fault, seed=1, download=DOWNLOAD, echo=ECHO, after=FAULT_AFTER_S):
    """A download and an echo at once, with the fault in their midst."""
    idle_s = FINISH_S + 400
    loads = [bed.transfer("get", seed, download, idle_s=idle_s),
             bed.transfer("echo", seed + 1, echo, idle_s=idle_s)]
    time.sleep(after)
    if fault:
        if any(load.poll() is not None for load in loads):
            result.problems.append("a transfer ended before the fault")
        fault(bed)
    end = time.monotonic()
    runs = []
    for load, verb in zip(loads, ("download", "echo")):
        try:
            left = max(1, end + FINISH_S - time.monotonic())
            runs.append(bed.load.finish(load, left, check=False))
        except AssertionError:
            result.problems.append(f"{verb} hangs")
            continue
        if not runs[-1]["ok"]:
            result.problems.append(f"{verb}: {runs[-1]['error']}")
    result.stall_s = stall_after((run for run in runs if "pauses" in run), end)
    result.checked += sum(run.get("bytes", 0) for run in runs) + (echo if len(runs) == 2 else 0)
    return result


def connect(bed, result, direct):
    result.ready_s, _ = bed.wait_ready()
    if direct:
        result.direct_s = bed.wait_direct(DIRECT_S)
    result.before = bed.peer()["path"]


@contextlib.contextmanager
def reported(result):
    """What fails within is a problem of the result, and the bed's end is within."""
    try:
        yield
    except AssertionError as e:
        result.problems.append(str(e).splitlines()[0])


def run(scenario, directory, log=lambda text: None, **how):
    """The Result; raises netpath.Unavailable where this system does not let us. `how` are arguments
    of transfers()."""
    result = Result(scenario.name)
    with reported(result), Bed(directory, scenario.a, scenario.b, scenario.family,
                               args=scenario.args) as bed:
        connect(bed, result, scenario.direct)
        log(f"{scenario.name}: ready after {result.ready_s:.1f} s, {result.before}")
        transfers(bed, result, scenario.fault, **how)
        result.after = bed.peer()["path"]
        wait_until("no channels", lambda: bed.client.channels() == 0, 20 * PATIENCE)
    judge(scenario, result)
    return result


def judge(scenario, result):
    if scenario.direct and result.before != "udp direct":
        result.problems.append("no direct path was found")
    if scenario.stall_s is not None and (result.stall_s or 0) > scenario.stall_s * PATIENCE:
        result.problems.append(f"the stall is longer than {scenario.stall_s:g} s")


def server_killed(directory, log=lambda text: None):
    """The one that is not to carry its connections over: they end, and new ones work."""
    result = Result(SERVER_KILLED)
    with reported(result), Bed(directory) as bed:
        connect(bed, result, True)
        log(f"{result.name}: ready after {result.ready_s:.1f} s, {result.before}")
        old = bed.transfer("get", 1, 1000 * MB, idle_s=FINISH_S)
        time.sleep(FAULT_AFTER_S)
        bed.server.kill()
        time.sleep(2)
        restarts = bed.peer()["restarts"]
        bed.server = bed.start_server()
        wait_until("the new server online", lambda: bed.peer()["restarts"] > restarts,
                   60 * PATIENCE)
        online = time.monotonic()
        done = bed.load.finish(old, 10 * PATIENCE, check=False)
        if done["ok"] or not done["bytes"]:
            result.problems.append(f"the old connection: {done}")
        result.stall_s = time.monotonic() - online
        result.after = bed.peer()["path"]
        result.checked = 2 * bed.load.finish(bed.transfer("echo", 2, ECHO))["bytes"]
    return result


# ---- faults drawn by seed ----


def draw(chance):
    """A fault and its name."""
    home, number = chance.choice("ab"), chance.randrange(20001, 60000)
    seconds = chance.choice((0.3, 1, 2, 4, 7))
    host = chance.randrange(3, 10)
    kinds = {
        f"line cut for {seconds:g} s": cut(seconds),
        f"flows of {home} forgotten": forget_flows(home),
        f"flows of {home} forgotten, port {number}": rebind(home, number),
        f"public address of {home} changed": change_public_address(home, host),
        f"address of {home}'s host changed": change_host_address(home, host),
        f"UDP of {home} blocked": block_udp(home),
        "one node killed, back after 1 s": restart_nodes(1, chance.randrange(NODE_COUNT)),
        "all nodes killed, back after 1 s": restart_nodes(1),
        f"client suspended for {seconds:g} s": suspend(seconds),
        f"server suspended for {seconds:g} s": suspend(seconds, "server"),
    }
    name = chance.choice(list(kinds))
    return name, kinds[name]


def drawn(seed):
    """The scenario of a seed and the arguments of its transfers."""
    chance = random.Random(seed)
    homes = [chance.choice((Access(), Access(), SYMMETRIC, NO_UDP)) for _ in "ab"]
    direct = homes[0] == homes[1] == Access()
    name, fault = draw(chance)
    scenario = Scenario(f"seed {seed}: {name}", fault, *homes, direct=direct)
    return scenario, {"seed": seed, "download": chance.randrange(3 * MB, 7 * MB),
                      "echo": chance.randrange(2 * MB, 4 * MB), "after": chance.uniform(0.2, 0.9)}


SCENARIOS = [
    Scenario("both behind a NAT of their own"),
    Scenario("port-restricted and symmetric NAT", b=SYMMETRIC, direct=False),
    Scenario("both behind a symmetric NAT", a=SYMMETRIC, b=SYMMETRIC, direct=False),
    Scenario("UDP blocked on one side", a=NO_UDP, direct=False),
    Scenario("UDP blocked in flight", block_udp(), stall_s=10),
    Scenario("public address changed in flight", change_public_address(), stall_s=10),
    Scenario("host's own address changed in flight", change_host_address(), stall_s=10),
    Scenario("NAT flows forgotten", forget_flows(), stall_s=10),
    Scenario("NAT flows forgotten, other port", rebind(), stall_s=10),
    Scenario("nodes killed, direct path", restart_nodes(), stall_s=2),
    Scenario("one relay killed, relay path", restart_nodes(which=0), a=NO_UDP, direct=False,
             stall_s=10),
    Scenario("all relays killed, relay path", restart_nodes(), a=NO_UDP, direct=False, stall_s=15),
    Scenario("line cut for 1 s", cut(1), stall_s=2),
    Scenario("line cut for 10 s", cut(10), stall_s=10),
    Scenario("line cut for 45 s", cut(45), stall_s=10),
    Scenario("line cut for 300 s", cut(300), stall_s=15),
    Scenario("relay path, line cut for 45 s", cut(45), a=NO_UDP, direct=False, stall_s=15),
    Scenario("MTU 1280 on the way", a=NARROW),
    Scenario("IPv6 only", family=6),
    Scenario("IPv6 only, line cut for 10 s", cut(10), family=6, stall_s=10),
    Scenario("client suspended for 45 s", suspend(45), stall_s=10),
    Scenario("server suspended for 45 s", suspend(45, "server"), stall_s=10),
]
