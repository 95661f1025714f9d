/* SPDX-License-Identifier: MIT
 *
 * hosts(5) of a container. The first byte of the input says of which family addresses are wanted: 4, 6 or else both; then
 * comes the name, up to a newline, then the file.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/socket/address.h"
#include "lib/socket/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *text, const char *host, int family)
{
	struct sockaddr_storage all[HOSTS_MAX], few[1];
	size_t n = hosts_find(text, host, family, 80, all, HOSTS_MAX);

	assert(n <= HOSTS_MAX);
	for (size_t i = 0; i < n; i++) {
		assert(all[i].ss_family == AF_INET || all[i].ss_family == AF_INET6);
		assert(family == AF_UNSPEC || all[i].ss_family == family);
		assert(address_port(&all[i]) == 80);
	}
	assert(hosts_find(text, host, family, 80, few, 1) == (n > 0));
	if (n > 0)
		assert(memcmp(&few[0], &all[0], address_length(&all[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy, *file;

	if (size == 0)
		return 0;
	copy = malloc(size); /* of its own, so that reading beyond its end is seen */
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	file = strchr(copy, '\n');
	if (file) {
		*file++ = '\0';
		look(file, copy, data[0] == '4' ? AF_INET : data[0] == '6' ? AF_INET6 : AF_UNSPEC);
	}
	free(copy);
	return 0;
}
