/* SPDX-License-Identifier: MIT
 *
 * Reading a file of a container that does what it can to make us read another one, or wait.
 */
#include "unit.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "sys/beneath.h"
#include "sys/container_file.h"

enum { LIMIT = 1000 };

/* Reads and expects a failure; nothing is left in `ret`. */
static void assert_refused(const struct tree *tree, const char *path, int error)
{
	struct bytes bytes = BYTES_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	assert_int_equal(container_file_read(tree->fd, path, LIMIT, 0, &bytes, &err), error);
	assert_null(bytes.data);
	assert_int_equal(err.code, -error);
	assert_names(&err, path);
}

static void assert_reads(const struct tree *tree, const char *path, const char *want)
{
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	if (container_file_read(tree->fd, path, LIMIT, 0, &bytes, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(bytes.size, strlen(want));
	assert_string_equal(bytes.data, want);
}

static void a_file_comes_whole(void **state)
{
	static const char nuls[] = "a\0b\0";
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	struct tree *tree = *state;

	make_directory(tree, "etc");
	write_text(tree, "etc/passwd", "root:x:0:0:::\n");
	write_text(tree, "empty", "");
	write_bytes(tree, "nuls", nuls, 4);
	assert_reads(tree, "etc/passwd", "root:x:0:0:::\n");
	assert_reads(tree, "/etc/passwd", "root:x:0:0:::\n");
	assert_reads(tree, "empty", "");
	assert_int_equal(container_file_read(tree->fd, "nuls", LIMIT, 0, &bytes, NULL), 0);
	assert_int_equal(bytes.size, 4);
	assert_memory_equal(bytes.data, nuls, 5);
}

/* The file says what the process that reads it is: its own status in /proc. */
static void a_users_file_is_read_with_the_users_rights(void **state)
{
	const struct file_reader reader = {.uid = 54321, .gid = 54322, .ms = 2000};
	const struct file_query query = {.path = "secret/file", .wanted = FILE_REGULAR};
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT, none = BYTES_INIT;
	_cleanup_fd_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cj_error err = CJ_ERROR_INIT;
	struct tree *tree = *state;
	size_t which;

	if (geteuid() != 0)
		skip();
	if (container_file_read_as(proc, "self/status", 65536, &reader, &bytes, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(bytes.data, "\nUid:\t54321\t54321\t54321\t54321\n"));
	assert_non_null(strstr(bytes.data, "\nGid:\t54322\t54322\t54322\t54322\n"));
	assert_non_null(strstr(bytes.data, "\nGroups:\t \n"));
	assert_non_null(strstr(bytes.data, "\nCapPrm:\t0000000000000000\n"));
	assert_non_null(strstr(bytes.data, "\nCapEff:\t0000000000000000\n"));
	/* nor does it search where the user may not */
	assert_int_equal(fchmodat(tree->fd, ".", 0755, 0), 0);
	make_directory(tree, "secret");
	write_text(tree, "secret/file", "x");
	assert_int_equal(container_file_find_as(tree->fd, &query, 1, &reader, &which, NULL), 0);
	assert_int_equal(fchmodat(tree->fd, "secret", 0700, 0), 0);
	assert_int_equal(container_file_find_as(tree->fd, &query, 1, &reader, &which, NULL),
			 -ENOENT);
	assert_int_equal(container_file_read_as(tree->fd, "secret/file", LIMIT, &reader, &none,
						&err),
			 -EACCES);
	assert_null(strstr(err.text, "target"));
}

static void the_limit_is_kept_to_the_byte(void **state)
{
	struct tree *tree = *state;
	char data[LIMIT + 2];

	memset(data, 'd', sizeof(data));
	data[LIMIT] = '\0';
	write_text(tree, "fits", data);
	assert_reads(tree, "fits", data);
	data[LIMIT] = 'd';
	write_bytes(tree, "large", data, LIMIT + 1);
	assert_refused(tree, "large", -EFBIG);
}

static void a_file_without_end_is_given_up(void **state)
{
	struct tree *tree = *state;
	_cleanup_fd_ int fd = openat(tree->fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	assert_refused(tree, "sparse", -EFBIG);
}

static void what_is_not_there_is_told_apart_from_what_is_no_file(void **state)
{
	struct tree *tree = *state;

	make_directory(tree, "directory");
	write_text(tree, "file", "x");
	assert_refused(tree, "missing", -ENOENT);
	assert_refused(tree, "directory/missing", -ENOENT);
	assert_refused(tree, "file/below", -ENOTDIR);
	assert_refused(tree, "directory", -EINVAL);
}

static void nothing_is_opened_that_acts_on_open(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct tree *tree = *state;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkfifoat(tree->fd, "fifo", 0644), 0); /* a reader would wait for ever */
	assert_refused(tree, "fifo", -EINVAL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", tree->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_refused(tree, "socket", -EINVAL);
	if (mknodat(tree->fd, "zero", S_IFCHR | 0644, makedev(1, 5)) == 0) /* as root alone */
		assert_refused(tree, "zero", -EINVAL);
}

static void a_link_stays_beneath_the_root(void **state)
{
	struct tree *tree = *state;
	_cleanup_free_ char *outside = NULL;

	make_directory(tree, "root");
	make_directory(tree, "root/etc");
	write_text(tree, "secret", "the host's");
	write_text(tree, "root/etc/inside", "the container's");
	_cleanup_fd_ int fd = openat(tree->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tree root = {.fd = fd};

	assert_int_equal(symlinkat("../../secret", fd, "etc/relative"), 0);
	assert_true(asprintf(&outside, "%s/secret", tree->path) > 0);
	assert_int_equal(symlinkat(outside, fd, "etc/absolute"), 0);
	assert_int_equal(symlinkat("/etc/inside", fd, "etc/good"), 0);
	assert_int_equal(symlinkat("loop", fd, "etc/loop"), 0);
	assert_refused(&root, "etc/relative", -ENOENT);
	assert_refused(&root, "etc/absolute", -ENOENT);
	assert_refused(&root, "../secret", -ENOENT);
	assert_refused(&root, outside, -ENOENT);
	assert_refused(&root, "etc/loop", -ELOOP);
	assert_reads(&root, "etc/good", "the container's");
	assert_reads(&root, "../../etc/inside", "the container's");
}

static void a_magic_link_of_proc_is_not_followed(void **state)
{
	_cleanup_fd_ int fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tree proc = {.fd = fd};

	(void)state;
	assert_refused(&proc, "root/etc/passwd", -ELOOP);
	assert_refused(&proc, "exe", -ELOOP);
}

static int lowest_free_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC), number = fd;

	close_fd(&fd);
	return number;
}

static void nothing_is_left_behind(void **state)
{
	struct tree *tree = *state;
	siginfo_t info;
	int before = lowest_free_fd();

	assert_refused(tree, "missing", -ENOENT);
	assert_int_equal(lowest_free_fd(), before);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_path_fd_is_reopened_as_the_same_file(void **state)
{
	struct tree *tree = *state;
	char buf[8];

	write_text(tree, "file", "text");
	_cleanup_fd_ int path = beneath_open_path(tree->fd, "file", 0);
	assert_true(path >= 0);
	assert_int_equal(renameat(tree->fd, "file", tree->fd, "moved"), 0);
	write_text(tree, "file", "other");
	_cleanup_fd_ int fd = reopen(path, O_RDONLY);
	assert_int_equal(io_read_small(fd, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "text");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(reopen(-EBADF, O_RDONLY), -ENOENT);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(a_file_comes_whole),
		WITH_TREE(a_users_file_is_read_with_the_users_rights),
		WITH_TREE(the_limit_is_kept_to_the_byte),
		WITH_TREE(a_file_without_end_is_given_up),
		WITH_TREE(what_is_not_there_is_told_apart_from_what_is_no_file),
		WITH_TREE(nothing_is_opened_that_acts_on_open),
		WITH_TREE(a_link_stays_beneath_the_root),
		cmocka_unit_test(a_magic_link_of_proc_is_not_followed),
		WITH_TREE(nothing_is_left_behind),
		WITH_TREE(a_path_fd_is_reopened_as_the_same_file),
	};

	if (!knows_call(SYS_openat2))
		return run_none("container-file");
	return cmocka_run_group_tests_name("container-file", tests, NULL, NULL);
}
