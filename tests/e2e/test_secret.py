"""Who is let in: the shared secret and the list of allowed peers."""

import signal

import pytest
from harness import ONLINE_S, PATIENCE, Net, free_port, own_id, turned_away, wait_until

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def net(directory):
    n = Net(directory / "secret", "secret-node")
    yield n
    n.close()


def secret_file(net, name, text):
    path = net.directory / f"{name}.secret"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def client_of(net, name, server, load, args=(), extra=()):
    port = free_port()
    client = net.client(name, ini=f"[client]\nload = {port}:127.0.0.1:{load.port}:{server.toxid}\n",
                        args=[*args, *extra])
    return client, port


def served(load, port):
    return load.run("echo", port, 61, 1000, check=False, timeout=60 * PATIENCE, idle_s=30)["ok"]


@pytest.mark.slow
def test_only_who_knows_the_secret_is_served(net, load):
    good = secret_file(net, "good", SECRET)
    server = net.server("secret-server", args=["--secret-file", good])
    right, right_port = client_of(net, "right", server, load, ["--secret-file", good])
    wrong, wrong_port = client_of(
        net, "wrong", server, load, ["--secret-file", secret_file(net, "wrong", SECRET + "!")],
        ["--connect-timeout", "5"])
    none, none_port = client_of(net, "none", server, load, (), ["--connect-timeout", "5"])
    right.wait_online()
    assert served(load, right_port)
    server.wait_for(r"refused peer=\w+: it does not know the secret \(no proof", ONLINE_S,
                    read=server.err)
    server.wait_for(r"refused peer=\w+: it does not know the secret \(its proof", ONLINE_S,
                    read=server.err)
    for port in (wrong_port, none_port):
        assert turned_away(port)
    for client in (right, wrong, none):
        assert SECRET not in client.err() + client.out()
        client.stop()
    assert SECRET not in server.err() + server.out()
    assert server.stats()["refused_requests"] >= 2
    assert len(server.stats()["peers"]) == 1
    server.stop()


@pytest.mark.slow
def test_friend_from_before_the_secret_is_not_served_without_it(net, load):
    server = net.server("late-server")
    client, port = client_of(net, "early", server, load)
    client.wait_online()
    assert served(load, port)
    server.stop()

    server = net.server("late-server", args=["--secret-file", secret_file(net, "late", SECRET)])
    server.wait_for("does not know the secret and is not served", ONLINE_S, read=server.err)
    assert turned_away(port)
    wait_until("the reason in the client's log", lambda: "not_allowed" in client.err(), 10)
    client.stop()
    server.stop()


@pytest.mark.slow
def test_only_allowed_peers_get_in(net, load):
    home = net.directory
    friend = own_id(net.data_dir("friend"), home)
    server = net.server("allow-server", ini=f"[server]\nallow = {friend[:64]}\n")
    client, port = client_of(net, "friend", server, load)
    stranger, stranger_port = client_of(net, "stranger", server, load, (),
                                        ["--connect-timeout", "5"])
    client.wait_online()
    assert served(load, port)
    server.wait_for(r"refused peer=\w+: not in the list of allowed peers", ONLINE_S,
                    read=server.err)
    assert turned_away(stranger_port)
    stranger.stop()
    server.stop()

    # A friend that is not allowed any more is removed at the next start.
    server = net.server("allow-server", ini=f"[server]\nallow = {'11' * 31}01\n")
    server.wait_for(f"peer {friend[:8]} is not allowed any more", 10, read=server.err)
    assert server.stats()["peers"] == []
    client.stop()
    server.stop()


@pytest.mark.slow
def test_who_was_refused_gets_in_once_it_may(net, load):
    """toxcore reports a stranger's request once only; a second chance must not depend on that."""
    good = secret_file(net, "second", SECRET)
    server = net.server("second-server", args=["--secret-file", good])
    client, port = client_of(net, "second", server, load,
                             ["--secret-file", secret_file(net, "mistyped", SECRET + "?")])
    server.wait_for(r"refused peer=\w+: it does not know the secret", ONLINE_S, read=server.err)
    client.stop()
    client, port = client_of(net, "second", server, load, ["--secret-file", good])
    client.wait_online()
    assert served(load, port)
    client.stop()
    server.stop()


@pytest.mark.slow
def test_stranger_that_is_allowed_at_reload_gets_in(net, load):
    allowed = "[server]\nallow = {}\n"
    server = net.server("reload-server", ini=allowed.format("11" * 31 + "01"))
    client, port = client_of(net, "newcomer", server, load)
    refused = server.wait_for(r"refused peer=(\w+): not in the list", ONLINE_S, read=server.err)
    (net.directory / "reload-server.ini").write_text(
        allowed.format(refused.group(1)), encoding="ascii")
    server.signal(signal.SIGHUP)
    client.wait_online()
    assert served(load, port)
    client.stop()
    server.stop()
