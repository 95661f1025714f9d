/* SPDX-License-Identifier: MIT
 *
 * What keeps a namespace alive beside the processes in it: open files, bind mounts, sockets.
 * namespaces(7), "Namespace lifetime".
 * Not here: which of them have no process (lib/list.c).
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum ns_holder_kind { NS_HOLDER_FILE, NS_HOLDER_MOUNT, NS_HOLDER_SOCKET };

struct ns_holder {
	enum ns_holder_kind how;
	int kind; /* index in namespace_kinds[] */
	uint64_t inode;
	pid_t pid;
	int fd;		  /* of files and sockets */
	const char *path; /* of mounts, as the process sees it; lives during the call */
};

struct ns_holders {
	/* Called for each that is found; not 0 ends the search, and is returned. */
	int (*found)(void *data, const struct ns_holder *holder);
	/* Is this socket (by its inode) still to be asked for? One may be open in many processes. */
	int (*is_new_socket)(void *data, uint64_t inode);
	void *data;
};

/*
 * Files and sockets that process `pid`, whose open directory beneath /proc `proc` is, has open. To ask a
 * socket for its namespace it's opened here as well, for a moment: pidfd_getfd(2), 5.6; SIOCGSKNS,
 * 4.10. Those that can't be asked are left out.
 *
 *	EACCES	no right to look
 *	ESRCH, ENOENT	the process has ended
 */
int ns_holders_of_files(int proc, pid_t pid, const struct ns_holders *holders);

/* Bind mounts of namespaces in the mount namespace of a process. The same errors. */
int ns_holders_of_mounts(int proc, pid_t pid, const struct ns_holders *holders);
