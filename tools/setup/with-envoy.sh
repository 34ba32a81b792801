#!/usr/bin/env bash
# Runs a command with ENVOY set to the path of an Envoy, which is installed first if need be.
# Usage: with-envoy.sh newest|oldest COMMAND...
source "$(dirname "$0")/lib.sh"

ENVOY=$("$root/tools/setup/envoy.sh" "$1")
export ENVOY
shift
exec "$@"
