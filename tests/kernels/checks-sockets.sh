# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154,SC2034,SC2016 # checks.sh reads this file; scripts for others
#
# The checks about sockets that are made where a container is: connect, listen, forward.

SOCKET_CHECKS="a_connection_is_made_from_there
	names_are_the_containers_own
	a_unix_socket_is_found_beneath_its_root
	a_server_of_ours_listens_there
	a_connection_gets_a_process_of_its_own
	a_port_here_leads_there
	a_port_there_leads_here
	the_containers_end_ends_them
	an_ordinary_user_listens_in_a_container_of_his_own"

# port_is_open PID PORT: somebody listens there, in that net namespace.
port_is_open() {
	grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$2") 0*:0000 0A" "/proc/$1/net/tcp"
}

# serve PID PORT: a server of the container's own, which echoes.
serve() {
	conjoin exec -d "$1" nc -ll -p "$2" -e cat >/dev/null || fail "no server"
	until_true port_is_open_anyhow "$1" "$2"
}

# nc listens on IPv6, which takes IPv4 as well, where there is IPv6.
port_is_open_anyhow() {
	port_is_open "$1" "$2" ||
		grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$2") 0*:0000 0A" "/proc/$1/net/tcp6"
}

# keep COMMAND…: runs on until the check ends.
keep() {
	"$@" >/run/kept 2>/run/kept.errors &
	kept=$!
	held="$held $kept"
}

a_connection_is_made_from_there() {
	start
	serve "$pid" 80
	[ "$(echo hello | conjoin connect "$pid" 80)" = hello ] || fail "no answer"
	expect 1 conjoin connect "$pid" 81 2>/run/errors
	grep -q 'connect to tcp:81: Connection refused$' /run/errors
}

names_are_the_containers_own() {
	start
	serve "$pid" 80
	echo '127.0.0.1 only-inside' >>"/proc/$pid/root/etc/hosts"
	[ "$(echo hello | conjoin connect "$pid" only-inside:80)" = hello ] || fail "no answer"
	expect 1 conjoin connect --resolve here "$pid" only-inside:80
}

a_unix_socket_is_found_beneath_its_root() {
	start
	run "$pid" sh -c 'ln -s /run/app /srv/link; mkdir /run/app' || fail "no directory"
	keep conjoin listen --inetd "$pid" /srv/link/x.sock -- cat
	until_true test -S "/proc/$pid/root/run/app/x.sock"
	[ "$(echo hello | conjoin connect "$pid" /run/app/x.sock)" = hello ] || fail "no answer"
	[ ! -e /run/app ] || fail "it's ours"
	kill "$kept"
	wait "$kept" || fail "status $?"
	[ ! -e "/proc/$pid/root/run/app/x.sock" ]
}

a_server_of_ours_listens_there() {
	start
	keep conjoin listen --port-file /run/port "$pid" 127.0.0.1:0 -- sh -c \
		'echo "$LISTEN_FDS $$ $LISTEN_PID"; exec sleep 1000'
	until_true test -s /run/port
	until_true test -s /run/kept
	read -r count own told </run/kept
	[ "$count $own" = "1 $told" ] || fail "$(cat /run/kept)"
	port_is_open "$pid" "$(cat /run/port)" || fail "not there"
	! port_is_open self "$(cat /run/port)" || fail "here as well"
}

a_connection_gets_a_process_of_its_own() {
	start
	keep conjoin listen --inetd "$pid" 7 -- sh -c 'echo "$REMOTE_ADDR"; cat'
	until_true port_is_open "$pid" 7
	[ "$(echo hello | conjoin connect "$pid" 127.0.0.1:7)" = "127.0.0.1
hello" ]
}

a_port_here_leads_there() {
	start
	serve "$pid" 80
	keep conjoin forward --port-file /run/port "$pid" 127.0.0.1:0:80
	until_true test -s /run/port
	port=$(cat /run/port)
	[ "$(echo hello | conjoin connect self "127.0.0.1:$port")" = hello ] || fail "no answer"
	head -c 3000000 /dev/urandom >/run/bytes
	conjoin connect self "127.0.0.1:$port" </run/bytes >/run/back
	cmp /run/bytes /run/back
}

a_port_there_leads_here() {
	start
	keep conjoin listen --inetd --port-file /run/here self 127.0.0.1:0 -- cat
	until_true test -s /run/here
	keep conjoin forward --reverse "$pid" "9000:$(cat /run/here)"
	until_true port_is_open "$pid" 9000
	[ "$(echo hello | conjoin connect "$pid" 9000)" = hello ]
}

the_containers_end_ends_them() {
	start
	keep conjoin forward "$pid" 127.0.0.1:0:80
	until_true test -s /run/kept
	kill -KILL "$pid"
	wait "$kept"
	[ "$?" = 1 ] || fail "another status"
	grep -q 'the target has ended' /run/kept.errors
}

an_ordinary_user_listens_in_a_container_of_his_own() {
	[ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || echo 1)" = 1 ] ||
		skip "this kernel gives ordinary users no user namespaces"
	printf '#!/bin/sh\nshift\nexec su -s /bin/sh app -c "exec sandbox $*"\n' >/run/as-app
	chmod 755 /run/as-app
	before=/run/as-app
	start --map-self --no-cgroup
	before=
	keep su -s /bin/sh app -c "exec conjoin listen --inetd $pid 80 -- cat"
	until_true port_is_open "$pid" 80
	[ "$(echo hello | su -s /bin/sh app -c "exec conjoin connect $pid 80")" = hello ]
}
