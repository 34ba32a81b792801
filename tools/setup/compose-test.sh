#!/usr/bin/env bash
# Plays every example in containers (envoy/docker-compose.yaml), and counts them as the other test runners do. Without an
# engine it says so, and counts them as skipped.
source "$(dirname "$0")/lib.sh"

examples=()
for folder in "$root"/examples/*/; do examples+=("$(basename "$folder")"); done
compose=(docker compose --file "$root/envoy/docker-compose.yaml")

# summary PASSED FAILED IGNORED
summary() {
    local verdict=ok
    [ "$2" = 0 ] || verdict=FAILED
    printf '\ntest result: %s. %s passed; %s failed; %s ignored; 0 measured\n' "$verdict" "$1" "$2" "$3"
}

if ! docker info >/dev/null 2>&1 || ! docker compose version >/dev/null 2>&1; then
    printf 'NOT RUN: compose-test needs a container engine (docker with its compose plugin), and there is none here\n'
    summary 0 0 ${#examples[@]}
    exit
fi

"${compose[@]}" --profile play build
passed=0 failed=0
for example in "${examples[@]}"; do
    export EXAMPLE=$example
    printf '\n=== %s\n' "$example"
    if "${compose[@]}" up --detach --wait && "${compose[@]}" run --rm play; then
        passed=$((passed + 1))
        printf 'test %s ... ok\n' "$example"
    else
        failed=$((failed + 1))
        "${compose[@]}" logs --tail 100 || true
        printf 'test %s ... FAILED\n' "$example"
    fi
    "${compose[@]}" --profile play down --volumes --timeout 5
done
summary $passed $failed 0
[ $failed = 0 ]
