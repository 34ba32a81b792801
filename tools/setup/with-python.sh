#!/usr/bin/env bash
# Runs a command with GATEPASS_PYTHON set to a python that has the packages which the emulator's tests need.
# Usage: with-python.sh COMMAND...
source "$(dirname "$0")/lib.sh"

pin=$root/tools/emulator/tests/requirements.txt
folder=$tools/python

if [ -f "$pin" ]; then
    # A python that was upgraded or removed leaves a venv that no longer runs.
    if ! same "$pin" "$folder/pin.txt" || ! "$folder/bin/python" -c '' >/dev/null 2>&1; then
        say "Installing the emulator tests' Python packages into ${folder#"$root/"} (once)"
        # A venv cannot be moved: it is made in its place, and the pin, written last, says that it is whole.
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
            --requirement "$pin" 1>&2 || die "the packages of ${pin#"$root/"} could not be installed; the lines above say why"
        cp "$pin" "$folder/pin.txt"
    fi
    export GATEPASS_PYTHON=$folder/bin/python
fi
exec "$@"
