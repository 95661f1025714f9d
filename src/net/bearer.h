/* SPDX-License-Identifier: MIT
 *
 * What a bearer token looks like; the rest of its grammar is in tokens.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* b64token of RFC 6750, 2.1; not empty. */
bool bearer_is_token(const char *text, size_t size);
