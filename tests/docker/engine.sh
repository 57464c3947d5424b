#!/bin/sh
# A container engine for the tests, beside whatever else runs on this machine.
#
#   engine.sh start DIR [PID]   starts one with all that it has in DIR, and prints DOCKER_HOST=...;
#                               with PID, it ends when that process has ended
#   engine.sh stop DIR          ends it and removes what it had
#
# Where an engine answers already (DOCKER_HOST, or Docker's usual place), that one is named and nothing is started. Where
# Docker is not installed, Debian's package `docker.io` is, which needs root. The engine has a bridge and a network of its
# own, leaves the packet filter alone, and reaches nothing outside: the tests pull nothing.
set -eu

say() {
    printf 'engine.sh: %s\n' "$*" >&2
}

fail() {
    say "$@"
    exit 1
}

# Whether an engine answers at this address.
answers() {
    case $1 in
        unix://*) [ -S "${1#unix://}" ] || return 1 ;;
    esac
    if command -v docker >/dev/null; then
        timeout 10 docker -H "$1" version >/dev/null 2>&1
    elif command -v curl >/dev/null; then
        case $1 in
            unix://*) curl -sf -m 10 --unix-socket "${1#unix://}" http://engine/_ping >/dev/null ;;
            *) curl -sf -m 10 "http://${1#*://}/_ping" >/dev/null ;;
        esac
    else
        return 1
    fi
}

install_docker() {
    command -v dockerd >/dev/null && command -v ip >/dev/null && return
    command -v apt-get >/dev/null || fail "no engine answers, and \`dockerd\` is not installed: install Docker, or set DOCKER_HOST"
    say "installing docker.io from Debian's packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # The engine is started below, and by nobody else.
    apt-get install -y -qq --no-install-recommends docker.io iproute2 >&2
}

# A layered file system where the kernel allows one here; else whole copies.
storage_driver() {
    probe=$1/probe
    mkdir -p "$probe/lower" "$probe/upper" "$probe/work" "$probe/merged"
    driver=vfs
    options=lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work
    if mount -t overlay overlay -o "$options" "$probe/merged" 2>/dev/null; then
        umount "$probe/merged"
        driver=overlay2
    fi
    rm -rf "$probe"
    echo $driver
}

# A bridge with a network that nobody has.
make_bridge() {
    bridge=gmtest$$
    number=0
    while [ $number -lt 250 ]; do
        network=10.213.$number
        if ! ip -4 addr show | grep -q "inet $network\."; then
            # An address of its own, as Docker gives to its bridge. Else the bridge has that of one of its containers, and
            # when that one ends, the others send to an address that nobody has, for up to half a minute.
            ip link add "$bridge" address "$(printf '02:42:0a:d5:%02x:01' $number)" type bridge
            echo "$bridge" >"$1/bridge"
            ip addr add "$network.1/24" dev "$bridge"
            ip link set "$bridge" up
            return
        fi
        number=$((number + 1))
    done
    fail "all networks of 10.213.0.0/16 are taken"
}

start() {
    dir=$1
    for host in "${DOCKER_HOST:-}" unix:///var/run/docker.sock; do
        if [ -n "$host" ] && answers "$host"; then
            say "the engine at $host answers"
            echo "DOCKER_HOST=$host"
            return
        fi
    done
    [ "$(id -u)" = 0 ] || fail "no engine answers, and starting one needs root: \`sudo $0 start $dir\`, then set DOCKER_HOST"
    mkdir -p "$dir"
    chmod 700 "$dir"
    dir=$(cd "$dir" && pwd)
    [ ! -e "$dir/pid" ] || fail "there is an engine in $dir already: \`$0 stop $dir\` ends it"
    install_docker
    driver=$(storage_driver "$dir")
    make_bridge "$dir"
    say "starting dockerd in $dir (storage $driver, bridge $(cat "$dir/bridge"))"
    dockerd -H "unix://$dir/docker.sock" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
        --storage-driver "$driver" --bridge "$(cat "$dir/bridge")" --iptables=false --ip6tables=false --ip-masq=false \
        --ip-forward=false --shutdown-timeout 5 </dev/null >"$dir/log" 2>&1 &
    daemon=$!
    tries=0
    until answers "unix://$dir/docker.sock"; do
        tries=$((tries + 1))
        if [ $tries -gt 120 ] || ! kill -0 "$daemon" 2>/dev/null; then
            tail -n 20 "$dir/log" >&2
            stop "$dir"
            fail "dockerd does not start; its last words are above"
        fi
        sleep 0.5
    done
    if [ -n "${2:-}" ]; then
        setsid "$0" watch "$dir" "$2" </dev/null >/dev/null 2>&1 &
    fi
    echo "DOCKER_HOST=unix://$dir/docker.sock"
}

# Ends the engine when the process has ended, however it did.
watch() {
    while kill -0 "$2" 2>/dev/null; do
        sleep 1
    done
    stop "$1"
}

# Ends a process of ours: asks first.
end() {
    kill "$1" 2>/dev/null || return 0
    tries=0
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 150 ]; then
            kill -9 "$1" 2>/dev/null || true
        fi
        [ $tries -lt 200 ] || fail "process $1 does not end"
        sleep 0.1
    done
}

stop() {
    [ -d "$1" ] || return 0
    dir=$(cd "$1" && pwd)
    for file in "$dir/pid" "$dir/exec/containerd/containerd.pid"; do
        if [ -s "$file" ]; then
            end "$(cat "$file")"
        fi
    done
    # The innermost first. Mounts of containers that were killed, and the engine's own.
    awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do
        umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || true
    done
    if [ -s "$dir/bridge" ]; then
        ip link delete "$(cat "$dir/bridge")" 2>/dev/null || true
    fi
    rm -rf "$dir/data" "$dir/exec" "$dir/pid" "$dir/docker.sock" "$dir/log" "$dir/bridge"
    rmdir "$dir" 2>/dev/null || true
}

case "${1:-} ${2:+dir}" in
    "start dir") start "$2" "${3:-}" ;;
    "watch dir") watch "$2" "$3" ;;
    "stop dir") stop "$2" ;;
    *) fail "usage: $0 start DIR [PID] | stop DIR" ;;
esac
