"""A real browser for the tests: `make page-test` installs what it needs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import PATIENCE, ROOT, TOXTUN, die_with_parent, wait_until

PLAYWRIGHT = ROOT / "web" / "node_modules" / "playwright-core" / "index.js"
SHOTS = Path(os.environ.get("PAGE_SHOTS", TOXTUN.parent / "page"))

# pytestmark of the tests that use it
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("node"),
                       reason="chromium or node is missing: make page-test"),
    pytest.mark.skipif(not PLAYWRIGHT.exists(), reason="playwright-core is missing: make page-test"),
]


class Browser:
    """A headless Chromium that shows one page, by way of `proxy` (an URL) if there is one."""

    def __init__(self, url, home, proxy=None):
        self.url = url
        env = {**os.environ, "HOME": str(home)}
        self.popen = subprocess.Popen(
            ["node", ROOT / "tests" / "e2e" / "tools" / "page.mjs", PLAYWRIGHT,
             shutil.which("chromium"), self.url, *([proxy] if proxy else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
            preexec_fn=die_with_parent)

    def do(self, *command):
        self.popen.stdin.write(json.dumps(command) + "\n")
        self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        assert line, f"the browser ended at {command}"
        return json.loads(line)

    def text(self, selector):
        text = self.do("eval", f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")
        return text.replace("\u00a0", " ")

    def wait_text(self, selector, part, timeout=30):
        return wait_until(f"{part!r} in {selector}",
                          lambda: part in self.text(selector), timeout * PATIENCE, 0.2)

    def shot(self, name, width, height, scheme):
        SHOTS.mkdir(exist_ok=True)
        too_wide = self.do("shot", str(SHOTS / f"{name}.png"), width, height, scheme)
        assert too_wide <= 0, f"{name}: {too_wide} pixels wider than the window"

    def close(self):
        self.popen.stdin.close()
        self.popen.wait(20)
