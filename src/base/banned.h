/* SPDX-License-Identifier: MIT
 *
 * Functions that don't compile here: put before every source of the project by the build
 * (`-include`), never included by hand.
 * Not here: alternatives. Those are base/format.h, base/parse.h, snprintf, memcpy and execve.
 *
 * The headers that declare them come first, since a poisoned name may not even be declared.
 */
#pragma once

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* some are macros, for clang with _FORTIFY_SOURCE too */
#undef alloca
#undef strdupa
#undef strndupa
#undef sprintf
#undef vsprintf

/* no bound, or one that leaves the NUL out: snprintf, memcpy */
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat gets
/* state of its own between calls: strtok_r, strsep */
#pragma GCC poison strtok
/* "123abc" is 123, and nobody hears of an overflow: parse.h */
#pragma GCC poison atoi atol atoll
/* a shell in between: execve */
#pragma GCC poison system popen
/* no failure but a crash; -Wvla sees to arrays */
#pragma GCC poison alloca strdupa strndupa
