"""`toxtun bench`: what it measures over each kind of path, who may not, how it ends early."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest
from harness import (EXIT_S, ONLINE_S, PATIENCE, SANITIZER_FINDING, TOXTUN, Net, Proc,
                     die_with_parent, environment, free_port, own_id, run_cli, wait_until)

BY = ("itself", "the process that has the directory")
TRANSFERS = ("download", "upload", "both_download", "both_upload")


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "bench", "bench-node")
    yield n
    n.close()


@pytest.fixture(scope="module")
def server(net):
    return net.server("bench-server", ini="[server]\nname = büro\n")


def arguments(net, data, *args):
    """Of a `toxtun bench` with the identity in `data`."""
    return [*net.common()[1:], "--udp-port", free_port(), "-d", data, *args]


def bench(net, home, *args, data=None):
    run = run_cli(*arguments(net, data or home / "bench", *args), home=home,
                  timeout=ONLINE_S + 60 * PATIENCE)
    assert not SANITIZER_FINDING.search(run.stderr), run.stderr
    return run


def assert_plausible(figures, path):
    assert figures["schema"] == 1 and figures["complete"] is True
    assert figures["path"] == path and figures["seconds"] == 1
    for name, count in (("open_us", 10), ("round_trip_us", 2000)):
        times = figures[name]
        assert 1 <= times["samples"] <= count, name
        assert 0 < times["min"] <= times["median"] <= times["p99"], name
    for name in TRANSFERS:
        t = figures[name]
        assert t["bytes"] > 0 and 0.5e6 < t["us"] < 3e6 * PATIENCE, name
        assert abs(t["bytes_per_second"] * t["us"] / 1e6 / t["bytes"] - 1) < 0.01, name
        assert 0 <= t["retransmitted"] < 0.5, name
        # 24 bytes of header for at most 1,348 of payload, and whatever is repeated
        assert 1.01 < t["overhead"] < 2, name


def test_direct_path_is_measured_both_ways(net, server, tmp_path, figure):
    run = bench(net, tmp_path, "bench", "--seconds", "1", "--json", server.toxid)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert_plausible(figures, "udp direct")
    assert figures["peer"] == server.toxid[:64] and figures["name"] == "büro"
    assert figures["round_trip_us"]["median"] < 50_000 * PATIENCE
    for name in TRANSFERS:
        assert figures[name]["bytes_per_second"] > 2e6 / PATIENCE, name
    assert "\033" not in run.stderr and "\r" not in run.stderr, "this is no terminal"
    figure("toxtun bench: " + ", ".join(
        f"{name} {figures[name]['bytes_per_second'] / 1e6:.0f} MB/s" for name in TRANSFERS))


def test_measurements_end_in_order_at_the_server(net, server, tmp_path):
    before = server.stats()["close_reasons"]
    run = bench(net, tmp_path, "bench", "--seconds", "1", server.toxid)
    assert run.returncode == 0, run.stderr
    server.wait_channels(0, 5 * PATIENCE)
    after = server.stats()["close_reasons"]
    assert after["client_close"] - before["client_close"] >= 5
    for reason in after.keys() - {"client_close"}:
        assert after[reason] == before[reason], reason


def test_table_has_a_line_for_each_figure(net, server, tmp_path):
    run = bench(net, tmp_path, "bench", "--seconds", "1", server.toxid)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert re.fullmatch(rf"peer {server.toxid[:8]} \(büro\): udp direct.*", lines[0])
    for what in ("open + first byte", "64-byte round trip"):
        assert re.search(rf"^{re.escape(what)} +[\d.]+ +[\d.]+ +[\d.]+ ms +\d+ ", run.stdout, re.M)
    for what in ("download", "upload", "both: download", "both: upload"):
        assert re.search(rf"^{what} +[\d.]+ +[\d.]+ MB +[\d.]+ % +[\d.]+$", run.stdout, re.M), what
    assert max(map(len, lines)) <= 80


@pytest.fixture(scope="module")
def running(net, server):
    """The data directory of a client that runs and has found the server."""
    client = net.client("bench-running", ini=(
        f"[client]\nweb = {free_port()}:127.0.0.1:80:{server.toxid}\n"))
    client.wait_online()
    return client


def test_process_that_has_the_directory_measures(net, server, running, tmp_path):
    run = bench(net, tmp_path, "bench", "--seconds", "1", "--json", server.toxid,
                data=running.data_dir)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    assert_plausible(json.loads(run.stdout), "udp direct")
    for process in (running, server):
        process.wait_channels(0, 5 * PATIENCE)
    assert running.ready() == 1


def test_process_that_has_the_directory_says_why_not(net, running, tmp_path):
    """Of a peer that is new to it, and that it forgets again."""
    off = net.server("bench-off-too", args=["--no-bench"])
    run = bench(net, tmp_path, "bench", off.toxid, data=running.data_dir)
    assert run.returncode == 4 and "take no-bench out" in run.stderr and run.stdout == ""
    wait_until("one peer", lambda: len(running.stats()["peers"]) == 1, 5 * PATIENCE)
    off.stop()


def test_who_waits_no_more_ends_the_measurement(net, server, running, tmp_path):
    p = Proc("bench-killed", [TOXTUN, *arguments(net, running.data_dir, "bench", server.toxid)],
             tmp_path)
    wait_until("a connection", lambda: server.channels() > 0, 10 * PATIENCE)
    p.kill()
    for process in (running, server):
        process.wait_channels(0, 5 * PATIENCE)


@pytest.mark.slow
def test_relayed_path_is_measured_and_named(net, tmp_path):
    relayed = net.server("bench-relayed", args=["--no-udp"])
    run = run_cli(*net.common()[1:], "--no-udp", "--connect-timeout", ONLINE_S, "-d",
                  tmp_path / "bench", "bench", "--seconds", "1", "--json", relayed.toxid,
                  home=tmp_path, timeout=3 * ONLINE_S)
    assert run.returncode == 0, run.stderr
    assert_plausible(json.loads(run.stdout), "tcp relay")
    relayed.stop()


def test_server_that_has_it_switched_off_refuses_and_says_what_to_do(net, tmp_path):
    off = net.server("bench-off", ini="[server]\n[options]\nno-bench = yes\n")
    run = bench(net, tmp_path, "bench", "--seconds", "1", off.toxid)
    assert run.returncode == 4, run.stderr
    assert "take no-bench out" in run.stderr and run.stdout == ""
    off.stop()


def test_peer_that_may_reach_nothing_may_not_measure(net, server, tmp_path):
    """One that a process uses as its server, and that it does not serve."""
    data = tmp_path / "used"
    used = own_id(data, tmp_path)
    user = net.server("bench-user", ini=(
        f"[server]\nallow = {server.toxid}\n"
        f"[client]\nweb = {free_port()}:127.0.0.1:80:{used}\n"))
    run = bench(net, tmp_path, "bench", "--seconds", "1", user.toxid, data=data)
    assert run.returncode == 4, run.stderr
    assert "targets" in run.stderr and run.stdout == ""
    user.stop()


def test_absent_server_is_not_reachable(net, tmp_path):
    absent = own_id(tmp_path / "absent", tmp_path)
    run = bench(net, tmp_path, "--connect-timeout", "2", "bench", absent)
    assert run.returncode == 3, run.stderr
    assert "not reachable" in run.stderr and run.stdout == ""


@pytest.mark.parametrize("by", BY)
def test_interrupted_measurement_prints_what_it_has(net, server, running, tmp_path, by):
    data = running.data_dir if by == BY[1] else tmp_path / "bench"
    sent = server.stats()["data"]["payload_out"]
    p = Proc("bench-interrupted", [TOXTUN, *arguments(net, data, "bench", "--seconds", "60",
                                                      "--json", server.toxid)], tmp_path)
    wait_until("some of the download",
               lambda: server.stats()["data"]["payload_out"] > sent + 3_000_000, ONLINE_S + 60)
    p.signal(signal.SIGINT)
    assert p.wait_exit(EXIT_S) == 1, p.err()
    figures = json.loads(p.out())
    assert figures["complete"] is False
    assert figures["open_us"]["samples"] > 0 and figures["download"]["bytes"] > 0
    assert "upload" not in figures
    server.wait_channels(0, 5 * PATIENCE)


@pytest.mark.parametrize("by", BY)
def test_line_on_a_terminal_shows_progress_and_goes_away(net, server, running, tmp_path, by):
    data = running.data_dir if by == BY[1] else tmp_path / "bench"
    mine, theirs = pty.openpty()
    with subprocess.Popen(
            list(map(str, [TOXTUN, *arguments(net, data, "bench", "--seconds", "1",
                                              server.toxid)])),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
            env=environment(tmp_path), preexec_fn=die_with_parent) as popen:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(mine, 65536)
            except OSError:  # EIO: the other side is closed
                break
        out = popen.stdout.read().decode()
    os.close(mine)
    assert popen.returncode == 0 and "download" in out
    shown = [s.split(b"\033")[0].decode() for s in re.split(rb"[\r\n]+", seen)]
    for step in ("open + first byte", "round trip", "download", "upload", "both at once"):
        assert [s for s in shown if s.startswith(step)], step
    assert [s for s in shown if re.search(r"^download .*[1-9][\d.]* MB/s$", s)]
    assert [s for s in shown if re.search(r"^both at once .*down [\d.]+, up [\d.]+ MB/s$", s)]
    assert max(len(s) for s in shown if s.endswith("MB/s")) < 80
    assert seen.endswith(b"\r\033[J"), "the line is still there"
