#!/usr/bin/env bash
# Runs the examples of adapters/blocking/ as their heads say, and compares what they print with that.
# Build them and the program `switchboard` first; the first argument is the folder where they are,
# `target/debug` if there is none.
set -euo pipefail
built=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../../target/debug}" && pwd)
heads=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../adapters/blocking/examples" && pwd)

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
mkfifo pipe

# What the head of an example says that it prints.
told() { sed -n '/^\/\/! ```text$/,/^\/\/! ```$/ { s/^\/\/! //; /^```/d; p }' "$heads/$1.rs"; }

# Starts an example and waits until it serves.
serve() {
    "$built/examples/$1" "${@:2}" > pipe &
    server=$!
    exec 3< pipe
    read -r line <&3
    [ "$line" = "serving at $2" ]
}

serve echo_server ./echo.sock
"$built/examples/echo_client" ./echo.sock | diff <(told echo_client) -
kill "$server"
wait "$server" || true
diff <(echo '#1 says "hello"') <(cat <&3)

echo 'open sesame' > token
serve daemon ./daemon.sock token
diff <(echo '{"visitor":1,"calls":1}') <("$built/switchboard" call ./daemon.sock count --token token)
code=0
"$built/switchboard" call ./daemon.sock count 2> refused || code=$?
[ "$code" = 3 ] && grep -q UNAUTHENTICATED refused
kill -TERM "$server"
wait "$server"
server=
diff <(printf 'closing\nclosed\n') <(cat <&3)
[ ! -e daemon.sock ]

for example in child_over_stdio thermometers upload; do
    "$built/examples/$example" 2>&1 | diff <(told "$example") -
done
echo "adapters/blocking/examples: all run as they say"
