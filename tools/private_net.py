"""Moves the running process into a network namespace of its own, where only loopback exists.

What then runs cannot send a packet off this machine, and its ports meet nobody else's. Root may do
it directly; others need a user namespace, in which they keep their own uid.
"""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def _unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(flags) == 0


def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def _allowed(flags):
    """Tries in a child first: a half-made namespace cannot be left again."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if _enter(flags) else 1)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _enter(flags):
    uid, gid = os.getuid(), os.getgid()
    if not _unshare(flags):
        return False
    if flags & CLONE_NEWUSER:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags_now = struct.unpack("16sh14x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags_now | IFF_UP))
    return True


def _way():
    """The flags with which this system lets us, None if with none."""
    ways = (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET)
    return next((flags for flags in ways if _allowed(flags)), None)


def allowed():
    """Whether enter() would succeed."""
    return _way() is not None


def enter():
    """True when the process is now alone with its own loopback interface, False when this system
    does not let it. Call it before any thread starts."""
    flags = _way()
    return flags is not None and _enter(flags)
