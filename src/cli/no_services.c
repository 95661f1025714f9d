/* SPDX-License-Identifier: MIT
 *
 * getservbyname(3) and getservbyport_r(3), which c-ares refers to and nothing of ours calls: ports are numbers. Those of the C library would
 * bring NSS along, which a static program must not load.
 */
#include <errno.h>
#include <netdb.h>
#include <stddef.h>

struct servent *getservbyname(const char *name, const char *protocol)
{
	(void)name;
	(void)protocol;
	return NULL;
}

int getservbyport_r(int port, const char *protocol, struct servent *room, char *buf, size_t size,
		    struct servent **ret)
{
	(void)port;
	(void)protocol;
	(void)room;
	(void)buf;
	(void)size;
	*ret = NULL;
	return ENOENT;
}
