"""Run a command on a machine of its own that runs systemd: Debian in QEMU, control groups of version 2 alone.

    python tools/systemd_machine.py --make --root /tmp/debian              # once, as root, with mmdebstrap: 500 MB
    python tools/systemd_machine.py --root /tmp/debian -- /opt/jubako/bin/python -m pytest -q tests/acceptance/systemd

There, this repository is /opt/source, read-only, and ``jubako`` of /opt/jubako runs it; the user ``ada`` has no rights
of her own. The command runs as root, as a service. Nothing that it does stays. Emulated, all takes ten times as long.
Exits with the status of the command, or with 125 if it did not get that far.
"""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import machine

_SOURCE = Path(__file__).resolve().parents[1]
_PACKAGES = (
    "systemd,systemd-sysv,systemd-container,dbus,dbus-user-session,libpam-systemd,linux-image-amd64,"
    "python3,python3-venv,iproute2,procps,podman,crun,uidmap,fuse-overlayfs"
)
_TESTS_NEED = ("hypothesis", "pytest", "pytest-asyncio", "pytest-randomly", "pytest-timeout")
_JUBAKO = """#!/opt/jubako/bin/python
import sys
from jubako.cli.main import main
sys.exit(main())
"""
_INIT = f"""{machine.BEGIN}
mkdir -p /machine/opt/source; show source /machine/opt/source
mkdir -p /machine/opt/box; mount --bind /below /machine/opt/box
mount -t tmpfs state /machine/var/lib
cp /command.sh /machine/opt/command.sh
cp /command.service /machine/etc/systemd/system/command.service
ln -s ../command.service /machine/etc/systemd/system/multi-user.target.wants/command.service
ln -s /dev/null /machine/etc/systemd/system/serial-getty@ttyS0.service
exec switch_root /machine /sbin/init
"""
_SERVICE = """[Service]
Type=idle
ExecStart=/bin/sh /opt/command.sh
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
"""
_COMMAND = """cd /opt/source
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export JUBAKO_TEST_MACHINE=1 JUBAKO_TEST_SLOWNESS=20
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
{command}
status=$?; echo; echo "machine: status $status"
poweroff -f
"""


def main() -> int:
    """Make the root file system, or boot it, run the command, and return its status."""
    parser = machine.options(str(__doc__))
    parser.add_argument("--root", type=Path, required=True, help="where its root file system is")
    parser.add_argument("--make", action="store_true", help="make that first")
    parser.add_argument("--suite", default="bookworm", help="of Debian (bookworm: systemd 252)")
    told = parser.parse_args()
    if told.make:
        _make(told.root, told.suite)
    if told.kernels == Path("/"):
        told.kernels = told.root
    if not told.command:
        return 0
    files = {"command.sh": _COMMAND.format(command=shlex.join(told.command)), "command.service": _SERVICE}
    return machine.boot(told, _INIT, files, {"root": told.root, "source": _SOURCE})


def _make(root: Path, suite: str) -> None:
    """Make a Debian in ``root`` in which this repository's ``jubako`` can run."""
    subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, root], check=True)
    inside = ["chroot", str(root)]
    subprocess.run([*inside, "useradd", "--create-home", "--shell", "/bin/bash", "ada"], check=True)
    subprocess.run([*inside, "python3", "-m", "venv", "--without-pip", "/opt/jubako"], check=True)
    [packages] = (root / "opt" / "jubako" / "lib").glob("python3.*/site-packages")
    version = packages.parent.name.removeprefix("python")
    project = tomllib.loads((_SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), "--python-version"]
    needed = [*project["dependencies"], *_TESTS_NEED]
    subprocess.run([*pip, version, "--only-binary=:all:", *needed], check=True)
    (packages / "jubako.pth").write_text("/opt/source/src\n", encoding="utf-8")
    program = root / "opt" / "jubako" / "bin" / "jubako"
    program.write_text(_JUBAKO, encoding="utf-8")
    program.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
