"""Expressions: text to a tree, by a hand-written Pratt parser.

Precedence, tightest first: ``( )``, ``.``, ``[ ]``; ``not``; unary ``-``; ``* / // %``; ``+ -``;
``< <= > >= == != in``; ``and``; ``or``. So ``not a == b`` is ``(not a) == b``, unlike Python.
Source: cloud.google.com/workflows/docs/reference/syntax/datatypes, "Operators" (order of precedence).
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.limits import (
    EXPRESSION_CHARS_MAX,
    EXPRESSION_DEPTH_MAX,
    INTEGER_MAX,
)

_FIX = "write values, operators and calls; text in quotes"
_HABITS = {
    "=": "compare with ==",
    "&": "write and",
    "|": "write or",
    "!": "write not, and != to compare",
    "?": "write if(condition, value, otherwise)",
    "{": "there are no maps in expressions: write the map in YAML, its values as ${...}",
    "}": 'join texts in one expression: ${a + " and " + b}',
    "**": "there is no power; multiply",
    "not": "write not (x in list)",
    "is": "compare with ==, as in x == null",
    "AND": "write and or AND",
    "OR": "write or or OR",
    "NOT": "write not or NOT",
}
"""What people write who think of another language, and what to write here."""


class ExpressionError(Exception):
    """The text is no expression; ``offset`` is the 0-based character where that shows, ``fix`` how to mend it."""

    def __init__(self, message: str, offset: int, fix: str = _FIX) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: Any
    offset: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or the name of a subworkflow or function used as a value."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Member:
    """``item.name``."""

    item: "Expr"
    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Index:
    """``item[key]``."""

    item: "Expr"
    key: "Expr"
    offset: int


@dataclass(frozen=True, slots=True)
class Unary:
    """``not x`` or ``-x``."""

    operator: str
    operand: "Expr"
    offset: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands; ``operator`` in lower case, ``and`` and ``or`` included."""

    operator: str
    left: "Expr"
    right: "Expr"
    offset: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list literal."""

    items: tuple["Expr", ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """``name(arguments)``, the name dotted; ``ordinal`` numbers the calls of one expression."""

    name: str
    arguments: tuple["Expr", ...]
    offset: int
    ordinal: int


Expr = Const | Name | Member | Index | Unary | Binary | Items | Invocation

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<double>(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)
  | (?P<integer>\d+)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<sign>//|==|!=|<=|>=|[-+*/%<>()\[\].,])
  | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_LITERALS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL")),
}
_WORDS = {word: word.lower() for word in ("and", "or", "not", "in", "AND", "OR", "NOT", "IN")}
_BINDING = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "//", "%"), 5),
}
_UNARY = {"-": 6, "not": 7}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_SPLIT = "assign parts of it to variables first"
_QUOTE = "quote it to keep it as text"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


def is_expression(value: Data) -> bool:
    """Return whether a scalar is an expression: ``${...}`` must be the whole of it."""
    if type(value) is not str:
        return False
    text = value.strip()
    return text.startswith("${") and text.endswith("}")


def parse_scalar(text: str) -> Expr:
    """Return the tree of a scalar for which `is_expression` holds."""
    stripped = text.strip()
    if len(stripped) > EXPRESSION_CHARS_MAX:
        raise _too_long(stripped)
    return _Parser(stripped[2:-1]).whole()


def parse(text: str) -> Expr:
    """Return the tree of a bare expression, as in an assignment target.

    Raises:
        ExpressionError: Bad syntax, over 400 characters, or nested deeper than 60 levels.

    """
    if len(text) > EXPRESSION_CHARS_MAX:
        raise _too_long(text)
    return _Parser(text).whole()


def walk(tree: Expr) -> Iterator[Expr]:
    """Yield every node of a tree, outermost first."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def children(node: Expr) -> tuple[Expr, ...]:
    """Return a node's direct parts in the order of evaluation."""
    match node:
        case Member(item=part) | Unary(operand=part):
            return (part,)
        case Index(item=first, key=second) | Binary(left=first, right=second):
            return (first, second)
        case Items(items=items) | Invocation(arguments=items):
            return items
    return ()


def dotted(node: Expr) -> str:
    """Return ``a.b.c`` for a chain of names, "" for anything else."""
    parts: list[str] = []
    while isinstance(node, Member):
        parts.append(node.name)
        node = node.item
    return ".".join([node.name, *reversed(parts)]) if isinstance(node, Name) else ""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.calls = 0
        self.token = self._next()

    def whole(self) -> Expr:
        if self.token.kind == "end":
            raise ExpressionError("expression is empty", 0)
        tree = self._binary(0)
        if self.token.kind != "end":
            raise self._unexpected(self.token)
        return tree

    def _unexpected(self, token: _Token) -> ExpressionError:
        before = self.text[token.offset - 1 : token.offset]
        word = "**" if before + token.text == "**" else token.text
        fix = _HABITS.get(word) or _HABITS.get(word.upper()) or _FIX
        return ExpressionError(f"unexpected {token.text or 'end of expression'}", token.offset, fix)

    def _next(self) -> _Token:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            offset = (
                self.position + len(self.text[self.position :]) - len(self.text[self.position :].lstrip())
            )
            char = self.text[offset : offset + 1]
            raise ExpressionError(f"token recognition error at {char!r}", offset, _HABITS.get(char, _FIX))
        self.position = match.end()
        kind = match.lastgroup
        assert kind is not None
        text = match[kind]
        if kind == "name" and text in _WORDS:
            return _Token("sign", _WORDS[text], match.start(kind))
        return _Token(kind, text, match.start(kind))

    def _take(self) -> _Token:
        token, self.token = self.token, self._next()
        return token

    def _expect(self, text: str) -> None:
        if self.token.kind != "sign" or self.token.text != text:
            found = self.token.text or "the end"
            raise ExpressionError(f"expected {text} but found {found}", self.token.offset)
        self._take()

    def _binary(self, above: int) -> Expr:
        self.depth += 1
        if self.depth > EXPRESSION_DEPTH_MAX:
            raise _too_deep(self.token)
        left = self._prefix()
        while self.token.kind == "sign" and _BINDING.get(self.token.text, 0) > above:
            sign = self._take()
            left = Binary(sign.text, left, self._binary(_BINDING[sign.text]), sign.offset)
        self.depth -= 1
        return left

    def _prefix(self) -> Expr:
        signs: list[_Token] = []
        while self.token.kind == "sign" and self.token.text in _UNARY:
            signs.append(self._take())
            if len(signs) > EXPRESSION_DEPTH_MAX:
                raise _too_deep(self.token)
        operand = self._postfix(self._primary())
        while signs:
            operand = self._signed(signs.pop(), operand)
        return operand

    def _signed(self, sign: _Token, operand: Expr) -> Expr:
        if sign.text == "-" and isinstance(operand, Const) and type(operand.value) in (int, float):
            return Const(-operand.value, sign.offset)
        return Unary(sign.text, operand, sign.offset)

    def _primary(self) -> Expr:
        token = self._take()
        if token.kind == "integer":
            return Const(_integer(token), token.offset)
        if token.kind == "double":
            return Const(_double(token), token.offset)
        if token.kind == "string":
            return Const(_unescape(token), token.offset)
        if token.kind == "name":
            known = token.text in _LITERALS
            return Const(_LITERALS[token.text], token.offset) if known else Name(token.text, token.offset)
        return self._bracketed(token)

    def _bracketed(self, token: _Token) -> Expr:
        if token.text == "(":
            inner = self._binary(0)
            self._expect(")")
            return inner
        if token.text == "[":
            return Items(self._list("]"), token.offset)
        raise self._unexpected(token)

    def _list(self, closing: str) -> tuple[Expr, ...]:
        items: list[Expr] = []
        while self.token.text != closing or self.token.kind != "sign":
            items.append(self._binary(0))
            if self.token.text != closing:
                self._expect(",")
        self._take()
        return tuple(items)

    def _postfix(self, item: Expr) -> Expr:
        while self.token.kind == "sign" and self.token.text in (".", "[", "("):
            sign = self._take()
            if sign.text == ".":
                item = Member(item, self._member_name(), sign.offset)
            elif sign.text == "[":
                item = Index(item, self._binary(0), sign.offset)
                self._expect("]")
            else:
                item = self._call(item, sign)
        return item

    def _member_name(self) -> str:
        token = self._take()
        if token.kind == "name" or token.text in _WORDS:
            return token.text
        raise ExpressionError(f"expected a name after . but found {token.text or 'the end'}", token.offset)

    def _call(self, item: Expr, sign: _Token) -> Expr:
        name = dotted(item)
        if not name:
            raise ExpressionError("only a named function can be called", sign.offset)
        start = item
        while isinstance(start, Member):
            start = start.item
        ordinal = self.calls
        self.calls += 1
        return Invocation(name, self._list(")"), start.offset, ordinal)


def _too_long(text: str) -> ExpressionError:
    message = f"expression has {len(text)} characters, at most {EXPRESSION_CHARS_MAX} are allowed"
    return ExpressionError(message, 0, _SPLIT)


def _too_deep(token: _Token) -> ExpressionError:
    message = f"expression is nested deeper than {EXPRESSION_DEPTH_MAX} levels"
    return ExpressionError(message, token.offset, _SPLIT)


def _integer(token: _Token) -> int:
    value = int(token.text)
    if value > INTEGER_MAX:
        raise ExpressionError(f"{token.text} does not fit into 64 bits", token.offset, _QUOTE)
    return value


def _double(token: _Token) -> float:
    value = float(token.text)
    if not math.isfinite(value):
        raise ExpressionError(f"{token.text[:40]} is not a finite number", token.offset, _QUOTE)
    return value


def _unescape(token: _Token) -> str:
    return _ESCAPE.sub(lambda match: _escape(match[1], token), token.text[1:-1])


def _escape(code: str, token: _Token) -> str:
    if len(code) == 1:
        return _ESCAPES.get(code, code)
    number = int(code[1:], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise ExpressionError(f"\\{code} is not a character", token.offset)
    return chr(number)
