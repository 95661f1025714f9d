/* SPDX-License-Identifier: MIT */
#include "sys/unix_listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/proc.h"

/* Of 5.3, in older headers not there. */
enum { SHOW_UID = 0x40, ATTRIBUTE_UID = 7 };

enum { FILE_LIMIT = 256 << 20, NAME_SIZE = 109, WAIT_S = 1 };

struct listener {
	char name[NAME_SIZE];
	uid_t owner;
};

/* Without the NUL before it. False: it has NULs. */
static bool copy_name(const char *name, size_t size, char buf[NAME_SIZE])
{
	if (size < 2 || name[0] != '\0' || size > NAME_SIZE || memchr(name + 1, '\0', size - 1))
		return false;
	memcpy(buf, name + 1, size - 1);
	buf[size - 1] = '\0';
	return true;
}

/* False: it has no name that counts. */
static bool take_listener(struct nlmsghdr *head, struct listener *ret)
{
	struct unix_diag_msg *message = NLMSG_DATA(head);
	int left = (int)NLMSG_PAYLOAD(head, sizeof(*message));
	struct rtattr *attribute;
	bool named = false;

	ret->owner = UNIX_OWNER_UNKNOWN;
	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || message->udiag_type != SOCK_STREAM)
		return false;
	for (attribute = (struct rtattr *)(message + 1); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left)) {
		size_t size = RTA_PAYLOAD(attribute);

		if (attribute->rta_type == UNIX_DIAG_NAME)
			named = copy_name(RTA_DATA(attribute), size, ret->name);
		else if (attribute->rta_type == ATTRIBUTE_UID && size == sizeof(ret->owner))
			memcpy(&ret->owner, RTA_DATA(attribute), size);
	}
	return named;
}

static int ask_diag(int fd)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req request;
	} message = {
		.head = {.nlmsg_len = sizeof(message),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {.sdiag_family = AF_UNIX,
			    .udiag_states = 1 << TCP_LISTEN,
			    .udiag_show = UDIAG_SHOW_NAME | SHOW_UID},
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

/* A visit, whichever way it goes. */
struct walk {
	unix_listener_fn fn;
	void *data;
	int result; /* of the callback that ended it */
	bool ended;
};

static void visit(struct walk *walk, const struct listener *listener)
{
	walk->result = walk->fn(listener->name, listener->owner, walk->data);
	walk->ended = walk->result != 0;
}

/* Several messages come in one datagram. -EOPNOTSUPP: unix_diag isn't there. */
static int take_messages(char *data, size_t size, struct walk *walk)
{
	size_t at = 0, next;

	for (; !walk->ended && size - at >= sizeof(struct nlmsghdr); at += next) {
		struct nlmsghdr *head = (void *)(data + at);
		struct listener listener;

		/* The last one's padding may be missing: NLMSG_NEXT() would go beyond the end. */
		next = NLMSG_ALIGN(head->nlmsg_len);
		if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > size - at)
			break;
		if (next > size - at)
			next = size - at;
		if (head->nlmsg_type == NLMSG_ERROR)
			return -EOPNOTSUPP;
		if (head->nlmsg_type == NLMSG_DONE)
			walk->ended = true;
		else if (take_listener(head, &listener))
			visit(walk, &listener);
	}
	return 0;
}

static int walk_diag(struct walk *walk)
{
	char buf[32768] __attribute__((aligned(8)));
	const struct timeval wait = {.tv_sec = WAIT_S};
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r = fd < 0 ? -errno : 0;

	/* The kernel answers while we ask; but never wait for ever. */
	if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		r = -errno;
	if (r == 0)
		r = ask_diag(fd);
	while (r == 0 && !walk->ended) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		r = n <= 0 ? -EOPNOTSUPP : take_messages(buf, (size_t)n, walk);
	}
	return r;
}

/* Num: RefCount Protocol Flags Type St Inode Path */
int unix_line_parse(const char *line, size_t length, char *buf, size_t size)
{
	static const char listens[] = "00010000"; /* __SO_ACCEPTCON, include/uapi/linux/net.h */
	static const char stream[] = "0001";
	const char *end = line + length, *words[7];
	size_t n;

	for (size_t i = 0; i < ELEMENTS(words); i++) {
		words[i] = line;
		line = memchr(line, ' ', (size_t)(end - line));
		if (!line)
			return -ENOENT;
		while (line < end && *line == ' ')
			line++;
	}
	if (strncmp(words[3], listens, strlen(listens)) != 0 ||
	    strncmp(words[4], stream, strlen(stream)) != 0)
		return -ENOENT;
	n = (size_t)(end - line);
	/* NULs are shown as "@", the first of an abstract name among them. */
	if (n < 2 || line[0] != '@' || memchr(line, '\0', n))
		return -ENOENT;
	if (n > size)
		return -ENAMETOOLONG;
	memcpy(buf, line + 1, n - 1);
	buf[n - 1] = '\0';
	return 0;
}

static int walk_file(struct walk *walk)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int self = -EBADF;
	struct listener listener = {.owner = UNIX_OWNER_UNKNOWN};
	int r = proc_open(0, &self, NULL);

	if (r == 0)
		r = proc_read(self, "net/unix", FILE_LIMIT, &text);
	for (const char *at = text.data; r == 0 && !walk->ended && at && *at;) {
		size_t length = strcspn(at, "\n");

		if (unix_line_parse(at, length, listener.name, sizeof(listener.name)) == 0)
			visit(walk, &listener);
		at += length + (at[length] == '\n');
	}
	return r;
}

int unix_listeners_visit(unix_listener_fn fn, void *data)
{
	struct walk walk = {.fn = fn, .data = data};
	int r = walk_diag(&walk);

	if (r < 0) /* also in the middle: a callback may see a name twice */
		r = walk_file(&walk);
	return r < 0 ? r : walk.result;
}
