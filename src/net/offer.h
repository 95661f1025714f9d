/* SPDX-License-Identifier: MIT
 *
 * The words of a list in a header: `Sec-WebSocket-Protocol: a, b`. RFC 9110, 5.6.1
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Takes the next word off `*offer`; empty ones are left out. False: there is none any more. */
static inline bool offer_next(const char **offer, size_t *size, const char **ret, size_t *ret_size)
{
	while (*size > 0 && (**offer == ' ' || **offer == '\t' || **offer == ',')) {
		(*offer)++;
		(*size)--;
	}
	*ret = *offer;
	while (*size > 0 && **offer != ',') {
		(*offer)++;
		(*size)--;
	}
	*ret_size = (size_t)(*offer - *ret);
	while (*ret_size > 0 && ((*ret)[*ret_size - 1] == ' ' || (*ret)[*ret_size - 1] == '\t'))
		(*ret_size)--;
	return *ret_size > 0;
}
