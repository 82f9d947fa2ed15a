"""netcheck: which nodes can be reached, asked of private nodes only."""

import json

import pytest
from harness import PATIENCE, Net, free_port, run_cli

OTHER_KEY = "5B" * 32


@pytest.fixture(scope="module")
def node(directory):
    n = Net(directory / "netcheck", "netcheck-node")
    yield n
    n.close()


def netcheck(tmp_path, *args, nodes=()):
    options = [x for n in nodes for x in ("-b", n)]
    return run_cli("--no-default-nodes", "-d", tmp_path / "data", *options, *args, "netcheck",
                   home=tmp_path, timeout=20 * PATIENCE)


def test_node_answers_by_both_ways(node, tmp_path):
    run = netcheck(tmp_path, nodes=[node.node_arg])
    assert run.returncode == 0, run.stderr
    row = run.stdout.splitlines()[1]
    assert row.startswith(f"127.0.0.1 port {node.node_port} ") and row.count(" ms") == 2
    assert "1 of 1 nodes answer by UDP, 1 as TCP relays" in run.stdout
    assert "UDP gets through" in run.stdout
    assert not (tmp_path / "data").exists()  # no identity is made for it


def test_json_tells_the_reachable_from_the_others(node, tmp_path):
    port = node.node_port
    wrong = f"127.0.0.1:{port}:{OTHER_KEY}"  # somebody answers there, but not this node
    dead = f"127.0.0.1:{free_port()}:{OTHER_KEY}"
    nobody = f"does-not-exist.invalid:{port}:{OTHER_KEY}"
    run = netcheck(tmp_path, "--json", nodes=[wrong, dead, nobody, node.node_arg])
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["schema"] == 1 and said["udp"] and said["tcp"]
    reached = [(n["udp"]["reachable"], n["tcp"]["reachable"]) for n in said["nodes"]]
    assert reached == [(False, False)] * 3 + [(True, True)]
    assert [n["tcp"]["error"] == "refused" for n in said["nodes"][:2]] == [False, True]
    good = said["nodes"][3]
    assert good["key"] == node.node_arg.rsplit(":", 1)[1].upper()
    assert 0 < good["udp"]["rtt_us"] < 5e6 and good["udp"]["port"] == port


def test_options_leave_a_way_out(node, tmp_path):
    said = json.loads(netcheck(tmp_path, "--json", "--no-udp", nodes=[node.node_arg]).stdout)
    assert not said["udp"] and "udp" not in said["nodes"][0] and said["tcp"]
    run = netcheck(tmp_path, "--no-udp", nodes=[node.node_arg])
    assert "UDP was not tried" in run.stdout


def test_no_node_that_answers_is_exit_code_3(tmp_path):
    run = netcheck(tmp_path, nodes=[f"127.0.0.1:{free_port()}:{OTHER_KEY}"])
    assert run.returncode == 3
    assert "refused" in run.stdout and "no node can be reached" in run.stdout


def test_without_nodes_and_with_a_proxy_nobody_is_asked(node, tmp_path):
    run = netcheck(tmp_path)
    assert run.returncode == 2 and run.stdout == "" and "no node to ask" in run.stderr
    run = netcheck(tmp_path, "--proxy", "socks5://127.0.0.1:1", nodes=[node.node_arg])
    assert run.returncode == 2 and "proxy" in run.stderr
