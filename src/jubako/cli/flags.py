"""How values are written on gcloud's command line, and the flags that change environment variables.

Sources: ``gcloud topic escaping`` (``^DELIMITER^`` in front of a list), ``gcloud topic datetimes`` (durations),
``gcloud run jobs deploy`` (the family of ``--set-env-vars``).
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from jubako.cli.errors import UsageError

T = TypeVar("T")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,9})?)s)?\Z")
_DELIMITER = re.compile(r"\^([^^]+)\^(.*)\Z", re.DOTALL)
_UNITS_S = (86_400, 3_600, 60, 1)


def duration(text: str) -> str:
    """Return the JSON form (``605s``) of ``10m5s``, ``1h30m``, ``3600s`` or bare seconds.

    Raises:
        argparse.ArgumentTypeError: Another form, or less than a second.

    """
    written = f"{text}s" if re.fullmatch(r"\d+(\.\d+)?", text) else text
    match = _DURATION.match(written)
    if match is None or not written:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 3600s, 10m5s or 90.")
    seconds = sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True) if part)
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than a second.")
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def moment(text: str) -> str:
    """Return the timestamp that ``text`` is, or that lay a duration such as ``10m`` ago.

    Raises:
        argparse.ArgumentTypeError: It is neither.

    """
    if "-" in text:
        return text  # the server knows timestamps
    ago_s = float(duration(text).removesuffix("s"))
    try:
        return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} ago is before all time.") from None


def words(text: str) -> list[str]:
    """Return the items of ``a,b,c``, or of ``^|^a|b|c`` with a delimiter of one's own; an empty text has none."""
    match = _DELIMITER.match(text)
    delimiter, items = (match[1], match[2]) if match else (",", text)
    return items.split(delimiter) if items else []


def pairs(text: str) -> dict[str, str]:
    """Return the map of ``A=1,B=2``; values may hold ``=``, and commas after ``^|^``.

    Raises:
        argparse.ArgumentTypeError: An item has no ``=`` or no name.

    """
    found = {}
    for item in words(text):
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise argparse.ArgumentTypeError(f"{item!r} is not NAME=VALUE (another delimiter: ^|^A=1|B=2).")
        found[name] = value
    return found


def at_least(lowest: int) -> Callable[[str], int]:
    """Return a type of argument: whole numbers from ``lowest`` on."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text) or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {lowest}.")
        return int(text)

    return parse


class Merge(argparse.Action):
    """Collect the maps or lists of a repeated flag into one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - argparse says so
        option: str | None = None,
    ) -> None:
        """See argparse.Action."""
        del parser, option
        before = getattr(namespace, self.dest, None)
        merged = (
            values if before is None else before | values if isinstance(values, dict) else before + values
        )
        setattr(namespace, self.dest, merged)


def add_env_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--set-env-vars`` and its family; ``--set`` and ``--env-vars-file`` replace all, the others change some."""
    family = parser.add_argument_group("environment variables")
    family.add_argument(
        "--set-env-vars", metavar="NAME=VALUE,...", type=pairs, action=Merge, help="exactly these"
    )
    family.add_argument(
        "--update-env-vars", metavar="NAME=VALUE,...", type=pairs, action=Merge, help="these too"
    )
    family.add_argument(
        "--remove-env-vars", metavar="NAME,...", type=words, action=Merge, help="these no more"
    )
    family.add_argument("--clear-env-vars", action="store_true", default=None, help="none")
    family.add_argument(
        "--env-vars-file", metavar="FILE", type=Path, help="exactly those of a YAML or .env file"
    )


class EnvEdit:
    """What the flags want of the environment variables."""

    def __init__(
        self, *, replace: Mapping[str, str] | None, update: Mapping[str, str], remove: Sequence[str]
    ) -> None:
        self.replace = replace
        self.update = update
        self.remove = remove

    @classmethod
    def of(cls, args: argparse.Namespace) -> "EnvEdit | None":
        """Return what the flags of ``add_env_flags`` ask for, or None if none was given.

        Raises:
            UsageError: Flags that contradict one another, or a file that cannot be read.

        """
        ways = ("set_env_vars", "clear_env_vars", "env_vars_file")
        whole = [flag for flag in ways if getattr(args, flag) is not None]
        partial = [flag for flag in ("update_env_vars", "remove_env_vars") if getattr(args, flag) is not None]
        if len(whole) > 1 or (partial and whole and whole != ["clear_env_vars"]):
            named = ", ".join(f"--{flag.replace('_', '-')}" for flag in whole + partial)
            raise UsageError(f"At most one of these can be given: {named}.")
        if not whole and not partial:
            return None
        replace: Mapping[str, str] | None = {} if whole else None
        if args.set_env_vars is not None:
            replace = args.set_env_vars
        elif args.env_vars_file is not None:
            replace = read_env_file(args.env_vars_file)
        return cls(replace=replace, update=args.update_env_vars or {}, remove=args.remove_env_vars or [])

    def apply(self, env: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the ``env`` of a container after the edit; entries that take their value from elsewhere stay."""
        entries = {entry["name"]: entry for entry in env}
        if self.replace is not None:
            entries = {name: entry for name, entry in entries.items() if "valueSource" in entry}
            entries |= as_entries(self.replace)
        for name in self.remove:
            entries.pop(name, None)
        return list((entries | as_entries(self.update)).values())


def as_entries(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return ``env`` entries (``{"name", "value"}``) by name."""
    return {name: {"name": name, "value": value} for name, value in variables.items()}


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file: NAME=VALUE lines in ``*.env``, else a YAML or JSON map of texts.

    Raises:
        UsageError: It cannot be read, or holds something else; the message names the line or variable.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--env-vars-file: {path} cannot be read: {error}.") from None
    return _read_dotenv(path, text) if path.name.endswith(".env") else _read_yaml(path, text)


def _read_dotenv(path: Path, text: str) -> dict[str, str]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip().removeprefix("export ")
        if not content or content.startswith("#"):
            continue
        name, equals, value = content.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{path}:{number}: not a line of the form NAME=VALUE.")
        value = value.strip()
        is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name.strip()] = value[1:-1] if is_quoted else value
    return found


def _read_yaml(path: Path, text: str) -> dict[str, str]:
    import yaml  # noqa: PLC0415 - slow to import

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--env-vars-file: {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UsageError(f"--env-vars-file: {path} does not hold a map of NAME: VALUE.")
    for name, value in document.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(f'--env-vars-file: {path}: {name}: write the value as text: {name}: "{value}".')
    return document
