/* SPDX-License-Identifier: MIT
 *
 * How orders travel to the stage's program: in a file in memory, whose first page is the one that
 * supervisor and stage share. At PACKED_AT stands the header; all else is where it says, counted from
 * the header. A pointer is stored as such a distance, and listed in the slots; 0 is NULL.
 */
#pragma once

#include <stdint.h>

#include "stage/orders.h"

enum { PACKED_AT = 65536 }; /* a multiple of every size that a page can have */

struct packed {
	uint64_t size;	  /* of all of it */
	uint64_t slots;	  /* where the list of uint64_t begins: places of pointers */
	uint64_t n_slots; /* … and how many there are */
	struct orders orders;
};
