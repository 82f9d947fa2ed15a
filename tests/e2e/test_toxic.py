"""A server is asked by chat from a Tox client as people have one: Debian's toxic, in a terminal.

toxic is told of our node only. It runs in the tests' namespace, from where it could reach no other,
and without the list of public nodes that it would fetch.
"""

import json
import re
import shutil
import time

import pytest
from harness import ONLINE_S, PATIENCE, Net, wait_until
from terminal import Terminal

pytestmark = [pytest.mark.isolated, pytest.mark.slow] + [
    pytest.mark.skipif(not shutil.which(p), reason=f"{p} is not there: apt-get install {p}")
    for p in ("toxic", "tmux")]


class Toxic:
    """The program in a tmux of its own, whose keys and screen are ours."""

    def __init__(self, net):
        self.home = net.directory / "toxic"
        self.home.mkdir()
        (self.home / "nodes.json").write_text(self.nodes(net), encoding="utf-8")
        (self.home / "toxic.conf").write_text(
            "ui = { alerts = false; nodelist_update_freq = 0; };\n", encoding="utf-8")
        self.terminal = Terminal(self.home, [
            "toxic", "-f", self.home / "profile.tox", "-n", self.home / "nodes.json",
            "-c", self.home / "toxic.conf"], 100, 30)

    @staticmethod
    def nodes(net):
        """Its reader wants this form to the letter: no blanks, and these keys in this order."""
        host, port, key = net.node_arg.split(":")
        node = {"ipv4": host, "ipv6": "-", "port": int(port), "tcp_ports": [int(port)],
                "public_key": key, "maintainer": "-", "location": "-", "status_udp": True,
                "status_tcp": True, "version": "-", "motd": "-", "last_ping": int(time.time())}
        return json.dumps({"last_scan": int(time.time()), "last_refresh": int(time.time()),
                           "nodes": [node]}, separators=(",", ":"))

    def screen(self):
        """Its lines; what was wrapped is one."""
        return self.terminal.tmux("capture-pane", "-p", "-J")

    def type(self, text):
        self.terminal.tmux("send-keys", "-l", text)
        self.terminal.press("Enter")

    def see(self, pattern, timeout=10 * PATIENCE):
        """Waits for it on the screen and returns the match."""
        compiled = re.compile(pattern, re.MULTILINE)
        try:
            return wait_until(pattern, lambda: compiled.search(self.screen()), timeout, 0.2)
        except AssertionError:
            raise AssertionError(f"{pattern} is not on the screen:\n{self.screen()}") from None


@pytest.fixture
def net(directory):
    n = Net(directory / "toxic", "toxic-node")
    yield n
    n.close()


@pytest.fixture
def toxic(net):
    t = Toxic(net)
    yield t
    t.terminal.close()


def test_toxic_asks_and_is_answered(net, toxic):
    toxic.see("like to encrypt it")
    toxic.type("n")
    toxic.see("^Welcome to Toxic")
    toxic.type("/myid")
    own = toxic.see("[0-9A-F]{76}").group(0)
    server = net.server("toxic-server", ini=f"[server]\nadmin = {own}\n")
    toxic.type(f"/add {server.toxid}")
    toxic.see("^Friend request sent")
    toxic.see(" has come online", ONLINE_S)
    toxic.terminal.press("C-p")  # to its contacts, of which there is one
    toxic.see("> o toxtun")
    toxic.terminal.press("Enter")
    toxic.see(rf"{{{server.toxid[:6]}}}")
    for question, answer in (
            ("Status", r"toxtun: toxtun server, up \d+ s: .*\n *this machine online by "),
            ("peers", rf"toxtun: peer {own[:8]}: online, to chat; 0 connections"),
            ("tunnels", "toxtun: no tunnels"),
            ("how are you?", "toxtun: I do not know that; say help")):
        toxic.type(question)
        toxic.see(answer)
    said = re.findall(r"^\d\d:\d\d - (.*?): ", toxic.screen(), re.MULTILINE)
    assert said == ["Toxic User", "toxtun"] * 4, toxic.screen()
