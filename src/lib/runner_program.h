/* SPDX-License-Identifier: MIT
 *
 * The runner's program, as the build made it of src/runner/: an ELF file in an array, in which a struct
 * runner_orders has to be filled in. Of size 0 on architectures that it isn't written for.
 */
#pragma once

#include <stddef.h>

extern const unsigned char runner_program[];
extern const size_t runner_program_size;
