"""What it costs toxtun that somebody reads its statistics.

Downloads while both ends are scraped, each beside one while they are not: only such pairs are alike on
a machine whose speed varies.
"""

import contextlib
import statistics
import threading

from common import cpu_seconds

EVERY_S = 1
PAGES = ("/metrics", "/stats.json")
ALONE = 100  # scrapes while nothing else goes on


def scrape(procs):
    for p in procs:
        for page in PAGES:
            status, _ = p.http(page)
            assert status == 200, f"{p.name} answers {status} to {page}"


@contextlib.contextmanager
def scraped(procs):
    """As by a Prometheus that does it every second."""
    done, problems = threading.Event(), []

    def go_on():
        try:
            while not done.is_set():
                scrape(procs)
                done.wait(EVERY_S)
        except (AssertionError, OSError) as e:
            problems.append(e)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if problems:
        raise problems[0]


def scraping(session, name, timeout):
    if name != "toxtun":
        return
    tunnel, client = session.shared(name)
    procs = tunnel.processes()
    before = cpu_seconds(procs)
    for _ in range(ALONE):
        scrape(procs)
    yield {"scrape_cpu": (cpu_seconds(procs) - before) / ALONE * 1000}
    shares = []
    for number in range(session.sizes.scrape_pairs):
        rates = {}
        for scraping_now in (False, True) if number % 2 else (True, False):
            with scraped(procs) if scraping_now else contextlib.nullcontext():
                got = tunnel.run(client, "get", 1, session.sizes.transfer, timeout=timeout)
            rates[scraping_now] = got["mb_per_s"]
        shares.append(rates[True] / rates[False] * 100)
    yield {"scraped": statistics.median(shares)}
