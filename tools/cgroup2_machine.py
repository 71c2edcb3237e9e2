"""Run a command on a machine whose control groups are of version 2 alone, whatever this one has.

Boots a Linux kernel in QEMU with this machine's files, read-only, under a layer in memory that takes what is written:
so the command finds the same programs and the same repository. Emulated, it is some ten times slower than this machine.

    python tools/cgroup2_machine.py -- .venv/bin/python -m pytest -q tests/acceptance/jobs/test_jobs_under_fire.py

Exits with the status of the command, or with 125 if it did not get that far; what is printed there goes through.
"""

import shlex
import sys
from pathlib import Path

import machine

_INIT = f"""{machine.BEGIN}
for place in proc sys dev; do mkdir -p /machine/$place; done
mount -t proc proc /machine/proc; mount -t sysfs sys /machine/sys; mount -t devtmpfs dev /machine/dev
mkdir -p /machine/dev/pts /machine/dev/shm; mount -t devpts pts /machine/dev/pts; mount -t tmpfs shm /machine/dev/shm
mount -t tmpfs run /machine/run
mount -t cgroup2 -o nsdelegate groups /machine/sys/fs/cgroup
ip link set lo up
cp /command.sh /machine/run/command.sh
chroot /machine /bin/sh /run/command.sh; status=$?
echo; echo "machine: status $status"
sync; poweroff -f
"""
_COMMAND = """echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control
cd {directory}
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec {command}
"""


def main() -> int:
    """Boot, run, and return the command's status."""
    told = machine.options(str(__doc__)).parse_args()
    command = _COMMAND.format(directory=shlex.quote(str(Path.cwd())), command=shlex.join(told.command))
    return machine.boot(told, _INIT, {"command.sh": command}, {"root": Path("/")})


if __name__ == "__main__":
    sys.exit(main())
