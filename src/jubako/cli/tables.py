"""Tables of text whose columns line up, East-Asian characters included."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from jubako.cli.terminal import Terminal, clean, clip, pad, width

GAP = "  "
NARROWEST = 6


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> list[str]:
    """Return the lines of a table, its widest columns narrowed until it fits the terminal.

    ``rows`` are unstyled text; every row has as many cells as there are headers.
    """
    cells, widths = _fitted(headers, rows, terminal)
    body = (
        _line([clip(cell, room) for cell, room in zip(row, widths, strict=True)], widths) for row in cells
    )
    return [terminal.paint(_line(headers, widths), "bold"), *body]


def wrapped_table(headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> list[str]:
    """Return the same with nothing cut off: what does not fit goes on in the next line, and rows stand apart then."""
    cells, widths = _fitted(headers, rows, terminal)
    lines = [terminal.paint(_line(headers, widths), "bold")]
    wrapped = [[wrap(cell, room) for cell, room in zip(row, widths, strict=True)] for row in cells]
    is_airy = any(len(cell) > 1 for row in wrapped for cell in row)
    for row in wrapped:
        lines += [""] if is_airy else []
        lines += [_line(parts, widths) for parts in zip_longest(*row, fillvalue="")]
    return lines


def wrap(text: str, room: int) -> list[str]:
    """Return the lines of ``text``, at most ``room`` columns each; long words, and Japanese, are broken."""
    lines, line = [], ""
    for piece in _pieces(text):
        if width(line + piece.rstrip()) > room and line:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterator[str]:
    """Yield what may not be torn apart: a word with the space behind it, or one wide character."""
    word = ""
    for character in text:
        if width(character) == 2:
            if word:
                yield word
            word = ""
            yield character
        else:
            word += character
            if character == " " or len(word) >= NARROWEST * 3:
                yield word
                word = ""
    if word:
        yield word


def _fitted(
    headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal
) -> tuple[list[list[str]], list[int]]:
    cells = [[clean(cell.replace("\n", " ").replace("\t", " ")) for cell in row] for row in rows]
    widths = [max(width(text) for text in column) for column in zip(headers, *cells, strict=True)]
    room = terminal.columns - len(GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return cells, widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(pad(cell, columns) for cell, columns in zip(cells, widths, strict=True)).rstrip()
