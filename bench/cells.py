"""Links by name, as the loss matrix writes them: RATE-RTT[-PART...], `100M-100ms-1%`.

RATE is in bit/s (k, M, G), the round-trip time is shared evenly by the two directions. The parts:

    1%      loss at random           b1%x5   loss in bursts of 5 packets on average
    q30k    queue in bytes           d1%     duplicates
    j20ms   up to 20 ms of jitter, order kept (each direction)
    r20ms   the same, packets overtake each other
    400MB   size of the transfer

All conditions hold in both directions. Without a queue of its own a link has one of a
bandwidth-delay product.
"""

import re
from dataclasses import dataclass, field

MB = 1000 * 1000
DEFAULT_BYTES = 60 * MB
LEAST_QUEUE = 64_000
_SCALE = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
_NUMBER = r"(\d+(?:\.\d+)?)"

# The links that the matrix shows when none are named.
DOWNLOADS = ("100M-100ms", "100M-100ms-1%", "100M-100ms-5%", "100M-100ms-10%", "10M-300ms-2%",
             "500M-20ms-0.1%-400MB", "50M-50ms-q30k", "100M-50ms-r20ms")
SHARED = "50M-50ms"


@dataclass(frozen=True)
class Cell:
    """A link and the size of a transfer over it."""
    name: str
    rate: float
    rtt_us: float
    bytes: int = DEFAULT_BYTES
    extra: dict = field(default_factory=dict, hash=False)

    def bdp_bytes(self):
        """Bandwidth-delay product."""
        return self.rate / 8 * self.rtt_us / 1e6

    def steady(self):
        """Conditions of linkem that a tool may start under: rate, delay, queue, and no others."""
        queue = max(LEAST_QUEUE, self.bdp_bytes())
        return {"rate": self.rate, "delay_us": self.rtt_us / 2, "jitter_us": 0, "reorder": 0,
                "loss": 0, "ge_enter": 0, "ge_leave": 0, "ge_loss": 0, "duplicate": 0,
                "queue_bytes": self.extra.get("queue_bytes", queue)}

    def full(self):
        """Those that it is measured under."""
        return {**self.steady(), **self.extra}

    def ideal_s(self):
        """What the transfer would take if the link carried nothing but payload."""
        return self.bytes * 8 / self.rate


def _part(text):
    """Conditions of one part of a name, or the size."""
    if match := re.fullmatch(_NUMBER + "%", text):
        return {"loss": float(match[1]) / 100}
    if match := re.fullmatch(f"b{_NUMBER}%x{_NUMBER}", text):
        # In a bad spell everything is lost; their share of all packets is enter / (enter + leave).
        share, leave = float(match[1]) / 100, 1 / float(match[2])
        return {"ge_enter": leave * share / (1 - share), "ge_leave": leave, "ge_loss": 1}
    if match := re.fullmatch(f"d{_NUMBER}%", text):
        return {"duplicate": float(match[1]) / 100}
    if match := re.fullmatch(f"q{_NUMBER}([kM]?)", text):
        return {"queue_bytes": float(match[1]) * _SCALE[match[2]]}
    if match := re.fullmatch(f"([jr]){_NUMBER}ms", text):
        return {"jitter_us": float(match[2]) * 1e3, "reorder": int(match[1] == "r")}
    if match := re.fullmatch(_NUMBER + "MB", text):
        return {"bytes": int(float(match[1]) * MB)}
    raise ValueError(f"{text}: not a part of a link's name")


def parse(name, scale=1.0):
    """A Cell with its transfer's size times `scale`; ValueError when the name is none."""
    match = re.fullmatch(rf"{_NUMBER}([kMG]?)-{_NUMBER}ms((?:-[^-]+)*)", name)
    if not match:
        raise ValueError(f"{name}: not RATE-RTT[-PART...], as in 100M-100ms-1%")
    extra = {}
    for part in match[4].split("-")[1:]:
        extra.update(_part(part))
    size = extra.pop("bytes", DEFAULT_BYTES)
    return Cell(name, float(match[1]) * _SCALE[match[2]], float(match[3]) * 1e3,
                max(1, int(size * scale)), extra)
