/* SPDX-License-Identifier: MIT
 *
 * The code that protoc-c makes of proto/, without a warning that it isn't written for: the strings of an
 * empty message are constants, and not const.
 */
#pragma GCC diagnostic ignored "-Wcast-qual"

#include "engine/containerd.pb-c.c"
#include "engine/cri.pb-c.c"
