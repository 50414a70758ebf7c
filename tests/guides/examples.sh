#!/usr/bin/env bash
# Runs the examples of the adapters as their heads say, and compares what they print with that; and shows
# that an adapter is a choice of imports: echo, pubsub and streaming are one text on all of them.
# Build them and the program `switchboard` first; the first argument is the folder where they are,
# `target/debug` if there is none.
set -euo pipefail
built=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../../target/debug}" && pwd)
adapters=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../adapters" && pwd)

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
mkfifo pipe

# What the head of an example says that it prints.
told() { sed -n '/^\/\/! ```text$/,/^\/\/! ```$/ { s/^\/\/! //; /^```/d; p }' "$1"; }

# An example for a runtime, as it would be on threads: without its `main` (which is the last), futures and name.
on_threads() {
    sed -e '/^#\[tokio::main\]$/,$d; /^fn main/,$d' \
        -e "s/switchboard\([-_]\)${1/_/[-_]}/switchboard\1blocking/; s/--example $1_/--example /" \
        -e 's/async fn program/fn main/; s/async fn/fn/; s/\.await//g' "$2"
}

echo 'open sesame' > token
"$built/examples/daemon" ./daemon.sock token > pipe &
server=$!
exec 3< pipe
read -r line <&3
[ "$line" = "serving at ./daemon.sock" ]
diff <(echo '{"visitor":1,"calls":1}') <("$built/switchboard" call ./daemon.sock count --token token)
code=0
"$built/switchboard" call ./daemon.sock count 2> refused || code=$?
[ "$code" = 3 ] && grep -q UNAUTHENTICATED refused
kill -TERM "$server"
wait "$server"
server=
diff <(printf 'closing\nclosed\n') <(cat <&3)
[ ! -e daemon.sock ]

for source in "$adapters"/*/examples/*.rs; do
    example=$(basename "$source" .rs)
    [ "$example" = daemon ] || "$built/examples/$example" 2>&1 | diff <(told "$source") -
done

for example in echo pubsub streaming; do
    for adapter in async_std smol tokio; do
        source="$adapters/${adapter/_/-}/examples/${adapter}_$example.rs"
        diff "$adapters/blocking/examples/$example.rs" <(on_threads "$adapter" "$source" | sed '$d')
    done
done
echo "adapters/*/examples: all run as they say, and are one text on all adapters"
