"""A copy-on-write copy of this very system, to install into: an overlay over /, in namespaces of
its own, so that nothing outside changes and every process in it ends with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import appliance

CHECKOUT = Path(appliance.__file__).parent.parent
INNER = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1" && mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir -p "$1/root/run/systemd/system"
echo ready
# A shell, since the first process of a namespace has to bury the others' orphans.
while :; do sleep 1; done
"""


def unavailable() -> str:
    """Why no copy can be made here, "" when one can."""
    if os.geteuid() != 0:
        return "needs root for namespaces and an overlay"
    for command in ("unshare", "nsenter", "chroot", "systemd-sysusers", "systemd-tmpfiles"):
        if shutil.which(command) is None:
            return f"needs the command {command}"
    probe = (
        'mount -t tmpfs t "$1" && mkdir "$1/u" "$1/w" "$1/m" && '
        'mount -t overlay o -o "lowerdir=/usr,upperdir=$1/u,workdir=$1/w" "$1/m"'
    )
    words = ["unshare", "--mount", "bash", "-c", probe, "bash", "/mnt"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no overlay here: {done.stderr.strip()}"


class Copy:
    def __init__(self, pid: int, root: str) -> None:
        self._pid, self._root = pid, root

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, as its root."""
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "chroot", self._root]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [*enter, "env", "-i", f"PATH={path}", "HOME=/root", *_pip_settings(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}"
        return done

    def write(self, path: str, content: bytes, mode: str = "644") -> None:
        enter = ["nsenter", f"--target={self._pid}", "--mount", "chroot", self._root]
        script = 'mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"'
        words = [*enter, "sh", "-c", script, "sh", path, mode]
        subprocess.run(words, input=content, check=True)

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout


@contextmanager
def copy_of_this_system(folder: Path) -> Iterator[Copy]:
    """`folder`: an empty one, on which the copy is mounted inside its own namespace."""
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", INNER]
    outer = subprocess.Popen([*words, "bash", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n", outer.stdout.read()
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        copy = Copy(int(children[0]), str(folder / "root"))
        _lend_packages(copy)
        fake = (CHECKOUT / "tests/install/fake_systemctl.py").read_bytes()
        copy.write(
            "/usr/local/bin/systemctl", b"#!" + sys.executable.encode() + b"\n" + fake, "755"
        )
        yield copy
    finally:
        outer.kill()
        outer.wait()
        outer.stdout.close()  # type: ignore[union-attr]


def _lend_packages(copy: Copy) -> None:
    """The base Python of the copy sees the packages of this environment, but for Earmark itself:
    so that a release need not fetch PyTorch again."""
    base = Path(sys.base_prefix)
    site = base / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    own = Path(sys.prefix) / site.relative_to(base)
    copy.write(str(site / "lent.pth"), f"{own}\n".encode())
    copy.run("sh", "-c", f"rm -rf {own}/earmark-* {own}/__editable__*earmark*")
    # The service is not root: what it runs must be open to it, as it is in /usr.
    for folder in {*own.parents, *site.parents}:
        copy.run("chmod", "a+rx", str(folder))


def _pip_settings() -> list[str]:
    names = ("PIP_", "HTTPS_PROXY", "https_proxy", "SSL_CERT", "REQUESTS_CA")
    return [f"{name}={value}" for name, value in os.environ.items() if name.startswith(names)]
