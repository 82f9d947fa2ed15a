#!/usr/bin/python3 -B
"""Runs the end-to-end tests: run.py JUNIT-FILE [PYTEST-ARGUMENT...]

They run several at once, with real processes that must answer each other within real seconds, on
machines that may be busy with something else. What failed is therefore tried once more, alone. It
is said when a test passed only then, and its first failure stays in the JUnit file, as Maven
Surefire's <flakyFailure>. More than a few failures are no accident and are not tried again.
"""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

AGAIN_MAX = 5
PYTEST = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider"]
HERE = Path(__file__).resolve().parent


def pytest(junit, *args):
    return subprocess.run([*PYTEST, f"--junitxml={junit}", *args], check=False).returncode


def node_id(case):
    return f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"


def bad(tree):
    """The test cases that failed, or whose fixtures did, by their names for pytest."""
    return {node_id(c): c for c in tree.iter("testcase")
            if c.find("failure") is not None or c.find("error") is not None}


def run_again(junit):
    """0 when all that failed passes alone."""
    tree = ET.parse(junit)
    failed = bad(tree)
    if not 0 < len(failed) <= AGAIN_MAX:
        return 1
    again = Path(f"{junit}.again")
    print(f"\n{len(failed)} failed beside others; alone:", flush=True)
    pytest(again, "-n", "0", *failed)
    second = ET.parse(again)
    passed = {node_id(c) for c in second.iter("testcase")} - set(bad(second))
    again.unlink()
    for name in sorted(passed & set(failed)):
        print(f"passed only alone: {name}")
        for child in failed[name]:
            if child.tag in ("failure", "error"):
                child.tag = "flakyFailure"
    tree.write(junit, encoding="utf-8", xml_declaration=True)
    return 0 if passed >= set(failed) else 1


def main(junit, *args):
    rc = pytest(junit, *args, str(HERE.relative_to(Path.cwd())))
    if rc == 1:  # tests failed; the others are an interruption and wrong arguments
        rc = run_again(junit)
    return rc


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
