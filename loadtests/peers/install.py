"""Puts the peers' packages below `.potluck/peers`, pinned; they are nobody's but the benchmarks'."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / ".potluck" / "peers"
SERVERS = HERE / "servers"
INSTALL_S = 300
NCHAN = "ngx_nchan_module.so"
MODULES = [Path("/usr/lib/nginx/modules"), Path("/usr/share/nginx/modules"), Path("/usr/lib64/nginx/modules")]


class Missing(Exception):
    """Why a peer cannot be measured here."""


def python() -> Path:
    """An interpreter that has the Python peers."""
    folder, pinned = TARGET / "python", HERE / "requirements.txt"
    program = folder / "bin" / "python"
    if _is_new(folder, pinned):
        uv = shutil.which("uv")
        _run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder]
            if uv
            else [sys.executable, "-m", "venv", "--clear", folder]
        )
        pip = [uv, "pip", "install", "--quiet", "--python", program] if uv else [program, "-m", "pip", "install", "-q"]
        _run([*pip, "--require-hashes", "-r", pinned])
        _is_done(folder, pinned)
    return program


def node() -> tuple[str, Path]:
    """Node, and the folder whose `node_modules` has the Node peers."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        raise Missing("Node.js and npm are not installed")
    folder, pinned = TARGET / "node", HERE / "package-lock.json"
    if _is_new(folder, pinned):
        folder.mkdir(parents=True, exist_ok=True)
        for file in (pinned, HERE / "package.json"):
            shutil.copy(file, folder)
        _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", folder])
        _is_done(folder, pinned)
    return program, folder


def nginx() -> tuple[str, Path]:
    """nginx, and the folder of its modules, which has nchan."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    modules = next((each for each in MODULES if (each / NCHAN).exists()), None)
    if program is None or modules is None:
        raise Missing("nginx with nchan is not installed: `apt install nginx-light libnginx-mod-nchan`")
    return program, modules


def _is_new(folder: Path, pinned: Path) -> bool:
    stamp = folder / "potluck-pinned"
    return not stamp.exists() or stamp.read_text() != _digest(pinned)


def _is_done(folder: Path, pinned: Path) -> None:
    (folder / "potluck-pinned").write_text(_digest(pinned))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"cannot be installed: {error}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Missing(f"cannot be installed: {said[-1]}")
