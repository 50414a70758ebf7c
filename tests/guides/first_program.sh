#!/usr/bin/env bash
# Follows docs/first-program.md to the letter, in a new folder: writes its programs, runs its commands in
# one shell, and compares what they print. Downloads nothing.
#
#   ```rust    goes to the file that "Write this to `...`" named last
#   ```sh      is run; `sh server` in the background, until it says that it serves
#   ```text    is what the commands before it have printed
set -euo pipefail
set -m # a process group for the server, as a terminal gives it
SWITCHBOARD=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export SWITCHBOARD CARGO_NET_OFFLINE=true CARGO_TERM_QUIET=true

work=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill -TERM -- "-$server" 2> /dev/null || true
    server=
}
trap 'stop; rm -rf "$work"' EXIT
fail() {
    printf '%s: %s\n' "$guide" "$*" >&2
    exit 1
}

guide=$SWITCHBOARD/docs/first-program.md
cd "$work"
file= block= kind= done=0
while IFS= read -r line; do
    if [[ -z $kind && $line =~ ^'Write this to `'(.*)'`:'$ ]]; then
        file=${BASH_REMATCH[1]}
    elif [[ -z $kind && $line == '```'* ]]; then
        kind=${line#'```'} block=
    elif [[ $line != '```' ]]; then
        block+=$line$'\n'
    else
        case $kind in
            rust*)
                mkdir -p "$(dirname "$file")"
                printf '%s' "$block" > "$file"
                ;;
            'sh server')
                mkfifo "$work/server.out"
                bash -c "exec $block" > "$work/server.out" &
                server=$!
                exec 3< "$work/server.out"
                # It may have to be compiled first.
                read -r -t 120 line <&3 && [ "$line" = serving ] || fail "the server does not serve"
                ;;
            sh) eval "$block" > "$work/out" < /dev/null || fail "this fails: $block" ;;
            text) diff <(printf '%s' "$block") "$work/out" || fail "it prints something else" ;;
            *) fail "a block of $kind" ;;
        esac
        kind= done=$((done + 1))
    fi
done < "$guide"
stop
printf 'a client says "%s"\n' 'here I am' 'from a shell' | diff - <(cat <&3)
[ "$done" -ge 8 ] || fail "only $done blocks were found"
echo "docs/first-program.md: $done blocks followed"
