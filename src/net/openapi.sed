# SPDX-License-Identifier: MIT
# Makes openapi.c of openapi.json: a literal, a line each without what it's indented by, and the function that gives it away.
s/^ *//
s/[\\"]/\\&/g
s/.*/"&"/
1i\
#include "net/openapi.h"\
\
static const char document[] =
$a\
;\
\
const char *openapi_document(size_t *ret_size)\
{\
	*ret_size = sizeof(document) - 1;\
	return document;\
}
