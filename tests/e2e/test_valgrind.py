"""A short life under valgrind: no error, no leak."""

import shutil
from pathlib import Path

import pytest
from harness import SANITIZED, connect, free_port, read_to_end

VALGRIND = ["valgrind", "--quiet", "--tool=memcheck", "--leak-check=full",
            "--errors-for-leak-kinds=definite,possible", "--show-leak-kinds=definite,possible",
            "--error-exitcode=9", "--num-callers=30", "--track-fds=no",
            f"--suppressions={Path(__file__).resolve().parent / 'valgrind.supp'}"]


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="the sanitizers look for the same")
@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind")
def test_life_of_ten_connections_is_clean_under_valgrind(net, load):
    ports = {"load": free_port(), "closed": free_port()}
    server, client = net.pair("valgrind", {ports["load"]: load.port, ports["closed"]: free_port()},
                              before=VALGRIND)
    client.wait_online(timeout=150)
    load.run("get", ports["load"], 71, 1_000_000)
    load.run("put", ports["load"], 72, 1_000_000)
    load.run("many", ports["load"], 6, 20_000)
    with connect(ports["closed"]) as app:
        assert read_to_end(app)[0] == b""
    load.run("get", ports["load"], 73, 0)
    # Ended while a connection is open, so that the clean-up on the way out is seen too.
    with connect(ports["load"]) as app:
        app.sendall(b"echo\n")
        app.sendall(b"x")
        assert app.recv(1) == b"x"
        codes = {p.name: p.stop(60) for p in (client, server)}
    assert codes == {client.name: 0, server.name: 0}
