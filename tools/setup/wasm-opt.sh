#!/usr/bin/env bash
# Makes a module smaller with Binaryen's wasm-opt, which is installed into .tools/ first if need be.
# Usage: wasm-opt.sh INPUT OUTPUT
source "$(dirname "$0")/lib.sh"

pin=$root/tools/setup/binaryen.txt
version=$(sed -n 's/^version=//p' "$pin")
integrity=$(sed -n 's/^integrity=//p' "$pin")
folder=$tools/binaryen-$version
node=$("$root/tools/setup/node.sh")

# The npm beside that Node, wherever it lies: some systems have it apart, the wheel has it in its library.
npm() {
    local cli
    for cli in "$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js" /usr/share/nodejs/npm/bin/npm-cli.js; do
        if [ -f "$cli" ]; then
            "$node" "$cli" "$@"
            return
        fi
    done
    command npm "$@"
}

if ! same "$pin" "$folder/pin.txt"; then
    say "Installing binaryen $version into ${folder#"$root/"} (once)"
    start_partial
    (cd "$partial" && npm pack --silent --ignore-scripts "binaryen@$version" >/dev/null) ||
        die "binaryen $version could not be had from the npm registry; the lines above say why"
    archive=$partial/binaryen-$version.tgz
    found=sha512-$("$node" -e 'process.stdout.write(require("crypto").createHash("sha512")
        .update(require("fs").readFileSync(process.argv[1])).digest("base64"))' "$archive")
    [ "$found" = "$integrity" ] || die "binaryen $version is not what tools/setup/binaryen.txt says: $found"
    tar -xzf "$archive" -C "$partial"
    rm "$archive"
    cp "$pin" "$partial/pin.txt"
    finish_partial "$folder"
fi

# The features that Rust's target has; nothing that Envoy's V8 would have to be asked for.
"$node" "$(program "$folder" package/bin/wasm-opt)" -Oz \
    --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int \
    --enable-reference-types --enable-sign-ext --strip-debug --strip-producers "$1" --output "$2"
