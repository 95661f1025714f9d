/* SPDX-License-Identifier: MIT
 *
 * Messages with which files come along, between a process and a helper that it has made. cmsg(3), SCM_RIGHTS
 * Not here: what a message means.
 */
#pragma once

#include <stddef.h>

/* SCM_MAX_FD, net/scm.h: more go with no message. */
enum { PARCEL_FILES_MAX = 253 };

/* A socket pair for them: a message arrives whole or not at all. Both are close-on-exec. */
int parcel_pair(int *ret_in, int *ret_out);

/* Sends `size` bytes and `n` files, which the sender keeps. Async-signal-safe. */
int parcel_send(int fd, const void *data, size_t size, const int *files, size_t n);

/*
 * Takes a message of exactly `size` bytes, waiting at most `ms` milliseconds for it, and writes its files, `max` at most, which are
 * close-on-exec. Returns how many there were.
 *
 *	ETIMEDOUT	there was none
 *	EIO		the sender has ended without a word
 *	EMFILE		this process can't have so many open
 */
int parcel_receive(int fd, int ms, void *data, size_t size, int *ret_files, size_t max);
