# SPDX-License-Identifier: MIT
#
# bash completion for conjoin. Options stop at TARGET; what follows is completed as a command of its
# own, but with the files and programs of this side: the container's can't be seen from here.
# tools/check-options compares the options with those of the program.

_conjoin_exec_flags='--privileged --clear-env --interactive --tty --no-tty --no-stdin --dry-run
	--rootfs --detach --kill-tree --wait-all --record-input --notify
	--json --verbose --debug --help'
_conjoin_exec_values='--namespace --container --engine-socket --engine-timeout
	--namespaces --cgroup --memory --cpus --pids-limit --root --workdir --user
	--cap-add --cap-drop --no-new-privs --seccomp --bundle --label --skip --env --env-file
	--rlimit --oom-score-adj --nice --scheduler --ioprio --affinity --umask --personality
	--timer-slack --core-filter --detach-keys --log --pid-file
	--preserve-fds --status-fd --exit-as --timeout --grace
	--signal --record'
_conjoin_debug_flags='--writable --as-target --expose-host --clear-env --interactive --tty --no-tty
	--no-stdin --dry-run --detach --kill-tree --wait-all --record-input --notify --json --verbose
	--debug --help'
_conjoin_debug_values='--namespace --container --engine-socket --engine-timeout
	--view --bring --bring-dir --namespaces --cgroup --memory --cpus --pids-limit
	--workdir --user --cap-drop --cap-add --env --env-file --rlimit --nice --detach-keys --log --pid-file
	--preserve-fds --status-fd --exit-as
	--timeout --grace --signal --record'
_conjoin_listen_flags='--inetd --follow --verbose --help'
_conjoin_listen_values='--namespace --container --engine-socket --engine-timeout --max-connections
	--max-per-source --mode --grace --port-file'
_conjoin_connect_flags='--verbose --help'
_conjoin_connect_values='--namespace --container --engine-socket --engine-timeout --resolve --timeout'
_conjoin_forward_flags='--reverse --follow --verbose --help'
_conjoin_forward_values='--namespace --container --engine-socket --engine-timeout --resolve
	--max-connections --connect-timeout --idle-timeout --mode --port-file'
_conjoin_parts='cgroups rlimits oom-score-adj core-filter scheduler nice ioprio affinity label
	namespaces root cwd umask personality timer-slack keyring capabilities groups ids seccomp
	no-new-privs environment'
_conjoin_engines='docker podman cri k8s containerd lxc machine unit oci'

# Completes the last word of a list with commas.
_conjoin_list() {
	local before=
	[[ $2 == *,* ]] && before=${2%,*},
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${2##*,}")
	compopt -o nospace 2>/dev/null
}

_conjoin_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_conjoin_files() {
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
	compopt -o filenames 2>/dev/null
}

# ENGINE=PATH, or PATH alone. An equals sign breaks words in bash, as a colon does.
_conjoin_socket() {
	local prefix=

	if [[ $1 == *=* ]]; then
		[[ $COMP_WORDBREAKS == *=* ]] || prefix=${1%%=*}=
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "${1#*=}")
		compopt -o filenames 2>/dev/null
	else
		mapfile -t COMPREPLY < <(
			compgen -f -- "$1"
			compgen -S = -W 'docker podman cri containerd' -- "$1"
		)
		compopt -o nospace 2>/dev/null
	fi
}

_conjoin_command() {
	mapfile -t COMPREPLY < <(compgen -c -- "$1"; compgen -f -- "$1")
}

# The value of option $1, of which $2 is typed.
_conjoin_value() {
	case $1 in
	--namespaces) _conjoin_list 'all mnt uts ipc pid net user cgroup time -mnt -uts -ipc -pid
		-net -user -cgroup -time +ipc +uts +user +cgroup +time' "$2" ;;
	--engine-socket) _conjoin_socket "$2" ;;
	--view) _conjoin_words 'host target' "$2" ;;
	--bring) _conjoin_command "$2" ;;
	--bring-dir) _conjoin_files -d "$2" ;;
	--skip) _conjoin_list "$_conjoin_parts" "$2" ;;
	--cgroup) _conjoin_words 'target keep own try' "$2" ;;
	--no-new-privs) _conjoin_words 'yes no' "$2" ;;
	--seccomp)
		_conjoin_files -f "$2"
		mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W 'auto copy off' -- "$2")
		;;
	--scheduler) _conjoin_words 'other batch idle fifo: rr:' "$2" ;;
	--ioprio) _conjoin_words 'none idle best-effort: realtime:' "$2" ;;
	--rlimit) _conjoin_words 'as= core= cpu= data= fsize= locks= memlock= msgqueue= nice=
		nofile= nproc= rss= rtprio= rttime= sigpending= stack=' "$2" ;;
	--env | -e) mapfile -t COMPREPLY < <(compgen -v -- "$2") ;;
	--exit-as) _conjoin_words 'code signal' "$2" ;;
	--resolve) _conjoin_words 'target here' "$2" ;;
	--mode) _conjoin_words '600 660 666' "$2" ;;
	--env-file | --bundle | --log | --pid-file | --port-file | --record) _conjoin_files -f "$2" ;;
	--workdir | -w | --root) ;; # the container's directories
	*) ;;
	esac
}

# A colon breaks words in bash, so that only what follows it is replaced.
_conjoin_target() {
	local scheme=${1%%:*}: rest=${1#*:} prefix=

	[[ $COMP_WORDBREAKS == *:* ]] || prefix=$scheme
	case $1 in
	pidfile:*) mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "$rest") ;;
	cgroup:*) mapfile -t COMPREPLY < <(compgen -P "$prefix" -d -- "$rest") ;;
	comm:*) mapfile -t COMPREPLY < <(
		compgen -P "$prefix" -W "$(cat /proc/[0-9]*/comm 2>/dev/null)" -- "$rest"
	) ;;
	*:*) ;;
	*)
		_conjoin_words "self pid: pidfile: comm: cgroup: ${_conjoin_engines// /: }:
			$(cd /proc && echo [0-9]*)" "$1"
		[[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace 2>/dev/null
		;;
	esac
}

# After TARGET of $1: the words from it on are the others. Addresses can't be completed from here.
_conjoin_operands() {
	local verb=$1 word

	shift
	case $verb in
	exec | debug) _conjoin_command "${COMP_WORDS[COMP_CWORD]#[=:]}" ;; # perhaps after --
	listen)
		for word; do
			[[ $word != -- ]] || _conjoin_command "${COMP_WORDS[COMP_CWORD]#[=:]}"
		done
		;;
	esac
}

# Of a command whose options stop at TARGET, $1: the words between it and the one that is being typed,
# $2. Are we still before TARGET?
_conjoin_run() {
	local verb=$1 flags=_conjoin_$1_flags values=_conjoin_$1_values cur=$2 word expect='' n=0
	shift 2
	for word; do
		((n += 1))
		if [[ -n $expect ]]; then
			[[ $word == '=' ]] && continue # bash cuts --option=value in three
			expect=
			continue
		fi
		case $word in
		--*=*) ;;
		--*) [[ " ${!values//[[:space:]]/ } " == *" $word "* ]] && expect=$word ;;
		-[uwenc]) expect=$word ;;
		-?*) ;;
		*) # TARGET
			_conjoin_operands "$verb" "${@:n}"
			return
			;;
		esac
	done
	if [[ -n $expect ]]; then
		[[ $cur == '=' ]] && cur=
		_conjoin_value "$expect" "$cur"
	elif [[ $cur == --*=* ]]; then
		_conjoin_value "${cur%%=*}" "${cur#*=}"
	elif [[ $cur == -* ]]; then
		_conjoin_words "${!flags} ${!values}" "$cur"
	else
		_conjoin_target "$cur"
	fi
}

# The other commands: all operands are targets, but for a pattern of ps and signals.
_conjoin_options() {
	case $1 in
	ps) echo '--all --engine --engine-socket --engine-timeout --ns --output --noheadings --tree
		--json --graph --watch --verbose --help' ;;
	inspect) echo '--namespace --container --engine-socket --engine-timeout --output --noheadings
		--json --env --verbose --help' ;;
	diff) echo '--engine-socket --engine-timeout --only --all --env-values --noheadings --json
		--verbose --help' ;;
	pids) echo '--namespace --container --engine-socket --engine-timeout --inside --host --flat
		--output --noheadings --json --verbose --help' ;;
	wait) echo '--timeout --help' ;;
	kill) echo '--signal --list --help' ;;
	esac
}

_conjoin_other() {
	local verb=$1 cur=$2 before=$3

	case $before in
	--ns) _conjoin_words 'mnt= uts= ipc= pid= net= user= cgroup= time=' "$cur" ;;
	--signal | -s) _conjoin_words "$(kill -l | tr '\t' '\n' | sed -n 's/.*) SIG//p')" "$cur" ;;
	--only) _conjoin_list 'namespaces user cgroups usage root cwd credentials capabilities
		limits scheduling attributes environment' "$cur" ;;
	--engine) _conjoin_words "$_conjoin_engines host -" "$cur" ;;
	--engine-socket) _conjoin_socket "$cur" ;;
	--engine-timeout | --namespace | -n | --container | -c) ;;
	--watch | --timeout | --inside | --host | --output | -o) ;;
	*)
		if [[ $cur == -* ]]; then
			_conjoin_words "$(_conjoin_options "$verb")" "$cur"
		elif [[ $verb != ps ]]; then
			_conjoin_target "$cur"
		fi
		;;
	esac
}

# What bash has cut at colons and equals signs comes together again: comm, :, nginx; docker, =, /run/x;
# but not --option, =, value.
_conjoin_joined() {
	local word

	joined=()
	for word; do
		if ((${#joined[@]})) && [[ $word == :* || ${joined[-1]} == *[a-z]: ||
			$word == = && ${joined[-1]} != --* || ${joined[-1]} == [!-]*= ]]; then
			joined[-1]+=$word
		else
			joined+=("$word")
		fi
	done
}

_conjoin() {
	local cur=${COMP_WORDS[COMP_CWORD]} joined verb=${COMP_WORDS[1]}

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_conjoin_words 'exec debug ps inspect diff pids listen connect forward wait kill
			--help --version' "$cur"
	elif [[ $verb == @(exec|debug|listen|connect|forward) ]]; then
		_conjoin_joined "${COMP_WORDS[@]:2:COMP_CWORD-1}"
		_conjoin_run "$verb" "${joined[-1]}" "${joined[@]:0:${#joined[@]}-1}"
	else
		_conjoin_joined "${COMP_WORDS[@]:2:COMP_CWORD-1}"
		[[ $cur == = ]] && joined+=('') # --option=
		set -- '' '' "${joined[@]}"
		shift $(($# - 3))
		[[ $2 == = ]] && set -- '' "$1" "$3"
		_conjoin_other "$verb" "$3" "$2"
	fi
}

complete -F _conjoin conjoin
