"""The stats service, as a person and as a program read it."""

import json
import re

import pytest
from harness import PATIENCE, Target, connect, run_cli, wait_until


def test_text_has_the_lines_that_users_know(world, load):
    load.run("echo", world.port["load"], 61, 1000)
    for p in (world.client, world.server):
        status, text = p.http("/stats")
        assert status == 200
        for word in ("mode", "connections", "total", "active", "memory", "rtt", "retransmitted", "udp"):
            assert re.search(word, text, re.IGNORECASE), f"no {word!r} in\n{text}"


def test_json_has_peers_with_path_and_channels(world):
    status, body = world.client.http("/stats.json")
    assert status == 200
    peers = json.loads(body)["peers"]
    assert len(peers) == 1
    assert "udp" in peers[0]["path"]


def test_page_is_one_file_that_names_no_other_host(world):
    status, page = world.client.http("/")
    assert status == 200 and page.startswith("<!DOCTYPE html>")
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert 'src="vendor' not in page and 'href="page.css"' not in page
    status, picture = world.client.http("/toxid.svg")
    assert status == 200 and picture.startswith("<svg ") and picture.count("h1v1h-1z") > 300


def test_open_connection_is_counted_and_its_end_too(world):
    with Target(world.target_port["target"]) as target:
        before = {p.name: p.channels() for p in (world.client, world.server)}
        with connect(world.port["target"]) as app, target.accept() as service:
            app.sendall(b"x")
            assert service.recv(1) == b"x"
            for p in (world.client, world.server):
                p.wait_channels(before[p.name] + 1, 5 * PATIENCE)
        for p in (world.client, world.server):
            p.wait_channels(before[p.name], 10 * PATIENCE)


def test_reasons_of_ended_connections_are_counted(world, load):
    load.run("get", world.port["load"], 62, 1000)
    wait_until("a reason", lambda: re.search(
        r"\b(client|server|both)_close [1-9]", world.client.http("/stats")[1]), 5 * PATIENCE)


def test_foreign_host_header_is_refused(world):
    """A web page that has its own name resolve to 127.0.0.1 must not read the stats."""
    for path in ("/", "/stats", "/stats.json", "/history.json", "/metrics", "/events", "/toxid.svg"):
        assert world.client.http(path, headers={"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9981", "[::1]:9981"])
def test_local_host_header_is_accepted(world, host):
    assert world.client.http("/stats", headers={"Host": host})[0] == 200


def test_post_is_refused(world):
    assert world.client.http("/stats", method="POST")[0] == 405


def test_unknown_page_is_not_found(world):
    assert world.client.http("/no-such-page")[0] == 404


def secret_key(server):
    """From the save file, where it stands after the public key."""
    public = bytes.fromhex(server.toxid[:64])
    for path in server.data_dir.iterdir():
        data = path.read_bytes()
        at = data.find(public)
        if at >= 0 and len(data) >= at + 64:
            return data[at + 32:at + 64].hex()
    raise AssertionError(f"no save file in {server.data_dir}")


def test_secret_key_is_in_no_output(world):
    secret = secret_key(world.server)
    pages = "".join(world.server.http(path)[1] for path in ("/stats", "/stats.json", "/"))
    assert secret not in (pages + world.server.out() + world.server.err()).lower()


def test_busy_stats_port_is_an_error_when_it_was_asked_for(world, directory):
    run = run_cli("--no-default-nodes", "--no-lan", "-d", directory / "busy-stats", "--stats",
                  f"127.0.0.1:{world.client.stats_port}", "server", home=directory)
    assert run.returncode in (1, 2)
    assert str(world.client.stats_port) in run.stderr
