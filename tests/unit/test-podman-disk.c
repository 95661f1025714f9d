/* SPDX-License-Identifier: MIT
 *
 * What podman left on disk, in a made-up tree.
 */
#include "disk.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "engine/shared.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "0123456789ffffff0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID3 "feedfeedfeedfeed0123456789abcdef0123456789abcdef0123456789abcdef"
#define GRAPH "var/lib/containers/storage"
#define RUN "run/containers/storage"

/* An entry of containers.json as containers/storage writes it. */
#define ENTRY(id, name, metadata)                                                                  \
	"{\"id\":\"" id "\",\"names\":[\"" name "\"],\"image\":\"12\",\"layer\":\"34\","           \
	"\"metadata\":\"" metadata "\",\"created\":\"2026-01-01T00:00:00Z\",\"flags\":{}}"
#define META(name) "{\\\"image-name\\\":\\\"bb:1\\\",\\\"name\\\":\\\"" name "\\\"}"
#define CRIO "{\\\"pod-name\\\":\\\"p\\\",\\\"pod-id\\\":\\\"1\\\",\\\"name\\\":\\\"k8s_p\\\"}"

static void put_list(const struct tree *tree, const char *graph, const char *file, const char *text)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", graph, file);
	put(tree, path, "%s", text);
}

static void put_process(const struct tree *tree, const char *graph, const char *run, const char *id,
			pid_t pid)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/overlay-containers/%s/userdata/pidfile", run, id);
	put(tree, path, "%d", pid);
	(void)snprintf(path, sizeof(path), "%s/overlay-containers/%s/userdata/config.json", graph,
		       id);
	put(tree, path, "{}");
}

static void put_crun(const struct tree *tree, const char *id, pid_t pid, uint64_t start)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "run/crun/%s/status", id);
	put(tree, path,
	    "{\"pid\":%d,\"process-start-time\":%" PRIu64 ",\"bundle\":\"/run/bundle\"}", pid,
	    start);
}

static int look(struct disk *disk, struct tree *tree, const char *ref)
{
	disk_open(disk, tree, &engine_podman, ref);
	return podman_disk_look(&disk->source, &disk->err);
}

static const char three[] = "[" ENTRY(ID, "web", META("web")) "," ENTRY(
	ID2, "db", META("db")) "," ENTRY(ID3, "new", META("new")) "]";

static void a_container_is_found_by_name_id_and_beginning(void **state)
{
	static const char *const words[] = {"web", "/web", ID, "0123456789a"};
	pid_t pid = spawn_idle();

	put_list(*state, GRAPH, "overlay-containers/containers.json", three);
	put_process(*state, GRAPH, RUN, ID, pid);
	put_crun(*state, ID, pid, start_of(pid));
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		const struct container *one;
		struct disk disk;

		assert_int_equal(look(&disk, *state, words[i]), 0);
		assert_int_equal(disk.source.found.n, 1);
		one = &disk.source.found.items[0];
		assert_string_equal(one->scheme, "podman");
		assert_string_equal(one->id, ID);
		assert_string_equal(one->name, "web");
		assert_string_equal(one->image, "bb:1");
		assert_int_equal(one->state, CONTAINER_RUNNING);
		assert_int_equal(one->pid, pid);
		assert_int_equal(one->start, start_of(pid));
		assert_string_equal(one->bundle, "/" GRAPH "/overlay-containers/" ID "/userdata");
		assert_string_equal(disk.source.read_from, "/" GRAPH);
		disk_close(&disk);
	}
	end(pid);
}

static void states_are_told_by_what_is_there(void **state)
{
	pid_t gone = spawn_idle();
	struct disk disk;

	end(gone);
	put_list(*state, GRAPH, "overlay-containers/containers.json", three);
	put_process(*state, GRAPH, RUN, ID2, gone);
	assert_int_equal(look(&disk, *state, "db"), 0);
	assert_int_equal(disk.source.found.items[0].state, CONTAINER_STOPPED);
	assert_int_equal(disk.source.found.items[0].pid, 0);
	disk_close(&disk);
	assert_int_equal(look(&disk, *state, "new"), 0);
	assert_int_equal(disk.source.found.items[0].state, CONTAINER_CREATED);
	assert_null(disk.source.found.items[0].bundle);
	disk_close(&disk);
	/* the machine began anew: /run is empty */
	put_list(*state, GRAPH, "overlay-containers/" ID3 "/userdata/config.json", "{}");
	assert_int_equal(look(&disk, *state, "new"), 0);
	assert_int_equal(disk.source.found.items[0].state, CONTAINER_STOPPED);
	disk_close(&disk);
}

static void a_recycled_pid_is_no_container(void **state)
{
	pid_t pid = spawn_idle();
	struct disk disk;

	put_list(*state, GRAPH, "overlay-containers/containers.json", three);
	put_process(*state, GRAPH, RUN, ID, pid);
	put_crun(*state, ID, pid, start_of(pid) - 1);
	assert_int_equal(look(&disk, *state, "web"), 0);
	assert_int_equal(disk.source.found.items[0].state, CONTAINER_STOPPED);
	disk_close(&disk);
	end(pid);
}

static void only_those_with_a_process_are_listed(void **state)
{
	pid_t pid = spawn_idle();
	struct disk disk;

	put_list(*state, GRAPH, "overlay-containers/containers.json", three);
	put_process(*state, GRAPH, RUN, ID2, pid);
	assert_int_equal(look(&disk, *state, NULL), 0);
	assert_int_equal(disk.source.found.n, 1);
	assert_string_equal(disk.source.found.items[0].name, "db");
	disk_close(&disk);
	end(pid);
}

static void others_that_use_the_store_are_left_out(void **state)
{
	static const char list[] =
		"[" ENTRY(ID, "k8s_p", CRIO) "," ENTRY(ID2, "working", "") "," ENTRY(
			ID3, "odd", "{") "," ENTRY("short", "short",
						   META("short")) ",{}," ENTRY("../../x", "up",
									       META("up")) "]";
	static const char *const words[] = {"k8s_p", "working", "odd", "short", "up", ID, "01"};

	put_list(*state, GRAPH, "overlay-containers/containers.json", list);
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		struct disk disk;

		assert_int_equal(look(&disk, *state, words[i]), 0);
		assert_int_equal(disk.source.found.n, 0);
		disk_close(&disk);
	}
}

static void every_driver_and_both_lists_count(void **state)
{
	static const char *const words[] = {"a", "b"};

	put_list(*state, GRAPH, "vfs-containers/containers.json",
		 "[" ENTRY(ID, "a", META("a")) "]");
	put_list(*state, GRAPH, "overlay-containers/volatile-containers.json",
		 "[" ENTRY(ID3, "b", META("b")) "]");
	put_list(*state, GRAPH, "btrfs-containers/containers.json", "");
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		struct disk disk;

		assert_int_equal(look(&disk, *state, words[i]), 0);
		assert_int_equal(disk.source.found.n, 1);
		disk_close(&disk);
	}
}

static void the_config_file_says_where(void **state)
{
	pid_t pid = spawn_idle();
	struct disk disk;

	put(*state, "usr/share/containers/storage.conf", "[storage]\ngraphroot = \"/no\"\n");
	put(*state, "etc/containers/storage.conf",
	    "# graphroot = \"/no\"\n[other]\ngraphroot = \"/no\"\n  [storage]\ndriver = \"overlay\"\n"
	    "graphroots = \"/no\"\n  graphroot=\"/srv/graph\" # here\nrunroot = '/srv/run'\n"
	    "[storage.options]\ngraphroot = \"/no\"\n");
	put_list(*state, "srv/graph", "overlay-containers/containers.json", three);
	put_process(*state, "srv/graph", "srv/run", ID, pid);
	assert_int_equal(look(&disk, *state, "web"), 0);
	assert_int_equal(disk.source.found.n, 1);
	assert_int_equal(disk.source.found.items[0].pid, pid);
	assert_string_equal(disk.source.read_from, "/srv/graph");
	disk_close(&disk);
	end(pid);
}

static void a_broken_list_is_told(void **state)
{
	static const char *const texts[] = {"{}", "[", "[" ENTRY(ID, "web", META("web")), "[1]"};

	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		struct disk disk;

		put_list(*state, GRAPH, "overlay-containers/containers.json", texts[i]);
		assert_int_equal(look(&disk, *state, "web"), -EINVAL);
		assert_names(&disk.err, GRAPH);
		disk_close(&disk);
	}
}

static void a_pid_file_that_lies_names_no_process(void **state)
{
	static const char *const texts[] = {"", "0", "-1", "4194305", "1x", "99999999999999999999"};

	put_list(*state, GRAPH, "overlay-containers/containers.json", three);
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		struct disk disk;

		put(*state, RUN "/overlay-containers/" ID "/userdata/pidfile", "%s", texts[i]);
		assert_int_equal(look(&disk, *state, "web"), 0);
		assert_int_equal(disk.source.found.items[0].pid, 0);
		disk_close(&disk);
	}
}

static void nothing_there_is_told_as_such(void **state)
{
	struct disk disk;

	assert_int_equal(look(&disk, *state, "web"), -ENOENT);
	assert_int_equal(disk.err.code, 0);
	disk_close(&disk);
}

/* --- another user's --- */

enum { USER = 12345 };

/* All that a user's engine has belongs to the user, else users.h doesn't believe it. */
static void give(const struct tree *tree, const char *path)
{
	assert_int_equal(fchownat(tree->fd, path, USER, USER, 0), 0);
	assert_int_equal(chmod(tree->path, 0755), 0); /* the user has to get there */
}

#define HOME_GRAPH "home/u/.local/share/containers/storage"

/* A user's podman with one container whose process is `pid`. */
static void put_users_podman(const struct tree *tree, pid_t pid)
{
	put(tree, "etc/passwd", "root:x:0:0::/root:/bin/sh\nu:x:12345:12345::/home/u:/bin/sh\n");
	put_list(tree, HOME_GRAPH, "overlay-containers/containers.json",
		 "[" ENTRY(ID, "web", META("web")) "]");
	put_process(tree, HOME_GRAPH, "run/user/12345/containers", ID, pid);
	give(tree, "run/user/12345");
}

static int look_at_users(struct disk *disk, struct tree *tree, const char *ref)
{
	disk_open(disk, tree, &engine_podman, ref);
	disk->source.owner = USER;
	return podman_disk_look(&disk->source, &disk->err);
}

/* What the user may not read root doesn't read for the user: a link to it tells nothing. */
static void a_users_link_to_roots_files_leads_nowhere(void **state)
{
	const struct tree *tree = *state;
	struct disk disk;

	if (geteuid() != 0)
		skip();
	put_users_podman(tree, 1);
	put(tree, "secret/list", "[" ENTRY(ID, "web", META("web")) "]");
	assert_int_equal(fchmodat(tree->fd, "secret/list", 0600, 0), 0);
	assert_int_equal(unlinkat(tree->fd, HOME_GRAPH "/overlay-containers/containers.json", 0),
			 0);
	assert_int_equal(symlinkat("/secret/list", tree->fd,
				   HOME_GRAPH "/overlay-containers/containers.json"),
			 0);
	assert_int_equal(look_at_users(&disk, *state, "web"), -EACCES);
	assert_int_equal(disk.source.found.n, 0);
	disk_close(&disk);
	/* the same file, when the user may */
	assert_int_equal(fchmodat(tree->fd, "secret/list", 0644, 0), 0);
	assert_int_equal(look_at_users(&disk, *state, "web"), 0);
	assert_int_equal(disk.source.found.n, 1);
	disk_close(&disk);
}

static void a_user_whose_time_is_up_is_left_out(void **state)
{
	struct engine_shared shared = {.foreign_until = 1};
	struct disk disk;

	if (geteuid() != 0)
		skip();
	put_users_podman(*state, 1);
	disk_open(&disk, *state, &engine_podman, "web");
	disk.request.shared = &shared;
	disk.source.owner = USER;
	disk.options.log = NULL;
	assert_int_equal(podman_disk_look(&disk.source, &disk.err), -ETIMEDOUT);
	assert_int_equal(disk.source.found.n, 0);
	disk_close(&disk);
}

static void a_users_containers_are_found(void **state)
{
	struct disk disk;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = spawn_idle();
	put_users_podman(*state, pid);
	assert_int_equal(look_at_users(&disk, *state, "web"), 0);
	assert_int_equal(disk.source.found.n, 1);
	assert_int_equal(disk.source.found.items[0].pid, pid);
	assert_int_equal(disk.source.found.items[0].owner, USER);
	disk_close(&disk);
	/* without anything in the runtime directory nobody looks into a home */
	disk_open(&disk, *state, &engine_podman, "web");
	disk.source.owner = USER + 1;
	assert_int_equal(podman_disk_look(&disk.source, &disk.err), -ENOENT);
	disk_close(&disk);
	end(pid);
}

int main(void)
{
#define IN_TREE(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)
	const struct CMUnitTest tests[] = {
		IN_TREE(a_container_is_found_by_name_id_and_beginning),
		IN_TREE(states_are_told_by_what_is_there),
		IN_TREE(a_recycled_pid_is_no_container),
		IN_TREE(only_those_with_a_process_are_listed),
		IN_TREE(others_that_use_the_store_are_left_out),
		IN_TREE(every_driver_and_both_lists_count),
		IN_TREE(the_config_file_says_where),
		IN_TREE(a_broken_list_is_told),
		IN_TREE(a_pid_file_that_lies_names_no_process),
		IN_TREE(nothing_there_is_told_as_such),
		IN_TREE(a_users_containers_are_found),
		IN_TREE(a_users_link_to_roots_files_leads_nowhere),
		IN_TREE(a_user_whose_time_is_up_is_left_out),
	};

	if (!knows_call(SYS_openat2))
		return run_none("podman-disk");
	return cmocka_run_group_tests_name("podman-disk", tests, NULL, NULL);
}
