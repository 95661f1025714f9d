/* SPDX-License-Identifier: MIT
 *
 * What is known of machines. The first byte of the input says what the rest is: m(achined's file), or
 * c(ommand line of systemd-nspawn, NULs being written as newlines).
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_record(const char *text)
{
	static struct machine_record record;

	if (machine_record_parse(text, &record) < 0)
		return;
	assert(record.leader > 0);
	assert(strnlen(record.unit, sizeof(record.unit)) < sizeof(record.unit));
	assert(strnlen(record.kind, sizeof(record.kind)) < sizeof(record.kind));
	assert(strnlen(record.service, sizeof(record.service)) < sizeof(record.service));
	assert(strnlen(record.root, sizeof(record.root)) < sizeof(record.root));
}

static void read_command_line(char *text, size_t size)
{
	char name[MACHINE_NAME_MAX + 1];

	for (size_t i = 0; i < size; i++)
		if (text[i] == '\n')
			text[i] = '\0';
	if (nspawn_name(text, size, "/srv/here", name) == 0)
		assert(strnlen(name, sizeof(name)) < sizeof(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text; /* of its own, so that reading beyond its end is seen */

	if (size == 0)
		return 0;
	text = malloc(size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'm')
		read_record(text);
	else
		read_command_line(text, size - 1);
	free(text);
	return 0;
}
