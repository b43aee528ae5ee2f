"""Draw `docs/images/demo.svg` from a real run of the demo on a terminal.

    python tools/draw_demo.py                 about a quarter of a minute; needs a Unix system

`aster-operator demo` runs in a pseudo-terminal. What it drew is cut into frames at the control sequences of
the live display; the picture shows the frame nearest to a chosen share of the played time, then the report.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

__all__ = ["draw", "frames_of", "main", "record"]

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"

_COLUMNS = 116
_ROWS = 40
_SHOWN_SHARE = 0.35
_CONTROL = re.compile(r"\x1b\[\??\d*(?:;\d+)*[A-HJKSTfhlsu]|\r(?!\n)")
_SPACE = "&#160;"
_TEXT = re.compile(
    r'<text(?P<style> class="demo-r\d+") x="(?P<x>[\d.]+)"(?P<between> y="[\d.]+") '
    r'textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>(?P<content>[^<]*)</text>'
)
_PROGRESS = re.compile(r"([\d.]+) of ([\d.]+) h")


def record(command: list[str], columns: int = _COLUMNS, rows: int = _ROWS) -> tuple[str, int]:
    """Run `command` on a pseudo-terminal; return everything it wrote to it and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
        )
        os.close(theirs)
        written = bytearray()
        while chunk := _read(ours):
            written += chunk
        os.close(ours)
        return written.decode("utf-8"), process.wait()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other side has closed the terminal
        return b""


def frames_of(output: str) -> list[str]:
    """The pictures that a live display drew one over the other, and at the end what it left standing."""
    return [frame.strip("\r\n") for frame in _CONTROL.split(output) if frame.strip()]


def draw(output: str, columns: int = _COLUMNS) -> str:
    """The picture of a demo's terminal output as SVG. Raises ValueError when it shows no demo."""
    frames = frames_of(output)
    live = [(frame, _share(frame)) for frame in frames[:-1]]
    shown = [(abs(share - _SHOWN_SHARE), frame) for frame, share in live if share is not None]
    if not shown or "ledger:" not in frames[-1]:
        raise ValueError("the output holds no live view followed by a report")
    report = "\n".join(line for line in frames[-1].splitlines() if "books:" not in line)
    console = Console(width=columns, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_markup("[dim]$[/] make run"))
    # The live view fills the whole screen: what it leaves empty below is no part of the picture.
    for part in (min(shown)[1].rstrip(), report):
        console.print(Text.from_ansi(part.replace("\r\n", "\n")), no_wrap=True, crop=False)
    return _without_web_fonts(
        console.export_svg(title="aster-operator demo", theme=MONOKAI, unique_id="demo")
    )


def _without_web_fonts(svg: str) -> str:
    """Pictures in documents may load no fonts: the reader's own monospace font must do.

    Its letters may be narrower or wider than the one asked for, so every word gets its own place.
    """
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, ", "")
    return _TEXT.sub(_placed_words, svg)


def _placed_words(element: re.Match[str]) -> str:
    characters = re.findall(r"&[^;]+;|.", element["content"])
    width = float(element["length"]) / max(1, len(characters))
    words, begin = [], 0
    for at, character in enumerate([*characters, _SPACE]):
        if character == _SPACE:
            if at > begin:
                x = float(element["x"]) + begin * width
                words.append(
                    f'<text{element["style"]} x="{x:.1f}"{element["between"]} '
                    f'textLength="{(at - begin) * width:.1f}"{element["rest"]}>'
                    f"{''.join(characters[begin:at])}</text>"
                )
            begin = at + 1
    return "".join(words)


def _share(frame: str) -> float | None:
    found = _PROGRESS.search(frame)
    return float(found[1]) / float(found[2]) if found else None


def main() -> int:
    output, code = record([sys.executable, "-m", "aster_operator.cli.entry", "demo"])
    if code != 0:
        print(output, file=sys.stderr)
        return code
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(draw(output), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
