"""/metrics, as Prometheus sees it, and /events, as a program reads it."""

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse

import pytest
from harness import (PATIENCE, ROOT, SANITIZED, Proc, Target, connect, free_port, read_to_end, size,
                     wait_until)

CONTRIB = ROOT / "contrib"


def samples(process):
    """{name and labels: value} of /metrics."""
    status, text = process.http("/metrics")
    assert status == 200
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    assert len({name for name, _ in lines}) == len(lines), "Prometheus refuses equal series"
    return {name: float(value) for name, value in lines}


def test_metrics_keep_the_rules_of_prometheus(world):
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing (Debian package prometheus)")
    for p in (world.client, world.server):
        text = p.http("/metrics")[1]
        check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                               capture_output=True, timeout=20 * PATIENCE, check=False)
        assert check.returncode == 0 and not check.stdout + check.stderr, check


def test_payload_is_counted_at_both_ends(world, load):
    before = {p.name: samples(p) for p in (world.client, world.server)}
    load.run("get", world.port["load"], 71, 5_000_000)
    grown = {}
    for p in (world.client, world.server):
        now = samples(p)
        grown[p.name] = {k: v - before[p.name].get(k, 0) for k, v in now.items()}
    received = grown["client"]["toxtun_payload_received_bytes_total"]
    assert received == grown["server"]["toxtun_payload_sent_bytes_total"]
    assert 5_000_000 <= received < 5_001_000
    assert grown["client"]['toxtun_connect_duration_seconds_count{side="own"}'] >= 1
    assert grown["server"]['toxtun_connect_duration_seconds_count{side="peer"}'] >= 1


def dashboard_queries():
    dashboard = json.loads((CONTRIB / "grafana" / "toxtun.json").read_text(encoding="utf-8"))
    return [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]


def test_prometheus_scrapes_the_program(world, directory):
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("prometheus is missing (Debian package prometheus)")
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: toxtun\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{world.client.stats_port}']}}]\n",
        encoding="utf-8")
    prometheus = Proc("prometheus", [
        program, f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}"], directory)

    def query(text):
        with contextlib.suppress(OSError, ValueError, KeyError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/v1/query?query=" + urllib.parse.quote(text))
            return json.loads(connection.getresponse().read())["data"]["result"]
        return None

    try:
        found = wait_until("a scrape", lambda: query("toxtun_peers_online"), 60 * PATIENCE, 0.2)
        assert found[0]["value"][1] == "1"
        assert query("up")[0]["value"][1] == "1"
        for text in dashboard_queries():
            for variable, value in (("$instance", ".+"), ("$peer", ".+"), ("$__rate_interval", "1m")):
                text = text.replace(variable, value)
            assert query(text) is not None, text
    finally:
        prometheus.kill()


class Events:
    """A reader of /events."""

    def __init__(self, process):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", process.stats_port, timeout=10 * PATIENCE)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()

    def next(self, kind):
        """The next message of this kind."""
        name = None
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name == kind:
                return json.loads(line[6:])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.connection.close()


def test_events_begin_with_the_past_and_go_on_each_second(world):
    with Events(world.client) as events:
        assert events.answer.status == 200
        assert events.answer.headers["Content-Type"].startswith("text/event-stream")
        first = events.next("happened")
        assert first["seq"] >= 1 and abs(first["time_us"] / 1e6 - time.time()) < 3600
        snapshots = [events.next("snapshot") for _ in range(3)]
    assert snapshots[0]["schema"] == snapshots[2]["schema"]
    passed = (snapshots[2]["uptime_us"] - snapshots[1]["uptime_us"]) / 1e6
    assert 0.9 < passed < 2 * PATIENCE


def test_connections_of_a_second_are_one_event(world):
    with Target(world.target_port["target"]) as target, Events(world.client) as events:
        events.next("snapshot")
        for _ in range(3):
            with connect(world.port["target"]) as app, target.accept() as service:
                app.sendall(b"x")
                assert service.recv(1) == b"x"
        opened = 0
        while opened < 3:
            happened = events.next("happened")
            if happened["type"] != "connections":
                continue  # of the network
            count = re.match(r"(\d+) connections? opened", happened["text"])
            opened += int(count.group(1)) if count else 0


def test_readers_of_events_are_limited_and_make_room(world):
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Events(world.server)) for _ in range(16)]
        assert all(r.answer.status == 200 for r in readers)
        assert world.server.http("/events")[0] == 503
    wait_until("room for a reader", lambda: room(world.server), 10 * PATIENCE)


def room(process):
    with Events(process) as events:
        return events.answer.status == 200


def deaf_reader(process):
    """Asks for /events and reads nothing. Its kernel takes little for it, and neither does the
    other one."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    s.settimeout(20 * PATIENCE)
    s.connect(("127.0.0.1", process.stats_port))
    s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return s


def test_reader_who_does_not_read_is_dropped_and_others_go_on(net):
    """With so many tunnels that a snapshot fills the kernel's buffers."""
    nobody = "0" * 63 + "1" + "00000000" + "0001"
    p = net.client("crowded", ini="[reverse]\n" + "".join(
        f"t{i} = {10000 + i}:127.0.0.1:80:{nobody}\n" for i in range(2500)))
    p.wait_for("statistics at", 20 * PATIENCE, read=p.err)
    with Events(p) as events:
        length = len(json.dumps(events.next("snapshot")))
        before, memory = p.fds(), p.rss_kb()
        deaf = [deaf_reader(p) for _ in range(4)]
        wait_until("all of them", lambda: p.fds() == before + len(deaf), 5 * PATIENCE)
        most, snapshots = 0, 0
        while p.fds() > before:
            events.next("snapshot")
            most, snapshots = max(most, p.rss_kb()), snapshots + 1
            assert snapshots < 20, "nobody is dropped"
        assert snapshots >= 4
        # one snapshot for each of them, and what it takes to make one
        assert SANITIZED or most - memory < (len(deaf) + 5) * length / 1024, (memory, most)
        events.next("snapshot")
    for s in deaf:
        with s:
            received, _ = read_to_end(s)
        assert 0 < len(received) < length
    p.stop()


def test_head_of_events_ends(world):
    assert world.client.http("/events", method="HEAD") == (200, "")


def test_json_has_what_the_page_shows(world):
    stats = world.client.stats()
    assert stats["schema"] == 3
    assert stats["sentence"].startswith("connected to e2e")
    assert stats["socket"]["io"] in ("plain", "mmsg", "gso")
    assert any(n["udp_port"] for n in stats["nodes"])
    tunnel = next(t for t in stats["tunnels"] if t["name"] == "nginx")
    assert tunnel["listens"] and tunnel["target"].endswith(f":{world.target_port['nginx']}")
    assert tunnel["peers"] == [stats["peers"][0]["key"]]


def test_json_names_as_many_channels_as_asked_for(world):
    with Target(world.target_port["target"]) as target, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(world.port["target"])).sendall(b"x")
            stack.enter_context(target.accept()).recv(1)
        for asked, listed in ((2, 2), (0, 0)):
            stats = json.loads(world.client.http(f"/stats.json?channels={asked}")[1])
            assert stats["channels"] >= 3
            assert stats["channels_listed"] == listed
            assert sum(len(p["channels"]) for p in stats["peers"]) == listed
        channels = [c for p in world.client.stats()["peers"] for c in p["channels"]]
        rates = [c["rate_in"] + c["rate_out"] for c in channels]
        assert rates == sorted(rates, reverse=True)
        assert all(c["state"] == "open" and c["age_us"] > 0 for c in channels)
    for wrong in ("x", "-1", "", "99999999"):
        assert world.client.http(f"/stats.json?channels={wrong}")[0] == 400


def history(process):
    key = process.stats()["peers"][0]["key"]
    status, body = process.http(f"/history.json?peer={key}")
    assert status == 200
    answer = json.loads(body)
    assert answer["schema"] == 1 and answer["key"] == key
    return answer["samples"]


def test_history_has_the_seconds_of_a_transfer(world, load):
    before = wait_until("a second", lambda: history(world.client), 10 * PATIENCE)
    load.run("get", world.port["load"], 72, 5_000_000)
    wait_until("the second after it", lambda: len(history(world.client)) > len(before) + 1,
               10 * PATIENCE)
    samples = history(world.client)
    times = [s["time_us"] for s in samples]
    assert times == sorted(times) and abs(times[-1] / 1e6 - time.time()) < 2 * PATIENCE
    assert all(0.9 < (b - a) / 1e6 for a, b in zip(times, times[1:]))
    received = sum(s["rate_in"] * (b - a) / 1e6 for s, a, b in zip(samples[1:], times, times[1:])
                   if b > before[-1]["time_us"])
    assert 5_000_000 <= received + 100 and received < 5_100_000
    assert samples[-1]["rtt_us"] is None or samples[-1]["rtt_us"] > 0
    assert sum(s["segments_out"] for s in history(world.server)) > 5_000_000 / 1400
    for wrong, status in (("", 400), ("?peer=x", 400), (f"?peer={'0' * 64}", 404)):
        assert world.client.http("/history.json" + wrong)[0] == status


def keys(value):
    """All names of fields in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_every_field_and_metric_is_documented(world):
    page = (ROOT / "doc" / "stats.md").read_text(encoding="utf-8")
    words = {word for quoted in re.findall(r"`([^`]+)`", page) for word in quoted.split(".")}
    assert keys(world.client.stats()) | keys(history(world.client)) <= words
    metrics = set(re.findall(r"^# TYPE (\S+)", world.client.http("/metrics")[1], re.MULTILINE))
    assert metrics == {word for word in words if re.match(r"toxtun_\w|process_\w", word)}


@pytest.mark.slow
def test_figures_of_ten_thousand_connections_are_those_of_the_busiest(net, load, figure):
    """With two servers: the connections with one of them may take half of the descriptors."""
    servers = [net.server(f"crowd-server{i}") for i in range(2)]
    ports = [free_port() for _ in servers]
    client = net.client("crowd-client", ini="[client]\n" + "".join(
        f"t{port} = {port}:127.0.0.1:{load.port}:{server.toxid}\n"
        for port, server in zip(ports, servers)))
    client.wait_online(peers=len(servers))
    each = size(5000)
    count = each * len(servers)
    held = [load.start("hold", port, each, 1000, stdin=subprocess.PIPE) for port in ports]
    for popen in held:
        line = popen.stdout.readline()
        assert line.startswith("holding"), line
    for path in ("/stats.json", "/metrics"):
        took = []
        for _ in range(10):
            start = time.monotonic()
            assert client.http(path)[0] == 200
            took.append((time.monotonic() - start) * 1e3)
        figure(f"{path} with {count} connections: {min(took):.0f} to {max(took):.0f} ms")
    stats = client.stats()
    assert stats["channels"] == count and stats["channels_listed"] == min(count, 1000)
    with Events(client) as events:
        shown = events.next("snapshot")  # what the page lists
    assert shown["channels"] == count and shown["channels_listed"] == min(count, 100)
    for popen in held:
        load.finish(popen)
    for p in (client, *servers):
        p.stop()


def test_examples_for_prometheus_and_grafana_are_right(world):
    asked = " ".join(dashboard_queries())
    asked += (CONTRIB / "prometheus" / "toxtun-alerts.yml").read_text(encoding="utf-8")
    known = {name.split("{")[0] for name in samples(world.client)}
    assert set(re.findall(r"\b(?:toxtun|process)_\w+", asked)) <= known
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing (Debian package prometheus)")
    for command in (["config", CONTRIB / "prometheus" / "toxtun.yml"],
                    ["rules", CONTRIB / "prometheus" / "toxtun-alerts.yml"]):
        check = subprocess.run(["promtool", "check", *command], capture_output=True, text=True,
                               timeout=20 * PATIENCE, check=False)
        assert check.returncode == 0, check
