/* SPDX-License-Identifier: MIT
 *
 * Addresses of sockets, as users write them. What is read as a number is shown, and means the same when it's read again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/socket/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_bounded(const struct address *address)
{
	assert(memchr(address->host, '\0', sizeof(address->host)));
	assert(memchr(address->interface, '\0', sizeof(address->interface)));
	assert(memchr(address->path, '\0', sizeof(address->path)));
	if (address->kind == ADDRESS_TCP) {
		assert(!address->path[0]);
		assert(address->family == AF_UNSPEC || address->family == AF_INET ||
		       address->family == AF_INET6);
	} else {
		assert(address->path[0] && !address->host[0] && address->family == AF_UNIX);
		assert(address->kind == ADDRESS_ABSTRACT || address->path[0] == '/');
		assert(address->kind == ADDRESS_UNIX || strlen(address->path) < 108);
	}
}

static void read_again(const struct address *address, enum address_use use)
{
	struct sockaddr_storage name, other;
	struct address again;
	char text[64];

	if (address->kind != ADDRESS_TCP || !address->host[0] ||
	    !address_is_numeric(address, &name))
		return;
	assert(address_format(&name, "", text, sizeof(text)));
	assert(address_parse(text, use, &again, NULL) == 0);
	assert(address_is_numeric(&again, &other));
	assert(memcmp(&name, &other, address_length(&name)) == 0);
}

static void read_as(const char *text, enum address_use use)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct address address;

	if (address_parse(text, use, &address, &err) < 0) {
		assert(err.code && err.text[0] && memchr(err.text, '\0', sizeof(err.text)));
		return;
	}
	assert(use == ADDRESS_TO_LISTEN || !address.any);
	assert(use == ADDRESS_TO_LISTEN || address.kind != ADDRESS_TCP || address.port > 0);
	assert_bounded(&address);
	read_again(&address, use);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1); /* of its own, so that reading beyond its end is seen */

	assert(copy);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	read_as(copy, ADDRESS_TO_LISTEN);
	read_as(copy, ADDRESS_TO_CONNECT);
	free(copy);
	return 0;
}
