"""The loss matrix: names of links, and one short run of each scenario over an emulated link."""

import json
import re
import subprocess
import sys

import pytest
from harness import PATIENCE, ROOT, TOXTUN

sys.path.insert(0, str(ROOT / "bench"))
import cells  # noqa: E402

SKIPPED = 77


def test_names_of_links_say_what_they_are():
    cell = cells.parse("100M-50ms-0.5%-q30k-r20ms-d1%-400MB", 0.5)
    assert (cell.rate, cell.rtt_us, cell.bytes) == (100e6, 50e3, 200_000_000)
    assert cell.bdp_bytes() == 625_000
    assert cell.ideal_s() == 16
    assert cell.steady() == {
        "rate": 100e6, "delay_us": 25e3, "jitter_us": 0, "reorder": 0, "loss": 0, "ge_enter": 0,
        "ge_leave": 0, "ge_loss": 0, "duplicate": 0, "queue_bytes": 30e3}
    assert cell.full() == {**cell.steady(), "loss": 0.005, "jitter_us": 20e3, "reorder": 1,
                           "duplicate": 0.01}
    assert cells.parse("10M-300ms").steady()["queue_bytes"] == 375_000  # one product
    bursts = cells.parse("1M-10ms-b2%x5").full()
    assert bursts["ge_enter"] / (bursts["ge_enter"] + bursts["ge_leave"]) == pytest.approx(0.02)
    assert (bursts["ge_leave"], bursts["ge_loss"]) == (0.2, 1)
    for bad in ("", "100M", "100M-50", "100M-50ms-", "100M-50ms-5", "x-50ms", "1M-1ms-b2%"):
        with pytest.raises(ValueError):
            cells.parse(bad)


@pytest.mark.slow
def test_matrix_measures_each_scenario(directory):
    out = directory / "matrix.json"
    keep = directory / "matrix"
    page = directory / "page.md"
    page.write_text("<!-- the figures of `make matrix` -->\nold\n<!-- end of the figures -->\n")
    done = subprocess.run(
        [sys.executable, "-B", ROOT / "bench" / "matrix.py", "--toxtun", TOXTUN, "--cells",
         "20M-20ms", "--tools", "toxtun,cubic", "--pairs", "toxtun+bbr", "--seconds", "3",
         "--pings", "20", "--scale", "0.05", "--json", out, "--keep", keep,
         "--page", page],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120 * PATIENCE,
        check=False)
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    results = {(r["scenario"], r["tool"]): r for r in json.loads(out.read_text())["results"]}
    assert len(results) == 7
    for tool in ("toxtun", "cubic"):
        got = results["download", tool]
        assert got["finished"] and 0.1 < got["share"] < 0.97
        assert 1.03 < got["network_per_byte"]
        assert got["lost"] == got["device_drops"] == 0
        assert results["ping", tool]["min_ms"] >= 20
        assert results["ping", tool]["link_use"] > 0.3
        assert len(re.findall(rf"^\| 20M-20ms \| +{tool} \| +\d", done.stdout, re.MULTILINE)) == 3
    assert "the figures of `make matrix`" in page.read_text() and "old" not in page.read_text()
    beside = results["share", "toxtun+bbr"]
    assert beside["first"] + beside["second"] == pytest.approx(1)
    assert 1 / 100 <= results["channels", "toxtun"]["jain"] <= 1
    trace = (keep / "download-20M-20ms-toxtun-1.jsonl").read_text().splitlines()
    assert len(trace) > 5
    assert "rtt_us" in json.loads(trace[0])["tool"]
