"""Where a path points: by its text, and by the links that stand in a workspace that exists.

The kernel's confinement decides what can be reached; this decides whether to ask.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePath

from nextgeneration.tools.control_files import SECRET_EXAMPLES, SECRET_NAMES, ControlFile, control_file
from nextgeneration.tools.shell.risk import reasons as why
from nextgeneration.tools.shell.risk.links import Links, NotSeen
from nextgeneration.tools.shell.risk.reasons import DESTRUCTIVE, NETWORK, PRIVILEGED, UNKNOWN, WRITE, Ground
from nextgeneration.tools.shell.risk.words import Arg, shown

_SYSTEM = re.compile(r"/(?:proc|dev|sys|run|boot)(?:/|$)")
_SOCKET = re.compile(r"/dev/(?:tcp|udp)/")
_STREAMS = {"/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/tty"}
_DOTTED = re.compile(r"(?:^|/)\.|~")
"""Every control file has a dot in front, or a short DOS name."""
_HIDDEN = re.compile(r"(?:^|/)\.[^/]")
_WILD = re.compile(r"[*?\[]")
NULL = "/dev/null"
MAX_FOLDERS = 64
MAX_SAID = 3


class Places:
    """Paths seen from one workspace.

    A path that stays inside seen from the root does so from every folder below it: ``folder`` and the
    folders a line changes into only matter for what counts as a control file.
    """

    def __init__(self, workspace: PurePath | str, folder: str = "") -> None:
        self.root = posixpath.normpath("/" + str(workspace).lstrip("/"))
        self._inside = self.root.rstrip("/") + "/"
        self._folders = [self.root]
        self._dotted = False
        self._links = Links(self.root)
        if folder:
            self.enter(Arg(folder))

    def enter(self, arg: Arg) -> None:
        """Remember that the line may change into this folder: names written later may stand there."""
        if arg.clear:
            self._links.enter(arg.text)
        if arg.clear and len(self._folders) < MAX_FOLDERS:
            entered = {posixpath.normpath(posixpath.join(folder, arg.text)) for folder in self._folders}
            self._folders.extend(sorted(entered.difference(self._folders)))
            self._dotted |= not arg.text.isascii() or bool(_DOTTED.search(arg.text))

    def full(self, text: str) -> str:
        """``text`` as an absolute path, ``.`` and ``..`` resolved lexically."""
        joined = text if text.startswith("/") else f"{self._inside}{text}"
        return "/" + posixpath.normpath(joined).lstrip("/")

    def inside(self, arg: Arg) -> bool:
        """Whether the path stays in the workspace whatever its wildcards match."""
        text = arg.text
        if arg.tilde:
            return False
        if arg.glob and any(
            part[:1] == "." and _WILD.search(part) and fnmatchcase("..", part) for part in text.split("/")
        ):
            return False
        full = self.full(text)
        return (full == self.root or full.startswith(self._inside)) and not _SYSTEM.match(full)

    def read(self, arg: Arg, *, names_only: bool = False, through: bool = True) -> Iterator[Ground]:
        """What reading the path means.

        Args:
            arg: the path.
            names_only: its name and attributes are read, not its content.
            through: a link at its end is followed; not where the shell only looks which names match.
        """
        if not arg.clear:
            yield Ground(UNKNOWN, why.UNCLEAR, arg.shown)
        elif not self.inside(arg):
            system = not arg.tilde and _SYSTEM.match(self.full(arg.text))
            yield Ground(UNKNOWN, why.READS_SYSTEM if system else why.READS_OUTSIDE, arg.shown)
        else:
            if not names_only and _secret(arg.text):
                yield Ground(UNKNOWN, why.READS_SECRET, arg.shown)
            yield from self._read_linked(arg, names_only=names_only, through=through)

    def walk(self, arg: Arg) -> Iterator[Ground]:
        """What it means that a program follows the links it meets in the folder."""
        if arg.clear and self.inside(arg):
            try:
                held = self._links.held(arg.text, glob=arg.glob)
                yield from (Ground(UNKNOWN, why.LEADS_OUTSIDE, arg.shown, place) for place in self._outside(held))
            except NotSeen:
                yield Ground(UNKNOWN, why.LINKS_UNSEEN, arg.shown)

    def write(self, arg: Arg, *, overwrite: bool = False) -> Iterator[Ground]:
        """What writing the path means; ``overwrite``: by a redirection of the shell."""
        if not arg.clear:
            yield Ground(UNKNOWN, why.WRITES_UNSEEN, arg.shown)
            return
        full = self.full(arg.text)
        if full == NULL and not arg.tilde:
            return
        if _SOCKET.match(full):
            yield Ground(NETWORK, why.OPENS_CONNECTION, arg.shown)
            yield Ground(UNKNOWN, why.WRITES_DEVICE, arg.shown)
        elif full in _STREAMS or full.startswith("/dev/fd/"):
            yield Ground(UNKNOWN, why.WRITES_DEVICE, arg.shown)
        elif full.startswith("/dev/"):
            yield Ground(DESTRUCTIVE, why.WRITES_DEVICE, arg.shown)
        elif control := self._control(arg, full):
            yield Ground(PRIVILEGED, why.WRITES_CONTROL, arg.shown, control.why)
        elif not self.inside(arg):
            if overwrite:
                yield Ground(DESTRUCTIVE, why.OVERWRITES_OUTSIDE, arg.shown)
            else:
                yield Ground(PRIVILEGED, why.WRITES_OUTSIDE, arg.shown)
        else:
            if arg.glob and (self._dotted or _HIDDEN.search(arg.text)):
                yield Ground(UNKNOWN, why.WRITES_UNSEEN, arg.shown)
            else:
                yield Ground(WRITE, why.WRITES_INSIDE, arg.shown)
            yield from self._written_linked(arg, overwrite=overwrite)

    def _read_linked(self, arg: Arg, *, names_only: bool, through: bool) -> Iterator[Ground]:
        """What links make of a path that by its text is read inside the workspace."""
        try:
            places = self._links.led(arg.text, glob=arg.glob, through=through)
        except NotSeen:
            yield Ground(UNKNOWN, why.LINKS_UNSEEN, arg.shown)
            return
        yield from (Ground(UNKNOWN, why.LEADS_OUTSIDE, arg.shown, place) for place in self._outside(places))
        for place in places:
            if not names_only and not self._links.leaves(place) and _secret(place):
                yield Ground(UNKNOWN, why.READS_SECRET, shown(self._links.said(place)))

    def _written_linked(self, arg: Arg, *, overwrite: bool) -> Iterator[Ground]:
        """What links make of a path that by its text is written inside the workspace."""
        try:
            places = self._links.led(arg.text, glob=arg.glob)
        except NotSeen:
            yield Ground(UNKNOWN, why.LINKS_UNSEEN, arg.shown)
            return
        label = DESTRUCTIVE if overwrite else PRIVILEGED
        yield from (Ground(label, why.WRITES_THROUGH, arg.shown, place) for place in self._outside(places))
        for place in places:
            named = self._links.said(place)
            if not self._links.leaves(place) and (control := control_file(named)):
                yield Ground(PRIVILEGED, why.WRITES_CONTROL, shown(named), control.why)

    def _outside(self, places: Iterable[str]) -> list[str]:
        """Those of the places that are outside, for people: as many as say enough."""
        return [shown(place) for place in sorted(filter(self._links.leaves, places))[:MAX_SAID]]

    def _control(self, arg: Arg, full: str) -> ControlFile | None:
        """The control file the path is or lies in, in the workspace, in the home folder or elsewhere."""
        if arg.text.isascii() and not _DOTTED.search(arg.text) and not self._dotted:
            return None
        if arg.tilde:
            return control_file(posixpath.normpath(arg.text.partition("/")[2]))
        for folder in self._folders:
            path = posixpath.normpath(posixpath.join(folder, arg.text))
            found = control_file(path.removeprefix(self._inside))
            if found:
                return found
        return control_file(full)


@lru_cache(maxsize=4096)
def _secret(text: str) -> bool:
    """Whether the path, or something its wildcards may match, looks like a file of secrets."""
    name = posixpath.basename(text.rstrip("/")).casefold()
    if name.endswith(SECRET_EXAMPLES):
        return False
    if any(fnmatchcase(name, pattern) for pattern in SECRET_NAMES):
        return True
    return name[:1] == "." and any(fnmatchcase(secret, name) for secret in SECRET_NAMES)
