#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The checks of one guest. A check is a function; its name is the promise. It returns 0, 77
# (skipped) or anything else; what it printed last is the reason. What conjoin did is asked of
# /proc. Not here: those about cgroups (checks-cgroup.sh), trees (checks-tree.sh), seeing (checks-see.sh), debug (checks-debug.sh),
# sockets (checks-sockets.sh), and making the machine (guest.sh).
#
# A check runs in a subshell. Containers that it starts end with it.
#
# shellcheck disable=SC2013,SC2016 # numbers and names without blanks; scripts for the container
# shellcheck disable=SC3045 # busybox has ulimit -n
ran=0
DEADLINE=15 # seconds for what ought to happen at once

skip() { echo "$*"; exit 77; }
fail() { echo "$*"; exit 1; }

uptime_seconds() {
	cut -d . -f 1 /proc/uptime
}

# until_true COMMAND…: waits for it, and says what never came.
until_true() {
	until=$(($(uptime_seconds) + DEADLINE))
	while [ "$(uptime_seconds)" -lt "$until" ]; do
		"$@" && return
		usleep 20000
	done
	fail "waited in vain: $*"
}

check() {
	ran=$((ran + 1))
	(boxes='' && trap stop_all EXIT && "$1") >/run/output 2>&1 </dev/null
	status=$?
	case $status in
	0) outcome=PASS ;;
	77) outcome=SKIP ;;
	*) outcome=FAIL ;;
	esac
	text=
	if [ "$outcome" != PASS ]; then
		text=$(tail -n 6 /run/output | tr '\n' '|' | tr -cd '\040-\176' | cut -c 1-600)
		echo "$outcome $1 (status $status)" && cat /run/output
	fi
	echo "@ $outcome $1 $text" >&3
}

# --- containers ---

boxes=
box_count=0

# start OPTION…: a container; sets pid and box (its supervisor).
start() {
	box_count=$((box_count + 1))
	said=/run/box.$ran.$box_count
	: >"$said"
	$before sandbox "$@" /rootfs >"$said" 2>"$said.errors" &
	box=$!
	boxes="$boxes $box"
	until_true said_or_gone
	json=$(cat "$said")
	[ -n "$json" ] || fail "sandbox $*: $(cat "$said.errors")"
	pid=${json#*'"pid":'} pid=${pid%%,*}
}

said_or_gone() {
	grep -q '}$' "$said" || ! kill -0 "$box" 2>/dev/null
}

stop_all() {
	for each in $boxes $held; do
		kill "$each" 2>/dev/null
	done
	for each in $boxes $held; do
		wait "$each" 2>/dev/null
	done
	boxes='' held=''
	true
}

# --- commands ---

# run ARGUMENT…: conjoin exec, ended when it hangs (which then is status 137).
run() {
	timeout -s KILL 30 conjoin exec "$@"
}

# expect STATUS COMMAND…
expect() {
	wanted=$1
	shift
	"$@"
	got=$?
	[ "$got" = "$wanted" ] || fail "status $got, not $wanted: $*"
}

# same A B: two files of /proc hold the same bytes.
same() {
	cat "$1" >/run/same.a || fail "can't read $1"
	cat "$2" >/run/same.b || fail "can't read $2"
	cmp -s /run/same.a /run/same.b || fail "$2 is not as $1: $(diff /run/same.a /run/same.b)"
}

held=
hold_count=0

# hold ARGUMENT…: conjoin exec … sleep, kept running; sets supervisor and command (the host's pids).
hold() {
	hold_count=$((hold_count + 1))
	marker=$((100000 + ran * 100 + hold_count))
	conjoin exec "$@" sleep "$marker" 2>/run/hold.errors &
	supervisor=$!
	held="$held $supervisor"
	until_true is_held
	[ -n "$command" ] || fail "exec $*: $(cat /run/hold.errors)"
}

# The child of the supervisor that has executed sleep. The supervisor's own command line ends alike.
is_held() {
	command=
	kill -0 "$supervisor" 2>/dev/null || return 0
	for each in $(grep -l "^PPid:[[:space:]]*$supervisor\$" /proc/[0-9]*/status 2>/dev/null); do
		each=${each%/status}
		if [ "$(tr '\0' ' ' 2>/dev/null <"$each/cmdline")" = "sleep $marker " ]; then
			command=${each#/proc/}
			return 0
		fi
	done
	return 1
}

is_gone() {
	[ ! -e "/proc/$1" ]
}

# field NAME PID: a line of /proc/PID/status.
field() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$2/status"
}

same_fields() {
	for name in Uid Gid Groups Umask CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp \
		Seccomp_filters Cpus_allowed Mems_allowed; do
		theirs=$(field "$name" "$1") ours=$(field "$name" "$2")
		[ "$theirs" = "$ours" ] || fail "$name is $ours, the target's is $theirs"
	done
	depth=$(field NSpid "$1" | wc -w)
	[ "$(field NSpid "$2" | wc -w)" = "$depth" ] || fail "NSpid $(field NSpid "$2")"
}

same_namespaces() {
	for path in /proc/"$1"/ns/*; do
		kind=${path##*/}
		theirs=$(readlink "$path") ours=$(readlink "/proc/$2/ns/$kind")
		if [ -z "$theirs" ] || [ "$theirs" != "$ours" ]; then
			fail "$kind is $ours, the target's is $theirs"
		fi
	done
}

# same_identity TARGET COMMAND: all that /proc tells.
same_identity() {
	same_namespaces "$1" "$2"
	same_fields "$1" "$2"
	for name in cgroup limits oom_score_adj timerslack_ns coredump_filter personality \
		uid_map gid_map timens_offsets; do
		[ -e "/proc/$1/$name" ] || continue
		same "/proc/$1/$name" "/proc/$2/$name"
	done
	same "/proc/$1/environ" "/proc/$2/environ"
	[ "$(stat -L -c %d:%i "/proc/$1/root")" = "$(stat -L -c %d:%i "/proc/$2/root")" ] ||
		fail "another root"
	# nice, real-time priority, policy: fields 19, 40, 41
	[ "$(cut -d ' ' -f 19,40,41 "/proc/$1/stat")" = "$(cut -d ' ' -f 19,40,41 "/proc/$2/stat")" ] ||
		fail "scheduling $(cut -d ' ' -f 19,40,41 "/proc/$2/stat")"
}

# --- the checks ---

the_container_differs_from_us_in_all_kinds_of_namespaces() {
	for kind in mnt uts ipc pid net user cgroup time; do
		[ "$(readlink "/proc/self/ns/$kind")" != "$(readlink "/proc/$pid/ns/$kind")" ] ||
			fail "the same $kind namespace"
	done
}

a_command_ends_with_its_own_status() {
	expect 0 run "$pid" true
	expect 7 run "$pid" sh -c 'exit 7'
	expect 255 run "$pid" sh -c 'exit 255'
	expect 137 run "$pid" sh -c 'kill -9 $$'
	expect 127 run "$pid" no-such-command
	expect 126 run "$pid" /etc
	expect 125 run 999999 true
}

a_command_is_what_the_target_is() {
	hold "$pid"
	same_identity "$pid" "$command"
}

the_container_sees_the_command() {
	hold "$pid"
	run "$pid" ps -o pid,args >/run/ps
	grep -q "[0-9] sleep $marker" /run/ps || fail "not in $(cat /run/ps)"
	inside=$(field NSpid "$command" | awk '{ print $NF }')
	expect 0 run "$pid" kill -TERM "$inside"
	wait "$supervisor"
	got=$?
	[ "$got" = 143 ] || fail "status $got after SIGTERM from inside"
}

a_full_identity_is_taken_on() {
	start --namespaces all,-user --uid 1000 --gid 1000 --groups 5,29 --caps docker --umask 077 \
		--env A=b --env 'no equals' --cwd /home/app --rlimit nofile=2048:1048576 \
		--rlimit core=0:0 --rlimit rtprio=20:30 --nice -5 --oom -500 --ioprio be:2 \
		--affinity 1 --personality 40000 --timerslack 70000
	ulimit -n 512 # raised again with CAP_SYS_RESOURCE
	hold "$pid"
	same_identity "$pid" "$command"
	[ "$(field Uid "$command" | cut -f 1)" = 1000 ] || fail "uid $(field Uid "$command")"
	[ "$(cat "/proc/$command/oom_score_adj")" = -500 ] || fail "oom score"
	[ "$(readlink "/proc/$command/cwd")" = "$(readlink "/proc/$pid/cwd")" ] || fail "cwd"
}

a_real_time_target_gives_a_real_time_command() {
	start --no-cgroup --namespaces all,-user --sched fifo:7
	hold "$pid"
	same_identity "$pid" "$command"
	[ "$(cut -d ' ' -f 40,41 "/proc/$command/stat")" = "7 1" ] || fail "not fifo:7"
}

each_namespace_can_be_joined_alone() {
	for kind in mnt uts ipc pid net cgroup time; do
		[ -e "/proc/self/ns/$kind" ] || continue
		start --namespaces "all,-user"
		hold --namespaces "$kind" "$pid"
		for other in mnt uts ipc pid net cgroup time; do
			from=self
			[ "$other" != "$kind" ] || from=$pid
			[ "$(readlink "/proc/$command/ns/$other")" = "$(readlink "/proc/$from/ns/$other")" ] ||
				fail "--namespaces $kind: $other isn't that of $from"
		done
		stop_all
	done
}

no_new_privs_and_the_live_filter_are_copied() {
	start --no-new-privs --seccomp docker-like --seccomp deny:sethostname
	expect 0 run --seccomp off "$pid" hostname named
	expect 1 run --seccomp copy "$pid" hostname other 2>/run/denied
	hold --seccomp copy "$pid"
	[ "$(field NoNewPrivs "$command")" = 1 ] || fail "no no_new_privs"
	[ "$(field Seccomp "$command")" = 2 ] || fail "no filter"
	same_identity "$pid" "$command"
}

a_filter_without_no_new_privs_is_copied() {
	start --caps docker --seccomp docker-like
	hold --seccomp copy "$pid"
	[ "$(field NoNewPrivs "$command")" = 0 ] || fail "no_new_privs was set"
	same_identity "$pid" "$command"
}

ids_of_a_user_namespace_are_mapped() {
	start --map 200000:3000 --uid 33 --gid 44
	hold "$pid"
	same_identity "$pid" "$command"
	[ "$(field Uid "$command" | cut -f 1)" = 200033 ] || fail "uid $(field Uid "$command")"
	expect 0 run "$pid" sh -c '[ $(id -u):$(id -g) = 33:44 ]'
	expect 0 run -u app "$pid" sh -c '[ $(id -u):$(id -g):$HOME = 1000:1000:/home/app ]'
}

an_ordinary_user_enters_a_container_of_his_own() {
	[ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || echo 1)" = 1 ] ||
		skip "this kernel gives ordinary users no user namespaces"
	printf '#!/bin/sh\nshift\nexec su -s /bin/sh app -c "exec sandbox $*"\n' >/run/as-app
	chmod 755 /run/as-app
	before=/run/as-app
	start --map-self --no-cgroup
	before=
	[ "$(field Uid "$pid" | cut -f 1)" = 1000 ] || fail "the container isn't the user's"
	su -s /bin/sh app -c "exec timeout -s KILL 30 conjoin exec $pid sh -c 'exit 9'"
	got=$?
	[ "$got" = 9 ] || fail "status $got"
	su -s /bin/sh app -c "timeout -s KILL 30 conjoin exec $pid sh -c 'cd /proc/self/ns;
		for i in mnt uts ipc pid net user cgroup time; do readlink \$i; done'" >/run/inside
	for kind in mnt uts ipc pid net user cgroup time; do
		readlink "/proc/$pid/ns/$kind"
	done >/run/outside
	same /run/outside /run/inside
}

an_ordinary_user_cant_enter_roots_container() {
	su -s /bin/sh app -c "exec timeout -s KILL 30 conjoin exec $pid true" 2>/run/refused
	got=$?
	[ "$got" = 125 ] || fail "status $got"
	[ "$(grep -c . /run/refused)" -le 2 ] || fail "$(cat /run/refused)"
}

# PID:INODE where pidfds have inodes of their own (6.9), else PID:sSTART. Ours is in the name of the
# cgroup that we make.
handles_have_the_form_of_this_kernel() {
	has pids
	hold --cgroup own --pids-limit 9 "$pid"
	handle=$(grep -o '/conjoin/.*' "/proc/$command/cgroup" | head -n 1)
	handle=${handle#/conjoin/} handle=${handle%%.*}
	start_time=$(cut -d ' ' -f 22 "/proc/$supervisor/stat")
	if [ "$(version)" -ge 6009 ]; then
		echo "$handle" | grep -q "^$supervisor:[0-9]*\$" || fail "$handle has no inode"
	else
		[ "$handle" = "$supervisor:s$start_time" ] || fail "$handle has no start time"
	fi
	expect 0 run --dry-run "$handle" true >/dev/null
	expect 125 run --dry-run "${handle}1" true
	expect 0 run --dry-run "$supervisor:s$start_time" true >/dev/null
	expect 125 run --dry-run "$supervisor:s1" true
	expect 125 run --dry-run "$supervisor:1" true
}

# 6012 for 6.12
version() {
	uname -r | awk -F '[.-]' '{ print $1 * 1000 + $2 }'
}

# The command may be a way to the file of what became it. That's never ours.
our_own_file_is_out_of_reach() {
	start --namespaces all,-user
	sum=$(sha256sum /bin/conjoin)
	run "$pid" /proc/self/exe && fail "the stage's program ran as a command"
	[ $? = 1 ] || fail "it isn't the stage's program that ran"
	[ "$(sha256sum /bin/conjoin)" = "$sum" ] || fail "the file is another"
}

# Where nothing may be executed from memory our own file is what the command could lead to.
our_own_file_is_sealed_without_programs_in_memory() {
	[ -e /proc/sys/vm/memfd_noexec ] || skip "no vm.memfd_noexec here (6.3)"
	start --namespaces all,-user
	sum=$(sha256sum /bin/conjoin)
	echo 2 >/proc/sys/vm/memfd_noexec
	hold "$pid"
	echo 0 >/proc/sys/vm/memfd_noexec
	exe=$(readlink "/proc/$supervisor/exe")
	[ "$exe" = / ] || fail "$exe isn't the clone"
	# Not busy any more afterwards: an open fd is all that an attacker needs.
	exec 4<"/proc/$supervisor/exe"
	kill "$supervisor"
	until_true is_gone "$command"
	(echo overwritten >/proc/self/fd/4) 2>/dev/null && fail "written to $exe"
	exec 4<&-
	[ "$(sha256sum /bin/conjoin)" = "$sum" ] || fail "the file is another"
}

streams_are_inherited() {
	[ "$(echo hello | run "$pid" cat)" = hello ] || fail "a pipe"
	head -c 300000 /dev/urandom >/run/random
	run "$pid" cat </run/random >/run/copied || fail "status $?"
	cmp /run/random /run/copied || fail "a file"
	[ "$(run "$pid" readlink /proc/self/fd/0 </run/random)" != /dev/null ] || fail "no file"
}

closed_streams_do_no_harm() {
	expect 3 run "$pid" sh -c 'exit 3' <&-
	expect 3 run "$pid" sh -c 'exit 3' <&- >&-
	(expect 3 run "$pid" sh -c 'exit 3' <&- >&- 2>&-) || fail "all three"
}

a_pty_is_the_containers() {
	run -t "$pid" tty >/run/tty || fail "status $?"
	grep -q '^/dev/pts/[0-9]' /run/tty || fail "$(cat /run/tty)"
}

signals_reach_the_command() {
	hold "$pid"
	kill -TERM "$supervisor"
	wait "$supervisor"
	got=$?
	[ "$got" = 143 ] || fail "status $got"
	is_gone "$command" || fail "still there"
}

a_killed_supervisor_takes_the_command_along() {
	hold "$pid"
	kill -KILL "$supervisor"
	until_true is_gone "$command"
	hold -u app "$pid"
	kill -KILL "$supervisor"
	until_true is_gone "$command"
	[ -e "/proc/$pid" ] || fail "the container with it"
}

the_end_of_the_container_ends_the_command() {
	start
	hold "$pid"
	kill -KILL "$pid"
	wait "$supervisor"
	got=$?
	[ "$got" != 0 ] || fail "status 0"
	is_gone "$command" || fail "still there"
	expect 125 run "$pid" true
}

a_confined_target_gives_a_confined_command() {
	[ -w /sys/kernel/security/apparmor/.replace ] || skip "this kernel runs without AppArmor"
	[ -e /policy ] || skip "no AppArmor policy: $(cat /policy.missing)"
	cat /policy >/sys/kernel/security/apparmor/.replace || fail "the policy can't be loaded"
	expect 0 run "$pid" cat /etc/forbidden
	printf '#!/bin/sh\necho exec kernel-test >/proc/self/attr/exec && exec "$@"\n' >/run/confined
	chmod 755 /run/confined
	before=/run/confined
	start --namespaces "$1"
	before=
	same_label
	expect 1 run "$pid" cat /etc/forbidden
	expect 0 run "$pid" cat /etc/passwd
}

same_label() {
	label=$(cat "/proc/$pid/attr/current")
	[ "$label" = "kernel-test (enforce)" ] || fail "the target is $label"
	hold "$pid"
	[ "$(cat "/proc/$command/attr/current")" = "$label" ] ||
		fail "the command is $(cat "/proc/$command/attr/current")"
}

apparmor_confines_the_command_as_it_does_the_target() {
	a_confined_target_gives_a_confined_command all,-user
}

apparmor_confines_in_a_user_namespace_too() {
	a_confined_target_gives_a_confined_command all
}

nothing_is_left_behind() {
	stop_all
	sandbox --cleanup >/dev/null
	find /sys/fs/cgroup -mindepth 1 -type d -name '*conjoin*' >/run/left
	[ ! -s /run/left ] || fail "cgroups: $(cat /run/left)"
	mounts=$(wc -l </proc/mounts)
	[ "$mounts" = "$mounts_before" ] || fail "$mounts mounts, $mounts_before at the start"
	pidof conjoin sandbox sleep && fail "processes"
	true
}

# shellcheck source=tests/kernels/checks-cgroup.sh
. /checks-cgroup.sh
# shellcheck source=tests/kernels/checks-see.sh
. /checks-see.sh
# shellcheck source=tests/kernels/checks-debug.sh
. /checks-debug.sh
# shellcheck source=tests/kernels/checks-tree.sh
. /checks-tree.sh
# shellcheck source=tests/kernels/checks-sockets.sh
. /checks-sockets.sh

mounts_before=$(wc -l </proc/mounts)
start
for name in the_container_differs_from_us_in_all_kinds_of_namespaces \
	a_command_ends_with_its_own_status \
	a_command_is_what_the_target_is \
	the_container_sees_the_command \
	a_full_identity_is_taken_on \
	a_real_time_target_gives_a_real_time_command \
	each_namespace_can_be_joined_alone \
	no_new_privs_and_the_live_filter_are_copied \
	a_filter_without_no_new_privs_is_copied \
	ids_of_a_user_namespace_are_mapped \
	an_ordinary_user_enters_a_container_of_his_own \
	an_ordinary_user_cant_enter_roots_container \
	handles_have_the_form_of_this_kernel \
	our_own_file_is_out_of_reach \
	our_own_file_is_sealed_without_programs_in_memory \
	$SEE_CHECKS \
	$DEBUG_CHECKS \
	streams_are_inherited \
	closed_streams_do_no_harm \
	a_pty_is_the_containers \
	signals_reach_the_command \
	a_killed_supervisor_takes_the_command_along \
	the_end_of_the_container_ends_the_command \
	apparmor_confines_the_command_as_it_does_the_target \
	apparmor_confines_in_a_user_namespace_too \
	$CGROUP_CHECKS \
	$TREE_CHECKS \
	$SOCKET_CHECKS; do
	check "$name"
done
stop_all
check nothing_is_left_behind
echo "@ END $ran" >&3
