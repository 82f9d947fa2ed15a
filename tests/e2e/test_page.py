"""The statistics page in a real browser."""

import json
import urllib.parse

import pytest
from browser import MARKS, Browser
from harness import PATIENCE, free_port, wait_until

pytestmark = MARKS


@pytest.fixture(scope="module")
def pair(net, load):
    ports = {"web": free_port(), "ssh": free_port()}
    ini = "[server]\nname = office\n"
    server = net.server("page-server", ini=ini)
    client = net.client("page-client", ini="[client]\n" + "".join(
        f"{name} = {port}:127.0.0.1:{load.port}:{server.toxid}\n" for name, port in ports.items()) +
        f"[peer office]\nid = {server.toxid}\n")
    client.wait_online()
    return server, client, ports, lambda: net.server("page-server", ini=ini)


@pytest.fixture(scope="module")
def browser(pair, directory):
    b = Browser(f"http://127.0.0.1:{pair[1].stats_port}/", directory)
    yield b
    b.close()


def test_page_says_the_state_in_words(browser, pair):
    browser.wait_text("#sentence", "connected to office")
    assert "direct UDP" in browser.text("#sentence")
    assert browser.text("#toxid") == json.loads(pair[1].http("/stats.json")[1])["toxid"]
    assert "web" in browser.text("#tunnels") and "office" in browser.text("#tunnels")
    assert browser.text("#live") == "live"
    assert "Europe/Berlin" in browser.text("#zone")
    browser.wait_text("#events", "office: is reached by direct UDP")
    assert browser.do("errors") == []


def test_page_asks_nobody_else_and_allows_no_foreign_script(browser):
    asked = [r for r in browser.do("requests") if not r.startswith("data:")]
    assert {urllib.parse.urljoin(r, "/") for r in asked} == {browser.url}
    policy = browser.do("headers")["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    browser.do("eval", "const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
                       "document.head.append(s); 0")
    assert browser.do("eval", "window.evil ?? 'no'") == "no"
    assert any("Content Security Policy" in e for e in browser.do("errors"))


def test_page_follows_a_transfer(browser, pair, load):
    get = load.start("get", pair[2]["web"], 81, 10**12, 20_000_000, 6)  # it stalls, and is ended
    try:
        browser.wait_text(".peer [data-plot=rate] figcaption", "MB/s")
        browser.wait_text("#channels", "there: 127.0.0.1")
        browser.wait_text("#events", "1 connection opened")
        for name, width, scheme in (("light", 1100, "light"), ("dark", 1100, "dark"),
                                    ("phone", 390, "light"), ("phone-dark", 390, "dark")):
            browser.shot(f"page-{name}", width, 800, scheme)
    finally:
        get.kill()
        get.communicate()
    assert browser.do("eval", "document.querySelectorAll('.peer canvas').length") == 3


def test_plots_begin_before_the_page_was_opened(browser):
    browser.do("reload")
    wait_until("the past transfer", lambda: browser.do(
        "eval", "[...peers.values()].some(p => p.history.some(s => s.rateIn > 1e6))"), 30 * PATIENCE)
    seconds = browser.do("eval", "(h => h.at(-1).at - h[0].at)([...peers.values()][0].history)")
    length, gaps = browser.do("eval", "(h => [h.length, h.filter(s => s.rateIn === null).length])"
                                      "([...peers.values()][0].history)")
    assert length > 4 and seconds < 2 * length and gaps <= 1


def test_tox_id_is_copied_with_the_keyboard(browser):
    browser.do("eval", "document.querySelector('#copy').focus()")
    browser.do("press", "Enter")
    browser.wait_text("#copied", "Copied", 5)
    assert browser.do("eval", "navigator.clipboard.readText()") == browser.text("#toxid")
    browser.do("eval", "document.querySelector('details').open = true; 0")
    assert browser.do("eval", "document.querySelector('#qr').decode().then(() => 'drawn')") == "drawn"


def test_every_control_and_plot_has_a_name(browser):
    unnamed = browser.do("eval", """[...document.querySelectorAll(
        'button, img, [role=img], table, ol, section, summary')].filter(e => !(e.innerText
        || e.alt || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby'))).length""")
    assert unnamed == 0


def test_page_shows_a_peer_go_and_come_back(browser, pair):
    server, _, _, again = pair
    server.stop()
    browser.wait_text(".peer .path", "offline", 60)
    browser.wait_text("#events", "office: went offline")
    browser.wait_text("#advice", "Peer office")
    browser.shot("page-offline", 1100, 800, "light")
    again()
    browser.wait_text(".peer .path", "direct UDP", 90)
    browser.wait_text("#sentence", "connected to office")


def test_console_has_no_error(browser):
    assert browser.do("errors") == []
