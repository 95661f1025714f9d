/* SPDX-License-Identifier: MIT
 *
 * `GET /v1/openapi.json`: what the server offers, as OpenAPI 3.0. openapi.json.in is its source.
 */
#pragma once

#include <stddef.h>

/* JSON, NUL-ended. */
const char *openapi_document(size_t *ret_size);
