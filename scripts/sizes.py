"""Size ceilings: a file over 600 lines, a class over 300, a function over 60 fails the build.

The list of exceptions starts empty and only shrinks.
"""

import ast
import sys
from pathlib import Path

LIMITS = {"file": 600, "class": 300, "function": 60}
EXCEPTIONS: set[str] = set()


def too_large(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    found = [f"{path}: file of {lines} lines"] if lines > LIMITS["file"] else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            kind = "class"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            kind = "function"
        else:
            continue
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > LIMITS[kind]:
            found.append(f"{path}:{node.lineno}: {kind} {node.name} of {size} lines")
    return [line for line in found if line.split(": ")[0] not in EXCEPTIONS]


def main() -> int:
    roots = [Path("src"), Path("compat"), Path("scripts"), Path("benchmarks"), Path("tests")]
    paths = [path for root in roots for path in sorted(root.rglob("*.py")) if "sample" not in path.parts]
    found = [line for path in paths for line in too_large(path)]
    for line in found:
        print(line, f"(limits: {LIMITS})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
