"""What a confined command sees: the system and toolchains read-only, its workspace, and nothing else.

The sandbox starts as an empty file system; only what is named here exists in it. So there is no
list of secrets to hide, except where somebody makes a whole home folder the workspace.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nextgeneration.settings.environment import Environment
from nextgeneration.tools.beneath import place
from nextgeneration.tools.control_files import CONTROL_FILES, SECRET_STORES, plain_name
from nextgeneration.tools.ignored import SKIPPED_FOLDERS
from nextgeneration.tools.shell import placeholders

HOME = "/home/agent"
"""Where a command finds its private home folder."""

_SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FOLDERS = ("/usr", "/opt", "/nix/store", "/gnu/store", "/run/current-system/sw")
_ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "group", "gai.conf", "host.conf", "hosts",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime", "lsb-release", "magic", "mime.types",
    "nsswitch.conf", "os-release", "passwd", "pki/ca-trust/extracted", "pki/tls/cert.pem", "pki/tls/certs", "protocols",
    "resolv.conf", "services", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip
"""What programs need of ``/etc``; nothing in it is private on any usual system."""

_TOOLCHAINS = (
    ".pyenv", ".rustup", ".cargo/bin", ".nvm/versions", ".volta", ".bun/bin", ".deno/bin", ".asdf",
    ".sdkman/candidates", ".local/share/uv/python", ".local/share/mise", ".local/share/pnpm", ".rbenv", "go/bin",
    "go/pkg/mod",
)  # fmt: skip
"""Where version managers keep compilers and interpreters, below a home folder. None of them holds credentials."""

_MAX_FOLDERS = 2_000
_SCAN_DEPTH = 4
_BARE = {"HEAD", "objects", "refs"}


@dataclass(frozen=True, slots=True)
class Controls:
    """The control files of a workspace.

    Attributes:
        present: those that exist (relative paths), links left out.
        links: those that are links, with their targets: a link cannot be mounted on, only compared afterwards.
        absent: top-level names that do not exist yet.
        hidden: folders of secrets.
    """

    present: tuple[str, ...]
    links: dict[str, str]
    absent: tuple[str, ...]
    hidden: tuple[str, ...]

    def made_since(self, later: Controls) -> list[str]:
        """Control files that ``later`` has and this has not, and links that now lead elsewhere."""
        new = set(later.present) - set(self.present)
        turned = {name for name, target in later.links.items() if self.links.get(name) != target}
        return sorted(new | turned | (set(self.links) - set(later.links)))


_NAMES = {control.name for control in CONTROL_FILES if "/" not in control.name}
_GUARDED = {control.name for control in CONTROL_FILES if control.guarded}
_PATHS = tuple(control.name for control in CONTROL_FILES if "/" in control.name)


def controls(root: Path, home: Path) -> Controls:
    """The control files at the top of ``root`` and, four levels deep, in the folders below it.

    ``home`` is the user's home folder: a workspace that holds it has more names to guard.
    """
    present: list[str] = []
    links: dict[str, str] = {}

    def found(path: str) -> None:
        full = root / path
        if full.is_symlink():
            links[path] = str(full.readlink())
        else:
            present.append(path)

    for path in [*_below(root), *_PATHS]:
        if not _vacant(root, path):
            found(path)
    guarded = _NAMES | set(_PATHS) if home.is_relative_to(root) else _GUARDED
    wanted = sorted({_missing_part(root, path) if "/" in path else path for path in guarded})
    if _vacant(root, ".git"):
        wanted.append("HEAD")  # with `objects` and `refs` it would make the folder itself a repository
    absent = tuple(name for name in wanted if name and _vacant(root, name))
    hidden = tuple(path for path in SECRET_STORES if (root / path).is_dir() and not (root / path).is_symlink())
    return Controls(tuple(sorted(present)), links, absent, hidden)


def _missing_part(root: Path, path: str) -> str:
    """The shortest absent beginning of ``path``; empty when its folder is a link."""
    parent = path.rpartition("/")[0]
    if _vacant(root, parent):
        return parent
    return "" if (root / parent).is_symlink() else path


def _vacant(root: Path, path: str) -> bool:
    """Whether nothing is there, or only what another running command keeps the name with."""
    full = root / path
    return not os.path.lexists(full) or placeholders.is_placeholder(None, str(full))


def _below(root: Path) -> Iterator[str]:
    pending, seen = [("", 0)], 0
    while pending and seen < _MAX_FOLDERS:
        prefix, depth = pending.pop(0)
        seen += 1
        try:
            with os.scandir(root / prefix) as scan:
                entries = list(scan)
        except OSError:
            continue
        if prefix and {entry.name for entry in entries} >= _BARE:
            yield prefix.rstrip("/")
            continue
        for entry in entries:
            if plain_name(entry.name) in _NAMES if not entry.name.isascii() else entry.name in _NAMES:
                yield prefix + entry.name
            elif depth < _SCAN_DEPTH and entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED_FOLDERS:
                pending.append((f"{prefix}{entry.name}/", depth + 1))


def system_mounts(shown: Sequence[Path], etc: Path | None) -> list[str]:
    """Arguments that show the system, the ``shown`` toolchains and ``etc`` in place of ``/etc``, read-only."""
    args: list[str] = []
    for folder in _SYSTEM_FOLDERS:
        if Path(folder).is_dir():
            args += ["--ro-bind", folder, folder]
    for link in _SYSTEM_LINKS:
        path = Path(link)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), link]
        elif path.is_dir():
            args += ["--ro-bind", link, link]
    if etc:
        args += ["--ro-bind", str(etc), "/etc"]
    for toolchain in shown:
        args += ["--ro-bind", str(toolchain), str(toolchain)]
    return args


def copied_etc(scratch: Path) -> Path:
    """The needed part of ``/etc``, copied once a mission: thirty mounts would cost each command several ms."""
    etc = scratch / "etc"
    if etc.is_dir():
        return etc
    made = Path(tempfile.mkdtemp(prefix="etc-", dir=scratch))
    for name in _ETC:
        source, target = Path("/etc", name), made / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, shutil.Error):
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)
            elif source.exists():
                shutil.copyfile(source, target)
    made.chmod(0o755)
    with suppress(OSError):  # another command of the mission was first
        made.rename(etc)
    return etc


def toolchains(environment: Environment) -> list[Path]:
    """Folders outside the system that hold interpreters and compilers, parents before children."""
    own = {Path(sys.prefix), Path(sys.base_prefix), *(Path(sys.base_prefix).resolve(),)}
    known = {environment.home / name for name in _TOOLCHAINS}
    system = (*_SYSTEM_FOLDERS, *_SYSTEM_LINKS)
    return sorted(
        path
        for path in own | known
        if path.is_dir() and not path.is_symlink() and not any(path.is_relative_to(folder) for folder in system)
    )


def search_path(environment: Environment, shown: Sequence[Path]) -> str:
    """``PATH`` inside: the host's entries that exist there, then the system's and the running interpreter's."""
    roots = [Path(folder) for folder in (*_SYSTEM_FOLDERS, *_SYSTEM_LINKS)] + list(shown)
    seen = [
        entry
        for entry in environment.path
        if entry.startswith("/") and any(Path(entry).is_relative_to(r) for r in roots)
    ]
    usual = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin", f"{sys.base_prefix}/bin"]
    return ":".join(dict.fromkeys(seen + usual))


def lifted(descriptor: int) -> int:
    """The same open file under a number a shell's own redirections cannot reach."""
    import fcntl  # does not exist on Windows, where nothing gets here

    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64)
    finally:
        os.close(descriptor)


class WorkspaceMounts:
    """Arguments that show a workspace writable, with its control files read-only or unmakeable.

    A folder further down can be swapped for a link by another command that runs in the same
    workspace meanwhile, so those are handed over as open descriptors. At the top nothing that is
    mounted here can be moved by any confined command.
    """

    def __init__(self, root: Path, found: Controls, *, by_descriptor: bool) -> None:
        self.args = ["--bind", str(root), str(root)]
        self.descriptors: list[int] = []
        self._root = root
        protected = sorted({*found.present} - {*found.hidden})
        above = {str(parent) for path in (*protected, *found.absent) for parent in Path(path).parents} - {"."}
        # Without a mount on the folder above it, renaming that folder would free a protected name.
        for path in sorted(above):
            self._mount("--bind", path, by_descriptor)
        for path in protected:
            self._mount("--ro-bind", path, by_descriptor)
        # What lies here never reaches the disk; and a new file system costs less than a mount of an old one.
        for path in (*found.absent, *found.hidden):
            self.args += ["--size", "4096", "--perms", "0555", "--tmpfs", str(root / path)]
        if Path(sys.prefix).is_relative_to(root) and Path(sys.prefix) != root:
            self.args += ["--ro-bind", sys.prefix, sys.prefix]

    def _mount(self, how: str, path: str, by_descriptor: bool) -> None:
        full = str(self._root / path)
        if "/" not in path:
            self.args += [how, full, full]
        elif by_descriptor:
            with place(self._root, path, links=False) as where:
                descriptor = lifted(os.open(where.name, os.O_PATH | os.O_NOFOLLOW, dir_fd=where.folder))
            self.descriptors.append(descriptor)
            self.args += [f"{how}-fd", str(descriptor), full]
