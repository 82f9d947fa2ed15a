"""What the measures of one run share: its sizes, the load generator, and tunnels that stay open."""

import contextlib
from dataclasses import dataclass

import common  # noqa: F401  (finds the modules of tests/e2e)
import netpath
from harness import MB, Load, free_port
from tunnels import LOOPBACK, TUNNELS, Place

LINK_RTT_MS = 50


@dataclass
class Sizes:
    """How much is done; the defaults are a full run's."""
    repeats: int = 3
    transfer: int = 500 * MB
    scrape_pairs: int = 4         # of downloads, with and without
    at_once: int = 200            # connections, of a megabyte each
    round_trips: int = 1000
    opens: int = 200
    link_opens: int = 20
    udp_s: int = 5                # of datagrams, at each rate
    idle_s: int = 20
    # one peer may have half of the descriptors, of which a usual hard limit allows 20,000
    idle_connections: tuple = (2000, 9500)
    clients: tuple = (1, 20, 100)
    clients_transfer: int = 200 * MB  # by all of them together


QUICK = Sizes(repeats=1, transfer=50 * MB, scrape_pairs=2, at_once=50, round_trips=300, opens=100, link_opens=10,
              udp_s=2, idle_s=5, idle_connections=(500, 2000), clients=(1, 5), clients_transfer=50 * MB)

TINY = Sizes(repeats=2, transfer=MB, scrape_pairs=1, at_once=3, round_trips=5, opens=3, link_opens=2, udp_s=1, idle_s=1,
             idle_connections=(5, 20), clients=(1, 2), clients_transfer=MB)


class Session:
    """Tunnels are ended by close() at the latest, and with all else when this process ends."""

    def __init__(self, directory, sizes):
        self.directory = directory
        self.sizes = sizes
        self.load = Load(directory)
        self._shared = {}
        self._link = None
        self._stack = contextlib.ExitStack()

    def open(self, name, place=LOOPBACK, target=None):
        """A tunnel of its own; whoever asks closes it."""
        return TUNNELS[name](self.directory, self.load, target or self.load.port, place)

    @contextlib.contextmanager
    def fresh(self, name, target=None):
        """A tunnel that nothing went through yet and no client uses."""
        tunnel = self.open(name, target=target)
        try:
            yield tunnel
        except BaseException:
            with contextlib.suppress(AssertionError):  # the first error is the one to tell
                tunnel.close()
            raise
        tunnel.close()

    def shared(self, name, over_link=False):
        """A tunnel and its client, which the measures use one after another."""
        if (name, over_link) not in self._shared:
            tunnel = self.open(name, *(self._over_link() if over_link else ()))
            self._shared[name, over_link] = (tunnel, tunnel.add_client())
            tunnel.wait_ready(self._shared[name, over_link][1])
        return self._shared[name, over_link]

    def drop(self, name):
        """Ends the shared tunnels of this name, as one has failed; the next measure gets others."""
        for key in [key for key in self._shared if key[0] == name]:
            with contextlib.suppress(AssertionError):
                self._shared.pop(key)[0].close()

    def _over_link(self):
        """The place with an emulated link between the ends, and the service's port there."""
        if not self._link:
            near, far, link = self._stack.enter_context(
                netpath.pair(delay_us=LINK_RTT_MS * 1000 // 2))
            place = Place(tuple(near.argv([])), tuple(far.argv([])), link.address(far))
            port = free_port()
            self._stack.callback(self.load.serve("0.0.0.0", port, place.server).kill)
            self._link = (place, port)
        return self._link

    def close(self):
        """Ends everything; an AssertionError names a program that ended badly."""
        with self._stack:
            self._stack.callback(self.load.server.kill)
            for tunnel, _ in self._shared.values():
                self._stack.callback(tunnel.close)
