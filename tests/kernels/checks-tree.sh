# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154,SC2034 # checks.sh reads this file
#
# The checks about a command's tree: by cgroup.kill (5.14), frozen by version 2 or by the freezer of version 1.

TREE_CHECKS="time_ends_all_that_a_command_has_started
	a_fork_bomb_is_ended_by_time
	a_killed_supervisor_takes_the_tree_along
	cgroups_below_a_trees_own_are_emptied_and_removed
	a_tree_that_froze_itself_is_ended
	the_session_is_ended_where_no_cgroup_can_be_made"

no_brood() {
	! pidof brood >/dev/null
}

some_brood() {
	[ "$(pidof brood | wc -w)" -ge "$1" ]
}

# The cgroups of trees.
trees() {
	find /sys/fs/cgroup -type d -name 'conjoin-*:*'
}

no_trees() {
	[ -z "$(trees)" ]
}

time_ends_all_that_a_command_has_started() {
	start
	expect 124 run --timeout 4 --grace 0 "$pid" \
		brood child deaf group stopped orphan daemon >/run/said 2>/run/errors
	[ "$(cat /run/said)" = ready ] || fail "the brood wasn't there in time"
	[ ! -s /run/errors ] || fail "$(cat /run/errors)"
	no_brood || fail "left: $(pidof brood)"
	until_true no_trees
	[ -e "/proc/$pid" ] || fail "the container with it"
}

a_fork_bomb_is_ended_by_time() {
	has pids
	[ "$layout" != v2 ] || echo +pids >/sys/fs/cgroup/cgroup.subtree_control
	start
	echo 40 >"$(directory "$pid" pids)/pids.max" || fail "no limit could be set"
	conjoin exec --timeout 6 --grace 0 "$pid" brood bomb 2>/run/errors &
	bomb=$!
	until_true some_brood 25
	wait "$bomb"
	got=$?
	[ "$got" = 124 ] || fail "status $got: $(cat /run/errors)"
	no_brood || fail "left: $(pidof brood | wc -w)"
	until_true no_trees
}

a_killed_supervisor_takes_the_tree_along() {
	start
	conjoin exec --timeout 1h "$pid" brood deaf daemon >/run/said 2>/run/errors &
	supervisor=$!
	until_true grep -q ready /run/said
	kill -KILL "$supervisor"
	until_true no_brood
	until_true no_trees
}

cgroups_below_a_trees_own_are_emptied_and_removed() {
	start
	hold --kill-tree "$pid"
	tree=$(trees)
	mkdir -p "$tree/a/b" "$tree/c" || fail "no cgroup below $tree"
	run "$pid" brood daemon end || fail "no daemon"
	pidof brood >"$tree/a/b/cgroup.procs" || fail "the daemon can't be moved"
	kill "$supervisor"
	wait "$supervisor"
	no_brood || fail "left: $(pidof brood)"
	no_trees || fail "left: $(trees)"
}

a_tree_that_froze_itself_is_ended() {
	start
	conjoin exec --timeout 4 --grace 0 "$pid" brood deaf daemon >/run/said 2>/run/errors &
	supervisor=$!
	until_true grep -q ready /run/said
	tree=$(trees)
	if [ -e "$tree/freezer.state" ]; then
		echo FROZEN >"$tree/freezer.state"
	else
		echo 1 >"$tree/cgroup.freeze"
	fi
	wait "$supervisor"
	got=$?
	[ "$got" = 124 ] || fail "status $got: $(cat /run/errors)"
	no_brood || fail "left: $(pidof brood)"
	until_true no_trees
}

the_session_is_ended_where_no_cgroup_can_be_made() {
	start
	unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh conjoin exec --cgroup keep \
		--timeout 4 --grace 0 "$pid" brood deaf group daemon >/run/said 2>/run/errors
	got=$?
	[ "$got" = 124 ] || fail "status $got: $(cat /run/errors)"
	[ "$(cat /run/said)" = ready ] || fail "the brood wasn't there in time"
	[ "$(grep -c "can't be found" /run/errors)" = 1 ] || fail "$(cat /run/errors)"
	[ "$(pidof brood | wc -w)" = 1 ] || fail "left: $(pidof brood)"
}
