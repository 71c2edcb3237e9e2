"""What goes wrong for the person at the keyboard: one sentence, what to do next, and an exit code."""

OK = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of our output went away (``jubako ... | head``)."""


class CliError(Exception):
    """A command cannot go on. ``hint`` says what the person can do next."""

    def __init__(self, message: str, hint: str = "", exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(CliError):
    """The command line itself is wrong."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, USAGE)


class ServerUnreachable(CliError):
    """No reply could be had from the server."""


class ApiError(CliError):
    """The server answered with Google's error shape: ``{"error": {"code", "message", "status"}}``."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.code = code
        self.status = status
        self.reason = message

    @classmethod
    def from_body(cls, code: int, body: object) -> "ApiError | None":
        """Return the error that a reply's JSON ``body`` tells, or None if it has another shape."""
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return None
        return cls(code, str(error.get("status", "")), str(error.get("message", "no message")))
