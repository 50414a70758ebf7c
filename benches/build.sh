#!/usr/bin/env bash
# What it costs to depend on us: crates, and seconds of processor time of a cold build. Run it from anywhere:
# bash benches/build.sh
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TIMEFORMAT='%U %S'
printf '%-24s%8s%8s\n' package crates CPU-s
for package in switchboard switchboard-blocking; do
    crates=$(cargo tree --locked -p "$package" -e normal,build --prefix none | sed 's/ (.*//' | sort -u | wc -l)
    spent=$({ time CARGO_TARGET_DIR=$folder/$package cargo build --locked -q -p "$package"; } 2>&1)
    printf '%-24s%8d%8.1f\n' "$package" "$crates" "$(awk '{ print $1 + $2 }' <<< "$spent")"
done
