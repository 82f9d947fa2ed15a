"""What networks do to a tunnel, in the bed of natbed.py. `make faults` runs all of faults.py; here is
what takes seconds."""

import faults
import pytest
from harness import MB
from natbed import Access, netpath

pytestmark = pytest.mark.isolated

SMALL = {"download": 2 * MB, "echo": MB, "after": 0.5}
TINY = {"download": MB // 2, "echo": MB // 4, "after": 0}
SYMMETRIC = faults.Scenario("both behind a symmetric NAT", a=Access(nat="symmetric"),
                            b=Access(nat="symmetric"), direct=False)
CUT = faults.Scenario("line cut for 1 s", faults.cut(1), stall_s=2)
ADDRESS = faults.Scenario("public address changed", faults.change_public_address())
NARROW = faults.Scenario("IPv6 with an MTU of 1280", a=Access(mtu=1280), family=6)


@pytest.mark.parametrize("scenario,how,before,after", [
    (SYMMETRIC, TINY, "tcp relay", "tcp relay"),
    (CUT, SMALL, "udp direct", "udp direct"),
    (ADDRESS, SMALL, "udp direct", None),
    (NARROW, TINY, "udp direct", "udp direct"),
], ids=["symmetric", "cut", "address", "narrow-ipv6"])
def test_transfers_arrive_whole(tmp_path, figure, scenario, how, before, after):
    try:
        result = faults.run(scenario, tmp_path, **how)
    except netpath.Unavailable as e:
        pytest.skip(str(e))
    assert not result.problems
    assert result.before == before
    assert after in (None, result.after)
    figure(f"{result.name}: {result.before} after {result.ready_s:.1f} s, stall "
           f"{result.stall_s:.1f} s")


def test_seed_draws_the_same_fault_and_transfers_again():
    for seed in range(20):
        (first, how), (again, how_again) = faults.drawn(seed), faults.drawn(seed)
        assert (first.name, first.a, first.b) == (again.name, again.a, again.b)
        assert how == how_again
    assert len({faults.drawn(seed)[0].name for seed in range(100)}) == 100
