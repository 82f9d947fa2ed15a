"""Chromium by way of the proxy of -D: a page that only the server side reaches, and can name."""

import http.server
import re
import ssl
import subprocess
import threading

import pytest
from browser import MARKS, Browser
from harness import free_port, with_hosts

pytestmark = MARKS

NAME, ADDRESS = "intranet.test", "127.0.0.9"
IMAGES = 12  # more than the connections that a browser opens to one server
PAGE = f"""<!doctype html><html lang="en"><title>Intranet</title><link rel="icon" href="/icon.svg">
<h1>Intranet</h1><p id="fetched"></p>
{"".join(f'<img src="/{i}.svg" alt="square {i}">' for i in range(IMAGES))}
<script>fetch("/data").then(a => a.text()).then(t => {{ fetched.textContent = t; }});</script>"""
SQUARE = """<svg xmlns="http://www.w3.org/2000/svg" width="60" height="60">
<rect width="60" height="60" fill="hsl({hue} 70% 50%)"/></svg>"""


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        number = re.fullmatch(r"/(\d+)\.svg", self.path)
        if self.path == "/":
            kind, body = "text/html", PAGE
        elif self.path == "/data":
            kind, body = "text/plain", f"as {self.headers['Host']}"
        else:
            hue = 360 * int(number.group(1)) // IMAGES if number else 0
            kind, body = "image/svg+xml", SQUARE.format(hue=hue)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


def certificate(directory):
    """Of the site, signed by itself."""
    pem = directory / "site.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-subj", f"/CN={NAME}", "-keyout", pem, "-out", directory / "site.crt"],
                   check=True, capture_output=True)
    pem.write_text(pem.read_text() + (directory / "site.crt").read_text(), encoding="ascii")
    return pem


@pytest.fixture(scope="module")
def sites(directory):
    """URLs of the site by scheme."""
    servers = {scheme: http.server.ThreadingHTTPServer((ADDRESS, 0), Site)
               for scheme in ("http", "https")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(directory))
    servers["https"].socket = context.wrap_socket(servers["https"].socket, server_side=True,
                                                  do_handshake_on_connect=False)
    for s in servers.values():
        threading.Thread(target=s.serve_forever, daemon=True).start()
    yield {scheme: f"{scheme}://{NAME}:{s.server_port}/" for scheme, s in servers.items()}
    for s in servers.values():
        s.shutdown()
        s.server_close()


@pytest.fixture(scope="module")
def tunnel(net, directory):
    """The server, which alone knows the name and may be asked for the site only; the proxy's port."""
    hosts = with_hosts(directory, f"{ADDRESS} {NAME}\n")
    if not hosts:
        pytest.skip("no mount namespace for a hosts file")
    port = free_port()
    server = net.server("intranet", ini=f"[server]\ntargets = {ADDRESS}:*\n", before=hosts)
    client = net.client("intranet-client", args=["-D", port, "--to", server.toxid])
    client.wait_online()
    return server, port


@pytest.mark.parametrize("proxy, scheme", [("socks5", "http"), ("socks5", "https"), ("http", "https")])
def test_chromium_shows_a_page_that_the_server_reaches(tunnel, sites, directory, proxy, scheme):
    server, port = tunnel
    url = sites[scheme]
    browser = Browser(url, directory, f"{proxy}://127.0.0.1:{port}")
    try:
        browser.wait_text("#fetched", f"as {url.split('/')[2]}")
        drawn = "[...document.images].filter(i => i.complete && i.naturalWidth === 60).length"
        assert browser.do("eval", drawn) == IMAGES
        assert {r.rpartition("/")[0] + "/" for r in browser.do("requests")} == {url}
        assert browser.do("errors") == []
        browser.shot(f"proxy-{proxy}-{scheme}", 800, 400, "light")
    finally:
        browser.close()
    assert f"target={url.split('/')[2]} connected" in server.err()


def test_page_without_tls_is_refused_by_the_http_proxy_and_says_why(tunnel, sites, directory):
    """Chromium asks an HTTP proxy for it by GET."""
    browser = Browser(sites["http"], directory, f"http://127.0.0.1:{tunnel[1]}")
    try:
        browser.wait_text("body", "a proxy for the method CONNECT")
    finally:
        browser.close()
