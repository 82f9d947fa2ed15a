"""The benchmark runs and leaves what can be read; its figures are not looked at."""

import json
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from harness import PATIENCE, ROOT, TOXTUN, environment

SVG = "{http://www.w3.org/2000/svg}"
PAGE = "before\n<!-- the figures of `make bench` -->\nold\n<!-- end of the figures -->\nafter\n"


def bench(directory, *args, toxtun=TOXTUN):
    return subprocess.run(
        [sys.executable, "-B", ROOT / "bench" / "bench.py", *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120 * PATIENCE,
        env={**environment(directory), "TOXTUN": str(toxtun), "TMPDIR": str(directory)},
        check=False)


def samples(path):
    """{metric: {tunnel: how many samples}} of a file that the benchmark wrote."""
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    return {m["name"]: {tool: len(t.get("samples", ())) for tool, t in m["tools"].items()}
            for m in metrics}


@pytest.mark.slow
def test_table_json_chart_and_page_have_what_was_measured(directory):
    results, svg, page = (directory / f"bench.{x}" for x in ("json", "svg", "md"))
    page.write_text(PAGE, encoding="utf-8")
    done = bench(directory, "--tiny", "--tools", "toxtun,direct", "--json", results, "--svg", svg,
                 "--page", page, "--measures", "download,upload,both,at-once,scraping,rtt,open,udp,memory")
    assert done.returncode == 0, done.stdout + done.stderr
    found = samples(results)
    assert found["download"] == found["both_up"] == found["open"] == {"toxtun": 2, "direct": 2}
    assert found["udp"] == found["udp_lost"] == {"toxtun": 2, "direct": 2}
    assert found["upload_cpu"] == found["scraped"] == found["scrape_cpu"] == {"toxtun": 2}
    assert found["memory_server_20"] == {"toxtun": 1}
    for title in ("one download", "64-byte round trip: median", "each of 20 idle connections"):
        assert title in done.stdout

    root = ElementTree.parse(svg).getroot()
    assert "one upload" in "".join(root.itertext())
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("class") in ("toxtun", "direct")]
    assert len(bars) == 2 * 7 + 2, "seven panels with two bars, CPU and memory with one"
    assert all(float(bar.get("width")) >= 0 for bar in bars)

    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!--") and text.endswith("-->\nafter\n") and "old" not in text
    assert done.stdout.strip() in text
    again = bench(directory, "--from", results)
    assert (again.returncode, again.stdout) == (0, done.stdout)


@pytest.mark.parametrize("tool,program", [("ssh", "sshd"), ("kcptun", "kcptun-client")])
def test_other_tunnel_is_measured_in_the_same_way(directory, tool, program):
    if not shutil.which(program, path=environment(directory)["PATH"]):
        pytest.skip(f"no {program}")
    results = directory / f"{tool}.json"
    done = bench(directory, "--tiny", "--tools", tool, "--json", results,
                 "--measures", "download,upload,open,start")
    assert done.returncode == 0, done.stdout + done.stderr
    found = samples(results)
    for name in ("download", "download_cpu", "upload", "open", "start"):
        assert found[name] == {tool: 2}


def test_measure_that_fails_is_told_and_the_others_are_done(directory):
    results = directory / "failed.json"
    done = bench(directory, "--tiny", "--tools", "toxtun,direct", "--json", results,
                 "--measures", "download,open", toxtun="/bin/false")
    assert done.returncode == 1
    assert samples(results)["open"] == {"toxtun": 0, "direct": 2}
    assert "failed: open, toxtun: node ended with 1" in done.stdout
    assert "Traceback" not in done.stderr


def test_unknown_measure_is_bad_usage(directory):
    done = bench(directory, "--measures", "download,nothing")
    assert done.returncode == 2 and "no 'nothing'" in done.stderr


@pytest.mark.slow
def test_download_by_a_relay_has_its_row(directory):
    done = subprocess.run(
        [sys.executable, "-B", ROOT / "bench" / "relay.py", "--relay", "node", "--repeats", "1",
         "--seconds", "1", str(TOXTUN)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120 * PATIENCE, env=environment(directory), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, rate = [cell.strip() for cell in done.stdout.splitlines()[-1].split("|")[1:3]]
    assert name == "node" and float(rate.split()[0]) > 0
