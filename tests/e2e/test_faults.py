"""What networks do to a tunnel, in the bed of natbed.py; `make faults` runs all of faults.py."""

import pytest
import faults
from natbed import Access, netpath

pytestmark = pytest.mark.isolated


def run(scenario, directory, figure):
    try:
        result = faults.run(scenario, directory)
    except netpath.Unavailable as e:
        pytest.skip(str(e))
    assert not result.problems
    figure(f"{result.name}: {result.before} after {result.ready_s:.1f} s, stall "
           f"{result.stall_s:.1f} s, {result.after}")
    return result


def test_symmetric_nat_is_crossed_by_a_relay(tmp_path, figure):
    result = run(faults.Scenario("symmetric", a=Access(nat="symmetric"),
                                 b=Access(nat="symmetric"), direct=False), tmp_path, figure)
    assert result.before == "tcp relay"


def test_streams_outlive_a_short_cut_between_nats(tmp_path, figure):
    run(faults.Scenario("cut of 1 s", faults.cut(1), stall_s=2), tmp_path, figure)


def test_streams_outlive_a_change_of_the_public_address(tmp_path, figure):
    run(faults.Scenario("address", faults.change_public_address(), stall_s=10), tmp_path, figure)


def test_narrow_ipv6_path_carries_a_tunnel(tmp_path, figure):
    run(faults.Scenario("IPv6", a=Access(mtu=1280), family=6), tmp_path, figure)
