"""A terminal for a program under test: tmux, which knows what its screen looks like."""

import itertools
import shutil
import subprocess

import pytest
from harness import PATIENCE, Proc, environment, wait_until

_numbers = itertools.count()


class Terminal:
    """Runs one command on a screen of a size. Its exit code is on the screen when it has ended."""

    def __init__(self, directory, argv, columns=80, rows=24, locale="C.UTF-8"):
        if not shutil.which("tmux"):
            pytest.skip("no tmux: tools/deps.sh test installs it")
        self.env = {**environment(directory), "LC_ALL": locale}
        self.socket = directory / f"tmux-{next(_numbers)}"
        # -u: UTF-8, whatever the locale of the program is; -D: no daemon, so it ends with us
        self.server = Proc("tmux", ["tmux", "-S", self.socket, "-f", "/dev/null", "-u", "-D"],
                           directory, env=self.env)
        wait_until("tmux", self.socket.exists, 10 * PATIENCE)
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c",
                  'trap : INT; "$@"; echo "exit code $?"; exec cat', "sh", *map(str, argv))

    def tmux(self, *args):
        return subprocess.run(["tmux", "-S", self.socket, *args], env=self.env, check=True,
                              capture_output=True, timeout=20 * PATIENCE).stdout.decode()

    def lines(self):
        return self.tmux("capture-pane", "-p").split("\n")

    def text(self):
        return "\n".join(self.lines())

    def press(self, *keys):
        """Keys as tmux calls them: q, Enter, Down, Escape."""
        self.tmux("send-keys", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, what, condition=None, timeout=15 * PATIENCE):
        """Until the text is on the screen, or condition(screen) is true: the screen."""
        def look():
            screen = self.text()
            return screen if (condition(screen) if condition else what in screen) else None

        try:
            return wait_until(what, look, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}; the screen:\n{self.text()}") from None

    def close(self):
        self.tmux("kill-server")
        self.server.wait_exit(10 * PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
