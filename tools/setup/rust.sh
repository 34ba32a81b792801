#!/usr/bin/env bash
# The Rust toolchain that rust-toolchain.toml pins, with its components and targets.
# Usage: rust.sh name       prints the toolchain to use
#        rust.sh install    adds what is missing of it
source "$(dirname "$0")/lib.sh"

file=$root/rust-toolchain.toml
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$file")

# list KEY: the words of a list in rust-toolchain.toml
list() { sed -n "s/^$1 = \[\(.*\)\]/\1/p" "$file" | tr -d '",'; }

installed() { rustup toolchain list 2>/dev/null | grep -q "^$1[- ]"; }

# The pinned toolchain; "stable" where that is the very same version, so that nothing is downloaded twice.
# A person's own RUSTUP_TOOLCHAIN wins.
name() {
    if [ -n "${RUSTUP_TOOLCHAIN-}" ]; then
        printf '%s\n' "$RUSTUP_TOOLCHAIN"
    elif ! installed "$channel" && installed stable && rustc +stable --version 2>/dev/null | grep -q "^rustc $channel "; then
        printf 'stable\n'
    else
        printf '%s\n' "$channel"
    fi
}

# lacks ASKED PRESENT: prints the words of ASKED with which no line of PRESENT begins
lacks() {
    local word
    for word in $1; do
        printf '%s\n' "$2" | grep -q "^$word\(-\|\$\)" || printf '%s ' "$word"
    done
}

install() {
    local toolchain words
    toolchain=$(name)
    if ! rustup run "$toolchain" rustc --version >/dev/null 2>&1; then
        say "Installing Rust $toolchain (once)"
        rustup toolchain install "$toolchain" --profile minimal --no-self-update
    fi
    words=$(lacks "$(list components)" "$(rustup component list --toolchain "$toolchain" --installed)")
    if [ -n "$words" ]; then
        say "Adding to Rust $toolchain: $words"
        # shellcheck disable=SC2086  # several words
        rustup component add --toolchain "$toolchain" $words
    fi
    words=$(lacks "$(list targets)" "$(rustup target list --toolchain "$toolchain" --installed)")
    if [ -n "$words" ]; then
        say "Adding to Rust $toolchain: $words"
        # shellcheck disable=SC2086  # several words
        rustup target add --toolchain "$toolchain" $words
    fi
    cargo "+$toolchain" --version >/dev/null 2>&1 || die "the cargo in PATH ($(command -v cargo)) is not rustup's.
Put rustup's first and run the same command again:
  export PATH=\"${CARGO_HOME:-$HOME/.cargo}/bin:\$PATH\""
}

case "${1-}" in
    name) name ;;
    install) install ;;
    *) die "usage: rust.sh name | install" ;;
esac
