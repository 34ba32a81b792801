#!/usr/bin/env bash
# Checks the files for Kubernetes and compose against their schemas, offline.
source "$(dirname "$0")/lib.sh"

python=$(venv "$root/tools/manifests/requirements.txt" manifests)
exec "$python" "$root/tools/manifests/check.py"
