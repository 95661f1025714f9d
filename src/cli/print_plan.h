/* SPDX-License-Identifier: MIT
 *
 * --dry-run: the plan for people, or as JSON.
 */
#pragma once

#include "cli/cli.h"

/*
 * JSON: {"target":TEXT,"command":[…],"steps":[{"step":…,"object":…,
 * "action":…,"reason":…,"needs":…|null,"lacking":true|false},…]}
 *
 * Returns the exit status.
 */
int print_plan(const struct cli *cli, const struct cj_plan *plan, bool json);
