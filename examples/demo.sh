#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# weft in two minutes: two tenants with the same addresses, step by step. `make demo` runs it.
# Every line that starts with `$` is what you would type; nothing is left behind.
set -u
cd "$(dirname "$0")/.." || exit 1

BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
[ -x "$BUILD/src/cli/weft" ] || { echo "Build weft first: make demo does." >&2; exit 1; }
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "The demo makes network namespaces: run it as root." >&2; exit 1; }
	exec sudo env BUILD="$BUILD" "$0" "$@"
fi

# A folder of the demo's own for socket, state and files: another weft on this machine goes on.
work=$(mktemp -d /tmp/weft-demo.XXXXXX) || exit 1
export PATH="$BUILD/src/cli:$BUILD/src/daemon:$PATH" WEFT_SOCKET=$work/weft.sock
held=0 broken=0

finish() {
	weft down >/dev/null 2>&1
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' green='' red='' plain=''
fi

step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
tell() { printf '%s\n' "$@"; }
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@"
}

# What the demo claims: "text", and a command that is true if it holds.
claim() {
	local text=$1
	shift
	if "$@" >"$work/claim" 2>&1; then
		held=$((held + 1))
		printf '%s  holds:%s %s\n' "$green" "$plain" "$text"
	else
		broken=$((broken + 1))
		printf '%s  BROKEN:%s %s\n' "$red" "$plain" "$text"
		sed 's/^/    /' "$work/claim"
	fi
}

inside() { ip netns exec "$@"; }
answers() { inside "$1" ping -n -c 3 -i 0.2 -W 2 "$2"; }
received() { inside "$1" cat "/sys/class/net/$2/statistics/rx_packets"; }
sent() { inside "$1" cat "/sys/class/net/$2/statistics/tx_packets"; }

for namespace in red-web red-db blue-web blue-db; do
	[ ! -e "/run/netns/$namespace" ] || { echo "There is a namespace $namespace already: not touched, no demo." >&2; exit 1; }
done

step "One file in, virtual networks up"
tell "examples/demo.yaml describes two tenants, red and blue. Each has two virtual switches," \
	"joined by a link, and two containers; both use 10.0.0.0/24. The part of red:"
run sed -n '/^  red:/,/^  blue:/{/^  blue:/d;p}' examples/demo.yaml
start=$(date +%s%N)
run weft up examples/demo.yaml --state "$work/state" || exit 1
claim "the first ping through red is answered" inside red-web ping -n -c 1 -W 5 10.0.0.11
tell "  $((($(date +%s%N) - start) / 1000000)) ms from nothing to the first answer"

step "What there is now"
run weft show nics
run ip netns

step "Traffic inside each tenant"
run inside red-web ping -n -c 3 -i 0.2 10.0.0.11
run inside blue-web ping -n -c 3 -i 0.2 10.0.0.11
claim "red-web reaches red-db, blue-web reaches blue-db" \
	eval 'answers red-web 10.0.0.11 && answers blue-web 10.0.0.11'
mac() { inside "$1" ip neigh show 10.0.0.11 | grep -o 'lladdr [^ ]*'; }
run inside red-web ip neigh show 10.0.0.11
run inside blue-web ip neigh show 10.0.0.11
claim "the same address is another machine in each" eval '[ "$(mac red-web)" != "$(mac blue-web)" ]'

step "Nothing crosses"
tell "Red floods: broadcasts, and pings to an address that nobody has. What blue receives meanwhile:"
sleep 1
own=$(($(sent blue-web web) + $(sent blue-db db)))
before=$(($(received blue-web web) + $(received blue-db db)))
red_before=$(received red-db db)
inside red-web ping -q -n -b -i 0.002 -c 300 -W 1 10.0.0.255 >/dev/null 2>&1
inside red-web ping -q -n -i 0.2 -c 5 -W 1 10.0.0.77 >/dev/null 2>&1
after=$(($(received blue-web web) + $(received blue-db db)))
own=$(($(sent blue-web web) + $(sent blue-db db) - own))
red_after=$(received red-db db)
tell "  red-db received $((red_after - red_before)) packets; blue-web and blue-db together $((after - before))," \
	"  having sent $own to each other (neighbour discovery)"
claim "red-db saw the flood" test $((red_after - red_before)) -ge 300
claim "blue received nothing but its own" test $((after - before)) -le $own

step "Change the file, see the plan, apply it"
cp examples/demo.yaml "$work/demo.yaml"
sed -i '/^  red:/,/^  blue:/ s/^    nics:$/&\n      cache:\n        switch: lan\n        ip: 10.0.0.12\/24\n        attach: { netns: red-cache, create: true }/' "$work/demo.yaml"
run diff -U1 examples/demo.yaml "$work/demo.yaml" | sed 1,2d
run weft plan "$work/demo.yaml"
claim "plan says that there are changes (exit status 5)" eval 'weft plan "$work/demo.yaml"; [ $? = 5 ]'
tell "Blue has traffic, 200 pings a second, while the change to red is applied:"
inside blue-web ping -q -n -i 0.005 -c 400 10.0.0.11 >"$work/ping" 2>&1 &
pinging=$!
sleep 0.5
run weft apply "$work/demo.yaml" --note "a cache for red"
claim "the new container answers" answers red-web 10.0.0.12
wait $pinging
grep transmitted "$work/ping"
claim "blue lost nothing" grep -q ' 0% packet loss' "$work/ping"

step "A mistake is told where it is, and changes nothing"
sed '0,/switch: lan/s//switch: lna/' "$work/demo.yaml" >"$work/wrong.yaml"
run weft apply "$work/wrong.yaml" 2>&1
claim "the mistake was refused" eval '! weft apply "$work/wrong.yaml"'
claim "everything goes on" answers red-web 10.0.0.12

step "And back"
run weft history
number=$(weft history --json | jq -r '[.. | .number? // empty] | sort | .[-2]')
run weft rollback "$number"
claim "the cache is gone" eval '! ip netns | grep -q red-cache'
claim "the rest forwards on" answers red-web 10.0.0.11

step "The file's own tests"
run weft test
claim "all of them hold" weft test

step "All of it down"
run weft down
claim "no namespace is left" eval '! ip netns | grep -Eq "^(red|blue)-"'
claim "no daemon answers (exit status 4)" eval 'weft show nics; [ $? = 4 ]'

printf '\n%s%d of %d claims hold.%s\n' "$bold" $held $((held + broken)) "$plain"
if [ $broken -eq 0 ]; then
	tell "Go on with docs/tour.md, or: sudo $BUILD/src/cli/weft help"
fi
[ $broken -eq 0 ]
