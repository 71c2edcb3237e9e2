"""Run a command on a machine whose control groups are of version 2 alone, whatever this one has.

Boots a Linux kernel in QEMU with this machine's files, read-only, under a layer in memory that takes what is written:
so the command finds the same programs and the same repository. Emulated, it is some ten times slower than this machine.

    python tools/cgroup2_machine.py -- .venv/bin/python -m pytest -q tests/acceptance/jobs/test_jobs_under_fire.py

Exits with the status of the command, or with 125 if it did not get that far; what is printed there goes through.
"""

import argparse
import io
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
mkdir -p /below /above /machine
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=262144 host /below || exec poweroff -f
mount -t tmpfs -o size=80% tmpfs /above; mkdir /above/upper /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /machine
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
_STATUS = re.compile(r"machine: status (\d+)")


def main() -> int:
    """Boot, run, and return the command's status."""
    options = _options()
    kernel, modules = _kernel(options.kernels)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "initramfs"
        image.write_bytes(_archive(_files(modules, _script(options))))
        return _run(_qemu(options, kernel, image), options.timeout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", type=Path, default=Path("/"), help="holds boot/ and lib/modules/")
    parser.add_argument("--accel", default="tcg,thread=multi", help="kvm where that works: ten times faster")
    parser.add_argument(
        "--cpus", default="1", help="emulated ones wait for one another where this machine is busy"
    )
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for all of it")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _kernel(place: Path) -> tuple[Path, Path]:
    """Return the newest kernel below ``place`` that has the modules that are needed, and their folder."""
    for modules in sorted((place / "lib" / "modules").glob("*"), reverse=True):
        kernel = place / "boot" / f"vmlinuz-{modules.name}"
        if kernel.exists() and (modules / "modules.dep").exists():
            return kernel, modules
    raise SystemExit(f"no kernel with modules below {place}: install linux-image-amd64, or see --kernels")


def _script(options: argparse.Namespace) -> str:
    return _COMMAND.format(directory=shlex.quote(str(Path.cwd())), command=shlex.join(options.command))


def _files(modules: Path, command: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield the files of the first root: name, mode, content."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("busybox is missing: install busybox-static")
    for folder in ("bin", "proc", "dev", "modules"):
        yield folder, 0o040755, b""
    yield "bin/busybox", 0o100755, Path(busybox).read_bytes()
    needed = _needed(modules)
    for name in needed:
        yield f"modules/{Path(name).name}", 0o100644, (modules / name).read_bytes()
    yield "modules/order", 0o100644, "\n".join(Path(name).name for name in needed).encode()
    yield "command.sh", 0o100644, command.encode()
    yield "init", 0o100755, _INIT.encode()


def _needed(modules: Path) -> list[str]:
    """Return the files of MODULES and of what they need, in the order in which they can be loaded."""
    depends: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text(encoding="ascii").splitlines():
        name, _, needs = line.partition(":")
        depends[name] = needs.split()
    found: list[str] = []
    for wanted in MODULES:
        for name in (name for name in depends if Path(name).name.partition(".")[0] == wanted):
            found += [each for each in [*reversed(depends[name]), name] if each not in found]
    return found


def _archive(files: Iterator[tuple[str, int, bytes]]) -> bytes:
    """Return a cpio archive. Source: Linux, driver-api/early-userspace/buffer-format.rst, format newc."""
    out = io.BytesIO()
    for number, (name, mode, content) in enumerate([*files, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        for part in (b"070701" + b"".join(b"%08X" % value for value in fields) + path, content):
            out.write(part)
            out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def _qemu(options: argparse.Namespace, kernel: Path, image: Path) -> Sequence[str]:
    command = ["qemu-system-x86_64", "-accel", options.accel, "-cpu", "max,arch-capabilities=off"]
    command += ["-smp", options.cpus, "-m", options.memory, "-nographic", "-no-reboot", "-nic", "none"]
    command += ["-kernel", str(kernel), "-initrd", str(image)]
    command += [
        "-append",
        "console=ttyS0 quiet panic=-1 cgroup_no_v1=all tsc=reliable lpj=4000000 no_timer_check",
    ]
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    return [*command, "-virtfs", share]


def _run(command: Sequence[str], timeout_s: float) -> int:
    status = 125
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as machine:
        timer = threading.Timer(timeout_s, machine.kill)
        timer.start()
        assert machine.stdout is not None
        for line in machine.stdout:
            found = _STATUS.search(line)
            status = int(found[1]) if found else status
            print(line, end="", flush=True)
        timer.cancel()
    return status


if __name__ == "__main__":
    sys.exit(main())
