#!/usr/bin/env python3
"""Makes docs/img/run.svg: a picture of a real run of Parasol in a terminal.

Runs the command in a pseudo-terminal with an empty model store, follows what it writes as a terminal would, and draws the
last screen; above it the progress bar as it stood half-way, since it is wiped away when the model is there. Nothing is
edited: what the picture says has been printed. Needs Python 3 alone and a built `target/release/parasol`.

    python3 tools/recording.py
    python3 tools/recording.py --keep-store -- parasol chat     # another command, with the models that are here
"""

import argparse
import os
import pty
import re
import select
import shlex
import struct
import sys
import tempfile
import time
import unicodedata
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 92, 40
LIMIT_SECONDS = 600

# Foreground, and the sixteen colours of a terminal.
INK, PAPER = "#d7dae0", "#1d2026"
COLOURS = ["#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf"]


class Screen:
    """As much of a terminal as Parasol and indicatif use: text, line breaks, erasing, cursor moves, colours."""

    ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[=>]|\x1b\][^\x07]*\x07")

    def __init__(self):
        self.rows = [[]]
        self.row = self.column = 0
        self.style = ()
        self.rest = ""

    def feed(self, text):
        text, at = self.rest + text, 0
        self.rest = ""
        while at < len(text):
            c = text[at]
            if c == "\x1b":
                found = self.ESCAPE.match(text, at)
                if found is None:
                    # Cut in the middle: the rest comes with the next bytes.
                    self.rest = text[at:]
                    return
                self.control(found.group(1) or "", found.group(2) or "")
                at = found.end()
                continue
            if c == "\n":
                self.down(1)
            elif c == "\r":
                self.column = 0
            elif c == "\b":
                self.column = max(0, self.column - 1)
            elif c >= " ":
                self.put(c)
            at += 1

    def put(self, c):
        width = cells(c)
        if self.column + width > COLUMNS:
            self.down(1)
            self.column = 0
        row = self.rows[self.row]
        row.extend([(" ", ())] * (self.column - len(row)))
        row[self.column : self.column + width] = [(c, self.style)] + [("", ())] * (width - 1)
        self.column += width

    def down(self, lines):
        self.row += lines
        while self.row >= len(self.rows):
            self.rows.append([])

    def control(self, numbers, kind):
        first = int(numbers) if numbers.isdigit() else None
        row = self.rows[self.row]
        if kind == "m":
            self.colour([int(n or 0) for n in numbers.split(";")])
        elif kind == "K":
            start, end = {None: (self.column, None), 0: (self.column, None), 1: (0, self.column)}.get(first, (0, None))
            if end is None:
                del row[start:]
            else:
                row[:end] = [(" ", ())] * min(end, len(row))
        elif kind == "J":
            del row[self.column :], self.rows[self.row + 1 :]
        elif kind == "A":
            self.row = max(0, self.row - (first or 1))
        elif kind == "B":
            self.down(first or 1)
        elif kind == "C":
            self.column += first or 1
        elif kind == "D":
            self.column = max(0, self.column - (first or 1))
        elif kind == "G":
            self.column = (first or 1) - 1

    def colour(self, numbers):
        bold, dim, ink = self.style or (False, False, None)
        for n in numbers:
            if n == 0:
                bold, dim, ink = False, False, None
            elif n == 1:
                bold = True
            elif n == 2:
                dim = True
            elif n == 22:
                bold = dim = False
            elif 30 <= n <= 37 or 90 <= n <= 97:
                ink = n % 10
            elif n == 39:
                ink = None
        self.style = (bold, dim, ink) if (bold or dim or ink is not None) else ()

    def lines(self):
        """Rows as tuples of (text, style) runs, without trailing space and empty rows."""
        out = []
        for row in self.rows:
            runs = []
            for c, style in row:
                if runs and runs[-1][1] == style:
                    runs[-1][0] += c
                else:
                    runs.append([c, style])
            while runs and not runs[-1][0].rstrip():
                runs.pop()
            if runs:
                runs[-1][0] = runs[-1][0].rstrip()
            out.append(tuple((text, style) for text, style in runs))
        while out and not out[-1]:
            out.pop()
        return tuple(out)


def record(command, store):
    """Runs the command; returns its exit code and the screens that it showed, one for each thing that it wrote."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", PATH=f"{ROOT}/target/release:{os.environ['PATH']}")
        os.environ.pop("NO_COLOR", None)
        if store:
            os.environ["PARASOL_HOME"] = store
        os.chdir(ROOT)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"cannot run {command[0]}: {error}")
            os._exit(127)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen, screens, end = Screen(), [], time.monotonic() + LIMIT_SECONDS
    broken = b""
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        broken += data
        try:
            text, broken = broken.decode(), b""
        except UnicodeDecodeError as error:
            text, broken = broken[: error.start].decode(), broken[error.start :]
        screen.feed(text)
        screens.append(screen.lines())
    else:
        os.kill(child, 15)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), screens


def plain(line):
    return "".join(text for text, _ in line)


def compose(screens):
    """The last screen; before what is new in it, the progress bar where it was nearest to its half."""
    last = screens[-1]
    bar = re.compile(r"^fetching .*?([0-9.]+) ([kMG]?)B of ([0-9.]+) ([kMG]?)B")
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
    halfway, nearest = (), 1.0
    for lines in screens:
        found = bar.search(plain(lines[-1])) if lines else None
        if found:
            done, total = (float(found[n]) * scale[found[n + 1]] for n in (1, 3))
            distance = abs(done / total - 0.5) if total else 1.0
            if distance < nearest:
                halfway, nearest = lines, distance
    same = 0
    while same < min(len(halfway), len(last)) and halfway[same] == last[same]:
        same += 1
    return halfway + last[same:]


def cells(text):
    """Columns that text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def run_of(text, style, x, y, wide):
    bold, dim, ink = style or (False, False, None)
    attributes = f' fill="{COLOURS[ink]}"' if ink is not None else ""
    attributes += ' font-weight="bold"' if bold else ""
    attributes += ' opacity="0.6"' if dim else ""
    # textLength keeps columns in line whatever font stands in.
    return f'<text x="{x:.1f}" y="{y}" xml:space="preserve" textLength="{cells(text) * wide:.1f}"{attributes}>{escape(text)}</text>'


def draw(command, lines):
    wide, high, left, top = 8.4, 21, 18, 62
    prompt = (("$ ", (False, False, 2)), (command, (True, False, None)))
    body = []
    for number, line in enumerate((prompt, *lines)):
        column = 0
        for text, style in line:
            # Words that are far apart are placed one by one: a browser would close the gap between them.
            for part in re.split(r"(  +)", text):
                if part.strip():
                    body.append(run_of(part, style, left + column * wide, top + number * high, wide))
                column += cells(part)
    width, height = round(2 * left + COLUMNS * wide), top + len(lines) * high + 20
    dots = "".join(f'<circle cx="{20 + 18 * i}" cy="20" r="6" fill="{COLOURS[c]}"/>' for i, c in enumerate((1, 3, 2)))
    said = escape("\n".join(plain(line) for line in lines))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(command)}</title>",
        f"<desc>{said}</desc>",
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
        dots,
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14" fill="{INK}">',
        *body,
        "</g>",
        "</svg>",
        "",
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/img/run.svg")
    parser.add_argument("--keep-store", action="store_true", help="use the models that are here instead of an empty store")
    parser.add_argument("command", nargs="*", default=["parasol", "run", "Write a haiku about rain"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        code, screens = record(args.command, None if args.keep_store else store)
    if code != 0 or not screens:
        sys.exit(f"the command ended with {code}:\n" + "\n".join(plain(line) for line in (screens[-1] if screens else ())))
    lines = compose(screens)
    # As a person types it: double quotes around what has spaces.
    shown = " ".join(f'"{w}"' if " " in w and '"' not in w else shlex.quote(w) for w in args.command)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(draw(shown, lines))
    print("\n".join(plain(line) for line in lines))


if __name__ == "__main__":
    main()
