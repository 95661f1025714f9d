/* SPDX-License-Identifier: MIT
 *
 * Whether a copy of ours may run inside the target.
 */
#pragma once

#include <stdbool.h>

#include <conjoin/seal.h>

/* False: our executable is sealed, or out of the target's reach. */
bool seal_is_needed(const struct cj_target *target);
