#!/bin/sh
# Makes wasmill/bindings anew from ../../wit/plugin.wit. Needed only when the contract changes; the result is committed.
#
#   cargo install wit-bindgen-cli --version 0.63.0 --locked --no-default-features --features c,go
#   ./generate.sh
#
# What the generator writes is not changed. Each file says first what it was made from: the sha256 of the contract without comments and
# white space. A test compares it.
set -eu
cd "$(dirname "$0")"
out=wasmill/bindings
rm -rf "$out"
"${WIT_BINDGEN:-wit-bindgen}" c --world plugin --no-object-file --out-dir "$out" ../../wit
contract=$(sed 's|//.*||' ../../wit/plugin.wit | tr -d '[:space:]' | sha256sum | cut -d ' ' -f 1)
for file in "$out"/*.[ch]; do
	{
		echo "// Contract: sha256 $contract"
		cat "$file"
	} >"$file.new"
	mv "$file.new" "$file"
done
