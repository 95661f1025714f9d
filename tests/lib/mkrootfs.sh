#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkrootfs.sh DIR: a busybox root file system with the users root, nobody and app. Can be run again.
# Not here: anything that isn't a file; mounts are the container's business.
set -eu

root=${1:?usage: mkrootfs.sh DIR}
busybox=$(command -v busybox) || {
	echo "mkrootfs.sh: no busybox here (Debian: busybox-static)" >&2
	exit 1
}

umask 022
for dir in bin dev proc sys etc root run usr var home/app mnt srv tmp; do
	mkdir -p "$root/$dir"
done
chmod 1777 "$root/tmp"

# One file, one name for each applet. The list holds "busybox" itself.
cp -f "$busybox" "$root/bin/busybox"
chmod 755 "$root/bin/busybox"
"$busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -sfn busybox "$root/bin/$applet"
done
ln -sfn bin "$root/sbin"
ln -sfn ../bin "$root/usr/bin"
ln -sfn ../bin "$root/usr/sbin"

cat >"$root/etc/passwd" <<END
root:x:0:0:root:/root:/bin/sh
app:x:1000:1000:App:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
END
cat >"$root/etc/group" <<END
root:x:0:
tty:x:5:
audio:x:29:app
app:x:1000:
staff:x:2000:app,nobody
nogroup:x:65534:
END
echo sandbox >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# An ordinary user can't give files away, and has no use for it: one id is mapped.
if [ "$(id -u)" = 0 ]; then
	chown 1000:1000 "$root/home/app"
fi
