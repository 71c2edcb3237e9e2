"""What the containers, labels and annotations of Run's resources must look like, whatever box they belong to.

Every rejection names the field and the limit. Sources of limits: core/limits; for variables Cloud Run, "Configure
environment variables"; for sizes execve(2); for namespaces the comments of google/cloud/run/v2/job.proto.
"""

from collections.abc import Callable, Mapping, Sequence

from jubako.core.errors import Unimplemented
from jubako.core.limits import ENV_VARS_PER_CONTAINER_MAX
from jubako.wire.codec import invalid
from jubako.wire.run_types import Container, EnvVar

LABELS_MAX = 64
LABEL_LENGTH_MAX = 63
RESERVED_LABEL_DOMAINS = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
"""Rejected in labels and annotations by the v2 API."""
WORD_BYTES_MAX = 131_071
"""One argument or variable: MAX_ARG_STRLEN of Linux less its NUL."""
COMMAND_BYTES_MAX = 1_000_000
"""All arguments and variables of a process together; the kernel takes about 2 MB, less what it adds itself."""

_NO_NETWORK = ", which sees what this machine has mounted; name a path of the machine in the program instead"
_WHY_NOT = {
    "gcs": _NO_NETWORK,
    "nfs": _NO_NETWORK,
    "cloud_sql_instance": ": reach the database by its address",
}

Reserved = Callable[[str], bool]
"""Whether a variable's name is set by the platform and so cannot be given."""


FromSecret = Callable[[str, EnvVar], None]
"""``check(place, variable)`` of a variable that takes its value from elsewhere; raises as ``command`` does."""


def command(
    path: str,
    resource: Container,
    refused: Sequence[str],
    reserved: Reserved,
    from_secret: FromSecret,
) -> None:
    """Check the part of a container that says what runs.

    Args:
        path: Where the container stands in the request.
        resource: The container.
        refused: Fields that cannot be honoured.
        reserved: Which variables cannot be given.
        from_secret: Checks variables that take their value from a secret.

    Raises:
        InvalidArgument: Something is wrong.
        Unimplemented: Something cannot be honoured on a local process.

    """
    if not resource.image and not resource.command:
        raise invalid(f"{path}.command", "is empty, and so is image: there is nothing to run.")
    for field in refused:
        if getattr(resource, field):
            raise cannot(f"{path}.{field}")
    words(f"{path}.command", resource.command)
    words(f"{path}.args", resource.args)
    variables(f"{path}.env", resource.env, reserved, from_secret)
    size = sum(_size(word) for word in (*resource.command, *resource.args))
    size += sum(_size(variable.name) + _size(variable.value or "") for variable in resource.env)
    if size > COMMAND_BYTES_MAX:
        raise invalid(
            path, f"command, args and env have {size} bytes together; at most {COMMAND_BYTES_MAX} fit."
        )
    if resource.working_dir and (not resource.working_dir.startswith("/") or "\0" in resource.working_dir):
        raise invalid(f"{path}.working_dir", f"{resource.working_dir!r} is not an absolute path.")


def words(field: str, given: Sequence[str]) -> None:
    """Check command words. Raises InvalidArgument."""
    for position, word in enumerate(given):
        if "\0" in word:
            raise invalid(f"{field}[{position}]", "holds a NUL character.")
        if not _is_text(word):
            raise invalid(f"{field}[{position}]", "holds a character that no command line can hold.")
        if _size(word) > WORD_BYTES_MAX:
            raise invalid(f"{field}[{position}]", f"has {_size(word)} bytes; at most {WORD_BYTES_MAX} fit.")


def variables(field: str, given: Sequence[EnvVar], reserved: Reserved, from_secret: FromSecret) -> None:
    """Check environment variables. Raises as ``command`` does."""
    if len(given) > ENV_VARS_PER_CONTAINER_MAX:
        raise invalid(field, f"has {len(given)} variables; at most {ENV_VARS_PER_CONTAINER_MAX} are allowed.")
    names: set[str] = set()
    for position, variable in enumerate(given):
        place = f"{field}[{position}]"
        _variable_name(f"{place}.name", variable.name, reserved)
        if variable.name in names:
            raise invalid(f"{place}.name", f"{variable.name!r} is given twice.")
        names.add(variable.name)
        if variable.value_source is not None:
            from_secret(place, variable)
        words(f"{place}.value", [variable.value or ""])


def labels(field: str, given: Mapping[str, str], *, are_annotations: bool = False) -> None:
    """Check labels or annotations. Raises InvalidArgument."""
    if not are_annotations and len(given) > LABELS_MAX:
        raise invalid(field, f"has {len(given)} entries; at most {LABELS_MAX} are allowed.")
    for key, value in given.items():
        if key.split("/")[0] in RESERVED_LABEL_DOMAINS:
            raise invalid(f"{field}[{key!r}]", "is in a namespace that is reserved.")
        if not key or (not are_annotations and max(len(key), len(value)) > LABEL_LENGTH_MAX):
            raise invalid(
                f"{field}[{key[:100]!r}]", f"key and value have 1 to {LABEL_LENGTH_MAX} characters."
            )


def cannot(field: str, what: str = "it") -> Unimplemented:
    """Return the refusal of a field that cannot be honoured."""
    why = _WHY_NOT.get(field.rpartition(".")[2], "")
    return Unimplemented(f"{field}: this version of Jubako cannot honour {what} on a local process{why}.")


def _variable_name(field: str, name: str, reserved: Reserved) -> None:
    if not name or "=" in name or "\0" in name or not name.isprintable():
        raise invalid(field, f"{name[:100]!r} cannot name a variable: it must not be empty or hold '='.")
    if _size(name) > WORD_BYTES_MAX:
        raise invalid(field, f"has {_size(name)} bytes; at most {WORD_BYTES_MAX} fit.")
    if reserved(name):
        raise invalid(field, f"{name[:100]!r} is reserved: it is set by the platform.")


def _is_text(word: str) -> bool:
    # JSON can carry lone surrogates, which no process can be given.
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
