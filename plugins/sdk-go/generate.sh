#!/bin/sh
# Makes wasmill/internal/bindings anew from ../../wit/plugin.wit. Needed only when the contract changes; the result is committed.
#
#   cargo install wit-bindgen-cli --version 0.63.0 --locked --no-default-features --features c,go
#   ./generate.sh
#
# What the generator writes is changed in four ways, all of them here:
# - Its runtime package comes from a registry; ours is part of the SDK (wasmill/internal/wit), so nothing is downloaded. So does what
#   it takes from Go's package runtime, the Pinner.
# - It expects the exported functions in a package of the bindings; ours are in wasmill/internal/stage.
# - The files are for WebAssembly alone (`wasip1`), and so left out where plugins are tested without it. Interfaces that the SDK
#   does not use are left out altogether.
# - Each file says what it was made from: the sha256 of the contract without comments and white space. A test compares it.
set -eu
cd "$(dirname "$0")"
out=wasmill/internal/bindings
rm -rf "$out"
"${WIT_BINDGEN:-wit-bindgen}" go ../../wit --world plugin --pkg-name wasmill/internal/bindings --out-dir "$out"
rm -r "$out"/imports/wasmill_plugin_columns "$out"/imports/wasmill_plugin_stage
contract=$(sed 's|//.*||' ../../wit/plugin.wit | tr -d '[:space:]' | sha256sum | cut -d ' ' -f 1)
rm "$out"/imports/*/empty.s
find "$out" -name '*.go' | while read -r file; do
	{
		echo '//go:build wasip1'
		echo
		echo "// Contract: sha256 $contract"
		echo
		sed -e 's|"go.bytecodealliance.org/pkg/wit/|"wasmill/internal/wit/|' \
			-e 's|^\t"runtime"$|\truntime "wasmill/internal/wit/pin"|' \
			-e 's|\(export_wasmill_plugin_stage\)\.|stage.|' \
			-e 's|"wasmill/internal/bindings/exports/export_wasmill_plugin_stage"|"wasmill/internal/stage"|' "$file"
	} >"$file.new"
	mv "$file.new" "$file"
	gofmt -w "$file"
done
