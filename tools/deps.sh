#!/bin/sh
# Installs what is missing for the purposes named, and nothing else: deps.sh build|run|test|bench|fuzz|coverage|page...
# Needs no root when nothing is missing. Knows Debian's packages; elsewhere it says what it lacks.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=''

# A package whose files may have come from somewhere else too: any of these commands will do.
command_or_package() { # PACKAGE COMMAND...
	package=$1
	shift
	for command; do
		if "$command" --version >/dev/null 2>&1; then
			return
		fi
	done
	missing="$missing $package"
}

# The same for commands that know no --version.
program_or_package() { # PACKAGE COMMAND
	command -v "$2" >/dev/null 2>&1 || missing="$missing $1"
}

installed() { # PACKAGE
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# What pkg-config finds is good too: it may have been built by hand.
package() { # PACKAGE PKG-CONFIG-MODULE
	if ! installed "$1" && ! pkg-config --exists "$2" 2>/dev/null; then
		missing="$missing $1"
	fi
}

file_or_package() { # PACKAGE FILE
	[ -e "$2" ] || missing="$missing $1"
}

need_build() {
	command_or_package gcc "${CC:-cc}" cc gcc clang
	file_or_package libc6-dev /usr/include/stdio.h
	command_or_package meson meson
	command_or_package ninja-build ninja
	command_or_package pkg-config pkg-config
	command_or_package python3 /usr/bin/python3
	package libtoxcore-dev toxcore
	package libsodium-dev libsodium
	package libevent-dev libevent
	package libmsgpack-dev msgpack
	package libcjson-dev libcjson
	file_or_package uthash-dev /usr/include/uthash.h
	package zlib1g-dev zlib
	package libqrencode-dev libqrencode
	package libbsd-dev libbsd
	package libsystemd-dev libsystemd
	package libncurses-dev ncursesw
}

need_run() {
	need_build
	command_or_package curl curl
}

need_test() {
	need_run
	package libcmocka-dev cmocka
	/usr/bin/python3 -c 'import pytest' 2>/dev/null || missing="$missing python3-pytest"
	/usr/bin/python3 -c 'import xdist' 2>/dev/null || missing="$missing python3-pytest-xdist"
	program_or_package nginx-light nginx
	command_or_package iperf3 iperf3
	program_or_package dnsmasq-base dnsmasq
	program_or_package bind9-dnsutils dig
	program_or_package wireguard-go wireguard-go
	program_or_package wireguard-tools wg
	program_or_package iputils-ping ping
	program_or_package openssh-server sshd
	program_or_package openssh-client ssh
	program_or_package openssh-client scp
	program_or_package netcat-openbsd nc
	program_or_package git git
	program_or_package rsync rsync
	program_or_package iproute2 ip
	program_or_package nftables nft
	program_or_package conntrack conntrack
	program_or_package util-linux unshare
	program_or_package golang-go go
	file_or_package golang-github-xtaci-kcp-dev /usr/share/gocode/src/github.com/xtaci/kcp-go
	command_or_package valgrind valgrind
	program_or_package binutils nm
	program_or_package systemd systemd-analyze
	program_or_package prometheus promtool
	program_or_package toxic toxic
	program_or_package tmux tmux
	/usr/bin/python3 -c 'import seccomp' 2>/dev/null || missing="$missing python3-seccomp"
}

need_bench() {
	need_test
	program_or_package kcptun kcptun-client
	program_or_package toxcore-utils tox-bootstrapd
}

need_page() {
	need_test
	program_or_package chromium chromium
	program_or_package nodejs node
	program_or_package npm npm
	program_or_package openssl openssl
}

need_fuzz() {
	need_build
	command_or_package clang clang
	# A name alone is printed when there is no such file.
	file_or_package libclang-rt-dev \
		"$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)"
}

need_coverage() {
	need_test
	command_or_package gcovr gcovr
}

# Daemons that come with a package must neither start now nor at the next boot: only the tests use
# them, with a configuration and a port of their own.
install_packages() { # PACKAGE...
	policy=/usr/sbin/policy-rc.d
	ours=''
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
		$as_root chmod 755 $policy
		ours=yes
		trap '$as_root rm -f $policy' EXIT
	fi
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" \
		>"$log" 2>&1 || return 1
	if [ -n "$ours" ] && [ -d /run/systemd/system ]; then
		for unit in nginx-light:nginx openssh-server:ssh iperf3:iperf3 \
			prometheus:prometheus; do
			case " $* " in
			*" ${unit%%:*} "*)
				$as_root systemctl --quiet disable "${unit#*:}.service" || :
				;;
			esac
		done
	fi >/dev/null 2>&1
}

for what; do
	case $what in
	build | run | test | bench | fuzz | coverage | page) "need_$what" ;;
	*)
		echo "usage: deps.sh build|run|test|bench|fuzz|coverage|page..." >&2
		exit 2
		;;
	esac
done
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
missing=${missing% }
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "missing (names of the Debian packages): $missing" >&2
	echo "this system has no apt-get: install them with its own package manager" >&2
	exit 1
fi
if [ "$(id -u)" = 0 ]; then
	as_root=''
elif command -v sudo >/dev/null 2>&1; then
	as_root=sudo
else
	echo "missing Debian packages, and neither root nor sudo to install them. As root:" >&2
	echo "    apt-get install --no-install-recommends $missing" >&2
	exit 1
fi

echo "installing: $missing"
log=$(mktemp)
if ! { $as_root apt-get update -qq >"$log" 2>&1 && install_packages $missing; }; then
	cat "$log" >&2
	rm -f "$log"
	echo "apt-get failed, see above; it was to install: $missing" >&2
	exit 1
fi
rm -f "$log"
