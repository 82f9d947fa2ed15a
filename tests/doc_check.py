#!/usr/bin/python3
"""Compares the pages with the program and the tests: doc_check.py TOXTUN.

Options and keys are taken from `toxtun -h` and `toxtun check`, so that a manual page or a README which
names one too many, or one too few, fails. The tests that doc/security.md names must exist.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAN1 = ROOT / "man" / "toxtun.1"
MAN5 = ROOT / "man" / "toxtun.ini.5"
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
SECURITY = ROOT / "doc" / "security.md"

# Options of other programs that the pages name.
FOREIGN = {"now", "no-block", "socks"}  # systemctl --now --no-block, curl --socks5-hostname

failures = []


def expect(good, text):
    if not good:
        failures.append(text)
        print(f"doc: {text}")


def read(path):
    return path.read_text(encoding="utf-8")


def run(toxtun, *args, text=""):
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run([toxtun, *args], input=text, capture_output=True, text=True,
                              timeout=20, env={"HOME": home}, check=False)


# ---- reading the pages ----

def man_options(source):
    """Long options of an mdoc source: `Fl -name`."""
    return set(re.findall(r"\bFl -([a-z][a-z-]+)", source)) | plain_options(source)


def plain_options(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))


def man_displays(source):
    """The literal displays of an mdoc source, as they come out."""
    blocks = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", source, re.MULTILINE)
    return [b.replace("\\e", "\\").replace("\\&", "") for b in blocks]


def man_sections(source):
    """The keys of toxtun.ini(5): section of the file -> keys that its list explains."""
    found = {}
    for part in re.split(r"^\.Ss ", source.split("\n.Sh EXAMPLES")[0], flags=re.MULTILINE)[1:]:
        name = part.split("\n", 1)[0].strip("[] ").split()[0]
        found[name] = set(re.findall(r"^\.It Ic ([a-z-]+)$", part, re.MULTILINE))
    return found


def ini_keys(text):
    """Section -> keys of an example, those that are commented out included."""
    found, section = {}, None
    for line in text.splitlines():
        header = re.match(r"\[(\w+)", line)
        pair = re.match(r";?([a-z-]+) =", line)
        if header:
            section = found.setdefault(header.group(1), set())
        elif pair and section is not None:
            section.add(pair.group(1))
    return found


def code_blocks(text):
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_comments(language, code):
    """Comments may be translated."""
    mark = {"ini": ";", "sh": "#"}.get(language)
    return "\n".join(line for line in code.splitlines() if not (mark and line.startswith(mark)))


def headings(text):
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(m) for m in re.findall(r"^(#+) ", prose, re.MULTILINE)]


# ---- the checks ----

def check_options(usage):
    known = set(re.findall(r"^ +(?:-\w, )?--([a-z][a-z-]+)", usage, re.MULTILINE))
    expect(len(known) > 20, "toxtun -h prints hardly any options: is its form another one now?")
    in_man = man_options(read(MAN1))
    for name in sorted(known - in_man):
        expect(False, f"man/toxtun.1 lacks --{name}")
    for path in [MAN1, *READMES]:
        text = read(path)
        named = in_man if path == MAN1 else plain_options(text)
        for name in sorted(named - known - FOREIGN):
            expect(False, f"{path.name} names --{name}, which toxtun -h does not")
    for path in READMES:
        for name in sorted(known - plain_options(read(path))):
            expect(False, f"{path.name} lacks --{name}")
    return known


def check_keys(toxtun, known):
    source = read(MAN5)
    documented = man_sections(source)
    accepted = set()
    for name in known:
        said = run(toxtun, "-c", "-", "check", text=f"[options]\n{name} =\n").stderr
        expect("has no key" not in said, f"the file does not know the option {name}: {said}")
        if "only be given on the command line" not in said:
            accepted.add(name)
    expect(documented.get("options") == accepted,
           "man/toxtun.ini.5 [options] and the program differ in "
           f"{sorted(documented.get('options', set()) ^ accepted)}")
    full = max(map(ini_keys, man_displays(source)), key=lambda keys: sum(map(len, keys.values())))
    for section in ("server", "peer", "node", "options"):
        expect(documented.get(section) == full.get(section),
               f"man/toxtun.ini.5: list and example of [{section}] differ in "
               f"{sorted(documented.get(section, set()) ^ full.get(section, set()))}")
    for section in ("server", "peer", "node"):
        header = "[peer x]" if section == "peer" else f"[{section}]"
        said = run(toxtun, "-c", "-", "check", text=f"{header}\nqqqqqqqq = 1\n").stderr
        tail = said.partition("; it has ")[2].split("\n")[0]
        named = set(re.findall(r"[a-z-]+", tail)) - {"and"}
        expect(documented.get(section) == named,
               f"man/toxtun.ini.5 [{section}] has {sorted(documented.get(section, set()))}, "
               f"the program says: {said.strip()}")


def check_examples(toxtun):
    examples = [(MAN5, b) for b in man_displays(read(MAN5)) if b.startswith("[")]
    for path in READMES:
        examples += [(path, code) for lang, code in code_blocks(read(path)) if lang == "ini"]
    expect(len(examples) >= 5, "the pages have hardly any example of an ini file")
    for path, text in examples:
        done = run(toxtun, "-c", "-", "check", text=text)
        expect(done.returncode == 0, f"an example of {path.name} is refused:\n{done.stderr}")
        # What is commented out must be good too, once the files that it names are there.
        shown = re.sub(r"^;((?!nodes)[a-z-]+ = )", r"\1", text, flags=re.MULTILINE)
        done = run(toxtun, "-c", "-", "check", text=shown)
        expect(done.returncode == 0, f"an example of {path.name} is refused:\n{done.stderr}")


def check_readmes():
    texts = [read(p) for p in READMES]
    expect(headings(texts[0]) == headings(texts[1]), "the READMEs have other headings: "
           f"{headings(texts[0])} and {headings(texts[1])}")
    blocks = [[(lang, without_comments(lang, code)) for lang, code in code_blocks(t)]
              for t in texts]
    expect(len(blocks[0]) > 5, "README.md has hardly any code block")
    for n, (one, other) in enumerate(zip(*blocks), 1):
        expect(one == other, f"code block {n} differs:\n{one[1]}\n--\n{other[1]}")
    expect(len(blocks[0]) == len(blocks[1]), "the READMEs have not the same number of code blocks")
    rows = [[line.split(" | ")[0] for line in t.splitlines() if line.startswith("| `")]
            for t in texts]
    expect(rows[0] == rows[1], "the tables of options differ")
    for path in READMES:
        for target in re.findall(r"\]\(([^)#:]+)\)", read(path)):
            expect((ROOT / target).exists(),
                   f"{path.name} links to {target}, which is not there")


def check_promises():
    """Each promise of doc/security.md has a test, and that test exists."""
    files = [p for p in (ROOT / "tests").rglob("*") if p.suffix in (".c", ".py")]
    defined = {p.name for p in files}
    for path in files:
        defined |= set(re.findall(r"^(?:static void|def) (\w+)\(", read(path), re.MULTILINE))
    rows = [line.strip("|").split("|") for line in read(SECURITY).splitlines()
            if line.startswith("| ") and not line.startswith("| promise ")]
    expect(len(rows) > 20, "doc/security.md promises hardly anything")
    for row in rows:
        names = re.findall(r"`([a-z]\w+(?:\.c|\.py)?)`", row[-1])
        expect(names, f"doc/security.md has no test for: {row[0].strip()}")
        for name in names:
            expect(name in defined, f"doc/security.md names {name}, which is no test")


def check_form():
    """The formatters have nothing to say about the pages."""
    tools = {"groff": ["groff", "-mdoc", "-ww", "-z", "-Tutf8"],
             "mandoc": ["mandoc", "-T", "lint", "-W", "warning"]}
    for tool, command in tools.items():
        if not shutil.which(tool):
            continue
        for page in (MAN1, MAN5):
            done = subprocess.run([*command, page], capture_output=True, text=True, check=False)
            expect(done.returncode == 0 and not done.stderr + done.stdout,
                   f"{tool}: {done.stderr}{done.stdout}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: doc_check.py TOXTUN")
    toxtun = sys.argv[1]
    known = check_options(run(toxtun, "-h").stdout)
    check_keys(toxtun, known)
    check_examples(toxtun)
    check_readmes()
    check_promises()
    check_form()
    print(f"{len(failures)} mistakes")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
