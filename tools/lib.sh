# shellcheck shell=bash
# What the scripts of tools/, tests/ and .ci/ share.  Sourced by bash under `set -eu`; `root` is the source tree.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What a script's nodes and dhtctl are told, and which ring it asks, is not for the settings of whoever runs it to say.
export DHT_CONFIG='' DHT_NODE_CONFIG=''

# What it takes to build and to run a ring, as Debian 12 names it.
# shellcheck disable=SC2034 # for those who source this
packages_build='gcc libc6-dev meson ninja-build pkg-config libcbor-dev libevent-dev liblmdb-dev libmosquitto-dev libssl-dev
	libsystemd-dev libxxhash-dev uthash-dev'
# shellcheck disable=SC2034
packages_run='mosquitto'
# shellcheck disable=SC2034
packages_test='clang faketime fish libclang-rt-dev libcmocka-dev mandoc mosquitto-clients openssl patch python3 python3-cbor2
	python3-paho-mqtt python3-pytest python3-pytest-xdist python3-xxhash strace systemd
	systemd-journal-remote zsh'

say() {
	printf '%s: %s\n' "${0##*/}" "$*"
}

die() { # TEXT: what is wrong and what to do about it
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Installs those of Debian's packages that are not there.  Asks nobody and touches no network if all are.
need_packages() {
	local name log missing=()
	if ! command -v dpkg-query >/dev/null; then
		say "no dpkg here: taking for granted what Debian calls $(echo "$@" | tr -s '[:space:]' ' ')"
		return 0
	fi
	# shellcheck disable=SC2068 # lists with spaces and newlines are meant to fall apart
	for name in $@; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] ||
		die "missing packages; as root run: apt-get install --no-install-recommends ${missing[*]}"
	say "installing Debian's packages: ${missing[*]}"
	log=$(mktemp)
	if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
		"${missing[@]}"; } >"$log" 2>&1 </dev/null; then
		tail -n 15 "$log" >&2
		rm -f "$log"
		die "apt-get failed (see above); the packages are: ${missing[*]}"
	fi
	rm -f "$log"
	# Its package starts a broker for the whole machine, which nobody has asked for.
	case " ${missing[*]} " in
	*' mosquitto '*) service mosquitto stop >/dev/null 2>&1 || true ;;
	esac
}

# Configures (once) and builds; silent unless it fails.
build() { # DIR [MESON OPTION...]
	local dir=$1 log
	shift
	mkdir -p "$dir"
	log=$dir/build.log
	if ! { { [ -e "$dir/build.ninja" ] || meson setup "$dir" "$root" "$@"; } && ninja -C "$dir"; } >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "the build in $dir failed: the end of its log is above"
	fi
}

port_taken() { # PORT: true if somebody listens there
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		port_taken "$port" || break
	done
	echo "$port"
}

# True as soon as the command is; false after SECONDS, or when the process PID has ended.
wait_for() { # SECONDS PID COMMAND...
	local end=$((SECONDS + $1)) pid=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] && kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.05
	done
}
