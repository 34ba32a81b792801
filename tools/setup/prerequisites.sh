#!/usr/bin/env bash
# Checks what a machine must bring by itself, and names all that is missing with the commands that install it.
# Usage: prerequisites.sh [--quiet]      --quiet says nothing when nothing is missing
source "$(dirname "$0")/lib.sh"

oldest_python=3.10

missing=()  # a line of text for each thing
packages=   # the system's packages that bring them
commands=() # what else has to be run

have() { command -v "$1" >/dev/null 2>&1; }

# need WHAT WHY: one missing thing
need() { missing+=("$(printf '  %-18s %s' "$1" "$2")"); }

# install APT DNF BREW: the packages of it, under each system's names
install() {
    case $system in
        apt) packages="$packages $1" ;;
        dnf) packages="$packages $2" ;;
        brew) packages="$packages $3" ;;
    esac
}

# How this machine installs packages: apt, dnf, brew or unknown.
find_system() {
    local ids=
    if [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        ids=$(source /etc/os-release && printf '%s %s' "${ID-}" "${ID_LIKE-}")
    fi
    case "$(uname -s) $ids " in
        Darwin*) system=brew ;;
        *" debian "* | *" ubuntu "*) system=apt ;;
        *" fedora "* | *" rhel "* | *" centos "*) system=dnf ;;
        *) system=unknown ;;
    esac
}

check_make() {
    if ! have make; then
        need make "every step is a make target"
        install make make make
    fi
}

check_linker() {
    if ! have cc; then
        need cc "a C compiler: cargo links with it, and some crates build C"
    elif ! can_link; then
        need "C library" "cc is here but cannot link a program: the library's headers or cc's parts are missing"
    else
        return 0
    fi
    install "gcc libc6-dev" "gcc glibc-devel" ""
    [ "$system" != brew ] || commands+=("xcode-select --install")
}

can_link() {
    local folder result=0
    folder=$(mktemp -d)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$folder/probe.c"
    cc -o "$folder/probe" "$folder/probe.c" >/dev/null 2>&1 || result=1
    rm -rf "$folder"
    return $result
}

check_python() {
    if ! have python3; then
        need python3 "with venv: Envoy and the test tools are installed by its pip"
        install "python3 python3-venv" python3 python3
    elif ! python3 -c "import sys; sys.exit(sys.version_info < (${oldest_python/./, }))"; then
        need "python3 >= $oldest_python" "the one in PATH says: $(python3 --version 2>&1 | head -n 1)"
        install python3 python3 python3
    elif ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        need "python3's venv" "'python3 -m venv' does not work here"
        install python3-venv python3 python3
    fi
}

check_rust() {
    local home=${CARGO_HOME:-$HOME/.cargo}
    local bin=$home/bin
    if have rustup && have cargo; then
        return 0
    elif [ -x "$bin/rustup" ] && [ -x "$bin/cargo" ]; then
        need "rustup's cargo" "it is in $bin, which is not in PATH"
        commands+=("export PATH=\"$bin:\$PATH\"")
    elif have rustup; then
        need cargo "rustup is here, but its cargo is not in PATH"
        commands+=("rustup default stable && export PATH=\"$bin:\$PATH\"")
    else
        need rustup "it brings cargo and the WebAssembly targets; a system's own cargo has no such targets"
        commands+=("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"$home/env\"")
        have curl || install "curl ca-certificates" curl ""
    fi
}

print_missing() {
    local line sudo=
    [ "$(id -u)" = 0 ] || sudo='sudo '
    case "$system:$packages" in
        *:) ;;
        apt:*) commands=("${sudo}apt-get update && ${sudo}apt-get install --yes$packages" "${commands[@]+"${commands[@]}"}") ;;
        dnf:*) commands=("${sudo}dnf install --assumeyes$packages" "${commands[@]+"${commands[@]}"}") ;;
        brew:*) commands=("brew install$packages" "${commands[@]+"${commands[@]}"}") ;;
    esac

    say "Gatepass needs a few things that this machine does not have:"
    say ""
    for line in "${missing[@]}"; do say "$line"; done
    say ""
    if [ "$system" = unknown ]; then
        say "Install them with this system's package manager; on Debian and Ubuntu they are"
        say "gcc libc6-dev make python3 python3-venv."
    fi
    if [ ${#commands[@]} -gt 0 ]; then
        say "To get them, run"
        say ""
        for line in "${commands[@]}"; do [ -z "$line" ] || say "  $line"; done
        say ""
    fi
    say "and run the same command again."
}

find_system
check_make
check_linker
check_python
check_rust

if [ ${#missing[@]} -gt 0 ]; then
    print_missing
    exit 1
fi
if [ "${1-}" != --quiet ]; then
    say "Everything is here: make, a C linker, python3 with venv, rustup with cargo."
fi
