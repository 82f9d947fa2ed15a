#!/usr/bin/python3
"""Adds up JUnit files of Meson and pytest: count.py FILE... prints `N passed, N failed, N skipped`.

A file that is not there counts as one failure, since the run that should have left it broke off.
"""

import sys
import xml.etree.ElementTree as ET


def count(path):
    """(passed, failed, skipped) of one file."""
    passed = failed = skipped = 0
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
        if case.find("flakyFailure") is not None:
            print(f"passed at the second try, alone: {case.get('classname')}::{case.get('name')}")
    return passed, failed, skipped


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        try:
            counts = count(path)
        except (OSError, ET.ParseError) as e:
            print(f"{path}: no result: {e}", file=sys.stderr)
            counts = (0, 1, 0)
        total = [a + b for a, b in zip(total, counts)]
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
