"""What speaks UDP in the tests: an echo, dnsmasq, and an application that sends by way of a SOCKS proxy."""

import socket
import struct
import threading

from harness import PATIENCE, Proc, connect

TIMEOUT_S = 5 * PATIENCE


class Echo:
    """A UDP service in a thread: sends back what it gets, with a word ahead if it has one."""

    def __init__(self, port, host="127.0.0.1", word=b""):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, port))
        self.word = word
        self.senders = set()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            data, sender = self.sock.recvfrom(65536)
            if data == b"stop":
                return
            self.senders.add(sender)
            self.sock.sendto(self.word + data, sender)

    def close(self):
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"stop", self.sock.getsockname())
        self.thread.join()
        self.sock.close()


def dnsmasq(port, directory, *records):
    """A name server on 127.0.0.1 that knows these options' records only."""
    service = Proc("dnsmasq", [
        "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root",
        "--conf-file=/dev/null", "--pid-file=", "--bind-interfaces", "--listen-address=127.0.0.1", "--log-facility=-",
        f"--port={port}", "--edns-packet-max=4096", *records], directory)
    service.wait_for("started", TIMEOUT_S, service.err)
    return service


def answer_to(send, recv, tries=3):
    """What comes of it. A datagram may be lost, as anywhere."""
    for _ in range(tries):
        send()
        try:
            return recv()
        except TimeoutError:
            continue
    raise AssertionError(f"no answer to {tries} datagrams")


def ask(s, data, tries=3):
    return answer_to(lambda: s.send(data), lambda: s.recv(65536), tries)


# ---- SOCKS5, RFC 1928 ----


def recv_exactly(s, n):
    """n bytes, or fewer when it ends before."""
    data = b""
    while len(data) < n:
        chunk = s.recv(n - len(data))
        if not chunk:
            break
        data += chunk
    return data


def socks_address(host, port):
    """ATYP, DST.ADDR and DST.PORT of an IP address or a name."""
    for kind, family in ((1, socket.AF_INET), (4, socket.AF_INET6)):
        try:
            return bytes([kind]) + socket.inet_pton(family, host) + struct.pack(">H", port)
        except OSError:
            pass
    return bytes([3, len(host)]) + host.encode() + struct.pack(">H", port)


class SocksUdp:
    """An application's association with the proxy at host and port: `tcp` is what it lives by,
    `sock` what the datagrams go by, `relay` where to. It asks for `said`, an address and a port."""

    def __init__(self, port, host="127.0.0.1", said=None, login=None, source=None):
        self.tcp = connect(port, host)
        family = self.tcp.family
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.bind((source or host, 0))
        if login:
            user, _, password = login.partition(":")
            self.tcp.sendall(b"\x05\x01\x02\x01" + bytes([len(user)]) + user.encode() +
                             bytes([len(password)]) + password.encode())
            self.greeting = recv_exactly(self.tcp, 4)
        else:
            self.tcp.sendall(b"\x05\x01\x00")
            self.greeting = recv_exactly(self.tcp, 2)
        if self.greeting[-1] != 0:
            return
        self.tcp.sendall(b"\x05\x03\x00" + socks_address(*(said or ("0.0.0.0", 0))))
        head = recv_exactly(self.tcp, 4)
        assert head == bytes([5, 0, 0, 1 if family == socket.AF_INET else 4]), head
        rest = recv_exactly(self.tcp, (4 if family == socket.AF_INET else 16) + 2)
        self.relay = (socket.inet_ntop(family, rest[:-2]), struct.unpack(">H", rest[-2:])[0])

    def own(self):
        """Where the datagrams come from."""
        return self.sock.getsockname()[:2]

    def send(self, host, port, data, frag=0):
        self.send_raw(bytes([0, 0, frag]) + socks_address(host, port) + data)

    def send_raw(self, datagram):
        self.sock.sendto(datagram, self.relay)

    def recv(self, host, port):
        """The data of the next answer, which must be from there and from the relay."""
        datagram, sender = self.sock.recvfrom(65536)
        header = bytes(3) + socks_address(host, port)
        assert datagram.startswith(header) and sender[:2] == self.relay, datagram[:300]
        return datagram[len(header):]

    def ask(self, host, port, data, tries=3):
        return answer_to(lambda: self.send(host, port, data), lambda: self.recv(host, port), tries)

    def gets_nothing(self, seconds=0.3):
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(65536) is None
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT_S)

    def close(self):
        self.tcp.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
