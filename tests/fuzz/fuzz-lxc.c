/* SPDX-License-Identifier: MIT
 *
 * What monitors of LXC containers are called, and what they answer. The first byte of the input says what
 * the rest is: a(nswer), n(ame of a socket), l(ine of /proc/net/unix).
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lxc_api.h"
#include "sys/unix_listeners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answer(const char *data, size_t size)
{
	enum container_state state;
	char name[NAME_MAX + 1];
	pid_t pid;

	(void)lxc_answer_state(data, size, &state);
	if (lxc_answer_pid(data, size, &pid) == 1)
		assert(pid > 0 && pid <= 4194304);
	if (lxc_answer_name(data, size, name) == 1)
		assert(name[0] && strlen(name) <= NAME_MAX && !strchr(name, '/'));
}

static void read_name(const char *text)
{
	char name[NAME_MAX + 1];

	if (lxc_socket_name(text, name) == 0)
		assert(strlen(name) <= NAME_MAX && !strchr(name, '/'));
}

static void read_line(const char *data, size_t size)
{
	char name[109];

	if (unix_line_parse(data, size, name, sizeof(name)) == 0)
		assert(name[0] && strlen(name) < sizeof(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy; /* of its own, so that reading beyond its end is seen */

	if (size == 0)
		return 0;
	copy = malloc(size);
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	if (data[0] == 'a')
		read_answer((const char *)data + 1, size - 1);
	else if (data[0] == 'n')
		read_name(copy);
	else if (data[0] == 'l')
		read_line((const char *)data + 1, size - 1);
	free(copy);
	return 0;
}
