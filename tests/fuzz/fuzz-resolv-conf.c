/* SPDX-License-Identifier: MIT
 *
 * resolv.conf(5) of a container.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/socket/resolv_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_conf conf;
	char *text = malloc(size + 1); /* of its own, so that reading beyond its end is seen */

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	resolv_conf_parse(text, &conf);
	assert(conf.n_servers >= 1 && conf.n_servers <= RESOLV_SERVERS);
	assert(conf.n_domains <= RESOLV_DOMAINS);
	for (size_t i = 0; i < conf.n_servers; i++)
		assert(memchr(conf.servers[i], '\0', RESOLV_WORD) && conf.servers[i][0] &&
		       !strpbrk(conf.servers[i], ", \t\r\n"));
	for (size_t i = 0; i < conf.n_domains; i++)
		assert(memchr(conf.domains[i], '\0', RESOLV_WORD) && conf.domains[i][0]);
	assert(conf.ndots >= 0 && conf.ndots <= 15 && conf.timeout >= 1 && conf.timeout <= 30 &&
	       conf.attempts >= 1 && conf.attempts <= 5);
	free(text);
	return 0;
}
