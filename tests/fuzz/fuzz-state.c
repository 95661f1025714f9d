/* SPDX-License-Identifier: MIT
 *
 * Records of runtimes. The first byte of the input says whose: r(unc), c(run), t(ask of containerd),
 * p(odman).
 */
#include "files.h"

#include "engine/state.h"
#include "engine/state_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	char kind;
	enum state_layout layout;
	const char *file;
} kinds[] = {
	{'r', STATE_RUNC, "r/id/state.json"},
	{'c', STATE_CRUN, "c/id/status"},
	{'t', STATE_CONTAINERD, "t/id/init.pid"},
	{'p', STATE_PODMAN, "p/id/userdata/pidfile"},
};

static void check(const struct state *state)
{
	assert(state->pid > 0);
	assert(strcmp(state->id, "id") == 0);
	assert(state->bundle[0] == '/');
	assert(state->config[0][0] == '/' || state->config[1][0] == '/');
	assert(!state->created && state->owner == 0);
}

/* From memory that ends where the text does. */
static void scan(const uint8_t *data, size_t size)
{
	static struct state_text found;

	if (state_text_scan((const char *)data, size, &found) == 0)
		assert(strlen(found.bundle) < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state state;
	char directory[PATH_MAX];

	if (size > 0)
		scan(data + 1, size - 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && size > 0; i++) {
		if (data[0] != (uint8_t)kinds[i].kind)
			continue;
		files_write(kinds[i].file, data + 1, size - 1);
		(void)snprintf(directory, sizeof(directory), "%s/%c", files_root, kinds[i].kind);
		if (state_read(kinds[i].layout, "", directory, "id", &state) == 0)
			check(&state);
	}
	return 0;
}
