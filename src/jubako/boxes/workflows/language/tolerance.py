"""Mends one common slip before YAML is parsed: an unquoted `${...}` inside a flow map or list.

`{ video: ${input.video} }` is not YAML, because a plain scalar inside `{}` may not contain braces; yet it is what
people write (and print in articles). The pre-pass puts single quotes around an expression that stands alone as a
value in flow context, on one line. It never moves a line, and leaves everything that YAML accepts as it was:
it only runs on text that the YAML parser has refused.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mend:
    """An expression that was quoted; 1-based position in the original text."""

    line: int
    column: int
    expression: str


def quote_flow_expressions(text: str) -> tuple[str, list[Mend]]:
    """Return the text with lone flow expressions quoted, and what was quoted."""
    return _Scanner(text).run()


class _Scanner:
    """Walks the text once, tracking quotes, comments and flow depth."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.line = 1
        self.line_start = 0
        self.copied = 0
        self.pieces: list[str] = []
        self.mends: list[Mend] = []

    def run(self) -> tuple[str, list[Mend]]:
        size = len(self.text)
        while self.at < size:
            char = self.text[self.at]
            if char in "'\"" and self._starts_scalar():
                self._skip_quoted(char)
            elif char == "#" and self._starts_comment():
                self._skip_to(self.text.find("\n", self.at))
            elif self.text.startswith("${", self.at):
                self._expression()
            else:
                self._plain(char)
        self.pieces.append(self.text[self.copied :])
        return "".join(self.pieces), self.mends

    def _plain(self, char: str) -> None:
        if char in "{[" and (self.depth or self._starts_scalar()):
            self.depth += 1
        elif char in "}]" and self.depth:
            self.depth -= 1
        elif char == "\n":
            self.line += 1
            self.line_start = self.at + 1
        self.at += 1

    def _starts_scalar(self) -> bool:
        before = self.text[self.line_start : self.at].rstrip(" \t")
        spaced = len(before) < self.at - self.line_start
        if not before or before[-1] in "{[,":
            return True
        return before[-1] in ":-" and (spaced or (before[-1] == ":" and self.depth > 0))

    def _starts_comment(self) -> bool:
        return self.at == self.line_start or self.text[self.at - 1] in " \t"

    def _skip_to(self, end: int) -> None:
        self.at = len(self.text) if end < 0 else end

    def _skip_quoted(self, quote: str) -> None:
        end = _closing_quote(self.text, self.at, quote)
        skipped = self.text[self.at : end]
        if "\n" in skipped:
            self.line += skipped.count("\n")
            self.line_start = self.at + skipped.rindex("\n") + 1
        self.at = end

    def _expression(self) -> None:
        end = _closing_brace(self.text, self.at)
        if end < 0 or not self.depth or not self._starts_scalar() or not self._ends_scalar(end):
            self.at = self.at + 2 if end < 0 else end
            return
        expression = self.text[self.at : end]
        quoted = "'" + expression.replace("'", "''") + "'"
        self.pieces += [self.text[self.copied : self.at], quoted]
        self.mends.append(Mend(self.line, self.at - self.line_start + 1, expression))
        self.at = self.copied = end

    def _ends_scalar(self, end: int) -> bool:
        rest = self.text[end : end + 200].lstrip(" \t")
        return not rest or rest[0] in ",}]\n\r#"


def _closing_quote(text: str, start: int, quote: str) -> int:
    at = start + 1
    while at < len(text):
        if quote == '"' and text[at] == "\\":
            at += 2
        elif text[at] != quote:
            at += 1
        elif quote == "'" and text.startswith("''", at):
            at += 2
        else:
            return at + 1
    return len(text)


def _closing_brace(text: str, start: int) -> int:
    """Return the position after the brace that ends the expression at ``start`` on the same line, or -1."""
    at = start + 2
    while at < len(text) and text[at] not in "\n}":
        at = _closing_quote(text, at, text[at]) if text[at] in "'\"" else at + 1
    ended = at < len(text) and text[at] == "}" and "\n" not in text[start:at]
    return at + 1 if ended else -1
