# SPDX-License-Identifier: MIT
#
# fish completion for conjoin. tools/check-options compares the options with those of the program.

# Options of commands with one TARGET that take a value in a word of its own: their values are no TARGET.
set -g __conjoin_values namespaces cgroup memory cpus pids-limit root workdir user cap-add cap-drop \
    no-new-privs seccomp bundle label skip env env-file rlimit oom-score-adj nice scheduler ioprio \
    affinity umask personality timer-slack core-filter detach-keys log pid-file preserve-fds status-fd exit-as \
    timeout grace signal record view bring bring-dir namespace container engine-socket engine-timeout resolve \
    max-connections max-per-source mode connect-timeout idle-timeout port-file

# Prints TARGET and all that follows it, of what is typed of a command whose options stop there.
function __conjoin_operands
    set --local words (commandline -opc)
    test (count $words) -ge 2; and contains -- "$words[2]" exec debug listen connect forward; or return
    set --local state options
    for word in $words[3..-1]
        if test $state = operands
            printf '%s\n' $word
        else if test $state = value
            set state options
        else if string match -qr '^--' -- $word
            contains -- (string sub -s 3 -- $word) $__conjoin_values; and set state value
        else if contains -- $word -u -w -e -n -c
            set state value
        else if not string match -qr '^-' -- $word
            set state operands
            printf '%s\n' $word
        end
    end
end

# What fish knows of the command that is typed, with the programs and files of this side.
function __conjoin_command
    set --local operands (__conjoin_operands)
    set --local first 2
    __conjoin_command_is_listen; and set first (math (contains -i -- -- $operands) + 1)
    complete -C (string join ' ' -- (string escape -- $operands[$first..-1]) (commandline -ct))
end

function __conjoin_before_target
    __fish_seen_subcommand_from exec debug; and test (count (__conjoin_operands)) -eq 0
end

# Options that not all have.
function __conjoin_before_target_of
    set --local words (commandline -opc)
    test (count $words) -ge 2; and contains -- "$words[2]" $argv; and test (count (__conjoin_operands)) -eq 0
end

function __conjoin_command_is_listen
    set --local words (commandline -opc)
    test "$words[2]" = listen
end

# Where a command of this side is typed: of listen only behind --.
function __conjoin_after_target
    if __conjoin_command_is_listen
        contains -- -- (__conjoin_operands)
    else
        __fish_seen_subcommand_from exec debug; and test (count (__conjoin_operands)) -gt 0
    end
end

function __conjoin_targets
    printf 'self\tthis shell\n'
    printf '%s\n' pid: pidfile: comm: cgroup: docker: podman: cri: k8s: containerd: lxc: machine: unit: oci:
    __fish_complete_pids
end

# Commands with a TARGET, or several, before it; and those whose TARGET may be a pod.
function __conjoin_takes_engines
    set --local words (commandline -opc)
    __conjoin_before_target_of exec debug listen connect forward; or contains -- "$words[2]" ps inspect diff pids
end

function __conjoin_takes_pods
    set --local words (commandline -opc)
    __conjoin_before_target_of exec debug listen connect forward; or contains -- "$words[2]" inspect pids
end

complete -c conjoin -f
complete -c conjoin -n __fish_use_subcommand -a exec -d 'run a command as if the container itself had started it'
complete -c conjoin -n __fish_use_subcommand -a debug -d 'run a command of the host in the pid and net namespaces of a container'
complete -c conjoin -n __fish_use_subcommand -a ps -d 'list the containers that run on this machine'
complete -c conjoin -n __fish_use_subcommand -a inspect -d 'tell all that a process is'
complete -c conjoin -n __fish_use_subcommand -a diff -d 'tell where processes differ'
complete -c conjoin -n __fish_use_subcommand -a pids -d 'translate between PIDs outside and inside'
complete -c conjoin -n __fish_use_subcommand -a wait -d 'wait for detached commands'
complete -c conjoin -n __fish_use_subcommand -a kill -d 'send a signal to detached commands'
complete -c conjoin -n __fish_use_subcommand -a listen -d 'run a server here with sockets that listen where a container is'
complete -c conjoin -n __fish_use_subcommand -a connect -d 'stdin and stdout over a connection made from where a container is'
complete -c conjoin -n __fish_use_subcommand -a forward -d 'ports here that lead to where a container is, or there that lead here'
complete -c conjoin -n __fish_use_subcommand -s h -l help -d 'help'
complete -c conjoin -n __fish_use_subcommand -s V -l version -d 'the version'

complete -c conjoin -n __conjoin_before_target -a '(__conjoin_targets)'
complete -c conjoin -n __conjoin_after_target -a '(__conjoin_command)'

complete -c conjoin -n __conjoin_before_target -x -l namespaces -a 'all mnt uts ipc pid net user cgroup time' -d 'join these namespaces'
complete -c conjoin -n __conjoin_before_target -x -l cgroup -a 'target keep own try' -d 'which cgroups'
complete -c conjoin -n __conjoin_before_target -x -l memory -d 'limit of an own cgroup'
complete -c conjoin -n __conjoin_before_target -x -l cpus -d 'limit of an own cgroup'
complete -c conjoin -n __conjoin_before_target -x -l pids-limit -d 'limit of an own cgroup'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l root -d 'root directory, beneath that of the target'
complete -c conjoin -n __conjoin_before_target -x -s w -l workdir -d 'working directory'
complete -c conjoin -n __conjoin_before_target -x -s u -l user -d 'user of the target or the view, or numbers'
complete -c conjoin -n __conjoin_before_target -x -l cap-add -d 'more capabilities than the target has'
complete -c conjoin -n __conjoin_before_target -x -l cap-drop -d 'capabilities to go without'
complete -c conjoin -n '__conjoin_before_target_of exec' -l privileged -d 'every capability, no filter, no label'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l no-new-privs -a 'yes no' -d 'instead of that of the target'
complete -c conjoin -n '__conjoin_before_target_of exec' -r -F -l seccomp -a 'auto copy off' -d 'which filter'
complete -c conjoin -n '__conjoin_before_target_of exec' -r -F -l bundle -d 'the OCI bundle'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l label -d 'AppArmor profile or SELinux context'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l skip -a 'cgroups rlimits oom-score-adj core-filter scheduler nice ioprio affinity label namespaces root cwd umask personality timer-slack keyring capabilities groups ids seccomp no-new-privs environment' -d 'parts that are not taken on'
complete -c conjoin -n __conjoin_before_target -x -s e -l env -a '(set -nx)' -d 'set a variable'
complete -c conjoin -n __conjoin_before_target -r -F -l env-file -d 'variables from a file'
complete -c conjoin -n __conjoin_before_target -l clear-env -d 'begin with an empty environment'
complete -c conjoin -n __conjoin_before_target -x -l rlimit -a 'as= core= cpu= data= fsize= locks= memlock= msgqueue= nice= nofile= nproc= rss= rtprio= rttime= sigpending= stack=' -d 'a resource limit'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l oom-score-adj -d '-1000 to 1000'
complete -c conjoin -n __conjoin_before_target -x -l nice -d '-20 to 19'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l scheduler -a 'other batch idle fifo: rr:' -d 'policy'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l ioprio -a 'none idle best-effort: realtime:' -d 'io class'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l affinity -d 'processors'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l umask -d 'file mode creation mask'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l personality -d 'execution domain'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l timer-slack -d 'nanoseconds'
complete -c conjoin -n '__conjoin_before_target_of exec' -x -l core-filter -d 'what a core dump holds'
complete -c conjoin -n __conjoin_before_target -s i -l interactive -d 'read the terminal on stdin also without a pty'
complete -c conjoin -n __conjoin_before_target -s t -l tty -d 'make a pty'
complete -c conjoin -n __conjoin_before_target -s T -l no-tty -d 'make no pty'
complete -c conjoin -n __conjoin_before_target -l no-stdin -d 'stdin is /dev/null'
complete -c conjoin -n __conjoin_before_target -l dry-run -d 'print the plan and do nothing'
complete -c conjoin -n __conjoin_before_target -l json -d 'with --dry-run, as JSON'
complete -c conjoin -n __conjoin_before_target -s v -l verbose -d 'log each step'
complete -c conjoin -n __conjoin_before_target -s D -l debug -d 'the same as --verbose'
complete -c conjoin -n __conjoin_before_target -s h -l help -d 'help'
complete -c conjoin -n '__conjoin_before_target_of exec' -s r -l rootfs -d 'look for the command where it is in the container'
complete -c conjoin -n __conjoin_before_target -s d -l detach -d 'print the handle, and end'
complete -c conjoin -n __conjoin_before_target -x -l detach-keys -d 'keys that leave the pty'
complete -c conjoin -n __conjoin_before_target -r -F -l log -d 'when detached: where output goes'
complete -c conjoin -n __conjoin_before_target -r -F -l pid-file -d 'where the PID is written'
complete -c conjoin -n __conjoin_before_target -x -l preserve-fds -d 'hand over 3 to N+2'
complete -c conjoin -n __conjoin_before_target -x -l status-fd -d 'JSON lines for programs'
complete -c conjoin -n __conjoin_before_target -x -l exit-as -a 'code signal' -d 'what a signal that ended the command becomes'
complete -c conjoin -n __conjoin_before_target -x -l timeout -d 'end it after so long'
complete -c conjoin -n __conjoin_before_target -x -l grace -d 'with --timeout: SIGKILL so long after that'
complete -c conjoin -n __conjoin_before_target -x -l signal -a '(kill -l | string split " ")' -d 'with --timeout: in place of SIGTERM'
complete -c conjoin -n __conjoin_before_target -l kill-tree -d 'when the command has ended, kill what it has left running'
complete -c conjoin -n __conjoin_before_target -l wait-all -d 'wait for all that the command has started'
complete -c conjoin -n __conjoin_before_target -r -F -l record -d 'with a pty: record what is shown'
complete -c conjoin -n __conjoin_before_target -l record-input -d 'with --record: what is typed as well'
complete -c conjoin -n __conjoin_before_target -l notify -d 'pass on what the command tells the service manager'

complete -c conjoin -n '__conjoin_before_target_of debug' -x -l view -a 'host target' -d 'what the command sees as files'
complete -c conjoin -n '__conjoin_before_target_of debug' -r -F -l bring -a '(__fish_complete_command)' -d 'with --view target: a program of the host'
complete -c conjoin -n '__conjoin_before_target_of debug' -x -l bring-dir -a '(__fish_complete_directories)' -d 'with --view target: a directory of programs'
complete -c conjoin -n '__conjoin_before_target_of debug' -l writable -d 'the files of the target can be changed'
complete -c conjoin -n '__conjoin_before_target_of debug' -l as-target -d 'ids, capabilities, limits, filter and label of the target'
complete -c conjoin -n '__conjoin_before_target_of debug' -l expose-host -d 'also if the target could reach the host'

complete -c conjoin -n __conjoin_takes_pods -x -s n -l namespace -d 'namespace of the pod'
complete -c conjoin -n __conjoin_takes_pods -x -s c -l container -d 'container of the pod'
complete -c conjoin -n __conjoin_takes_engines -r -F -l engine-socket -a 'docker= podman= cri= containerd=' -d 'ask the engine there, and nowhere else'
complete -c conjoin -n __conjoin_takes_engines -x -l engine-timeout -d 'after that, what is on disk has to do'

# Sockets.
complete -c conjoin -n '__conjoin_before_target_of listen connect forward' -a '(__conjoin_targets)'
complete -c conjoin -n '__conjoin_before_target_of listen' -l inetd -d 'run the command once a connection'
complete -c conjoin -n '__conjoin_before_target_of listen' -x -l max-per-source -d 'with --inetd: so many at a time from one address'
complete -c conjoin -n '__conjoin_before_target_of listen' -x -l grace -d 'SIGKILL so long after the command was told to end'
complete -c conjoin -n '__conjoin_before_target_of listen forward' -x -l max-connections -d 'so many at a time'
complete -c conjoin -n '__conjoin_before_target_of listen forward' -l follow -d 'when the target has ended wait for it'
complete -c conjoin -n '__conjoin_before_target_of listen forward' -x -l mode -a '600 660 666' -d 'permissions of the file of a UNIX socket'
complete -c conjoin -n '__conjoin_before_target_of connect forward' -x -l resolve -a 'target here' -d 'whose files tell what a name means'
complete -c conjoin -n '__conjoin_before_target_of connect' -x -l timeout -d 'the connection has to be there by then'
complete -c conjoin -n '__conjoin_before_target_of forward' -l reverse -d 'listen there, connect here'
complete -c conjoin -n '__conjoin_before_target_of forward' -x -l connect-timeout -d 'the other end has to be there by then'
complete -c conjoin -n '__conjoin_before_target_of forward' -x -l idle-timeout -d 'end a connection without a byte for so long'
complete -c conjoin -n '__conjoin_before_target_of listen forward' -r -F -l port-file -d 'where the ports are written'
complete -c conjoin -n '__conjoin_before_target_of listen connect forward' -s v -l verbose -d 'log what is done'
complete -c conjoin -n '__conjoin_before_target_of listen connect forward' -s h -l help -d 'help'

# The other commands.
complete -c conjoin -n '__fish_seen_subcommand_from inspect diff pids wait kill' -a '(__conjoin_targets)'
complete -c conjoin -n '__fish_seen_subcommand_from ps inspect diff pids wait kill' -s h -l help -d 'help'
complete -c conjoin -n '__fish_seen_subcommand_from ps inspect diff pids' -l json -d 'as JSON'
complete -c conjoin -n '__fish_seen_subcommand_from ps inspect diff pids' -s v -l verbose -d 'tell how engines were asked'
complete -c conjoin -n '__fish_seen_subcommand_from ps inspect diff pids' -l noheadings -d 'no first row'
complete -c conjoin -n '__fish_seen_subcommand_from ps inspect pids' -x -s o -l output -d 'columns'
complete -c conjoin -n '__fish_seen_subcommand_from ps diff' -s a -l all -d 'all of it'
complete -c conjoin -n '__fish_seen_subcommand_from ps' -x -l engine -a 'docker podman cri k8s containerd lxc machine unit oci host -' -d 'only what this engine knows'
complete -c conjoin -n '__fish_seen_subcommand_from ps' -x -l ns -a 'mnt= uts= ipc= pid= net= user= cgroup= time=' -d 'only with a process in this namespace'
complete -c conjoin -n '__fish_seen_subcommand_from ps' -l tree -d 'below each other what shares namespaces'
complete -c conjoin -n '__fish_seen_subcommand_from ps' -l graph -d 'for dot'
complete -c conjoin -n '__fish_seen_subcommand_from ps' -x -l watch -d 'again every so often'
complete -c conjoin -n '__fish_seen_subcommand_from inspect' -l env -d 'its environment, too'
complete -c conjoin -n '__fish_seen_subcommand_from diff' -x -l only -a 'namespaces user cgroups usage root cwd credentials capabilities limits scheduling attributes environment' -d 'these sections'
complete -c conjoin -n '__fish_seen_subcommand_from diff' -l env-values -d 'values of the environment'
complete -c conjoin -n '__fish_seen_subcommand_from pids' -x -l inside -d 'print the host PID of this one'
complete -c conjoin -n '__fish_seen_subcommand_from pids' -x -l host -d 'print the PID inside of this one'
complete -c conjoin -n '__fish_seen_subcommand_from pids' -l flat -d 'no tree'
complete -c conjoin -n '__fish_seen_subcommand_from wait' -x -l timeout -d 'wait no longer'
complete -c conjoin -n '__fish_seen_subcommand_from kill' -x -s s -l signal -a '(kill -l | string split " ")' -d 'signal'
complete -c conjoin -n '__fish_seen_subcommand_from kill' -s l -l list -d 'list the signals'
