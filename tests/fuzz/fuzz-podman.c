/* SPDX-License-Identifier: MIT
 *
 * What podman keeps on disk. The first byte of the input says what the rest is: l(ist), p(id file),
 * f (its config file).
 */
#include "files.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LIST "var/lib/containers/storage/overlay-containers/containers.json"
#define PID_FILE "run/containers/storage/overlay-containers/" ID "/userdata/pidfile"
#define CONFIG "etc/containers/storage.conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char list[] = "[{\"id\":\"" ID "\",\"names\":[\"web\"],\"metadata\":\"{\\\"name\\\":"
			   "\\\"web\\\"}\"}]";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	char kind = size ? (char)data[0] : '\0';

	if (!kind || !strchr("lpf", kind))
		return 0;
	files_write(CONFIG, text, kind == 'f' ? size - 1 : 0);
	files_write(PID_FILE, kind == 'p' ? text : "1", kind == 'p' ? size - 1 : 1);
	if (kind == 'l')
		files_write(LIST, text, size - 1);
	else
		files_write(LIST, list, strlen(list));
	files_look(&engine_podman, "web", podman_disk_look);
	return 0;
}
