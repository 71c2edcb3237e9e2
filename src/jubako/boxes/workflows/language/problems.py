"""What is wrong with a source text, gathered so that several problems are told at once."""

from dataclasses import dataclass, field

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.limits import PROBLEMS_MAX
from jubako.core.errors import InvalidArgument


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding in a source text.

    Attributes:
        line: 1-based line.
        column: 1-based column.
        step: Name of the step it is in, "" outside of steps.
        message: What is wrong, one line without full stop.
        fix: How to mend it, likewise.

    """

    line: int
    column: int
    step: str
    message: str
    fix: str

    def __str__(self) -> str:
        return self.told()

    def told(self, kind: str = "") -> str:
        """Return it as editors read it, ``kind`` (such as ``warning: ``) behind the place."""
        where = f"in step {self.step}: " if self.step else ""
        return f"{self.line}:{self.column}: {kind}{where}{self.message} ({self.fix})"


class SourceRefused(InvalidArgument):
    """The source text cannot be deployed; ``problems`` holds every finding, ordered by position."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems]
        violations = [{"field": "source_contents", "description": line} for line in lines]
        detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
        super().__init__("failed to build: " + "\n".join(lines), [detail])


@dataclass(slots=True)
class Findings:
    """Collects errors and warnings while a source text is read."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, at: Data, step: str, message: str, fix: str) -> None:
        """Record an error at ``at``, anything with ``line`` and ``column``; past 100 errors, give up.

        Raises:
            SourceRefused: There are too many errors to go on.

        """
        self.errors.append(Problem(at.line, at.column, step, _one_line(message), _one_line(fix)))
        if len(self.errors) >= PROBLEMS_MAX:
            self.settle()

    def warn(self, at: Data, step: str, message: str, fix: str) -> None:
        """Record a warning at ``at``; warnings do not stop a deployment."""
        if len(self.warnings) < PROBLEMS_MAX:
            self.warnings.append(Problem(at.line, at.column, step, _one_line(message), _one_line(fix)))

    def settle(self) -> None:
        """Raise SourceRefused if any error was recorded."""
        if self.errors:
            raise SourceRefused(self.errors)


def _one_line(text: str) -> str:
    # What is quoted from the source may have several.
    return " ".join(text.split())
