#!/usr/bin/python3
"""Runs a program under the rules of dist/sandbox.conf, as far as seccomp knows them: sandbox.py COMMAND...

What the units only refuse ends the program here (SIGSYS), so that nothing is refused unnoticed. Root
becomes nobody first.
"""

import ctypes
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import seccomp  # of Debian's python3-seccomp

CONF = Path(__file__).resolve().parents[3] / "dist" / "sandbox.conf"
PR_SET_NO_NEW_PRIVS = 38
PROT_WRITE, PROT_EXEC = 2, 4
AF_MAX = 46


def settings(name):
    """The values of all lines `name=`, in words."""
    lines = CONF.read_text(encoding="ascii").splitlines()
    return [line.split("=", 1)[1].split() for line in lines if line.startswith(name + "=")]


def expand(name):
    """A system call, or all those of an @group."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, text=True,
                          capture_output=True).stdout
    words = (line.strip() for line in text.splitlines()[1:])
    return set().union(*(expand(w) for w in words if w and not w.startswith("#")))


def allowed_calls():
    allowed = set()
    for words in settings("SystemCallFilter"):
        denies = words[0].startswith("~")
        calls = set().union(*(expand(w.lstrip("~")) for w in words))
        allowed = allowed - calls if denies else allowed | calls
    return allowed


def call_filter():
    f = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    for call in allowed_calls():
        try:
            f.add_rule(seccomp.ALLOW, call)
        except RuntimeError:
            pass  # not on this architecture
    return f


def argument_filter():
    f = seccomp.SyscallFilter(seccomp.ALLOW)
    both = PROT_WRITE | PROT_EXEC
    f.add_rule(seccomp.KILL_PROCESS, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, both, both))
    f.add_rule(seccomp.KILL_PROCESS, "mprotect",
               seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    families = {int(getattr(socket, name)) for name in settings("RestrictAddressFamilies")[0]}
    for family in set(range(AF_MAX)) - families:
        f.add_rule(seccomp.KILL_PROCESS, "socket", seccomp.Arg(0, seccomp.EQ, family))
    return f


def main():
    filters = [argument_filter(), call_filter()]  # in this order: the second lets no more be added
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setresgid(*[nobody.pw_gid] * 3)
        os.setresuid(*[nobody.pw_uid] * 3)
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for f in filters:
        f.load()
    os.execvp(sys.argv[1], sys.argv[1:])


main()
