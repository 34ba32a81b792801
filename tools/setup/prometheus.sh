#!/usr/bin/env bash
# Installs Debian's Prometheus into .tools/, without root and without its service, and prints the folder that holds
# prometheus and promtool. PROMETHEUS_FOLDER=/path is used instead.
source "$(dirname "$0")/lib.sh"

if [ -n "${PROMETHEUS_FOLDER-}" ]; then
    printf '%s\n' "$PROMETHEUS_FOLDER"
    exit
fi
pin=$root/tools/setup/prometheus.txt
read -r name version architecture sum < <(grep -v '^#' "$pin")
folder=$tools/$name-$version
if ! same "$pin" "$folder/pin.txt"; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        die "this machine has no apt-get; give the folder of a Prometheus that you have, as in 'PROMETHEUS_FOLDER=/usr/local/bin make monitoring'"
    [ "$(dpkg --print-architecture)" = "$architecture" ] ||
        die "${pin#"$root/"} pins $name for $architecture alone; set PROMETHEUS_FOLDER"
    say "Installing $name $version into ${folder#"$root/"} (once)"
    start_partial
    (cd "$partial" && apt-get download --quiet=2 "$name=$version" 1>&2) ||
        die "apt-get has no $name $version: 'apt-get update', or another version in ${pin#"$root/"}"
    deb=$(find "$partial" -name '*.deb')
    printf '%s  %s\n' "$sum" "$deb" | sha256sum --check --quiet 1>&2 || die "$name $version is not the package that is pinned"
    dpkg-deb --extract "$deb" "$partial"
    rm "$deb"
    cp "$pin" "$partial/pin.txt"
    finish_partial "$folder"
fi
program "$folder" usr/bin/promtool >/dev/null
dirname "$(program "$folder" usr/bin/prometheus)"
