/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_target.
 */
#pragma once

#include <conjoin/target.h>

#include "sys/pidref.h"

struct cj_target {
	struct pidref ref;
	char *text; /* as the user wrote it */
};
