/* SPDX-License-Identifier: MIT
 *
 * Reading JSON that others wrote: jansson, with a bound on size and with numbers up to 2^64 - 1.
 * Not here: what it says, and writing JSON.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "base/cleanup.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JSON_TEXT_MAX (1024 * 1024)

/*
 * Parses a whole text; the root is an object. `*ret` is owned: json_decref(), or _cleanup_json_.
 *
 * Jansson's integers are signed, and a number above INT64_MAX is an error to it. Runtimes write
 * such numbers (an unlimited rlimit is 18446744073709551615), so they are read modulo 2^64:
 * json_u64() gives them back.
 *
 *	EFBIG	more than JSON_TEXT_MAX bytes
 *	EINVAL	not JSON, deeper than 2048 levels, or not an object
 */
int json_parse(const char *text, size_t size, json_t **ret, struct cj_error *err);

/* The value of an integer, -1 being 2^64 - 1. EINVAL: not an integer, or not there. */
int json_u64(const json_t *value, uint64_t *ret);

static inline void json_put(json_t **json)
{
	json_decref(*json); /* takes NULL */
}

#define _cleanup_json_ _cleanup_(json_put)

#ifdef __cplusplus
}
#endif
