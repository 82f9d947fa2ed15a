"""Every KCP mode carries data in both directions."""

import pytest
from harness import MB, free_port, size

MODES = ("auto", "default", "normal", "fast", "fast2", "fast3")


@pytest.fixture(scope="module")
def ports(net, load):
    """A local port for each mode. All pairs start together, since each needs 10 s to meet."""
    ports, pairs = {}, []
    for mode in MODES:
        ports[mode] = free_port()
        pairs.append(net.pair(f"mode-{mode}", {ports[mode]: load.port},
                              server_args=["-k", mode], client_args=["-kcp-mode", mode]))
    for _, client in pairs:
        client.wait_online()
    yield ports
    codes = [p.stop() for pair in pairs for p in reversed(pair)]
    assert codes == [0] * len(codes)


@pytest.mark.parametrize("mode", MODES)
def test_mode_carries_twenty_megabytes_each_way(ports, load, figure, mode):
    down = load.run("get", ports[mode], 31, size(20 * MB))
    up = load.run("put", ports[mode], 32, size(20 * MB))
    figure(f"mode {mode}: {down['mb_per_s']:.1f} MB/s down, {up['mb_per_s']:.1f} MB/s up")


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("mode", MODES)
def test_mode_is_named_by_the_stats(net, mode):
    client = next(p for p in net.processes if p.name == f"mode-{mode}-client")
    assert mode in client.http("/stats")[1]
