# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # checks.sh reads this file
#
# The checks about cgroups, for each of the three layouts.

CGROUP_CHECKS="the_command_is_in_the_targets_cgroups
	our_own_cgroups_are_kept
	a_cgroup_of_its_own_limits_memory
	want_of_memory_is_told_in_a_cgroup_of_its_own
	want_of_memory_is_told_in_the_targets_cgroup
	a_cgroup_of_its_own_limits_processes
	a_cgroup_of_its_own_limits_processor_time
	limits_of_the_target_hold_for_the_command
	a_frozen_target_is_refused
	a_command_frozen_meanwhile_goes_on_afterwards"
[ "$layout" != v2 ] || CGROUP_CHECKS="$CGROUP_CHECKS
	a_target_in_a_leaf_of_a_busy_tree_is_joined"

# Where version 2 is mounted, and whether CONTROLLER belongs to it. In a hybrid layout those are the
# controllers that have no version 1, as memory in newer kernels.
unified=/sys/fs/cgroup
[ "$layout" != hybrid ] || unified=/sys/fs/cgroup/unified
is_unified() {
	[ "$layout" = v2 ] || grep -qsw "$1" "$unified/cgroup.controllers"
}

# directory PID CONTROLLER: where the cgroup of the process in that controller's hierarchy is.
directory() {
	if is_unified "$2"; then
		echo "$unified$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
		return
	fi
	# A cgroup's name may hold colons.
	path=$(sed -n "s/^[0-9]*:\([^:]*,\)\{0,1\}$2\(,[^:]*\)\{0,1\}://p" "/proc/$1/cgroup")
	case $2 in
	cpu | cpuacct) [ ! -d /sys/fs/cgroup/cpu,cpuacct ] || set -- "$1" cpu,cpuacct ;;
	esac
	[ -d "/sys/fs/cgroup/$2" ] && echo "/sys/fs/cgroup/$2$path"
}

# has CONTROLLER: skips where the kernel hasn't got it in this layout.
has() {
	[ -d "/sys/fs/cgroup/$1" ] || [ -d "/sys/fs/cgroup/$1,cpuacct" ] ||
		grep -qsw "$1" "$unified/cgroup.controllers" ||
		skip "this kernel has no $1 controller for this layout"
}

# value PID CONTROLLER V2-FILE V1-FILE
value() {
	if is_unified "$2"; then
		cat "$(directory "$1" "$2")/$3"
	else
		cat "$(directory "$1" "$2")/$4"
	fi
}

nothing_of_ours_is_left() {
	find /sys/fs/cgroup -type d -name conjoin >/run/left
	[ ! -s /run/left ]
}

the_command_is_in_the_targets_cgroups() {
	hold "$pid"
	same "/proc/$pid/cgroup" "/proc/$command/cgroup"
	cmp -s "/proc/self/cgroup" "/proc/$command/cgroup" && fail "the same as ours"
	same /proc/self/cgroup "/proc/$supervisor/cgroup"
	# The kernel's list, too, not only the process's.
	for hierarchy in memory pids freezer; do
		dir=$(directory "$command" "$hierarchy")
		[ -z "$dir" ] || grep -qx "$command" "$dir/cgroup.procs" || fail "not in $dir"
	done
}

our_own_cgroups_are_kept() {
	hold --cgroup keep "$pid"
	same /proc/self/cgroup "/proc/$command/cgroup"
}

a_cgroup_of_its_own_limits_memory() {
	has memory
	hold --cgroup own --memory 64m "$pid"
	got=$(value "$command" memory memory.max memory.limit_in_bytes)
	[ "$got" = 67108864 ] || fail "limit $got"
	! is_unified memory || grep -qw memory "$unified/conjoin/cgroup.subtree_control" ||
		fail "memory isn't enabled below conjoin"
	kill "$supervisor"
	wait "$supervisor"
	expect 137 run --cgroup own --memory 16m "$pid" dd if=/dev/zero of=/dev/null bs=64M count=1
	expect 0 run --cgroup own --memory 128m "$pid" dd if=/dev/zero of=/dev/null bs=64M count=1
	until_true nothing_of_ours_is_left
}

# told_of_memory ARGUMENT...: a command with these that wants more than there is is killed, and everybody is told why.
told_of_memory() {
	expect 137 run --status-fd 9 "$@" "$pid" \
		dd if=/dev/zero of=/dev/null bs=128M count=1 2>/run/errors 9>/run/events
	why="the kernel has killed the command for want of memory"
	[ "$(tail -n 1 /run/errors)" = "conjoin: exec $pid: warning: $why" ] || fail "said: $(cat /run/errors)"
	for word in '"event":"exited"' '"signal":"KILL"' '"oom":true' "\"reason\":\"$why\""; do
		tail -n 1 /run/events | sed 's/": /":/g' | grep -qF "$word" ||
			fail "no $word in $(cat /run/events)"
	done
}

want_of_memory_is_told_in_a_cgroup_of_its_own() {
	has memory
	told_of_memory --cgroup own --memory 32M
	until_true nothing_of_ours_is_left
}

want_of_memory_is_told_in_the_targets_cgroup() {
	has memory
	! is_unified memory || echo +memory >"$unified/cgroup.subtree_control"
	start
	limit=memory.max
	is_unified memory || limit=memory.limit_in_bytes
	echo 48M >"$(directory "$pid" memory)/$limit" || fail "no limit could be set"
	told_of_memory
	[ -e "/proc/$pid" ] || fail "the container with it"
	# One that is killed otherwise is told nothing of the kind.
	expect 137 run --status-fd 9 "$pid" sh -c 'kill -9 $$' 2>/run/errors 9>/run/events
	[ ! -s /run/errors ] || fail "said: $(cat /run/errors)"
	tail -n 1 /run/events | sed 's/": /":/g' | grep -qF '"oom":false' || fail "$(cat /run/events)"
}

a_cgroup_of_its_own_limits_processes() {
	has pids
	hold --cgroup own --pids-limit 20 "$pid"
	got=$(value "$command" pids pids.max pids.max)
	[ "$got" = 20 ] || fail "limit $got"
	kill "$supervisor"
	wait "$supervisor"
	run --cgroup own --pids-limit 3 "$pid" sh -c 'true | true | true | true | true' 2>/run/forks
	grep -q "can't fork" /run/forks || fail "six processes in a cgroup of three: $(cat /run/forks)"
	# What that shell left running kept its cgroup. The next command removes it.
	until_true run --cgroup own --pids-limit 3 "$pid" sh -c '! pidof true >/dev/null'
	until_true nothing_of_ours_is_left
}

a_cgroup_of_its_own_limits_processor_time() {
	has cpu
	hold --cgroup own --cpus 0.5 "$pid"
	if [ "$layout" = v2 ]; then
		got=$(value "$command" cpu cpu.max -)
		[ "${got% *}" -eq $((${got#* } / 2)) ] || fail "limit $got"
	else
		got=$(value "$command" cpu - cpu.cfs_quota_us)
		period=$(value "$command" cpu - cpu.cfs_period_us)
		[ "$got" -eq $((period / 2)) ] || fail "limit $got of $period"
	fi
	kill "$supervisor"
	wait "$supervisor"
	until_true nothing_of_ours_is_left
}

limits_of_the_target_hold_for_the_command() {
	has pids
	[ "$layout" != v2 ] || echo +pids >/sys/fs/cgroup/cgroup.subtree_control
	start
	echo 4 >"$(directory "$pid" pids)/pids.max" || fail "no limit could be set"
	expect 0 run "$pid" true
	run "$pid" sh -c 'true | true | true | true | true' 2>/run/forks
	grep -q "can't fork" /run/forks || fail "more processes than the target may have"
}

# Version 2 lets no process into a cgroup whose children have controllers.
a_target_in_a_leaf_of_a_busy_tree_is_joined() {
	start
	top=$(directory "$pid" any)
	mkdir "$top/leaf"
	echo "$pid" >"$top/leaf/cgroup.procs"
	echo +pids >/sys/fs/cgroup/cgroup.subtree_control
	echo +pids >"$top/cgroup.subtree_control" || fail "controllers can't be enabled"
	hold "$pid"
	same "/proc/$pid/cgroup" "/proc/$command/cgroup"
	grep -qx "$command" "$top/leaf/cgroup.procs" || fail "not in the leaf"
	kill "$supervisor"
	wait "$supervisor"
	echo "$pid" >/sys/fs/cgroup/cgroup.procs
	rmdir "$top/leaf"
}

# freezer 1|0 PID
freezer() {
	if [ "$layout" = v2 ]; then
		dir=$(directory "$2" freezer)
		echo "$1" >"$dir/cgroup.freeze"
		until_true grep -q "frozen $1" "$dir/cgroup.events"
	else
		dir=$(directory "$2" freezer)
		state=THAWED
		[ "$1" = 0 ] || state=FROZEN
		echo "$state" >"$dir/freezer.state"
		until_true grep -q "$state" "$dir/freezer.state"
	fi
}

a_frozen_target_is_refused() {
	[ "$layout" = v2 ] || has freezer
	start
	freezer 1 "$pid"
	expect 125 run "$pid" true 2>/run/refused
	grep -q paused /run/refused || fail "$(cat /run/refused)"
	freezer 0 "$pid"
	expect 0 run "$pid" true
}

a_command_frozen_meanwhile_goes_on_afterwards() {
	[ "$layout" = v2 ] || has freezer
	start
	hold "$pid"
	freezer 1 "$pid"
	is_gone "$supervisor" && fail "the supervisor is gone"
	freezer 0 "$pid"
	kill "$supervisor"
	wait "$supervisor"
	got=$?
	[ "$got" = 143 ] || fail "status $got"
}
