"""Who a connection is for: what the target hears in the PROXY header, and what the log says."""

import re
import socket
import subprocess

import nginx as nginx_conf
import pytest
from harness import PATIENCE, Net, Target, connect, environment, free_port, own_id
from harness import read_to_end, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
NGINX = """\
listen 127.0.0.1:{port} proxy_protocol;
return 200 "$proxy_protocol_addr to $proxy_protocol_server_addr:$proxy_protocol_server_port";
"""


class Server:
    """A server that introduces its peers to two of three targets, and a client that it knows."""

    def __init__(self, directory):
        self.net = Net(directory / "caller", "caller-node")
        self.target = {"told": Target(free_port()), "plain": Target(free_port())}
        self.nginx_port = free_port()
        ports = {name: t.sock.getsockname()[1] for name, t in self.target.items()}
        ports["nginx"] = self.nginx_port
        self.key = own_id(self.net.data_dir("caller-client"), self.net.directory)[:64]
        self.server = self.net.server("caller-server", ini=(
            f"[server]\nproxy-protocol = 127.0.0.1:{ports['told']}, *:{self.nginx_port}\n"
            f"[peer laptop]\nid = {self.key}\n"))
        self.port = {name: free_port() for name in ports}
        self.client = self.net.client("caller-client", ini="[client]\n" + "".join(
            f"{name} = {self.port[name]}:127.0.0.1:{port}:{self.server.toxid}\n"
            for name, port in ports.items()))
        self.client.wait_online()

    def address(self):
        return socket.inet_ntop(socket.AF_INET6, b"\xfd" + bytes.fromhex(self.key)[:15])


@pytest.fixture(scope="module")
def world(directory):
    s = Server(directory)
    yield s
    s.net.close()
    for t in s.target.values():
        t.sock.close()


def fields(data):
    found = {}
    while data:
        length = int.from_bytes(data[1:3], "big")
        found[data[0]] = data[3:3 + length]
        data = data[3 + length:]
    return found


def test_target_hears_of_the_peer_before_its_first_byte(world):
    with connect(world.port["told"]) as app:
        app.sendall(SIGNATURE + b"forged")  # the peer's own header is payload
        app.shutdown(socket.SHUT_WR)
        with world.target["told"].accept() as service:
            data, orderly = read_to_end(service)
    assert orderly and data[:14] == SIGNATURE + b"\x21\x21"
    end = 16 + int.from_bytes(data[14:16], "big")
    assert data[end:] == SIGNATURE + b"forged"
    assert socket.inet_ntop(socket.AF_INET6, data[16:32]) == world.address()
    assert socket.inet_ntop(socket.AF_INET6, data[32:48]) == "::ffff:127.0.0.1"
    assert int.from_bytes(data[50:52], "big") == world.target["told"].sock.getsockname()[1]
    said = fields(data[52:end])
    assert said[0xE0] == world.key.encode() and said[0xE1] == b"laptop"
    line = next(x for x in world.server.err().splitlines() if f"id={said[5].decode()}" in x)
    assert re.search(rf"target=127.0.0.1:\d+ connected key={world.key} name=laptop ", line), line


def test_other_targets_get_the_bytes_alone(world):
    with connect(world.port["plain"]) as app:
        app.sendall(b"plain")
        app.shutdown(socket.SHUT_WR)
        with world.target["plain"].accept() as service:
            assert read_to_end(service) == (b"plain", True)
    assert world.server.err().count(f"connected key={world.key}") >= 2


@pytest.fixture(scope="module")
def nginx(world, directory):
    home = directory / "nginx-proxied"
    home.mkdir()
    p = nginx_conf.start(home, NGINX.format(port=world.nginx_port), directory)
    wait_until("nginx listens", (home / "nginx.pid").exists, 10 * PATIENCE)
    yield p
    p.stop()


def fetch(port, directory):
    return subprocess.run(
        ["curl", "-sS", "--max-time", str(20 * PATIENCE), f"http://127.0.0.1:{port}/"], check=False,
        capture_output=True, text=True, env=environment(directory), stdin=subprocess.DEVNULL)


@pytest.mark.usefixtures("nginx")
def test_nginx_knows_the_peer_by_its_address(world, directory):
    got = fetch(world.port["nginx"], directory)
    assert got.stdout == f"{world.address()} to ::ffff:127.0.0.1:{world.nginx_port}", got
    # Who comes without a header is not let in: nobody can be mistaken for a peer.
    assert fetch(world.nginx_port, directory).returncode != 0
