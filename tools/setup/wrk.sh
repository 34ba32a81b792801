#!/usr/bin/env bash
# Prints the path of wrk, the load generator: the one in PATH, else Debian's, unpacked into .tools/ (apt checks its
# signature).
source "$(dirname "$0")/lib.sh"

if wrk=$(command -v wrk); then
    printf '%s\n' "$wrk"
    exit
fi
folder=$tools/wrk
if [ ! -x "$folder/wrk" ]; then
    command -v apt-get >/dev/null || die "there is no wrk: install it with your package manager (https://github.com/wg/wrk)"
    say "Unpacking Debian's wrk into ${folder#"$root/"} (once)"
    start_partial
    chmod 755 "$partial"
    (cd "$partial" && apt-get download -qq wrk libluajit-5.1-2 libluajit-5.1-common 1>&2 &&
        for package in *.deb; do dpkg -x "$package" .; done && rm -- *.deb) ||
        die "wrk could not be fetched; the lines above say why. \`apt install wrk\` does too"
    library=$(dirname "$(find "$partial" -name 'libluajit-5.1.so.2')")
    # Relative to itself, so that a checkout can be moved.
    printf '#!/bin/sh\nhere=$(dirname "$0")\nLD_LIBRARY_PATH=$here/%s exec "$here/usr/bin/wrk" "$@"\n' \
        "${library#"$partial/"}" >"$partial/wrk"
    chmod +x "$partial/wrk"
    finish_partial "$folder"
fi
printf '%s\n' "$folder/wrk"
