#!/usr/bin/env bash
# Runs a command that tests on wasm32-unknown-unknown: with the test runner that fits the locked wasm-bindgen,
# and with a Node, both installed first if need be.
# Usage: with-wasm-runner.sh COMMAND...
source "$(dirname "$0")/lib.sh"

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$root/Cargo.lock")
[ -n "$version" ] || die "Cargo.lock names no wasm-bindgen: is wasm-bindgen-test still among the dev-dependencies of gatepass?"

node=$("$root/tools/setup/node.sh")
# Not --locked: the lock that the crate ships asks for a pre-release that is gone.
# Optimised a little: the runner reads the whole test module.
runner=$(CARGO_TOOL_OPT_LEVEL=1 "$root/tools/setup/cargo-tool.sh" wasm-bindgen-cli "$version" \
    wasm-bindgen-test-runner --no-default-features --bin wasm-bindgen-test-runner)

export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner
PATH=$(dirname "$node"):$PATH
export PATH
exec "$@"
