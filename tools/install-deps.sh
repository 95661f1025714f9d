#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: tools/install-deps.sh SET...
# Installs the Debian packages of the sets that are missing; does nothing when none is.
set -eu

packages_of() {
	case $1 in
	build) echo gcc libc6-dev meson ninja-build pkg-config scdoc \
		libcap-dev libseccomp-dev libjansson-dev libnghttp2-dev libprotobuf-c-dev \
		protobuf-c-compiler libc-ares-dev libhttp-parser-dev ;;
	demo) echo busybox-static ;;
	test) echo clang clang-format g++ libcmocka-dev valgrind libc6-dbg \
		python3-pytest python3-pexpect python3-grpcio busybox-static runc crun graphviz libcap2-bin \
		procps iproute2 strace tcpdump bpftrace gdb lsof linux-perf asciinema \
		vim-tiny less tmux screen sudo nginx-light systemd ;;
	bench) echo busybox-static runc crun strace docker.io containerd iptables podman conmon \
		catatonit containernetworking-plugins python3-grpcio python3-pytest socat iproute2 ;;
	kernels) echo busybox-static cpio qemu-system-x86 xz-utils ;;
	fuzz) echo clang libclang-rt-dev ;;
	engines) echo busybox-static docker.io containerd iptables podman crun runc netavark \
		aardvark-dns conmon catatonit uidmap slirp4netns containernetworking-plugins lxc \
		systemd-container mmdebstrap python3-grpcio python3-protobuf python3-pytest ;;
	check) echo clang clang-tidy cppcheck shellcheck ;;
	*)
		echo "install-deps: no set of packages named $1" >&2
		exit 2
		;;
	esac
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# apt waits for dpkg's lock by itself, but not for that of the package lists.
run_apt() {
	tries=60
	until DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" </dev/null; do
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ] || ! apt_is_busy; then
			return 1
		fi
		sleep 5
	done
}

apt_is_busy() {
	! flock -n /var/lib/apt/lists/lock true 2>/dev/null
}

wanted=
for set_name in "$@"; do
	wanted="$wanted $(packages_of "$set_name")"
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "install-deps: no Debian system; going on as if this were installed:$wanted" >&2
	exit 0
fi

missing=
for package in $wanted; do
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "install-deps: packages are missing, and only root can install them:" >&2
	echo "    apt-get install$missing" >&2
	exit 1
fi

echo "install-deps: installing$missing" >&2
run_apt update || echo "install-deps: no fresh package lists; trying with the old ones" >&2
# shellcheck disable=SC2086 # a list
run_apt install -y --no-install-recommends $missing >/dev/null
