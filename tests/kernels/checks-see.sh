# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# Checks of what is told about containers, and of commands that go on by themselves. Sourced by checks.sh.
# shellcheck disable=SC2034,SC2154 # its variables

inspect_tells_what_the_kernel_tells() {
	start
	for kind in mnt pid net user; do
		told=$(conjoin inspect --noheadings -o "namespaces.$kind.inode" "$pid")
		[ "$kind:[$told]" = "$(readlink "/proc/$pid/ns/$kind")" ] || fail "$kind: $told"
	done
	conjoin inspect "$pid" | grep -q unreadable && fail "$(conjoin inspect "$pid" | grep unread)"
	true
}

a_command_that_is_inside_doesnt_differ() {
	start
	hold "$pid"
	expect 0 conjoin diff --only namespaces,cgroups,capabilities,limits "$pid" "$command"
	expect 1 conjoin diff --only namespaces self "$pid"
}

pids_are_translated_both_ways() {
	start
	hold "$pid"
	inside=$(awk '/^NSpid:/ { print $NF }' "/proc/$command/status")
	[ "$(conjoin pids --host "$command" "$pid")" = "$inside" ] || fail "not $inside"
	[ "$(conjoin pids --inside "$inside" "$pid")" = "$command" ] || fail "not $command"
	[ "$(conjoin pids --flat --noheadings -o host "$pid" | wc -l)" -ge 2 ] || fail "too few"
}

ps_lists_the_container() {
	start
	conjoin ps --noheadings -o pid | grep -q "^$pid *\$" || fail "$(conjoin ps)"
}

a_detached_command_is_named_and_ended_by_its_handle() {
	start
	said=$(conjoin exec -d "$pid" sleep 1000) || fail "exec -d"
	handle=${said%% *} command=${said%%:*}
	[ -e "/proc/$command" ] || fail "$said isn't there"
	conjoin wait "$handle" 2>/dev/null &
	waiting=$!
	expect 0 conjoin kill -s KILL "$handle"
	until_true is_dead "$command"
	wait $waiting
	got=$?
	# 6.15 tells it, before that a zombie may
	[ $got = 137 ] || [ $got = 1 ] || fail "wait: $got"
}

is_dead() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

SEE_CHECKS="inspect_tells_what_the_kernel_tells a_command_that_is_inside_doesnt_differ
	pids_are_translated_both_ways ps_lists_the_container
	a_detached_command_is_named_and_ended_by_its_handle"
