"""What a task or instance inherits of the server's environment: what programs need to run, and nothing else.

The server's environment may hold credentials that are none of the task's business; Cloud Run's containers inherit
nothing at all.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONUTF8",
    "LD_LIBRARY_PATH",
    "DYLD_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "XDG_*",
    "CUDA_*",
    "NVIDIA_*",
    "OMP_*",
    "MKL_*",
    "OPENBLAS_*",
)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ``environ`` that tasks and instances get."""
    return {
        name: value
        for name, value in environ.items()
        if any(fnmatchcase(name, pattern) for pattern in INHERITED)
    }
