"""Tables of text whose columns line up, East-Asian characters included."""

from collections.abc import Sequence

from jubako.cli.terminal import Terminal, clean, clip, pad, width

GAP = "  "
NARROWEST = 6


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> list[str]:
    """Return the lines of a table, its widest columns narrowed until it fits the terminal.

    ``rows`` are unstyled text; every row has as many cells as there are headers.
    """
    cells = [[clean(cell.replace("\n", " ").replace("\t", " ")) for cell in row] for row in rows]
    widths = [max(width(text) for text in column) for column in zip(headers, *cells, strict=True)]
    _narrow(widths, terminal.columns - len(GAP) * (len(widths) - 1))
    head = _line(headers, widths)
    return [terminal.paint(head, "bold"), *(_line(row, widths) for row in cells)]


def _narrow(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = [pad(clip(cell, columns), columns) for cell, columns in zip(cells, widths, strict=True)]
    return GAP.join(parts).rstrip()
