#!/usr/bin/env bash
# Runs test targets of the Makefile one after the other, up to the first that fails, and sums their counts.
# Usage: test.sh TARGET...
source "$(dirname "$0")/lib.sh"

logs=$root/target/test-logs
rm -rf "$logs"
mkdir -p "$logs"

passed=0 failed=0 skipped=0
status=0

# count LOG: adds up the closing lines of the test runners in it ("test result: ok. 3 passed; 0 failed; 1 ignored; …")
count() {
    local p f s
    read -r p f s < <(sed $'s/\e\\[[0-9;]*m//g' "$1" | awk '
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed;") passed += $(i - 1)
                if ($i == "failed;") failed += $(i - 1)
                if ($i == "ignored;") ignored += $(i - 1)
            }
        }
        END { print passed + 0, failed + 0, ignored + 0 }')
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%s passed, %s failed, %s skipped' "$p" "$f" "$s"
}

summary=()
for target in "$@"; do
    if [ $status -ne 0 ]; then
        summary+=("$(printf '%-14s not run' "$target")")
        continue
    fi
    printf '\n=== %s\n' "$target"
    start=$SECONDS
    # Only stdout, where the counts stand, goes through the pipe: cargo keeps the terminal for its progress.
    "${MAKE:-make}" --no-print-directory -C "$root" "$target" | tee "$logs/$target.log" || status=$?
    before=$failed
    count "$logs/$target.log" >"$logs/counts"
    line=$(printf '%-14s %s (%d s)' "$target" "$(cat "$logs/counts")" $((SECONDS - start)))
    if [ $status -ne 0 ] && [ "$failed" = "$before" ]; then
        # It did not build, or it broke down before a test could say so: that counts as one failure.
        failed=$((failed + 1))
        line="$line, and it did not run to its end"
    fi
    summary+=("$line")
done

if [ $status -eq 0 ] && [ $((passed + failed)) -eq 0 ]; then
    summary+=("no test ran: that is a failure too")
    status=1
fi

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped" | tee "$logs/counts"
exit $status
