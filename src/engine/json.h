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

/*
 * The same for what may hold "\u0000" in a text: that ends it. A label with one must not hide the
 * container that it's on.
 */
int json_parse_lenient(const char *text, size_t size, json_t **ret, struct cj_error *err);

/*
 * Parses a list of objects, one after the other, so that a long one costs little memory. `visit`
 * borrows each one; what it returns but 0 ends it, and is returned.
 *
 *	EFBIG	an object of more than JSON_TEXT_MAX bytes
 *	EINVAL	not JSON, not a list, or there is something else in it
 */
typedef int json_visit(const json_t *object, void *data);
int json_parse_list(const char *text, size_t size, json_visit *visit, void *data,
		    struct cj_error *err);

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
