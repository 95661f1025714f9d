/* SPDX-License-Identifier: MIT
 *
 * Keeping a container from changing the program that enters it.
 */
#pragma once

#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * For when cj_launch() fails with ENOEXEC: it could only put a copy of the calling process into the
 * container then (normally what goes in is a small program of its own).
 *
 * Makes sure that our own executable can't be written to from inside the target, by executing it
 * again from a read-only detached clone of its file (or, where that can't be had, a sealed copy in
 * memory). CVE-2019-5736: a container whose command is a script with "#!/proc/self/exe" runs *our*
 * program, and can reopen its file for writing afterwards.
 *
 * Returns 0 when nothing is to be done: the file is on a read-only mount or sealed already, or the
 * target's user namespace doesn't map its owner and nobody else may write to it. Otherwise the
 * process starts again with `argv` and `envp` and this call doesn't return, unless it fails. So
 * call it while ids, capabilities and securebits are as the process was started with (they may not
 * outlive an execve: EPERM then), and while the process is single-threaded and has done nothing that can't be done twice. `target` may be NULL: then it is sealed whatever the target.
 *
 * Afterwards /proc/self/exe reads "/": take paths from it before. execveat(2), open_tree(2),
 * memfd_create(2).
 */
int cj_seal_self(const struct cj_target *target, char *const *argv, char *const *envp,
		 struct cj_error *err);

#ifdef __cplusplus
}
#endif
