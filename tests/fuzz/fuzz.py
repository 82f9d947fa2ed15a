#!/usr/bin/python3
"""Runs the fuzz targets of a build with -Dfuzzer=true, two at a time, each for a number of inputs.

    tests/fuzz/fuzz.py BUILD [--runs N] [--seed N] [--merge] [TARGET...]

Starts from the committed corpora. New inputs are kept in BUILD/corpus, so that the next run goes on
from there; inputs that fail are BUILD/found/TARGET-*, and `BUILD/tests/fuzz/fuzz_TARGET FILE` shows
what happened. --merge searches for nothing: it adds to the committed corpora the inputs of
BUILD/corpus that reach another branch, smallest first.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

COMMITTED = Path(__file__).resolve().parent / "corpus"
LIMITS = ["-timeout=20", "-rss_limit_mb=1024"]
LENGTH = 1024
# Programs for a state machine: longer ones say little new and take long. libFuzzer's schedule by
# rare branches takes as long as they do, because it looks each of their branches up in a list.
LENGTHS = {"dgram": 512, "kcp_input": 512, "pair": 192, "session": 512}
# No stack for each block: replaying the input that failed shows them.
ENV = os.environ | {"ASAN_OPTIONS": "malloc_context_size=0:quarantine_size_mb=1"}


def parse():
    p = argparse.ArgumentParser(description="run the fuzz targets")
    p.add_argument("build", type=Path)
    p.add_argument("--runs", type=int, default=10_000_000, help="inputs for each target")
    p.add_argument("--seed", type=int, default=1, help="another one tries other inputs")
    p.add_argument("--jobs", type=int, default=2, help="targets at a time")
    p.add_argument("--merge", action="store_true")
    p.add_argument("targets", nargs="*", metavar="TARGET")
    args = p.parse_intermixed_args()
    known = sorted(d.name for d in COMMITTED.iterdir())
    unknown = [t for t in args.targets if t not in known]
    if unknown:
        p.error(f"no target {unknown[0]}; there are {', '.join(known)}")
    args.targets = args.targets or known
    return args


def fuzzer(args, target):
    return args.build / "tests/fuzz" / f"fuzz_{target}"


def limits(target):
    return [f"-max_len={LENGTHS.get(target, LENGTH)}", f"-entropic={int(target not in LENGTHS)}",
            *LIMITS]


def search(args, target):
    """(inputs, seconds, branches reached, last lines when something was found)."""
    corpus, found = args.build / "corpus" / target, args.build / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    r = subprocess.run(
        ["nice", "-n", "19", fuzzer(args, target), f"-runs={args.runs}", f"-seed={args.seed}",
         "-print_final_stats=1", f"-artifact_prefix={found}/{target}-", *limits(target),
         corpus, COMMITTED / target],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, errors="replace", check=False, env=ENV)
    done = re.search(r"^Done (\d+) runs in (\d+) second", r.stderr, re.M)
    reached = re.findall(r"\bcov: (\d+)", r.stderr)
    if r.returncode != 0 or not done:
        return None, None, None, "\n".join(r.stderr.splitlines()[-40:])
    return int(done[1]), int(done[2]), int(reached[-1]) if reached else 0, None


def merge(args, target):
    """Adds to the committed corpus; returns how many files it has now."""
    subprocess.run(
        [fuzzer(args, target), "-merge=1", "-use_counters=0", *limits(target), COMMITTED / target,
         args.build / "corpus" / target],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return len(list((COMMITTED / target).iterdir()))


def main():
    args = parse()
    if args.merge:
        for target in (t for t in args.targets if (args.build / "corpus" / t).is_dir()):
            print(f"{target}: {merge(args, target)} inputs")
        return 0
    failed = 0
    print(f"{'target':<12}{'inputs':>12}{'seconds':>9}{'a second':>10}{'branches':>10}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = {pool.submit(search, args, t): t for t in args.targets}
        for run in concurrent.futures.as_completed(runs):
            target, (inputs, seconds, reached, finding) = runs[run], run.result()
            if finding:
                failed += 1
                print(f"{target:<12}FAILED, inputs in {args.build}/found\n{finding}", flush=True)
            else:
                print(f"{target:<12}{inputs:>12}{seconds:>9}{inputs // max(seconds, 1):>10}"
                      f"{reached:>10}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
