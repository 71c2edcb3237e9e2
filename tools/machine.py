"""A Linux kernel in QEMU over directories of this machine, which it reads and never changes.

Its first root file system holds busybox, a script named ``init``, and the modules that reading those directories takes.
What the machine prints goes through; its status is what it says as ``machine: status N``.
"""

import argparse
import io
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
NO_STATUS = 125
BEGIN = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
mkdir -p /below /above /machine
show() { mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=262144 $1 $2 || poweroff -f; }
show root /below
mount -t tmpfs -o size=80% tmpfs /above; mkdir /above/upper /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /machine
"""
"""How every ``init`` begins: /machine is the share ``root`` under a layer in memory that takes what is written."""
_STATUS = re.compile(r"machine: status (\d+)")


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser of what every machine can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", type=Path, default=Path("/"), help="holds boot/ and lib/modules/")
    parser.add_argument("--accel", default="tcg,thread=multi", help="kvm where that works: ten times faster")
    parser.add_argument(
        "--cpus", default="1", help="emulated ones wait for one another where this machine is busy"
    )
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for all of it")
    parser.add_argument("command", nargs="*")
    return parser


def boot(told: argparse.Namespace, init: str, files: Mapping[str, str], shares: Mapping[str, Path]) -> int:
    """Boot, and return the status that the machine tells, or NO_STATUS.

    Args:
        told: What ``options`` parsed.
        init: The script that the kernel runs; see BEGIN.
        files: Text by path in the first root file system.
        shares: Directories by the names under which ``init`` mounts them.

    """
    kernel, modules = _kernel(told.kernels)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "initramfs"
        image.write_bytes(_archive(_files(modules, {**files, "init": init})))
        return _run(_qemu(told, kernel, image, shares), told.timeout)


def _kernel(place: Path) -> tuple[Path, Path]:
    """Return the newest kernel below ``place`` that has the modules that are needed, and their folder."""
    for modules in sorted((place / "lib" / "modules").glob("*"), reverse=True):
        kernel = place / "boot" / f"vmlinuz-{modules.name}"
        if kernel.exists() and (modules / "modules.dep").exists():
            return kernel, modules
    raise SystemExit(f"no kernel with modules below {place}: install linux-image-amd64, or see --kernels")


def _files(modules: Path, texts: Mapping[str, str]) -> Iterator[tuple[str, int, bytes]]:
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
    for name, text in texts.items():
        yield name, 0o100755, text.encode()


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


def _qemu(told: argparse.Namespace, kernel: Path, image: Path, shares: Mapping[str, Path]) -> Sequence[str]:
    command = ["qemu-system-x86_64", "-accel", told.accel, "-cpu", "max,arch-capabilities=off"]
    command += ["-smp", told.cpus, "-m", told.memory, "-nographic", "-no-reboot", "-nic", "none"]
    command += ["-kernel", str(kernel), "-initrd", str(image)]
    command += [
        "-append",
        "console=ttyS0 quiet panic=-1 cgroup_no_v1=all tsc=reliable lpj=4000000 no_timer_check",
    ]
    for name, path in shares.items():
        share = f"local,path={path},mount_tag={name},security_model=none,readonly=on,multidevs=remap"
        command += ["-virtfs", share]
    return command


def _run(command: Sequence[str], timeout_s: float) -> int:
    status = NO_STATUS
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
