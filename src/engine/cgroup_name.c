/* SPDX-License-Identifier: MIT */
#include "engine/cgroup_name.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum { HEX_ID = 64, SHORT_ID = 12 };

struct span {
	const char *at;
	size_t length;
};

static bool span_is(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static bool take_prefix(struct span *span, const char *prefix)
{
	size_t n = strlen(prefix);

	if (span->length <= n || memcmp(span->at, prefix, n) != 0)
		return false;
	span->at += n;
	span->length -= n;
	return true;
}

static bool take_suffix(struct span *span, const char *suffix)
{
	size_t n = strlen(suffix);

	if (span->length <= n || memcmp(span->at + span->length - n, suffix, n) != 0)
		return false;
	span->length -= n;
	return true;
}

static bool is_hex_id(struct span span)
{
	if (span.length != HEX_ID)
		return false;
	for (size_t i = 0; i < HEX_ID; i++)
		if (!memchr("0123456789abcdef", span.at[i], 16))
			return false;
	return true;
}

static bool found(struct cgroup_name *ret, const char *engine, struct span id)
{
	int length = (int)(id.length < sizeof(ret->id) ? id.length : sizeof(ret->id) - 1);

	ret->engine = engine;
	(void)snprintf(ret->id, sizeof(ret->id), "%.*s", length, id.at);
	(void)snprintf(ret->name, sizeof(ret->name), "%.*s", is_hex_id(id) ? SHORT_ID : length,
		       id.at);
	return true;
}

/* What drivers put before an id of 64 digits; crio-conmon- and libpod-conmon- aren't the container's. */
static const struct {
	const char *prefix, *engine;
} drivers[] = {
	{"docker", "docker"}, {"cri-containerd", "cri"}, {"crio", "cri"},
	{"libpod", "podman"}, {"nerdctl", "containerd"},
};

/* "docker-ID.scope", "libpod-ID", and "SLICE:cri-containerd:ID" of a runtime that was told wrongly. */
static bool by_driver(struct span part, struct cgroup_name *ret)
{
	const char *colon = memrchr(part.at, ':', part.length);

	(void)take_suffix(&part, ".scope");
	for (size_t i = 0; i < ELEMENTS(drivers); i++) {
		size_t n = strlen(drivers[i].prefix);
		struct span id = part;

		if (take_prefix(&id, drivers[i].prefix) && *id.at == '-') {
			id.at++;
			id.length--;
			if (is_hex_id(id))
				return found(ret, drivers[i].engine, id);
		}
		if (colon && (size_t)(colon - part.at) > n &&
		    memcmp(colon - n, drivers[i].prefix, n) == 0 && colon[-1 - (long)n] == ':') {
			id.at = colon + 1;
			id.length = (size_t)(part.at + part.length - id.at);
			return id.length > 0 && found(ret, drivers[i].engine, id);
		}
	}
	return false;
}

/* "/docker/ID", "/kubepods/burstable/podUID/ID", or an id of anybody's. */
static bool by_digits(struct span part, struct span parent, const char *path,
		      struct cgroup_name *ret)
{
	static const char kubepods[] = "/kubepods";
	size_t before = (size_t)(part.at - path);

	if (!is_hex_id(part))
		return false;
	if (span_is(parent, "docker"))
		return found(ret, "docker", part);
	return found(ret, memmem(path, before, kubepods, strlen(kubepods)) ? "cri" : NULL, part);
}

/* systemd writes what a unit's name can't hold as \xNN: systemd-escape(1). */
static bool found_escaped(struct cgroup_name *ret, const char *engine, struct span id)
{
	size_t n = 0;

	(void)found(ret, engine, id);
	for (const char *at = ret->id; *at; at++) {
		unsigned int code;

		if (sscanf(at, "\\x%2x", &code) == 1 && code > 0) {
			ret->name[n++] = (char)code;
			at += 3;
		} else {
			ret->name[n++] = *at;
		}
	}
	ret->name[n] = '\0';
	(void)snprintf(ret->id, sizeof(ret->id), "%s", ret->name);
	return true;
}

static bool by_name(struct span part, struct span parent, struct cgroup_name *ret)
{
	struct span name = part;

	if (take_prefix(&name, "lxc.payload."))
		return found(ret, "lxc", name);
	if (span_is(parent, "lxc.payload") || span_is(parent, "lxc"))
		return found(ret, "lxc", part);
	if (take_prefix(&name, "machine-") && take_suffix(&name, ".scope"))
		return found_escaped(ret, "machine", name);
	name = part;
	if (take_prefix(&name, "systemd-nspawn@") && take_suffix(&name, ".service"))
		return found_escaped(ret, "machine", name);
	name = part;
	if ((take_prefix(&name, "runc-") || take_prefix(&name, "crun-")) &&
	    take_suffix(&name, ".scope"))
		return found(ret, "oci", name);
	return false;
}

/* The component that ends at `end`. */
static struct span component(const char *path, size_t end)
{
	size_t begin = end;

	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	return (struct span){path + begin, end - begin};
}

/* The end of the component before that. */
static size_t parent_end(const char *path, struct span part)
{
	return part.at > path ? (size_t)(part.at - path) - 1 : 0;
}

bool cgroup_name_find(const char *path, size_t length, struct cgroup_name *ret)
{
	for (size_t end = length; end > 0;) {
		struct span part = component(path, end);
		size_t next = parent_end(path, part);
		struct span parent = component(path, next);

		if (part.length > 0 &&
		    (by_driver(part, ret) || by_digits(part, parent, path, ret) ||
		     by_name(part, parent, ret))) {
			ret->length = end;
			return true;
		}
		end = next;
	}
	return false;
}

size_t cgroup_unit_length(const char *path, size_t length)
{
	for (size_t end = length; end > 0;) {
		struct span part = component(path, end);

		if (take_suffix(&part, ".service"))
			return end;
		end = parent_end(path, part);
	}
	return 0;
}
