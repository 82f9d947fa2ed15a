"""An sshd with a configuration and keys of its own: nothing of the machine's or the user's gets in."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from harness import Proc, environment

CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {home}/host
PidFile none
AuthorizedKeysFile {home}/authorized
StrictModes no
UsePAM {pam}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PermitUserRC no
PrintMotd no
MaxStartups 1000
Subsystem sftp internal-sftp
"""


def locked(user):
    """With a locked password, sshd lets nobody in unless PAM decides."""
    try:
        for line in Path("/etc/shadow").read_text(encoding="utf-8").splitlines():
            if line.startswith(user + ":"):
                return line.split(":")[1].startswith("!")
    except PermissionError:
        pass
    return False


class Sshd:
    """Running sshd; `options` are for ssh and scp, which log in as `user`."""

    def __init__(self, directory, port, address="127.0.0.1", before=()):
        home = directory / f"ssh-{port}"
        home.mkdir(mode=0o700)
        self.port = port
        self.address = address
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.options = ["-F", "/dev/null", "-i", home / "user", "-o", "IdentitiesOnly=yes",
                        "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / key],
                           stdin=subprocess.DEVNULL, env=environment(directory), check=True)
        shutil.copy(home / "user.pub", home / "authorized")
        config = home / "sshd_config"
        config.write_text(CONFIG.format(address=address, port=port, home=home,
                                        pam="yes" if locked(self.user) else "no"),
                          encoding="ascii")
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        self.proc = Proc("sshd", [*before, program, "-D", "-e", "-f", config], directory)
        self.proc.wait_for("Server listening", 10, read=self.proc.err)
