#!/usr/bin/env bash
# Installs one version of a cargo tool into .tools/, if neither that folder nor PATH has it, and prints its path.
# Usage: cargo-tool.sh CRATE VERSION PROGRAM [ARGUMENT OF CARGO INSTALL]...
source "$(dirname "$0")/lib.sh"

crate=$1 version=$2 name=$3
shift 3
folder=$tools/$crate-$version

if [ -x "$folder/bin/$name" ]; then
    printf '%s\n' "$folder/bin/$name"
    exit
fi
if found=$(command -v "$name") && [ "$("$found" --version 2>/dev/null | sed 's/.* //')" = "$version" ]; then
    printf '%s\n' "$found"
    exit
fi

say "Installing $crate $version into ${folder#"$root/"} (once; one to three minutes)"
# An unfinished build stays, so that the next try goes on from there.
build=$tools/build-$crate
# No debug information, little optimisation: these tools run for seconds, and their build is what takes long.
# The PATH only keeps cargo from asking to have it changed.
PATH=$folder/bin:$PATH \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=${CARGO_TOOL_OPT_LEVEL:-0} \
    CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=0 \
    CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback \
    cargo install "$crate" --version "=$version" --root "$folder" --target-dir "$build" --no-track "$@" 1>&2 ||
    die "$crate $version could not be installed; the lines above say why"
rm -rf "$build"
printf '%s\n' "$folder/bin/$name"
