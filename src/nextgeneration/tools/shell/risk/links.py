"""Where the links of a workspace lead, looked up when a line is judged.

Only what exists at that moment is looked at: what a line makes is judged where it is made, and what
changes later is the confinement's to hold.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from fnmatch import translate

MAX_LOOKS = 20_000
"""How many names are looked at for one line; a folder of many files counts each of them."""
MAX_FOLDERS = 64
_WILD = re.compile(r"[*?\[]")
_BRACKETS = re.compile(r"\[.*\]", re.DOTALL)


class NotSeen(Exception):
    """Where a path leads is not known: there are more names than one judgement looks at."""


class Links:
    """The links of one workspace, seen from every folder that a line may be in.

    Args:
        root: the workspace, absolute; where it is no folder there is nothing to look at.
    """

    def __init__(self, root: str) -> None:
        real = _real(root)
        self.root = real if stat.S_ISDIR(_mode(real)) else ""
        self._below = self.root.rstrip("/") + "/"
        self._given = _parts(root)
        self._starts = [self.root]
        self._entered: list[str] = []
        self._led: dict[tuple[str, bool], tuple[str, ...]] = {}
        self._looks = MAX_LOOKS

    def enter(self, text: str) -> None:
        """The line may change into this folder, from any folder it may already be in."""
        if self.root and text not in self._entered:
            self._entered.append(text)
            self._led.clear()
            try:
                self._starts = self._reached()
            except NotSeen:
                self._looks = 0

    def said(self, place: str) -> str:
        """A place as people know it: from the workspace, or absolute when it is outside."""
        return place.removeprefix(self._below)

    def leaves(self, place: str) -> bool:
        """Whether a place that a link led to is outside the workspace."""
        return place != self.root and not place.startswith(self._below)

    def led(self, text: str, *, glob: bool, through: bool = True) -> tuple[str, ...]:
        """The real places that the path, or what its wildcards match, reaches by a link.

        Args:
            text: the path.
            glob: it has wildcards.
            through: a link at the path's end is followed too.

        Raises:
            NotSeen: there is too much to look at.
        """
        if not self.root:
            return ()
        path = text if through else posixpath.dirname(text)
        known = self._led.get((path, glob))
        if known is None:
            known = self._led[path, glob] = tuple(
                place for place, linked in self._ends(path, glob=glob).items() if linked or self.leaves(place)
            )
        return known

    def held(self, text: str, *, glob: bool) -> tuple[str, ...]:
        """The places outside that links in the folder lead to, for programs that follow them as they walk.

        Raises:
            NotSeen: there is too much to look at.
        """
        if not self.root:
            return ()
        outside: list[str] = []
        waiting = list(self._ends(text or ".", glob=glob, everything=True))
        seen = set(waiting)
        while waiting:
            folder = waiting.pop()
            if self.leaves(folder):
                outside.append(folder)
                continue
            found = {
                _real(path) if linked else path
                for path, linked, is_folder in self._entries(folder)
                if linked or is_folder
            }
            waiting.extend(found - seen)
            seen |= found
        return tuple(outside)

    def _reached(self) -> list[str]:
        """Every folder of the workspace that the changes of folder lead to, in whatever order they come."""
        reached = [self.root]
        for start in reached:
            for text in self._entered:
                for place in self._ends_from(start, text, glob=False):
                    if place not in reached and not self.leaves(place) and stat.S_ISDIR(_mode(place)):
                        reached.append(place)
            if len(reached) > MAX_FOLDERS:
                raise NotSeen
        return reached

    def _ends(self, text: str, *, glob: bool, everything: bool = False) -> dict[str, bool]:
        """Where the path ends, from each folder, and whether by a link."""
        ends: dict[str, bool] = {}
        for start in self._starts[:1] if text.startswith("/") else self._starts:
            for place, linked in self._ends_from(start, text, glob=glob, everything=everything).items():
                ends[place] = ends.get(place, False) or linked
        return ends

    def _ends_from(self, start: str, text: str, *, glob: bool, everything: bool = False) -> dict[str, bool]:
        """Where the path ends from one folder; ``everything``: also files that wildcards match and no link led to."""
        parts = _parts(text)
        if text.startswith("/"):
            if parts[: len(self._given)] != self._given:
                if glob:
                    raise NotSeen
                self._look()
                return {_real(text): True}
            start, parts = self.root, parts[len(self._given) :]
        places = {start: False}
        for index, part in enumerate(parts):
            places = self._step(places, part, glob=glob, files=everything and index == len(parts) - 1)
        return places

    def _step(self, places: dict[str, bool], part: str, *, glob: bool, files: bool) -> dict[str, bool]:
        """One part of a path further from each place, and whether a link was on the way there."""
        found: dict[str, bool] = {}
        for place, linked in places.items():
            self._look()
            if linked and self.leaves(place):
                found[place] = True  # said already: nothing outside is looked into
            elif part == "..":
                found[posixpath.dirname(place)] = linked
            elif glob and _WILD.search(part):
                for path, is_link, is_folder in self._entries(place, part):
                    if is_link:
                        found[_real(path)] = True
                    elif is_folder or linked or files:
                        found[path] = linked
            else:
                path = posixpath.join(place, part)
                is_link = stat.S_ISLNK(_mode(path))
                found[_real(path) if is_link else path] = linked or is_link
        return found

    def _entries(self, folder: str, pattern: str = "") -> list[tuple[str, bool, bool]]:
        """Path, whether a link and whether a folder of what the folder holds, or of what the pattern may match."""
        # Bash's brackets know classes, and ranges by the locale: here they match anything.
        match = re.compile(translate(_BRACKETS.sub("*", pattern)) if pattern else "").match
        hidden = pattern[:1] in ("", ".")
        entries = []
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    self._look()
                    if match(entry.name) and (hidden or entry.name[0] != "."):
                        is_link = entry.is_symlink()
                        entries.append((entry.path, is_link, not is_link and entry.is_dir(follow_symlinks=False)))
        except (OSError, ValueError):
            return entries
        return entries

    def _look(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            raise NotSeen


def _parts(text: str) -> list[str]:
    return [part for part in text.split("/") if part not in ("", ".")]


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def _mode(path: str) -> int:
    """What kind of file it is; 0 where there is none, or none can be."""
    try:
        return os.lstat(path).st_mode
    except (OSError, ValueError):
        return 0
