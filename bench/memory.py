#!/usr/bin/python3
"""What an open, idle connection costs: resident memory and CPU of `toxtun server` and `client`.

    bench/memory.py [-n CONNECTIONS] [--kb KB] [TOXTUN]
    bench/memory.py --structs [TOXTUN]

In a network namespace of its own: opens so many connections through one tunnel and lets them idle;
carries KB kilobytes each way over every one of them, two hundred at a time and then all at once,
and lets them idle; closes them. --structs names the allocations of one connection instead, by gdb.
"""

import argparse
import multiprocessing
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, cpu_seconds, memory_bytes, raise_file_limit

SETTLE_S = 15  # memory goes back to the system by and by
IDLE_S = 10  # over which CPU is measured
AT_ONCE = 200
BLOCK = 65536
STRUCTS = ("conn", "loop_watch", "channel", "link_stream", "kcp")


class Echo:
    """One end of a connection that sends back what comes."""

    def __init__(self, conn, poll):
        self.conn = conn
        self.poll = poll
        self.waiting = bytearray()
        conn.setblocking(False)
        poll.register(conn, select.EPOLLIN)

    def on_event(self, events):
        """False when the connection is over."""
        if events & select.EPOLLIN and len(self.waiting) < BLOCK:
            data = self.conn.recv(BLOCK)
            if not data:
                return False
            self.waiting += data
        try:
            del self.waiting[:self.conn.send(self.waiting)]
        except BlockingIOError:
            pass
        self.poll.modify(self.conn, (select.EPOLLIN if len(self.waiting) < BLOCK else 0)
                         | (select.EPOLLOUT if self.waiting else 0))
        return True


def serve_echo(listener):
    """On any number of connections, until the process is killed."""
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    ends = {}
    while True:
        for fd, events in poll.poll():
            if fd == listener.fileno():
                conn = listener.accept()[0]
                ends[conn.fileno()] = Echo(conn, poll)
            elif not ends[fd].on_event(events):
                poll.unregister(fd)
                ends.pop(fd).conn.close()


def exchange(socks, count):
    """Sends and receives `count` bytes over each of the sockets, over all of them at once."""
    poll = select.epoll()
    todo = {}
    for s in socks:
        s.setblocking(False)
        poll.register(s, select.EPOLLIN | select.EPOLLOUT)
        todo[s.fileno()] = [s, count, count]
    block = bytes(BLOCK)
    while todo:
        events = poll.poll(60)
        assert events, f"{len(todo)} connections stand still"
        for fd, what in events:
            sock, to_send, to_receive = todo[fd]
            if what & select.EPOLLOUT:
                to_send -= sock.send(block[:to_send])
                if to_send == 0:
                    poll.modify(fd, select.EPOLLIN)
            if what & select.EPOLLIN:
                got = len(sock.recv(BLOCK))
                assert got, "a connection ended early"
                to_receive -= got
            todo[fd][1:] = to_send, to_receive
            if to_send == to_receive == 0:
                poll.unregister(fd)
                del todo[fd]


class Table:
    """A row for each state in which the two processes are looked at."""

    def __init__(self, procs):
        self.procs = procs
        self.base = None
        print(" " * 44 + "".join(f"{p.name:>26}" for p in procs))

    def row(self, state, count):
        time.sleep(SETTLE_S)
        before = [cpu_seconds([p]) for p in self.procs]
        time.sleep(IDLE_S)
        cpu = [(cpu_seconds([p]) - b) / IDLE_S * 100 for p, b in zip(self.procs, before)]
        memory = [memory_bytes([p]) for p in self.procs]
        self.base = self.base or memory
        text = f"{state:<44}"
        for used, now, base in zip(cpu, memory, self.base):
            each = f"{(now - base) / count / 1000:.2f} kB" if count else ""
            text += f"{each:>9}{now / 1e6:>8.1f} MB{used:>4.1f} %"
        print(text, flush=True)


def wait_active(p, count):
    """By the text page: the JSON page would name each connection, and need memory for it."""
    from harness import wait_until

    wait_until(f"{p.name}: {count} connections", lambda: re.search(
        rf"^connections .* {count} active$", p.http("/stats")[1], re.MULTILINE), 120, 0.2)


def carry(socks, kb, at_once, what):
    start = time.monotonic()
    for i in range(0, len(socks), at_once):
        exchange(socks[i:i + at_once], kb * 1000)
    print(f"    ({kb} kB each way over {what}: {time.monotonic() - start:.1f} s)")


def measure(count, kb, directory):
    from harness import Net, connect, free_port

    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    service = multiprocessing.Process(target=serve_echo, args=(listener,), daemon=True)
    service.start()
    net, port = Net(directory), free_port()
    server, client = net.pair("idle", {port: listener.getsockname()[1]})
    client.wait_online()
    with connect(port) as s:  # what is allocated once is allocated now
        exchange([s], 1_000_000)
    wait_active(client, 0)
    table = Table([server, client])
    table.row("no connection", 0)

    start = time.monotonic()
    socks = [connect(port) for _ in range(count)]
    wait_active(client, count)
    wait_active(server, count)
    print(f"    ({count} connections are open after {time.monotonic() - start:.1f} s)")
    table.row(f"{count} open, never used", count)
    if kb:
        carry(socks, kb, AT_ONCE, f"each, {AT_ONCE} at once")
        table.row(f"{count} open, used before", count)
        carry(socks, kb, count, "all of them at once")
        table.row(f"{count} open, all used at once before", count)
    for s in socks:
        s.close()
    wait_active(client, 0)
    wait_active(server, 0)
    table.row("all of them closed", 0)
    net.close()
    service.kill()
    service.join()


def structs(toxtun):
    """What malloc takes for each of the allocations that an idle connection is made of."""
    total = 0
    for name in STRUCTS:
        out = subprocess.run(["gdb", "-batch", "-ex", f"print sizeof(struct {name})", toxtun],
                             check=True, capture_output=True, text=True).stdout
        size = int(out.split("=")[1])
        chunk = max(32, (size + 8 + 15) // 16 * 16)  # glibc: 8 bytes ahead, multiples of 16
        total += chunk
        print(f"struct {name:<14}{size:>6} B, {chunk:>4} B with malloc's own")
    print(f"{'':<21}{total:>9} B together; the channel's names come on top")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--connections", type=int, default=2000)
    parser.add_argument("--kb", type=int, default=100, help="carried each way, 0: none")
    parser.add_argument("--structs", action="store_true", help="sizes of the structs only")
    parser.add_argument("toxtun", nargs="?", default=ROOT / "build" / "toxtun")
    args = parser.parse_args()
    if args.structs:
        structs(args.toxtun)
        return
    os.environ["TOXTUN"] = str(args.toxtun)
    import private_net
    if not private_net.enter():
        sys.exit("memory.py: this system allows no network namespace")
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="toxtun-memory-") as directory:
        measure(args.connections, args.kb, Path(directory))


if __name__ == "__main__":
    main()
