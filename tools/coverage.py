#!/usr/bin/python3
"""Line coverage of the layers without I/O, a line for each directory: coverage.py BUILD [PERCENT]

BUILD was configured with -Db_coverage=true and its tests have run. Fails where a directory has less
than PERCENT (90). With -v it lists what is not reached in each file.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIRECTORIES = ("src/kcp", "src/link", "src/wire", "src/tunnel")


def files(build):
    """(path, lines, those that were not reached) of each file."""
    out = subprocess.run(
        ["gcovr", "--root", ROOT, "--object-directory", build, "--json", "-",
         *(f"--filter={d}/" for d in DIRECTORIES), build],
        cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    for f in json.loads(out)["files"]:
        lines = [line for line in f["lines"] if not line.get("gcovr/noncode")]
        yield f["file"], len(lines), [x["line_number"] for x in lines if not x["count"]]


def main():
    p = argparse.ArgumentParser(description="line coverage of the layers without I/O")
    p.add_argument("build", type=Path)
    p.add_argument("percent", type=float, nargs="?", default=90)
    p.add_argument("-v", "--verbose", action="store_true")
    args = p.parse_args()
    total, missed = defaultdict(int), defaultdict(int)
    for path, n, not_reached in files(args.build):
        directory = str(Path(path).parent)
        total[directory] += n
        missed[directory] += len(not_reached)
        if args.verbose and not_reached:
            print(f"{path}: {', '.join(map(str, not_reached))}")
    failed = False
    print(f"{'directory':<12}{'lines':>7}{'reached':>9}{'percent':>9}")
    for d in DIRECTORIES:
        reached = total[d] - missed[d]
        percent = 100 * reached / total[d] if total[d] else 0
        failed |= percent < args.percent
        print(f"{d:<12}{total[d]:>7}{reached:>9}{percent:>9.1f}")
    if failed:
        print(f"less than {args.percent:g} percent; -v says which lines", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
