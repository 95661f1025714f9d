#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The guest's first process: mounts what a machine has, with the cgroup layout that the kernel's
# command line names (layout=v1|hybrid|v2 is in our environment), runs the checks, powers off.
# Results go to the second serial line, where the kernel writes nothing:
#
#	@ FACT release 6.1.0-1
#	@ PASS|FAIL|SKIP NAME TEXT
#	@ END NUMBER		so many PASS, FAIL and SKIP there were: none got lost
export PATH=/bin HOME=/root
results=/dev/ttyS1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666,gid=5 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t securityfs security /sys/kernel/security 2>/dev/null
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
exec </dev/null >/dev/console 2>&1
stty -F "$results" raw 115200 2>/dev/null
ip link set lo up
chmod 755 /rootfs
chmod 1777 /tmp

tell() {
	echo "@ $*" >"$results"
}

mount_v1() {
	mkdir -p "/sys/fs/cgroup/$1"
	mount -t cgroup -o "$2" cgroup "/sys/fs/cgroup/$1" 2>/dev/null && return
	rmdir "/sys/fs/cgroup/$1"
	return 1
}

# As systemd does it: cpu and cpuacct together, one hierarchy with a name and no controller.
mount_all_v1() {
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	mount_v1 systemd none,name=systemd
	mount_v1 cpu,cpuacct cpu,cpuacct && mounted=cpu,cpuacct
	# shellcheck disable=SC2013 # names, a line each
	for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
		case $controller in
		cpu | cpuacct) [ -n "$mounted" ] && continue ;;
		esac
		mount_v1 "$controller" "$controller" ||
			tell FACT "lacks v1 $controller"
	done
}

case ${layout:=v2} in
v1 | hybrid) mount_all_v1 ;;
v2) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
esac
if [ "$layout" = hybrid ]; then
	mkdir /sys/fs/cgroup/unified
	mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
fi

tell FACT "release $(uname -r)"
tell FACT "cgroups $(grep -c '[ ]/sys/fs/cgroup.* - cgroup' /proc/self/mountinfo) hierarchies"
export layout
sh /checks.sh 3>"$results"
poweroff -f
