#!/bin/sh
# The libraries that the figures compare with, in an environment of their own outside the repository: NG_PEERS, or a
# folder in the user's cache. Run again, it only adds what is missing.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
peers=${NG_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/nextgeneration/peers}
echo "Setting up $peers ..." >&2
if command -v uv >/dev/null 2>&1; then
    [ -x "$peers/bin/python" ] || uv venv --quiet --python "$python" "$peers"
    uv pip install --quiet --compile-bytecode --python "$peers/bin/python" -r benchmarks/peers/requirements.txt
else
    [ -x "$peers/bin/python" ] || "$python" -m venv "$peers"
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
fi
