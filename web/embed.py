#!/usr/bin/env python3
"""Makes the statistics page one file, as C: embed.py OUTPUT PAGE.html

In the page, <link rel="stylesheet" href="FILE"> and <script src="FILE"></script> are replaced by the
files' content, and the Content-Security-Policy allows these scripts and styles by their hashes and
no others.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

LINK = re.compile(r'<link rel="stylesheet" href="([^"]+)">|<script src="([^"]+)"></script>')


def bundle(page):
    """The page with all that it refers to, and its policy."""
    allowed = {"style": [], "script": []}

    def inline(match):
        kind = "style" if match[1] else "script"
        text = (page.parent / (match[1] or match[2])).read_text(encoding="utf-8")
        assert f"</{kind}" not in text, f"{match[0]} would end its own element"
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
        return f"<{kind}>{text}</{kind}>"

    html = LINK.sub(inline, page.read_text(encoding="utf-8"))
    policy = (f"default-src 'none'; script-src {' '.join(allowed['script'])}; "
              f"style-src {' '.join(allowed['style'])}; connect-src 'self'; img-src 'self' data:; "
              "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    return html.encode(), policy


def main():
    output, page = sys.argv[1:]
    html, policy = bundle(Path(page))
    rows = [", ".join(map(str, html[i:i + 24])) for i in range(0, len(html), 24)]
    Path(output).write_text(
        "/* Made by web/embed.py. */\n#include \"stats_page.h\"\n\n"
        f"const char stats_page_policy[] = \"{policy}\";\n"
        f"const size_t stats_page_len = {len(html)};\n"
        "const unsigned char stats_page[] = {\n" + ",\n".join(rows) + "};\n", encoding="ascii")


main()
