/* SPDX-License-Identifier: MIT
 *
 * Structs of options whose first member, a size_t, is their size: callers built against an older or newer
 * header pass one of another size.
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

/*
 * Copies what both sides know of `options` over `ret`, which is of `size` bytes and holds the defaults.
 *
 *	EINVAL	something is set that only a newer library knows; `what` names them in the text
 */
int options_take(const void *options, void *ret, size_t size, const char *what,
		 struct cj_error *err);
