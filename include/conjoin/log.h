/* SPDX-License-Identifier: MIT
 *
 * Where the library tells what it does, while it does it.
 * Not here: failures (error.h).
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum cj_log_level {
	CJ_LOG_WARNING, /* said once, always: something isn't as the target has it */
	CJ_LOG_STEP,	/* each step as it is taken, with its result */
};

/* `text` is plain words without a newline; it may hold names that came out of the container or an
 * engine: escape them before a terminal sees them. */
typedef void cj_log_function(void *data, enum cj_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
