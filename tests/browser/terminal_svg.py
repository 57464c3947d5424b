#!/usr/bin/env python3
"""Turns what a command printed in colours into a picture.

    git model --color=always diff A B | tests/browser/terminal_svg.py 'git model diff A B' > picture.svg

Knows the colours that git-model uses: bold, dim, red, green, yellow, cyan. Each line is one text element whose pieces stand
at their columns, so that it looks the same in whatever monospaced font there is. Lines behind the first LINES_MAX are left
out, and the picture says so.
"""

import os
import re
import sys
import unicodedata
from html import escape

COLUMN, LINE, MARGIN, BAR = 7.83, 19, 16, 34
LINES_MAX = int(os.environ.get("LINES_MAX", "24"))
CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
STYLE = (
    "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "fill:#d7dde5;white-space:pre}"
    ".b{font-weight:700;fill:#fff}.d{fill:#98a3b0}.r{fill:#ff8a80}.g{fill:#6fdc8c}.y{fill:#e8c15a}.c{fill:#66d9e8}"
)


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def pieces(line):
    """(column, class, text), cut where the colour changes and where columns are far apart."""
    column, colour = 0, ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            colour = CLASSES.get(part[2:-1], "")
            continue
        for run in re.split(r"( {2,})", part):
            if run.strip():
                yield column, colour, run
            column += width(run)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = sys.stdin.read().rstrip("\n").split("\n")
    hidden = max(0, len(lines) - LINES_MAX)
    lines = [f"\x1b[1m$ {sys.argv[1]}\x1b[m", *lines[:LINES_MAX]]
    if hidden:
        lines.append(f"\x1b[2m… {hidden} more lines\x1b[m")
    columns = max(width(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    wide, high = round(columns * COLUMN + 2 * MARGIN), len(lines) * LINE + BAR + MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
          f'role="img"><title>Output of {escape(sys.argv[1])}</title><style>{STYLE}</style>'
          f'<rect width="{wide}" height="{high}" rx="8" fill="#12171d"/>'
          '<g fill="#3a434e">' + "".join(f'<circle cx="{x}" cy="17" r="5"/>' for x in (20, 38, 56)) + "</g>")
    for row, line in enumerate(lines):
        y = BAR + (row + 0.8) * LINE
        spans = []
        for column, colour, text in pieces(line):
            kind = f' class="{colour}"' if colour else ""
            length = f' textLength="{width(text.rstrip()) * COLUMN:.1f}"' if width(text) > 3 else ""
            spans.append(f'<tspan x="{MARGIN + column * COLUMN:.1f}"{length}{kind}>{escape(text.rstrip())}</tspan>')
        if spans:
            print(f'<text y="{y:.1f}">{"".join(spans)}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
