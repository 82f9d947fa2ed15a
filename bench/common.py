"""What the benchmarks share: what a process used, what machine this is, and how a table looks."""

import os
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]

TICKS = os.sysconf("SC_CLK_TCK")
_start = time.monotonic()


def progress(text):
    """One line on stderr, with the time since the start."""
    seconds = int(time.monotonic() - _start)
    print(f"[{seconds // 60:2}:{seconds % 60:02}] {text}", file=sys.stderr, flush=True)


def raise_file_limit():
    """Programs that are started from here inherit it: thousands of connections need it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- what processes used ----


def _proc_file(pid, name):
    """A file of /proc, empty when the process has ended or is another user's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def tree(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue  # it has ended
        for task in tasks:
            found += map(int, _proc_file(parent, f"task/{task}/children").split())
    return found


def cpu_seconds(procs):
    """utime and stime of running programs and their descendants."""
    total = 0
    for pid in (pid for p in procs for pid in tree(p.pid)):
        fields = _proc_file(pid, "stat").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total / TICKS


def memory_bytes(procs):
    """Resident memory of running programs, and of their descendants what these do not share."""
    total = 0
    for first, *others in (tree(p.pid) for p in procs):
        total += _kb("VmRSS", _proc_file(first, "status"))
        for pid in others:
            own = _kb(r"Private_\w+", _proc_file(pid, "smaps_rollup"))
            total += own or _kb("VmRSS", _proc_file(pid, "status"))
    return total * 1024


def _kb(field, text):
    return sum(map(int, re.findall(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)))


# ---- what machine this is ----


def _output(*argv):
    """The first line that a program prints, or nothing when it is not there."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=10, check=False)
    except OSError:
        return ""
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else ""


def package_version(name):
    return _output("dpkg-query", "-W", "-f", "${Version}", name)


def machine():
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    memory = Path("/proc/meminfo").read_text(encoding="ascii")
    release = platform.freedesktop_os_release()
    model = re.search(r"^model name\s*: (.*)$", cpu, re.MULTILINE)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": re.search(r"^flags.*\bhypervisor\b", cpu, re.MULTILINE) is not None,
        "memory_gb": round(int(re.search(r"MemTotal:\s+(\d+)", memory).group(1)) / 1e6, 1),
        "kernel": platform.release(),
        "distribution": release.get("PRETTY_NAME", "unknown"),
        "load_average": os.getloadavg()[0],
        "libraries": {name: _output("pkg-config", "--modversion", module) for name, module in (
            ("toxcore", "toxcore"), ("libsodium", "libsodium"), ("libevent", "libevent"))},
    }


def machine_text(m):
    libraries = ", ".join(f"{name} {version}" for name, version in m["libraries"].items())
    return (f"{m['cpu']}, {m['cores']} cores{' of a virtual machine' if m['virtual'] else ''}, "
            f"{m['memory_gb']:.0f} GB; Linux {m['kernel']}, {m['distribution']}; {libraries}; "
            f"load average {m['load_average']:.1f} at the start")


def toxtun_version(program):
    """What -V says, and the commit that this source tree is at."""
    commit = _output("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=8")
    return _output(str(program), "-V") + (f" ({commit})" if commit else "")


# ---- tables ----


def table(header, rows):
    """Lines of a Markdown table that also reads well as plain text; figures to the right."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        first, *others = (str(cell) for cell in cells)
        return "| " + " | ".join([first.ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(others, widths[1:]))]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:])]) + "|"
    return [line(header), rule, *map(line, rows)]
