/* SPDX-License-Identifier: MIT
 *
 * The stage's program, as the build made it of src/stage/: an ELF file in an array. Of size 0 on
 * architectures that it isn't written for.
 */
#pragma once

#include <stddef.h>

extern const unsigned char stage_program[];
extern const size_t stage_program_size;
