"""Many connections, at once and one after another, and what they leave behind."""

import pytest
from harness import PATIENCE, SANITIZED, size, wait_until


def test_five_hundred_connections_at_once_are_all_right(world, load, figure):
    result = load.run("many", world.port["load"], 500, size(100_000))
    assert (result["connections"], result["failed"]) == (500, 0)
    figure(f"500 connections at once: {result['seconds']:.1f} s")
    for p in (world.client, world.server):
        p.wait_channels(0, 20 * PATIENCE)


@pytest.mark.slow
def test_two_thousand_short_connections_leave_nothing_behind(world, load, figure):
    load.run("serial", world.port["load"], 50, 100)  # what is allocated once is allocated now
    sides = (world.client, world.server)
    for p in sides:
        p.wait_channels(0, 20 * PATIENCE)
    before = {p.name: (p.fds(), p.rss_kb()) for p in sides}

    count = size(2000)
    result = load.run("serial", world.port["load"], count, 100)
    assert result["connections"] == count
    figure(f"{count} short connections: {result['each_ms']:.1f} ms each")

    for p in sides:
        fds, rss_kb = before[p.name]
        p.wait_channels(0, 20 * PATIENCE)
        wait_until(f"{p.name}: {fds} descriptors", lambda p=p, fds=fds: p.fds() <= fds + 1,
                   20 * PATIENCE)
        grown = p.rss_kb() - rss_kb
        # 2,000 leaked channels of a kilobyte would already be 2 MB. ASan keeps what is freed.
        assert SANITIZED or grown < 4096, f"{p.name} grew by {grown} kB"
