#!/usr/bin/python3
"""Instructions for each packet, by function: what a download costs its sender and its receiver.

    bench/instructions.py [--mb MB] [--side server|client] [--rows N] [--json FILE] [TOXTUN]

In a network namespace of its own: a node, a server and a client, one of them under callgrind, whose
instrumentation is on only while the bytes flow. The figures are divided by the data packets of the
stats service. The kernel is not in them. callgrind slows the program down by about 50 times, so that
batches are smaller than at full speed and what is done once a batch weighs more.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from common import ROOT

MB = 1000 * 1000
ONLINE_S = 150
TRANSFER_S = 280
# "  1,234 (5.6%)  file.c:function [object]", or the like with no file, no object, no percentage
LINE = re.compile(r"^\s*([\d,]+)\s+(?:\([^)]*\)\s+)?(\S*?):([^\[]+?)(?:\s+\[(.*)\])?$")


def instrumentation(pid, state):
    """Switches callgrind's counting. The program's loop wakes often enough to hear of it."""
    subprocess.run(["vgdb", f"--pid={pid}", "--max-invoke-ms=0", "instrumentation", state],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def packets_of(side, stats):
    """Packets with data and packets the other way, so far."""
    out, back = stats["data"]["packets_out"], stats["data"]["packets_in"]
    return (out, back) if side == "server" else (back, out)


def run(side, count, directory):
    """The profile of one side of a download, its data packets and those the other way."""
    from harness import Load, Net, free_port

    profile = directory / f"{side}.callgrind"
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--error-exitcode=0",
                f"--callgrind-out-file={profile}"]
    net, load, port = Net(directory, f"node-{side}"), Load(directory), free_port()
    server = net.server(f"{side}-server", before=valgrind if side == "server" else ())
    ini = f"[client]\nload = {port}:127.0.0.1:{load.port}:{server.toxid}\n"
    client = net.client(f"{side}-client", ini=ini, before=valgrind if side == "client" else ())
    client.wait_online(timeout=ONLINE_S)
    load.run("get", port, 1, 20000, timeout=60)  # what is done once is done now
    watched = server if side == "server" else client
    before = packets_of(side, watched.stats())
    instrumentation(watched.pid, "on")
    load.run("get", port, 2, count, timeout=TRANSFER_S, idle_s=TRANSFER_S)
    instrumentation(watched.pid, "off")
    packets = [b - a for a, b in zip(before, packets_of(side, watched.stats()))]
    watched.stop(60)
    net.close()
    load.server.kill()
    return profile, packets


def place(path, obj):
    """Where a function is at home: a library, or a folder of ours."""
    folder = re.search(r"/(src/\w+)/", path)
    return f"toxtun {folder.group(1)}" if folder else Path(obj).name


def annotate(profile):
    """Instructions by (place, function)."""
    text = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", str(profile)],
        check=True, capture_output=True, text=True).stdout
    lines = [m.groups() for m in map(LINE.match, text.splitlines()) if m]
    lines = [(int(n.replace(",", "")), path, re.sub(r"'\d+$", "", name.strip()), obj)
             for n, path, name, obj in lines if name != "PROGRAM TOTALS"]
    # what was inlined from another file has a line of its own, without the object
    home = {name: place(path, obj) for _, path, name, obj in lines if obj}
    counts = defaultdict(int)
    for n, path, name, obj in lines:
        counts[place(path, obj) if obj else home.get(name, "?"), name] += n
    return counts


def report(side, counts, both_ways, rows):
    packets, back = both_ways
    places = defaultdict(int)
    for (where, _), n in counts.items():
        places[where] += n
    print(f"\ndownload, {side} ({'sends' if side == 'server' else 'receives'}), "
          f"{packets} data packets, {back} the other way: "
          f"{sum(counts.values()) / packets:,.0f} instructions a data packet")
    for where, n in sorted(places.items(), key=lambda item: -item[1]):
        if n < packets:
            continue
        print(f"{n / packets:>10,.0f}  {where}")
        own = [(m, name) for (w, name), m in counts.items() if w == where and m >= packets]
        for m, name in sorted(own, reverse=True)[:rows]:
            print(f"{m / packets:>18,.0f}  {name}")
    return {"side": side, "packets": packets, "packets_back": back,
            "places": {w: round(n / packets, 1) for w, n in places.items()},
            "functions": {f"{w}:{f}": round(n / packets, 1) for (w, f), n in counts.items()
                          if n >= packets}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=8, help="size of the download")
    parser.add_argument("--side", choices=("server", "client"), action="append")
    parser.add_argument("--rows", type=int, default=30, help="functions shown of each place")
    parser.add_argument("--json", help="also writes the figures here")
    parser.add_argument("toxtun", nargs="?", default=ROOT / "build" / "toxtun")
    args = parser.parse_args()
    os.environ["TOXTUN"] = str(args.toxtun)
    import private_net
    if not private_net.enter():
        sys.exit("instructions.py: this system allows no network namespace")
    result = []
    with tempfile.TemporaryDirectory(prefix="toxtun-callgrind-") as directory:
        for side in args.side or ("server", "client"):
            profile, packets = run(side, args.mb * MB, Path(directory))
            result.append(report(side, annotate(profile), packets, args.rows))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
