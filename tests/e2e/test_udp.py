"""UDP forwards: datagrams of every size, flows, rules, dead targets, and real programs."""

import json
import socket
import statistics
import subprocess
import time

import pytest
from datagrams import TIMEOUT_S, Echo, SocksUdp, ask, dnsmasq
from harness import (MB, ONLINE_S, PATIENCE, Net, Proc, connect, environment, free_port, own_id,
                     run_cli, size, wait_until)

UDP_TIMEOUT_S = 4


def client(port, host="127.0.0.1", timeout=TIMEOUT_S):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.connect((host, port))
    return s


class UdpWorld:
    """A server and a client with UDP forwards."""

    targets = ("echo", "other", "v6", "name", "dead", "dns", "iperf")

    def __init__(self, net, load):
        self.target_port = {name: free_port() for name in self.targets}
        self.port = {name: free_port() for name in (*self.targets, "forbidden", "load", "any")}
        hosts = {"v6": "[::1]", "name": "localhost"}
        lines = [f"{name} = udp:{self.port[name]}:{hosts.get(name, '127.0.0.1')}:{target}:"
                 for name, target in self.target_port.items()]
        lines += [f"forbidden = udp:{self.port['forbidden']}:127.0.0.2:80:",
                  f"any = udp:*:{self.port['any']}:127.0.0.1:{self.target_port['echo']}:",
                  f"iperf_control = {self.port['iperf']}:127.0.0.1:{self.target_port['iperf']}:",
                  f"load = {self.port['load']}:127.0.0.1:{load.port}:"]
        self.server = net.server("udp-server", ini=(
            "[server]\ntargets = 127.0.0.1:*, [::1]:*, localhost:*\n"
            f"[options]\nudp-timeout = {UDP_TIMEOUT_S}\n"))
        self.ini = "[client]\n" + "".join(f"{line}{self.server.toxid}\n" for line in lines)
        self.ini_path = net.directory / "udp-client.ini"
        self.client = net.client("udp-client", ini=self.ini)
        self.echo = Echo(self.target_port["echo"])
        self.other = Echo(self.target_port["other"], word=b"other ")
        self.v6 = Echo(self.target_port["v6"], host="::1")
        self.name = Echo(self.target_port["name"])  # not at ::1, where `localhost` is too

    def close(self):
        for service in (self.echo, self.other, self.v6, self.name):
            service.close()


@pytest.fixture(scope="module")
def udp(net, load):
    world = UdpWorld(net, load)
    world.client.wait_online()
    yield world
    world.close()


def stats(process):
    return process.stats()["udp"]


@pytest.mark.parametrize("length", [0, 1, 1200, 1400, 9000, 65507])
def test_datagram_comes_back_as_it_was(udp, length):
    data = bytes(i * 7 % 251 for i in range(length))
    with client(udp.port["echo"]) as s:
        assert ask(s, data) == data


def test_forward_listens_on_ipv6_and_reaches_an_ipv6_target(udp):
    with client(udp.port["v6"], host="::1") as s:
        assert ask(s, b"six") == b"six"


def test_name_with_two_addresses_is_tried_at_both(udp):
    """Nobody answers at ::1; a socket cannot know that before the datagram comes back refused."""
    with client(udp.port["name"]) as s:
        s.send(b"once")
        assert s.recv(100) == b"once"


def test_flows_are_not_mixed_up(udp):
    sockets = [client(udp.port[name]) for name in ("echo", "other") for _ in range(20)]
    for i, s in enumerate(sockets):
        s.send(b"%d" % i)
    for i, s in enumerate(sockets):
        word = b"" if i < 20 else b"other "
        assert s.recv(100) == word + b"%d" % i
        s.close()


def test_answer_leaves_from_the_address_that_was_asked(udp):
    """The forward listens on every address; a connected socket takes answers from one only."""
    for host in ("127.0.0.1", "127.0.0.7", "::1"):
        with client(udp.port["any"], host=host) as s:
            assert ask(s, b"which") == b"which"


def test_silent_flow_ends_and_the_next_datagram_opens_another(udp):
    with client(udp.port["echo"]) as s:
        assert ask(s, b"a") == b"a"
        assert stats(udp.client)["flows"] >= 1
        for process in (udp.client, udp.server):
            wait_until(f"{process.name}: no flows", lambda p=process: stats(p)["flows"] == 0,
                       (2 * UDP_TIMEOUT_S + 2) * PATIENCE)
        assert ask(s, b"b") == b"b"


def test_rules_of_the_server_hold(udp):
    failed = stats(udp.server)["flows_failed"]
    with client(udp.port["forbidden"], timeout=0.5) as s:
        s.send(b"x")
        udp.client.wait_for("reason=not_allowed", TIMEOUT_S, udp.client.err)
        with pytest.raises(TimeoutError):
            s.recv(100)
    assert stats(udp.server)["flows_failed"] > failed


def test_dead_target_is_said_and_works_once_it_is_there(udp):
    with client(udp.port["dead"], timeout=0.5) as s:
        s.send(b"x")
        udp.client.wait_for("/udp .*reason=refused_by_target", TIMEOUT_S, udp.client.err)
        late = Echo(udp.target_port["dead"])
        assert ask(s, b"now", tries=10) == b"now"
        late.close()


def test_server_that_is_full_is_not_asked_for_each_datagram(net, udp, load):
    tcp, port = free_port(), free_port()
    full = net.server("udp-full", args=["--max-connections", "1"])
    app = net.client("udp-full-client", ini=(
        f"[client]\nload = {tcp}:127.0.0.1:{load.port}:{full.toxid}\n"
        f"echo = udp:{port}:127.0.0.1:{udp.target_port['echo']}:{full.toxid}\n"))
    app.wait_online()
    with connect(tcp), client(port) as s:
        full.wait_channels(1, TIMEOUT_S)
        start = time.monotonic()

        def dropped():
            s.send(b"x")
            return stats(app)["dropped"]["no_peer"] >= 10

        wait_until("the pauses", dropped, TIMEOUT_S)
        refused = full.stats()["limits"]["channels"]
        assert 1 <= refused <= 1 + time.monotonic() - start
    wait_until("a free place", lambda: full.channels() == 0, TIMEOUT_S)
    with client(port) as s:
        assert ask(s, b"now", tries=5) == b"now"
    app.stop()
    full.stop()


def command(udp, *args):
    run = run_cli("-d", udp.client.data_dir, *args, home=udp.client.data_dir.parent)
    assert run.returncode == 0, run.stderr
    return run.stdout


def flows_of(process, tunnel):
    return [c for p in process.stats()["peers"] for c in p["channels"] if c["tunnel"] == tunnel]


def is_over(udp, port, tunnel):
    """The port is free and the flows are gone, at both ends, long before their time is up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", port))
    assert not flows_of(udp.client, tunnel)
    wait_until("the server forgot the flow", lambda: not flows_of(udp.server, tunnel),
               UDP_TIMEOUT_S - 1)


def test_forward_is_opened_and_cancelled_at_run_time(udp):
    port = free_port()
    spec = f"{port}:127.0.0.1:{udp.target_port['echo']}/udp"
    with client(udp.port["echo"]) as other:
        assert ask(other, b"a") == b"a"
        for _ in range(2):
            assert f"port {port}/udp" in command(udp, "forward", spec)
            with client(port) as s:
                assert ask(s, b"hello") == b"hello"
            status = command(udp, "status")
            assert f"tunnel        {spec}: 127.0.0.1:{port}/udp" in status
            assert "UDP flow" in status
            command(udp, "cancel", spec)
            is_over(udp, port, spec)
        assert ask(other, b"b") == b"b"


def test_reload_opens_and_closes_udp_entries(udp):
    port = free_port()
    entry = f"late = udp:{port}:127.0.0.1:{udp.target_port['echo']}:{udp.server.toxid}\n"
    udp.ini_path.write_text(udp.ini + entry, encoding="utf-8")
    assert "1 opened, 0 closed" in command(udp, "reload")
    with client(port) as s:
        assert ask(s, b"hello") == b"hello"
    udp.ini_path.write_text(udp.ini, encoding="utf-8")
    assert "0 opened, 1 closed" in command(udp, "reload")
    is_over(udp, port, "late")


def test_dig_asks_dnsmasq(udp, directory):
    port = udp.target_port["dns"]
    service = dnsmasq(port, directory, "--address=/a.test/192.0.2.7", "--txt-record=big.test," + ",".join(
        f"{i:03}" + "x" * 200 for i in range(15)))
    options = ["dig", "@127.0.0.1", "-p", str(udp.port["dns"]), "+short", "+tries=5",
               f"+time={PATIENCE}", "+bufsize=4096", "+ignore"]

    def dig(*what):
        return subprocess.run([*options, *what], capture_output=True, text=True, timeout=60,
                              env=environment(directory), check=False).stdout

    try:
        assert dig("a.test", "A") == "192.0.2.7\n"
        assert dig("big.test", "TXT").count("x" * 200) == 15  # 3 kB: several fragments
    finally:
        service.kill()


def test_iperf3_finds_no_loss_at_a_rate_that_the_path_carries(udp, directory, figure):
    server = Proc("iperf3", ["iperf3", "-s", "-1", "--forceflush", "-p", udp.target_port["iperf"]], directory)
    server.wait_for("listening", 10)
    run = subprocess.run(
        ["iperf3", "-c", "127.0.0.1", "-p", str(udp.port["iperf"]), "-u", "-b", "20M", "-l", "1200",
         "-t", "2", "-J"], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    end = json.loads(run.stdout)["end"]["sum"]
    figure(f"iperf3 -u at 20 Mbit/s: {end['lost_percent']:.2f} % lost, "
           f"jitter {end['jitter_ms']:.2f} ms")
    assert end["packets"] > 3000 and end["lost_percent"] < 40


def round_trips(s, seconds, pause=0.005):
    """Times in milliseconds of datagrams to an echo, and how many were lost."""
    times, lost, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        s.send(b"%f" % start)
        try:
            while s.recv(100) != b"%f" % start:
                pass
            times.append((time.monotonic() - start) * 1000)
        except TimeoutError:
            lost += 1
        time.sleep(pause)
    return times, lost


def test_datagrams_pass_a_download(udp, load, figure):
    with client(udp.port["echo"], timeout=1) as s:
        ask(s, b"warm")
        download = load.start("get", udp.port["load"], 1, size(200 * MB))
        times, lost = round_trips(s, 1.5)
        load.finish(download)
    figure(f"datagram beside a download: median {statistics.median(times):.2f} ms, worst "
           f"{max(times):.2f} ms of {len(times)}, {lost} lost")
    assert lost <= 3 and statistics.median(times) < 250 * PATIENCE


def test_stats_count_datagrams_apart(udp):
    before = stats(udp.client), stats(udp.server), udp.client.stats()["connections"]["total"]
    with client(udp.port["echo"]) as s:
        for _ in range(10):
            ask(s, bytes(100))
    own, server = stats(udp.client), stats(udp.server)
    assert own["datagrams_out"] - before[0]["datagrams_out"] >= 10
    assert server["payload_in"] - before[1]["payload_in"] >= 1000
    assert own["datagrams_in"] - before[0]["datagrams_in"] >= 10
    assert udp.client.stats()["connections"]["total"] == before[2]
    assert "udp datagrams" in udp.client.http("/stats")[1]


def test_datagram_for_a_server_that_is_not_there_is_dropped_and_counted(net):
    port, nobody = free_port(), own_id(net.data_dir("udp-nobody"), net.directory)
    lone = net.client("udp-lone", ini=f"[client]\ndns = udp:{port}:127.0.0.1:53:{nobody}\n")
    lone.wait_for("tunnel dns: listening", TIMEOUT_S, lone.err)
    with client(port) as s:
        s.send(b"x")
        wait_until("dropped", lambda: stats(lone)["dropped"]["no_peer"] == 1, TIMEOUT_S)
    assert stats(lone)["flows"] == 0
    lone.stop()


def test_datagrams_go_through_a_relay_too(directory, udp):
    port, proxy = free_port(), free_port()
    net = Net(directory / "udp-relay", "udp-relay-node")  # which has met nobody that is gone by now
    server = net.server("udp-relayed", args=["--no-udp"])
    relayed = net.client("udp-relayed-client", ini=(
        f"[client]\necho = udp:{port}:127.0.0.1:{udp.target_port['echo']}:{server.toxid}\n"
        f"proxy = socks:{proxy}:{server.toxid}\n"))
    wait_until("online through the relay",
               lambda: "online by a TCP relay" in relayed.err() and
               relayed.stats()["peers"][0]["ready"], ONLINE_S, 0.2)
    with client(port) as s:
        for length in (0, 1400, 20000):
            assert ask(s, bytes(length)) == bytes(length)
    with SocksUdp(proxy) as s:
        for length in (0, 1400, 20000):
            assert s.ask("localhost", udp.target_port["echo"], bytes(length)) == bytes(length)
    relayed.stop()
    server.stop()
    net.close()
