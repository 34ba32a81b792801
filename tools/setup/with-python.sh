#!/usr/bin/env bash
# Runs a command with GATEPASS_PYTHON set to a python that has the packages which the emulator's tests need.
# Usage: with-python.sh COMMAND...
source "$(dirname "$0")/lib.sh"

GATEPASS_PYTHON=$(venv "$root/tools/emulator/tests/requirements.txt" python)
export GATEPASS_PYTHON
exec "$@"
