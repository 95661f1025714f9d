/* SPDX-License-Identifier: MIT
 *
 * What dockerd left on disk, in a made-up tree.
 */
#include "disk.h"

#include <inttypes.h>

#include "engine/docker_api.h"
#include "engine/peer.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "0123456789ffffff0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID3 "feedfeedfeedfeed0123456789abcdef0123456789abcdef0123456789abcdef"
#define DATA "var/lib/docker"
#define RUNC "run/docker/runtime-runc/moby"

#define RUNS "\"Running\":true,\"StartedAt\":\"2026-01-01T00:00:00Z\""
#define ENDED "\"Running\":false,\"StartedAt\":\"2026-01-01T00:00:00Z\""

/* A record as dockerd 20.10 writes it, as far as it counts. */
static void put_record(const struct tree *tree, const char *data, const char *id, const char *name,
		       const char *state, pid_t pid)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data, id);
	put(tree, path,
	    "{\"StreamConfig\":{},\"State\":{%s,\"Pid\":%d},\"ID\":\"%s\",\"Config\":{"
	    "\"Image\":\"bb:1\",\"Labels\":{\"a\":\"b\"}},\"Image\":\"sha256:1\",\"Name\":\"/%s\"}",
	    state, pid, id, name);
}

static void put_runc(const struct tree *tree, const char *id, pid_t pid, uint64_t start)
{
	char path[512];

	(void)snprintf(path, sizeof(path), RUNC "/%s/state.json", id);
	put(tree, path,
	    "{\"id\":\"%s\",\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"labels\":[\"bundle=/run/bundle\"]}}",
	    id, pid, start);
}

static void a_container_is_found_by_name_id_and_beginning(void **state)
{
	static const char *const words[] = {"web", "/web", ID, "0123456789a"};
	pid_t pid = spawn_idle();

	put_record(*state, DATA, ID, "web", RUNS, pid);
	put_record(*state, DATA, ID2, "db", ENDED, 0);
	put_runc(*state, ID, pid, start_of(pid));
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		struct disk disk;
		const struct container *one;

		disk_open(&disk, *state, &engine_docker, words[i]);
		assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
		assert_int_equal(disk.source.found.n, 1);
		one = &disk.source.found.items[0];
		assert_string_equal(one->id, ID);
		assert_string_equal(one->name, "web");
		assert_string_equal(one->image, "bb:1");
		assert_string_equal(container_label(one, "a"), "b");
		assert_int_equal(one->state, CONTAINER_RUNNING);
		assert_int_equal(one->pid, pid);
		assert_int_equal(one->start, start_of(pid));
		assert_string_equal(one->bundle, "/run/bundle");
		assert_string_equal(disk.source.read_from, "/" DATA "/containers");
		assert_string_equal(disk.said, "");
		disk_close(&disk);
	}
	end(pid);
}

static void all_of_a_beginning_are_told(void **state)
{
	struct disk disk;

	put_record(*state, DATA, ID, "web", ENDED, 0);
	put_record(*state, DATA, ID2, "db", ENDED, 0);
	put_record(*state, DATA, ID3, "0123", ENDED, 0);
	disk_open(&disk, *state, &engine_docker, "01234");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 2);
	disk_close(&disk);
	/* a name counts more than the beginning of an id */
	disk_open(&disk, *state, &engine_docker, "0123");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 1);
	assert_string_equal(disk.source.found.items[0].id, ID3);
	disk_close(&disk);
}

static void states_are_those_of_the_record(void **state)
{
	static const struct {
		const char *text;
		enum container_state state;
	} states[] = {
		{ENDED, CONTAINER_STOPPED},
		{"\"Running\":false,\"StartedAt\":\"0001-01-01T00:00:00Z\"", CONTAINER_CREATED},
		{RUNS ",\"Paused\":true", CONTAINER_PAUSED},
		{RUNS ",\"Restarting\":true", CONTAINER_RESTARTING},
		{ENDED ",\"Dead\":true", CONTAINER_DEAD},
		{ENDED ",\"RemovalInProgress\":true", CONTAINER_DEAD},
		{RUNS, CONTAINER_RUNNING},
	};

	for (size_t i = 0; i < ELEMENTS(states); i++) {
		struct disk disk;

		put_record(*state, DATA, ID, "web", states[i].text, getpid());
		disk_open(&disk, *state, &engine_docker, "web");
		assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
		assert_int_equal(disk.source.found.n, 1);
		assert_int_equal(disk.source.found.items[0].state, states[i].state);
		disk_close(&disk);
	}
}

/* The daemon was killed, or the machine began anew: the record says that it runs. */
static void a_stale_record_is_of_a_stopped_container(void **state)
{
	pid_t gone = spawn_idle(), other = spawn_idle();
	struct disk disk;

	end(gone);
	put_record(*state, DATA, ID, "gone", RUNS, gone);
	put_record(*state, DATA, ID2, "recycled", RUNS, other);
	put_runc(*state, ID2, other, start_of(other) - 1);
	for (int i = 0; i < 2; i++) {
		disk_open(&disk, *state, &engine_docker, i ? "gone" : "recycled");
		assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
		assert_int_equal(disk.source.found.n, 1);
		assert_int_equal(disk.source.found.items[0].state, CONTAINER_STOPPED);
		assert_int_equal(disk.source.found.items[0].pid, 0);
		disk_close(&disk);
	}
	disk_open(&disk, *state, &engine_docker, NULL);
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 0);
	disk_close(&disk);
	end(other);
}

static void only_those_with_a_process_are_listed(void **state)
{
	pid_t pid = spawn_idle();
	struct disk disk;

	put_record(*state, DATA, ID, "web", RUNS, pid);
	put_record(*state, DATA, ID2, "db", ENDED, 0);
	put_record(*state, DATA, ID3, "idle", RUNS ",\"Paused\":true", pid);
	disk_open(&disk, *state, &engine_docker, NULL);
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_not_equal(disk.source.found.items[i].id, ID2);
	disk_close(&disk);
	end(pid);
}

static void a_broken_record_hides_no_other(void **state)
{
	struct disk disk;

	put_record(*state, DATA, ID, "web", ENDED, 0);
	put(*state, DATA "/containers/" ID2 "/config.v2.json", "{\"Name\":\"/web");
	put(*state, DATA "/containers/" ID3 "/config.v2.json", "[]");
	put(*state, DATA "/containers/short/config.v2.json", "{");
	put(*state, DATA "/containers/.." ID "/config.v2.json", "{");
	disk_open(&disk, *state, &engine_docker, "web");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 1);
	/* it holds the word, so it could have been meant */
	assert_non_null(strstr(disk.said, ID2));
	assert_null(strstr(disk.said, ID3));
	disk_close(&disk);
	/* it alone was meant */
	disk_open(&disk, *state, &engine_docker, ID3);
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), -EINVAL);
	disk_close(&disk);
}

static void numbers_that_are_no_pid_are_no_process(void **state)
{
	static const char *const numbers[] = {"0",   "-1",    "4194305", "4294967297",
					      "1.5", "\"1\"", "null",	 "[1]"};

	for (size_t i = 0; i < ELEMENTS(numbers); i++) {
		struct disk disk;

		put(*state, DATA "/containers/" ID "/config.v2.json",
		    "{\"State\":{" RUNS ",\"Pid\":%s},\"Name\":\"/web\"}", numbers[i]);
		disk_open(&disk, *state, &engine_docker, "web");
		assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
		assert_int_equal(disk.source.found.n, 1);
		assert_int_equal(disk.source.found.items[0].pid, 0);
		disk_close(&disk);
	}
}

static void the_config_file_says_where(void **state)
{
	struct disk disk;

	put(*state, "etc/docker/daemon.json", "{\"data-root\":\"/srv/docker\"}");
	put_record(*state, DATA, ID, "old", ENDED, 0);
	put_record(*state, "srv/docker", ID2, "new", ENDED, 0);
	disk_open(&disk, *state, &engine_docker, "new");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 1);
	assert_string_equal(disk.source.read_from, "/srv/docker/containers");
	disk_close(&disk);
	disk_open(&disk, *state, &engine_docker, "old");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 0);
	disk_close(&disk);
}

static void remapped_containers_are_found(void **state)
{
	static const char *const words[] = {"web", ID};

	put_record(*state, DATA "/231072.231072", ID, "web", ENDED, 0);
	put_record(*state, DATA "/231072.x", ID2, "no", ENDED, 0);
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		struct disk disk;

		disk_open(&disk, *state, &engine_docker, words[i]);
		assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
		assert_int_equal(disk.source.found.n, 1);
		disk_close(&disk);
	}
}

static void nothing_there_is_told_as_such(void **state)
{
	struct disk disk;

	disk_open(&disk, *state, &engine_docker, "web");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), -ENOENT);
	assert_int_equal(disk.err.code, 0);
	disk_close(&disk);
	put_record(*state, DATA, ID, "web", ENDED, 0);
	disk_open(&disk, *state, &engine_docker, "../web");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), -ENOENT);
	disk_close(&disk);
}

static void a_thousand_take_less_than_a_second(void **state)
{
	enum { N = 1000 };
	static char label[4000];
	struct disk disk;
	int64_t begin;

	memset(label, 'x', sizeof(label) - 1);
	for (int i = 0; i < N; i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), DATA "/containers/%064x/config.v2.json", i);
		put(*state, path,
		    "{\"State\":{" ENDED ",\"Pid\":0},\"Name\":\"/n%d\",\"Config\":{\"Labels\":{"
		    "\"l\":\"%s\"}}}",
		    i, label);
	}
	begin = clock_ms();
	disk_open(&disk, *state, &engine_docker, "n999");
	assert_int_equal(docker_disk_look(&disk.source, &disk.err), 0);
	assert_int_equal(disk.source.found.n, 1);
	disk_close(&disk);
	assert_true(clock_ms() - begin < 1000);
}

static void a_daemons_options_are_read(void **state)
{
	static const char *const data_root[] = {"--data-root", "-g", NULL};
	static const struct {
		const char *text;
		size_t size;
		const char *value;
	} lines[] = {
#define LINE(text, value) {text, sizeof(text), value}
		LINE("dockerd", NULL),
		LINE("dockerd\0--data-root\0/a", "/a"),
		LINE("dockerd\0--data-root=/a", "/a"),
		LINE("dockerd\0-g\0/a\0-g=/b", "/b"),
		LINE("dockerd\0--data-root", NULL),
		LINE("dockerd\0--data-rooted\0/a", NULL),
		LINE("dockerd\0--exec-root\0--data-root\0/a", "/a"),
		LINE("dockerd\0--data-root\0-g\0/a", "-g"),
		LINE("dockerd\0--data-root=", ""),
	};

	(void)state;
	assert_null(peer_option(&(const struct bytes)BYTES_INIT, data_root));
	for (size_t i = 0; i < ELEMENTS(lines); i++) {
		_cleanup_(bytes_done) struct bytes bytes = bytes_of(lines[i].text, lines[i].size);
		const char *value = peer_option(&bytes, data_root);

		assert_true(!value == !lines[i].value);
		if (value)
			assert_string_equal(value, lines[i].value);
	}
}

static void a_peer_is_known_by_its_program(void **state)
{
	_cleanup_(bytes_done) struct bytes arguments = BYTES_INIT;

	(void)state;
	/* Under valgrind we are valgrind. */
	if (peer_read(getpid(), "test-docker-disk", &arguments) == -ESRCH)
		skip();
	bytes_done(&arguments);
	assert_int_equal(peer_read(getpid(), "test-docker-disk", &arguments), 0);
	assert_non_null(strstr(arguments.data, "test-docker-disk"));
	assert_int_equal(peer_read(getpid(), "dockerd", &arguments), -ESRCH);
	assert_int_equal(peer_read(0, "dockerd", &arguments), -ESRCH);
}

int main(void)
{
#define IN_TREE(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)
	const struct CMUnitTest tests[] = {
		IN_TREE(a_container_is_found_by_name_id_and_beginning),
		IN_TREE(all_of_a_beginning_are_told),
		IN_TREE(states_are_those_of_the_record),
		IN_TREE(a_stale_record_is_of_a_stopped_container),
		IN_TREE(only_those_with_a_process_are_listed),
		IN_TREE(a_broken_record_hides_no_other),
		IN_TREE(numbers_that_are_no_pid_are_no_process),
		IN_TREE(the_config_file_says_where),
		IN_TREE(remapped_containers_are_found),
		IN_TREE(nothing_there_is_told_as_such),
		IN_TREE(a_thousand_take_less_than_a_second),
		cmocka_unit_test(a_daemons_options_are_read),
		cmocka_unit_test(a_peer_is_known_by_its_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
