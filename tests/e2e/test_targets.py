"""Targets that cannot be had: the application's connection ends, and the log says why."""

import re
import time

import pytest
from harness import PATIENCE, connect, read_to_end, silent_target, wait_until


def ends_with_reason(world, service, reasons, timeout):
    """Connects to a forward and waits for its end and for its reason in both logs."""
    seen = len(world.client.err())
    start = time.monotonic()
    try:
        with connect(world.port[service], timeout=timeout) as app:
            assert read_to_end(app)[0] == b""
    except ConnectionResetError:
        pass  # the answer was here before connect() had returned
    took = time.monotonic() - start

    def client_says():
        return re.search(rf"\b({reasons})\b", world.client.err()[seen:])

    match = wait_until(f"{reasons} in the client's log", client_says, 5)
    line = next(x for x in world.client.err()[seen:].splitlines() if match.group(1) in x)
    assert service in line or str(world.port[service]) in line, f"names no forward: {line}"
    return match.group(1), took


def test_refused_target_is_reported_at_once(world):
    _, took = ends_with_reason(world, "closed", "refused_by_target", 15 * PATIENCE)
    assert took < 3 * PATIENCE


def test_forbidden_target_is_reported_at_once(world):
    _, took = ends_with_reason(world, "forbidden", "not_allowed", 15 * PATIENCE)
    assert took < 3 * PATIENCE
    assert "not_allowed" in world.server.err()


@pytest.mark.isolated
def test_unreachable_target_is_reported(world):
    ends_with_reason(world, "unreachable", "target_unreachable|target_timeout", 25 * PATIENCE)


@pytest.mark.isolated
@pytest.mark.slow
def test_name_that_does_not_exist_is_reported(world):
    ends_with_reason(world, "no_such_host", "no_such_host|target_timeout", 40 * PATIENCE)


@pytest.mark.slow
def test_target_that_does_not_answer_is_reported(world):
    with silent_target(world.target_port["closed"]):
        ends_with_reason(world, "closed", "target_timeout|connect_timeout", 40 * PATIENCE)


def test_tunnel_works_after_all_these_errors(world, load):
    load.run("echo", world.port["load"], 21, 100_000)
    world.client.wait_channels(0, 20 * PATIENCE)
    world.server.wait_channels(0, 20 * PATIENCE)
