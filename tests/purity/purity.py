#!/usr/bin/env python3
"""Fails when a sans-IO library names a symbol that reads a clock, opens a socket, asks the
environment or makes randomness: whatever is not on the short list below.

usage: purity.py LIBRARY.a[=EXTRA,EXTRA*...] ...

The libraries may use each other's symbols. EXTRA are symbols of a library of codecs that this one
stands on (msgpack_*). What the sanitizers and the compiler add is tolerated.
"""
import fnmatch
import subprocess
import sys

ALLOWED = """
    malloc calloc realloc free
    mem* str* __mem* __str* bcmp
    *printf __*printf_chk
    __isoc99_*scanf __isoc23_*scanf __isoc23_strto*
    qsort bsearch abort
    __assert_fail __stack_chk_fail __ctype_*_loc tolower toupper
    inet_pton inet_ntop
    __asan_* __ubsan_* __tsan_* __sanitizer_* __lsan_* __gcov_* __sanitizer_cov_*
    _GLOBAL_OFFSET_TABLE_
""".split()

# In the patterns above, and not pure after all: locale and errors of the system, streams.
REFUSED = "strftime* strptime strerror* printf fprintf vprintf vfprintf dprintf vdprintf".split()


def nm(library, *options):
    out = subprocess.run(["nm", "-P", *options, library], check=True, capture_output=True,
                         text=True).stdout
    return {line.split()[0] for line in out.splitlines() if len(line.split()) > 1}


def matches(symbol, patterns):
    return any(fnmatch.fnmatchcase(symbol, p) for p in patterns)


def main():
    libraries = [arg.partition("=")[::2] for arg in sys.argv[1:]]
    if not libraries:
        sys.exit(__doc__)
    own = set()
    for path, _ in libraries:
        own |= nm(path, "--defined-only", "--extern-only")
    bad = 0
    for path, extra in libraries:
        allowed = ALLOWED + [e for e in extra.split(",") if e]
        for symbol in sorted(nm(path, "--undefined-only") - own):
            if not matches(symbol, allowed) or matches(symbol, REFUSED):
                print(f"{path}: {symbol}")
                bad += 1
    print(f"{len(libraries)} libraries, {bad} symbols that they must not use")
    return 1 if bad else 0


sys.exit(main())
