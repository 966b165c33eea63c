"""Searches files by a regular expression where ripgrep is missing, in a process that can be ended.

A regular expression can take longer than the universe lasts; only ending its process helps. Run as
a program (standard library only): reads a request as JSON from standard input and writes one JSON
array ``[path, line number, line]`` per match.
"""

from __future__ import annotations

import json
import re
import sys
import warnings


def main() -> int:
    """Answer the one request; 2 when the pattern is invalid, its complaint on standard error."""
    request = json.load(sys.stdin)
    pattern = re.escape(request["pattern"]) if request["literal"] else request["pattern"]
    warnings.simplefilter("ignore")
    try:
        expression = re.compile(pattern, re.IGNORECASE if request["ignore_case"] else 0)
    except (re.error, RecursionError, OverflowError) as error:
        sys.stderr.write(str(error))
        return 2
    left = request["limit"]
    for path in request["files"]:
        try:
            with open(f"{request['root']}/{path}", "rb") as file:  # noqa: PTH123 - pathlib would cost half the start
                data = file.read(request["largest"] + 1)
        except OSError:
            continue
        if b"\0" in data or len(data) > request["largest"]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
            if expression.search(line.removesuffix("\r")):
                sys.stdout.write(json.dumps([path, number]) + "\n")
                left -= 1
                if left <= 0:
                    return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
