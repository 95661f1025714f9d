/* SPDX-License-Identifier: MIT
 *
 * What dockerd answers and what it keeps on disk. The first byte of the input says what the rest is:
 * c(ontainer), l(ist), r(ecord), f (its config file).
 */
#include "files.h"

#include "engine/docker_api.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct containers *found)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct container *one = &found->items[i];

		assert(!one->id || docker_id_is_valid(one->id));
		assert(one->pid >= 0 && one->pid <= 4194304);
	}
	containers_done(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct containers found = CONTAINERS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	const char *text = (const char *)data + 1;

	switch (size ? data[0] : 0) {
	case 'c':
		(void)docker_parse_container(text, size - 1, "docker", 0, &found, &err);
		break;
	case 'l':
		(void)docker_parse_list(text, size - 1, "docker", 0, &found, &err);
		break;
	case 'r':
		files_write("etc/docker/daemon.json", "", 0);
		files_write("var/lib/docker/containers/" ID "/config.v2.json", text, size - 1);
		files_look(&engine_docker, "web", docker_disk_look);
		break;
	case 'f':
		files_write("etc/docker/daemon.json", text, size - 1);
		files_look(&engine_docker, ID, docker_disk_look);
		break;
	default:
		break;
	}
	check(&found);
	return 0;
}
