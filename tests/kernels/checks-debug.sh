# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# Checks of `debug`: what the host's view shows, and a program that is brought. Sourced by checks.sh.
# shellcheck disable=SC2016,SC2034,SC2154 # scripts for the command; its variables

# debug ARGUMENT…: ended when it hangs (which then is status 137).
debug() {
	timeout -s KILL 30 conjoin debug "$@"
}

# Capabilities like Docker's: who may trace could reach the host.
start_confined() {
	start --caps docker
}

hosts_view_shows_the_containers_processes() {
	start_confined
	debug "$pid" sh -c 'cat /proc/1/comm; ls /proc | grep -c "^[0-9]"; readlink /proc/self' \
		>/run/seen || fail "status $?"
	[ "$(head -n 1 /run/seen)" = sandbox-init ] || fail "PID 1 is $(cat /run/seen)"
	[ "$(sed -n 2p /run/seen)" -lt 6 ] || fail "more processes than there are: $(cat /run/seen)"
	[ -n "$(sed -n 3p /run/seen)" ] || fail "no self"
	debug "$pid" ps -o pid,args | grep -q '^ *1 sandbox-init' || fail "ps"
}

hosts_view_shows_the_containers_network() {
	start_confined
	[ "$(debug "$pid" ls /sys/class/net)" = lo ] || fail "$(debug "$pid" ls /sys/class/net)"
	debug --namespaces pid "$pid" ls /sys/class/net >/run/seen || fail "status $?"
	ls /sys/class/net >/run/own
	same /run/own /run/seen
	[ "$(debug "$pid" stat -c %d:%i /sys/fs/cgroup)" = "$(stat -c %d:%i /sys/fs/cgroup)" ] ||
		fail "not the host's /sys/fs/cgroup"
	[ "$(debug "$pid" readlink /proc/self/ns/net)" = "$(readlink "/proc/$pid/ns/net")" ] ||
		fail "another net namespace"
}

hosts_view_has_the_containers_files_read_only() {
	start_confined
	debug "$pid" sh -c 'cat $CONJOIN_ROOT/etc/hostname; echo x >$CONJOIN_ROOT/etc/x &&
		echo written; echo x >$CONJOIN_ROOT/tmp/x && echo written; cat /checks.sh >/dev/null' \
		>/run/seen 2>/run/seen.errors || fail "status $?: $(cat /run/seen.errors)"
	[ "$(cat /run/seen)" = sandbox ] || fail "$(cat /run/seen)"
	[ "$(grep -c 'Read-only file system' /run/seen.errors)" = 2 ] || fail "$(cat /run/seen.errors)"
	[ "$(debug --writable "$pid" sh -c 'echo $CONJOIN_ROOT')" = /mnt/conjoin/root ] ||
		fail "another place"
}

hosts_view_warns_of_nothing() {
	start_confined
	debug "$pid" true 2>/run/seen.errors || fail "status $?"
	[ ! -s /run/seen.errors ] || fail "$(cat /run/seen.errors)"
	expect 7 debug "$pid" sh -c 'exit 7'
	expect 127 debug "$pid" no-such-command 2>/dev/null
}

a_debugging_command_is_who_the_caller_is() {
	start_confined
	for name in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs; do
		[ "$(debug "$pid" sed -n "s/^$name:[[:space:]]*//p" /proc/self/status)" = \
			"$(field "$name" self)" ] || fail "$name"
	done
	debug -u 1000:1000 --cap-drop all "$pid" id -u >/run/seen || fail "status $?"
	[ "$(cat /run/seen)" = 1000 ] || fail "$(cat /run/seen)"
}

a_brought_program_runs_on_the_containers_own_paths() {
	start_confined
	cp "/proc/$pid/mountinfo" /run/before
	debug --view target --bring /bin/busybox "$pid" sh -c 'busybox cat /etc/hostname;
		ls $CONJOIN_BIN; touch $CONJOIN_BIN/x && echo written; touch /run/x && echo written; true' \
		>/run/seen 2>/run/seen.errors || fail "status $?: $(cat /run/seen.errors)"
	printf 'sandbox\nbusybox\n' >/run/wanted
	same /run/wanted /run/seen
	same /run/before "/proc/$pid/mountinfo"
	[ ! -e "/proc/$pid/root/run/conjoin" ] || fail "the container has it"
}

no_mount_spreads_from_debug() {
	start_confined
	mount --make-rshared / || fail "no shared mounts"
	cat /proc/self/mountinfo >/run/before
	debug "$pid" cat /proc/self/mountinfo >/run/seen
	cat /proc/self/mountinfo >/run/after
	mount --make-rprivate /
	same /run/before /run/after
	grep -q ' /mnt/conjoin/root ' /run/seen || fail "nothing mounted"
	! grep -qE ' (shared|master):' /run/seen || fail "not private"
}

# The leak guard: what it refuses is said; 5.10 has no ioctl that tells user namespaces' relation otherwise.
a_container_that_may_trace_is_refused() {
	start --namespaces all,-user --caps all
	debug "$pid" true 2>/run/seen.errors
	got=$?
	[ "$got" = 125 ] || fail "status $got"
	grep -q PTRACE /run/seen.errors || fail "$(cat /run/seen.errors)"
	expect 0 debug --expose-host "$pid" true 2>/dev/null
}

DEBUG_CHECKS="hosts_view_shows_the_containers_processes hosts_view_shows_the_containers_network
	hosts_view_has_the_containers_files_read_only hosts_view_warns_of_nothing
	a_debugging_command_is_who_the_caller_is a_brought_program_runs_on_the_containers_own_paths
	no_mount_spreads_from_debug a_container_that_may_trace_is_refused"
