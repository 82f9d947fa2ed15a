"""Bytes through the tunnel: how many, how fast, and how a connection ends."""

import socket
import struct
import subprocess
import time

import pytest
from harness import MB, PATIENCE, SANITIZED, Target, connect, environment, read_to_end, size

GIGABYTE = 1000 * MB


@pytest.mark.slow
def test_gigabyte_down_arrives_unchanged(world, load, figure):
    got = load.run("get", world.port["load"], 11, size(GIGABYTE))
    assert got["bytes"] == size(GIGABYTE)
    figure(f"download: {got['mb_per_s']:.1f} MB/s, {got['bytes'] / MB:.0f} MB, "
           f"crc32 {got['crc']}, first byte after {got['first_byte_ms']:.1f} ms")


@pytest.mark.slow
def test_gigabyte_up_arrives_unchanged(world, load, figure):
    put = load.run("put", world.port["load"], 12, size(GIGABYTE))
    assert put["bytes"] == size(GIGABYTE)
    figure(f"upload: {put['mb_per_s']:.1f} MB/s, {put['bytes'] / MB:.0f} MB, crc32 {put['crc']}")


@pytest.mark.slow
def test_download_and_upload_run_at_the_same_time(world, load, figure):
    down = load.start("get", world.port["load"], 13, size(250 * MB))
    up = load.start("put", world.port["load"], 14, size(250 * MB))
    got, put = load.finish(down), load.finish(up)
    figure(f"both at once: {got['mb_per_s']:.1f} MB/s down, {put['mb_per_s']:.1f} MB/s up")


def test_one_connection_carries_both_directions_at_once(world, load):
    load.run("echo", world.port["load"], 15, size(100 * MB))


@pytest.mark.parametrize("verb", ["get", "put", "echo"])
@pytest.mark.parametrize("count", [0, 1, 1372, 65536, 1000001])
def test_small_transfer_arrives_unchanged(world, load, verb, count):
    assert load.run(verb, world.port["load"], 16, count)["bytes"] == count


def test_connection_without_a_byte_ends_on_both_sides(world):
    with Target(world.target_port["target"]) as target:
        with connect(world.port["target"]) as app:
            app.shutdown(socket.SHUT_WR)
            with target.accept() as service:
                assert read_to_end(service) == (b"", True)
            assert read_to_end(app) == (b"", True)


@pytest.mark.parametrize("count", [1, 3 * MB])
def test_bytes_sent_just_before_close_arrive(world, count):
    sent = bytes(i * 7 % 251 for i in range(1000)) * (count // 1000 + 1)
    sent = sent[:count]
    with Target(world.target_port["target"]) as target:
        with connect(world.port["target"]) as app:
            app.sendall(sent)
        with target.accept() as service:
            assert read_to_end(service) == (sent, True)


def test_service_that_sends_and_closes_at_once_loses_no_byte(world):
    sent = b"0123456789abcdef" * 65536
    with Target(world.target_port["target"]) as target, connect(world.port["target"]) as app:
        with target.accept() as service:
            service.sendall(sent)
        assert read_to_end(app) == (sent, True)


def test_request_is_answered_after_the_client_half_closed(world):
    """HTTP/1.0-like upload: the service reads to the end before it says anything."""
    with Target(world.target_port["target"]) as target, connect(world.port["target"]) as app:
        app.sendall(b"x" * 100000)
        app.shutdown(socket.SHUT_WR)
        with target.accept() as service:
            body, orderly = read_to_end(service)
            assert (len(body), orderly) == (100000, True)
            time.sleep(0.5)  # nothing of the connection may have been thrown away meanwhile
            service.sendall(b"got %d bytes\n" % len(body))
        assert read_to_end(app) == (b"got 100000 bytes\n", True)


def test_client_still_sends_after_the_service_half_closed(world):
    with Target(world.target_port["target"]) as target, connect(world.port["target"]) as app:
        with target.accept() as service:
            service.sendall(b"hello\n")
            service.shutdown(socket.SHUT_WR)
            assert read_to_end(app) == (b"hello\n", True)
            time.sleep(0.5)
            app.sendall(b"y" * 100000)
            app.shutdown(socket.SHUT_WR)
            assert read_to_end(service) == (b"y" * 100000, True)


def test_netcat_with_half_close_gets_its_answer(world, directory):
    nc = subprocess.run(
        ["nc", "-N", "127.0.0.1", str(world.port["load"])], input=b"put 1 0\n",
        capture_output=True, timeout=30 * PATIENCE, env=environment(directory), check=True)
    assert nc.stdout == b"ok 0 00000000\n"


def reset(sock):
    """Closes with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_reset_by_the_service_ends_the_client_connection(world):
    with Target(world.target_port["target"]) as target, connect(world.port["target"]) as app:
        service = target.accept()
        app.sendall(b"x")
        assert service.recv(1) == b"x"
        reset(service)
        app.settimeout(10 * PATIENCE)
        assert read_to_end(app)[0] == b""


def test_reset_by_the_client_ends_the_service_connection(world):
    with Target(world.target_port["target"]) as target:
        app = connect(world.port["target"])
        app.sendall(b"x")
        with target.accept() as service:
            service.settimeout(10 * PATIENCE)
            assert service.recv(1) == b"x"
            reset(app)
            assert read_to_end(service)[0] == b""


def test_client_that_goes_away_ends_an_endless_download(world):
    with Target(world.target_port["target"]) as target:
        app = connect(world.port["target"])
        with target.accept() as service:
            service.settimeout(20 * PATIENCE)
            service.sendall(b"z" * 65536)
            assert app.recv(1) == b"z"
            app.close()
            with pytest.raises(ConnectionError):
                while True:
                    service.sendall(b"z" * 65536)


def test_slow_reader_does_not_delay_a_fast_one(world, load):
    """The slow one stops reading for longer than the fast one needs."""
    stall = 12 * PATIENCE
    slow = load.start("get", world.port["load"], 17, size(60 * MB) + MB, MB // 2, stall)
    time.sleep(1)
    start = time.monotonic()
    load.run("get", world.port["load"], 18, size(100 * MB))
    took = time.monotonic() - start
    assert slow.poll() is None and took < stall - 1, f"the fast reader took {took:.1f} s"
    load.finish(slow)


def test_stalled_upload_does_not_delay_another_connection(world, load):
    with Target(world.target_port["target"]) as target, connect(world.port["target"]) as app:
        with target.accept():  # which never reads
            app.settimeout(1)
            with pytest.raises(TimeoutError):
                while True:
                    app.sendall(b"w" * 65536)
            load.run("put", world.port["load"], 19, size(50 * MB))


def test_round_trip_of_64_bytes_is_short(world, load, figure):
    rtt = load.run("ping", world.port["load"], 500, 64)
    figure(f"round trip of 64 bytes: median {rtt['median_ms']} ms, min {rtt['min_ms']} ms, "
           f"p99 {rtt['p99_ms']} ms")
    assert rtt["median_ms"] < (200 if SANITIZED else 20)
