#!/usr/bin/env python3
"""src/kcp against kcp-go (Debian: golang-github-xtaci-kcp-dev) over UDP on loopback.

usage: kcpgo.py KCP_PEER KCPGO_PEER.go [MEGABYTES]

100 MB in both directions at once, each side listening once and dialling once, in stream and in
message mode, and messages of several fragments. Exits with 77 (skipped) where Go or kcp-go is missing.
"""
import os
import shutil
import subprocess
import sys
import tempfile

GOPATH = "/usr/share/gocode"
LIMIT = 110  # seconds for one transfer


def build(source, where):
    """The Go peer's binary, or None where it cannot be built for want of Go or kcp-go."""
    go = shutil.which("go")
    if not go or not os.path.isdir(GOPATH + "/src/github.com/xtaci/kcp-go"):
        return None
    binary = os.path.join(where, "kcpgo_peer")
    env = dict(os.environ, GO111MODULE="off", GOPATH=GOPATH, GOFLAGS="", GOPROXY="off",
               GOCACHE=os.path.join(where, "cache"))
    subprocess.run([go, "build", "-p", "2", "-o", binary, source], env=env, check=True)
    return binary


def run(listener, dialler):
    """Runs both; listener and dialler make a command from a port. Returns their reports."""
    first = subprocess.Popen(listener(0), stdout=subprocess.PIPE, text=True)
    second = None
    try:
        word, port = first.stdout.readline().split()
        assert word == "port"
        second = subprocess.Popen(dialler(int(port)), stdout=subprocess.PIPE, text=True)
        reports = [p.communicate(timeout=LIMIT)[0] for p in (first, second)]
        assert first.returncode == 0 and second.returncode == 0, "a peer failed"
    finally:
        for p in (first, second):
            if p and p.poll() is None:
                p.kill()
                p.wait()
    return [dict(line.split() for line in r.splitlines() if line) for r in reports]


def main():
    ours, source = sys.argv[1:3]
    size = str(int(sys.argv[3] if len(sys.argv) > 3 else 100) * 1000 * 1000)
    with tempfile.TemporaryDirectory() as where:
        theirs = build(source, where)
        if not theirs:
            print("skipped: no Go or no golang-github-xtaci-kcp-dev")
            return 77
        for mode in "stream", "message", "fragments":
            def c_peer(role, mode=mode):
                return lambda port: [ours, role, str(port), size, mode]

            def go_peer(role, mode=mode):
                return lambda port: [theirs, role, f"127.0.0.1:{port}", size, mode]

            for listener, dialler, name in (
                    (go_peer("listen"), c_peer("dial"), "we dial"),
                    (c_peer("listen"), go_peer("dial"), "we listen")):
                if mode == "fragments" and name == "we dial":
                    continue  # kcp-go's bare core does not listen
                a, b = run(listener, dialler)
                ok = a["received"] == b["sent"] and b["received"] == a["sent"]
                print(f"{mode}, {name}: {'ok' if ok else 'CHECKSUMS DIFFER'} {a} {b}", flush=True)
                if not ok:
                    return 1
    return 0


sys.exit(main())
