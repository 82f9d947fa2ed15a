"""The command line: what it prints, what it refuses and with which words and exit code."""

import os
import re
import stat

import pytest
from harness import EXIT_S, PATIENCE, ROOT, Proc, Target, environment, free_port, own_id, run_cli
from harness import TOXTUN

GOOD_ID = "0" * 63 + "1" + "00000000" + "0001"  # the checksum is an XOR of 16-bit words
OTHER_KEY = "AB" * 32
BAD_SUM = GOOD_ID[:-1] + "2"


@pytest.fixture
def cli(tmp_path):
    """Runs toxtun with a home of its own: cli(arguments, ini=text)."""

    def run(*args, ini=None, **kwargs):
        if ini is not None:
            path = tmp_path / "toxtun.ini"
            path.write_text(ini, encoding="utf-8")
            args = ("-c", path, *args)
        return run_cli(*args, home=tmp_path, **kwargs)

    return run


def test_version_is_one_line(cli):
    for option in ("-V", "--version", "-version"):
        run = cli(option)
        assert run.returncode == 0 and re.fullmatch(r"toxtun \d+\.\d+\.\d+.*\n", run.stdout)


def test_help_names_every_command_and_option(cli):
    for option in ("-h", "--help"):
        run = cli(option)
        assert run.returncode == 0 and run.stderr == ""
        for word in ("server", "client", "node", "id", "ping", "check", "--config", "--data-dir",
                     "--kcp-mode", "--bootstrap", "--nodes", "--no-default-nodes", "--no-udp",
                     "--no-relay", "--stats", "-L"):
            assert word in run.stdout, word


def test_no_command_is_bad_usage(cli):
    run = cli()
    assert run.returncode == 2 and run.stdout == "" and run.stderr


@pytest.mark.parametrize("args, word", [
    (["--frobnicate", "server"], "frobnicate"),
    (["frobnicate"], "frobnicate"),
    (["-k", "warp", "server"], "warp"),
    (["--udp-port", "70000", "server"], "70000"),
    (["--udp-port", "x", "server"], "udp-port"),
    (["-b", "127.0.0.1:33445", "server"], "HOST:PORT:PUBKEY"),
    (["-b", "127.0.0.1:33445:ABCD", "server"], "ABCD"),
    (["-b", f"127.0.0.1:0:{'A' * 64}", "server"], "port"),
    (["--stats", "127.0.0.1:x", "server"], "stats"),
    (["--proxy", "gopher://localhost:1", "server"], "proxy"),
    (["-L", "80", "client", GOOD_ID], "80"),
    (["-L", "99999:localhost:80", "client", GOOD_ID], "99999"),
    (["-L", "8080:localhost:80", "client", BAD_SUM], "checksum"),
    (["-L", "8080:localhost:80", "client", "hello"], "hello"),
    (["-L", "8080:localhost:80", "client"], "--to"),
    (["--connect-timeout", "soon", "server"], "connect-timeout"),
    (["ping"], "ping"),
    (["ping", BAD_SUM], "checksum"),
    (["-c", "/no/such/file.ini", "server"], "/no/such/file.ini"),
    (["--nodes", "/no/such/nodes.json", "server"], "/no/such/nodes.json"),
    (["-c"], "-c"),
])
def test_bad_command_line_is_refused_with_its_word(cli, args, word):
    run = cli(*args)
    assert run.returncode == 2, run.stderr
    assert word in run.stderr and run.stdout == ""


@pytest.mark.parametrize("line, entry", [
    (3, "[client]\n\nx = 80:127.0.0.1:80:nonsense\n"),
    (2, f"[client]\nx = 0:127.0.0.1:80:{GOOD_ID}\n"),
    (2, f"[client]\nx = 70000:127.0.0.1:80:{GOOD_ID}\n"),
    (2, f"[client]\nx = 80:127.0.0.1:{GOOD_ID}\n"),
    (2, f"[client]\nx = 80:127.0.0.1:80:{BAD_SUM}\n"),
    (2, f"[client]\nx = sctp:80:127.0.0.1:80:{GOOD_ID}\n"),
    (1, "[servers]\n"),
    (2, "[server]\nport = 80\n"),
    (2, "[server]\ntargets = 127.0.0.1\n"),
    (2, "[server]\nallow = nobody-knows\n"),
    (2, "[peer x]\nid = 1234\n"),
    (2, "[options]\nkcp-mode = warp\n"),
    (2, "[options]\nno-such-option = 1\n"),
])
def test_check_names_file_and_line_of_a_mistake(cli, line, entry):
    run = cli("check", ini=entry)
    assert run.returncode == 2
    assert f"toxtun.ini:{line}" in run.stdout + run.stderr, run.stderr


def test_check_names_every_mistake_of_a_file(cli):
    run = cli("check", ini="[client]\na = 1\nb = 2\n[nothing]\n")
    for line in (2, 3, 4):
        assert f"toxtun.ini:{line}" in run.stdout + run.stderr


def test_check_accepts_every_form_of_a_tunnel(cli):
    run = cli("check", ini=f"""\
[server]
name = whttpd
allow = laptop
targets = 127.0.0.1:*, [::1]:*, 192.168.1.0/24:80-90, printer.lan:631
[client]
web = *:81:127.0.0.1:8181:{GOOD_ID}
plain = 82:127.0.0.1:8181:{GOOD_ID}
db = tcp:127.0.0.1:5432:127.0.0.1:5432:{GOOD_ID},{OTHER_KEY}
six = [::1]:83:[2001:db8::1]:80:{GOOD_ID}
[peer laptop]
id = {GOOD_ID}
targets = 127.0.0.1:22
[node]
bootstrap = 127.0.0.1:33445:{"A" * 64}
[options]
kcp-mode = fast
""")
    assert run.returncode == 0, run.stderr


def test_check_says_what_each_peer_may_reach(cli, tmp_path):
    secret = tmp_path / "of-phone"
    secret.write_text("a secret of the phone alone\n")
    peers = f"[peer laptop]\nid = {OTHER_KEY}\ntargets = 127.0.0.1:22, 10.0.0.0/8:80-90\n" \
            f"[peer phone]\nid = {GOOD_ID}\nsecret-file = {secret}\n"
    some = cli("check", ini="[server]\nallow = laptop\ntargets = nas.lan:*\n" + peers).stdout
    assert f"  laptop {OTHER_KEY} may reach 127.0.0.1:22 10.0.0.0/8:80-90\n" in some
    assert "  phone is not in allow and may reach nothing\n" in some
    assert "everybody" not in some
    everybody = cli("check", ini="[server]\ntargets = nas.lan:*\n" + peers,
                    env={"TOXTUN_SECRET": "shared by all others"}).stdout
    assert f"  phone {GOOD_ID[:64]} with the secret in {secret} may reach nas.lan:*\n" in everybody
    assert "  everybody else who holds the Tox ID with the common secret may reach nas.lan:*\n" \
        in everybody


def test_check_says_which_tunnel_is_udp(cli):
    run = cli("check", ini=f"[client]\ndns = udp:*:5353:127.0.0.1:53:{GOOD_ID}\n")
    assert run.returncode == 0 and re.search(r"dns.*5353/udp", run.stdout), run.stdout


def test_check_accepts_the_example_that_is_installed(cli):
    run = cli("-c", ROOT / "dist" / "toxtun.ini", "check")
    assert run.returncode == 0, run.stderr


def test_long_options_take_one_dash_or_two(cli):
    for args in (["-kcp-mode", "fast"], ["--kcp-mode=fast"], ["--kcp-mode", "fast"],
                 ["-kcp-mode=fast"], ["-k", "fast"]):
        assert cli(*args, "check", ini="[server]\n").returncode == 0, args
        bad = [a.replace("fast", "warp") for a in args]
        assert cli(*bad, "check", ini="[server]\n").returncode == 2, bad


def test_id_is_made_once_and_kept_private(cli, tmp_path):
    data = tmp_path / "data"
    first, second = own_id(data, tmp_path), own_id(data, tmp_path)
    assert first == second
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for name in os.listdir(data):
        assert stat.S_IMODE((data / name).stat().st_mode) & 0o077 == 0, name


def test_id_goes_to_the_state_directory_by_default(cli, tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    run = cli("id", env={"STATE_DIRECTORY": str(state)})
    assert run.returncode == 0 and os.listdir(state)
    assert cli("id").stdout != run.stdout
    assert (tmp_path / ".local/state/toxtun").is_dir()


def test_id_as_qr_code_has_many_lines(cli):
    run = cli("id", "--qr")
    assert run.returncode == 0 and len(run.stdout.splitlines()) > 15


def test_data_directory_in_use_is_refused(world, cli):
    run = cli("--no-default-nodes", "--no-lan", "--stats", "off", "-d", world.server.data_dir,
              "server")
    assert run.returncode in (1, 2)
    assert str(world.server.data_dir) in run.stderr


def test_damaged_identity_is_refused_and_left_alone(cli, tmp_path):
    data = tmp_path / "data"
    own_id(data, tmp_path)
    saves = [p for p in data.iterdir() if p.stat().st_size > 100]
    assert len(saves) == 1, saves
    saves[0].write_bytes(b"garbage")
    assert cli("-d", data, "id").returncode in (1, 2)
    assert saves[0].read_bytes() == b"garbage"


def test_busy_listen_port_is_reported_with_its_line(world, cli, tmp_path):
    with Target(free_port()) as busy:
        port = busy.sock.getsockname()[1]
        run = cli("--no-default-nodes", "--no-lan", "--stats", "off", "--exit-on-failure",
                  "-d", tmp_path / "busy", "client", ini=(
                      f"[client]\n; taken\nx = {port}:127.0.0.1:80:{world.server.toxid}\n"))
    assert run.returncode in (1, 2)
    assert "toxtun.ini:3" in run.stderr and str(port) in run.stderr


def test_server_prints_its_id_first_and_writes_it_where_asked(tmp_path):
    path = tmp_path / "id"
    p = Proc("cli-server", [TOXTUN, "--no-default-nodes", "--no-lan", "--stats", "off", "--id-file",
                            path, "-d", tmp_path / "data", "server"], tmp_path)
    toxid = p.wait_for(r"\Atoxid: ([0-9A-F]{76})\n", 20 * PATIENCE).group(1)
    assert path.read_text(encoding="ascii").strip() == toxid
    assert own_id_of(p) == toxid
    assert p.stop(EXIT_S) == 0
    assert p.out() == f"toxid: {toxid}\n", "stdout carries only what was asked for"


def own_id_of(p):
    return p.out().split()[1]


def ping(net, home, *args):
    return run_cli(*net.common()[1:], "-d", home / "ping", *args, home=home,
                   timeout=90 * PATIENCE)


def test_ping_reaches_a_server_and_says_how(net, world, tmp_path):
    run = ping(net, tmp_path, "ping", world.server.toxid)
    assert run.returncode == 0, run.stderr
    assert "udp" in run.stdout.lower() and re.search(r"\d ?ms", run.stdout), run.stdout
    assert re.search(r"^4 sent, 4 answered, loss 0 %, time min .* avg .* max", run.stdout, re.M)
    for _ in range(3):  # the first packet on a new direct path
        run = ping(net, tmp_path, "ping", "-n", "1", world.server.toxid)
        assert run.returncode == 0 and "1 sent, 1 answered, loss 0 %" in run.stdout, run.stdout


def test_ping_of_a_server_that_is_not_there_exits_with_3(net, world, tmp_path):
    absent = own_id(tmp_path / "absent", tmp_path)
    run = ping(net, tmp_path, "--connect-timeout", "4", "ping", absent)
    assert run.returncode == 3, run.stderr


@pytest.mark.parametrize("role", ["server", "node"])
def test_sigterm_ends_a_process_that_knows_nobody(tmp_path, role):
    p = Proc(f"alone-{role}", [TOXTUN, "--no-default-nodes", "--no-lan", "--stats", "off",
                               "--udp-port", free_port(), "-d", tmp_path / "data", role],
             tmp_path, env=environment(tmp_path))
    p.wait_for(r"^(toxid|node): ", 20 * PATIENCE)
    assert p.stop(5 * PATIENCE) == 0
