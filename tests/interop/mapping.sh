#!/usr/bin/env bash
# Checks that values mean the same in Rust and in another language, in both directions (docs/protocol.md
# section 11): mapping.sh PROGRAM [ARGUMENT...]
#
#     mapping.sh python3 tests/interop/mapping/mapping.py
#     mapping.sh node tests/interop/mapping/mapping.mjs NODE_MODULES
#
# The program reads lines `name hex` as `cargo run --example mapping` prints them, ends with 1 if one is not
# the value it knows by that name, and prints its own lines. Rust reads those. The exit code is 0 only if both
# agree.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,10p' "$0" >&2; exit 2; }

# Cargo finds the project from here, whatever the caller's folder is; the program keeps that one.
rust() { cargo run -q --manifest-path "$(dirname "$0")/../../Cargo.toml" --example mapping -- "$@"; }

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
agree=0
rust | "$@" > "$lines" || agree=1
rust read < "$lines" || agree=1
exit "$agree"
