/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_recording: events go in as they happen, and are in the file (the kernel's
 * hands) when these calls return. All take NULL, and then do nothing.
 */
#pragma once

#include <conjoin/recording.h>
#include <conjoin/session.h>

/* The session's; NULL also if the caller's header has no such field yet. */
struct cj_recording *recording_of(const struct cj_session_options *options);

/* What the command wrote, and what was typed. Any bytes, cut anywhere. */
void recording_output(struct cj_recording *recording, const char *data, size_t size);
void recording_input(struct cj_recording *recording, const char *data, size_t size);

/* The window's size, from now on; nothing if it's what it was. */
void recording_resize(struct cj_recording *recording, unsigned short columns, unsigned short rows);
