"""An nginx with a configuration of its own: nothing of the machine's gets in."""

import os
import pwd

from harness import Proc

CONFIG = """\
daemon off;
worker_processes 1;
{user}
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{ {server} }}
}}
"""


def start(home, server, directory):
    """nginx in the directory `home`, which exists, with the directives of one `server` block."""
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
    config = home / "nginx.conf"
    config.write_text(CONFIG.format(home=home, server=server, user=user), encoding="ascii")
    return Proc("nginx", ["nginx", "-p", home, "-c", config, "-e", home / "error.log"], directory)
