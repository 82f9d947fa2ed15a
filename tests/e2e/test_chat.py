"""Owners ask a server by chat how it is; everybody else hears nothing.

People are tools/chatter.c, which speaks none of toxtun's own protocol, and Debian's toxic.
"""

import re
import signal
import subprocess
import time

import pytest
from harness import (ONLINE_S, PATIENCE, TOXTUN, Net, Proc, free_port, own_id, run_cli, turned_away,
                     wait_until)

CHATTER = TOXTUN.parent / "tests" / "e2e" / "chatter"
MESSAGE_MAX = 1372  # TOX_MAX_MESSAGE_LENGTH
MESSAGES = 4  # MESSAGES_MAX of src/app/chat.c
BURST = 5  # PEER_QUESTIONS_MAX of src/app/peer.h, and then one a second

pytestmark = [pytest.mark.isolated,
              pytest.mark.skipif(not CHATTER.exists(), reason="tests/e2e/tools was not built")]


class Person(Proc):
    """A friend, or who wants to be one, that writes and reads text."""

    def __init__(self, net, name, toxid):
        super().__init__(name, [CHATTER, net.node_arg, toxid, net.data_dir(name), free_port()],
                         net.directory, stdin=subprocess.PIPE)
        net.processes.append(self)

    def say(self, text):
        self.popen.stdin.write(text.encode() + b"\n")
        self.popen.stdin.flush()

    def online(self):
        self.wait_for("^online$", ONLINE_S)
        return self

    def messages(self):
        return [bytes.fromhex(m) for m in re.findall(r"^message (\w+)$", self.out(), re.MULTILINE)]

    def texts(self):
        """All but the maps of toxtun's own protocol, which no text starts like."""
        return [m.decode() for m in self.messages() if not 0x80 <= m[0] <= 0x8f]

    def ask(self, question):
        """What it is told next."""
        before = len(self.texts())
        self.say(question)
        wait_until(f"{self.name}: an answer to {question!r}", lambda: len(self.texts()) > before,
                   10 * PATIENCE)
        return self.texts()[before]

    def stop(self, timeout=10 * PATIENCE):
        self.popen.stdin.close()
        try:
            return self.wait_exit(timeout)
        finally:
            self.kill()


class Office:
    """A server with an admin, a peer that is none, and a stranger that asks in vain."""

    def __init__(self, directory):
        self.net = Net(directory / "chat", "chat-node")
        self.keys = {name: own_id(self.net.data_dir(name), self.net.directory)[:64]
                     for name in ("boss", "worker", "stranger")}
        self.server = self.net.server("chat-server", ini=self.ini("boss"))
        self.boss, self.worker, self.stranger = (
            Person(self.net, name, self.server.toxid) for name in self.keys)

    def ini(self, admin):
        return (f"[server]\nallow = worker\nadmin = {admin}\n" + "".join(
            f"[peer {name}]\nid = {key}\n" for name, key in self.keys.items()))


@pytest.fixture(scope="module")
def office(directory):
    o = Office(directory)
    yield o
    o.net.close()


def test_admin_is_answered(office):
    boss = office.boss.online()
    office.worker.online()
    status = boss.ask(" Status\t")
    assert re.match(r"toxtun server, up \d+ s: ", status)
    assert "this machine online by " in status
    peers = boss.ask("peers")
    tag = {name: key[:8] for name, key in office.keys.items()}
    assert f"peer boss ({tag['boss']}): online, to chat" in peers
    assert f"peer worker ({tag['worker']}): online" in peers
    assert boss.ask("tunnels") == "no tunnels"
    assert boss.ask("reboot") == "I do not know that; say help"
    assert {line.split(":")[0] for line in boss.ask("HELP").splitlines()} == {
        "status", "peers", "tunnels", "help"}
    assert all(m.decode().isprintable() for m in boss.messages() if b"\n" not in m)
    told = "\n".join(boss.texts())
    assert len(boss.texts()) == len(boss.messages()), "a person got a control message"
    assert not [key for name, key in office.keys.items() if key in told]


def test_nobody_else_is_answered(office):
    for person in (office.worker, office.stranger):
        for question in ("status", "help"):
            person.say(question)
    office.worker.online()
    time.sleep(1)
    office.boss.ask("status")
    assert office.worker.texts() == []
    assert office.stranger.out() == ""
    stats = office.server.stats()
    assert len(stats["peers"]) == 2 and stats["refused_requests"] > 0
    assert office.server.err().count("chat: peer=") == len(office.boss.texts())


def test_answers_are_few_however_many_questions(office):
    before = len(office.boss.texts())
    start = time.monotonic()
    for _ in range(30):
        office.boss.say("help")
        time.sleep(0.1)
    wait_until("an answer", lambda: len(office.boss.texts()) > before, 10 * PATIENCE)
    time.sleep(1)
    assert len(office.boss.texts()) - before <= BURST + time.monotonic() - start + 1


def test_admin_may_reach_nothing(office, load):
    office.boss.stop()
    port = free_port()
    client = office.net.client(
        "boss", ini=f"[client]\nload = {port}:127.0.0.1:{load.port}:{office.server.toxid}\n")
    client.wait_online()
    assert turned_away(port)
    client.wait_for("not_allowed", 10 * PATIENCE, read=client.err)
    assert client.stop() == 0


def test_admins_change_on_reload(office):
    path = office.net.directory / "chat-server.ini"
    path.write_text(f"{office.ini('stranger')}[client]\n"
                    "many = 30000-30099:127.0.0.1:30000-30099:worker\n", encoding="utf-8")
    office.server.signal(signal.SIGHUP)
    office.server.wait_for("peer .* boss is not allowed any more", 10, read=office.server.err)
    office.stranger.stop()  # a program that has just started looks for its friends more often
    stranger = Person(office.net, "stranger", office.server.toxid).online()
    assert stranger.ask("status").startswith("toxtun server")
    assert {p["name"] for p in office.server.stats()["peers"]} == {"worker", "stranger"}

    stranger.say("tunnels")
    wait_until("the last message", lambda: "and more" in stranger.texts()[-1], 10 * PATIENCE)
    told = stranger.texts()[1:]
    assert len(told) == MESSAGES and max(map(len, told)) <= MESSAGE_MAX
    lines = "\n".join(told).splitlines()[:-1]
    assert all(re.fullmatch(r"tunnel many-?\d*: 127.0.0.1:\d+, \[::1\]:\d+ to .* at worker", line)
               for line in lines), lines


def test_check_names_the_admins(office):
    path = office.net.directory / "chat-server.ini"
    said = run_cli("-c", path, "--admin", "boss", "check", home=office.net.directory)
    assert said.returncode == 0, said.stderr
    for name in ("stranger", "boss"):
        assert f"admin {name} {office.keys[name]} may ask by chat\n" in said.stdout
