/* SPDX-License-Identifier: MIT
 *
 * conjoin ps for other programs: JSON, and the language of Graphviz.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "cli/print_items.h"
#include "cli/ps.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_text(text) : json_null();
}

static json_t *number_or_null(uint64_t number)
{
	return number == CJ_LIST_UNKNOWN || number > INT64_MAX ? json_null()
							       : json_integer((json_int_t)number);
}

/* "KEY=VALUE" each → an object; null where there is nothing to tell them. */
static json_t *labels_object(const char *const *labels)
{
	json_t *object = labels ? json_object() : json_null();

	for (; labels && *labels; labels++) {
		const char *equals = strchr(*labels, '=');
		_cleanup_free_ char *key = equals ? strndup(*labels, (size_t)(equals - *labels))
						  : NULL;
		json_t *name = key ? json_text(key) : NULL;

		if (name)
			(void)json_object_set_new(object, json_string_value(name),
						  json_text(equals + 1));
		json_decref(name);
	}
	return object;
}

static json_t *engines_array(const char *const *engines)
{
	json_t *array = json_array();

	for (; *engines; engines++)
		(void)json_array_append_new(array, json_string(*engines));
	return array;
}

static json_t *target_object(const struct cj_list_target *target)
{
	json_t *namespaces = json_object(), *own = json_array(), *special = json_array();

	for (unsigned int kind = 0; kind < CJ_NAMESPACE_KINDS; kind++) {
		const char *name = ps_kind_name((enum cj_namespace_kind)kind);

		if (target->namespaces[kind])
			(void)json_object_set_new(namespaces, name,
						  number_or_null(target->namespaces[kind]));
		if (target->own & 1U << kind)
			(void)json_array_append_new(own, json_string(name));
	}
	for (size_t i = 0; i < target->n_special; i++)
		(void)json_array_append_new(special, json_string(target->special[i]));
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:i, s:s, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o}",
		"type", "target", "engine", text_or_null(target->engine), "name",
		json_text(target->name), "id", text_or_null(target->id), "pid", (int)target->pid,
		"handle", target->handle, "processes", (json_int_t)target->processes, "memory",
		number_or_null(target->memory), "cpu", number_or_null(target->cpu), "age",
		(json_int_t)target->age, "special", special, "namespaces", namespaces, "own", own,
		"image", text_or_null(target->image), "bundle", text_or_null(target->bundle),
		"labels", labels_object(target->labels), "engines", engines_array(target->engines));
}

static json_t *namespace_object(const struct cj_list_namespace *one)
{
	return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "type", "namespace", "kind",
			 ps_kind_name(one->kind), "inode", number_or_null(one->inode), "holder",
			 ps_holder_name(one->holder), "pid",
			 one->pid ? json_integer(one->pid) : json_null(), "process",
			 text_or_null(one->process), "fd",
			 one->path ? json_null() : json_integer(one->fd), "path",
			 text_or_null(one->path));
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

int ps_print_json(const struct ps_view *view, FILE *out)
{
	_cleanup_(free_json) json_t *all = json_array();

	for (size_t i = 0; i < view->n; i++)
		if (json_array_append_new(all, target_object(view->targets[i])) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < view->n_namespaces; i++)
		if (json_array_append_new(all, namespace_object(&view->namespaces[i])) < 0)
			return -ENOMEM;
	if (!all)
		return -ENOMEM;
	(void)json_dumpf(all, out,
			 JSON_INDENT(2) |
				 JSON_ENSURE_ASCII); /* a full disk shows at the final flush */
	(void)fputc('\n', out);
	return 0;
}

/*
 * Within the quotes of a label: backslash and quote have a meaning, "&" begins an entity, and control
 * characters are written as \xNN before.
 */
static void print_label(const char *text, FILE *out)
{
	char safe[2048];

	(void)text_escape(safe, sizeof(safe), text);
	for (const char *at = safe; *at; at++) {
		if (*at == '\\' || *at == '"')
			(void)fputc('\\', out);
		if (*at == '&')
			(void)fputs("&amp;", out);
		else
			(void)fputc(*at, out);
	}
}

static void print_target(const struct cj_list_target *target, size_t i, FILE *out)
{
	(void)fprintf(out, "\tt%zu [shape=box, label=\"", i);
	if (target->engine)
		(void)fprintf(out, "%s ", target->engine);
	print_label(target->name, out);
	(void)fprintf(out, "\\npid %d", target->pid);
	for (size_t k = 0; k < target->n_special; k++)
		(void)fprintf(out, "%s%s", k ? ", " : "\\n", target->special[k]);
	(void)fputs("\"];\n", out);
}

/* Holders of one namespace come one after the other. */
static void print_held(const struct ps_view *view, FILE *out)
{
	for (size_t i = 0; i < view->n_namespaces; i++) {
		const struct cj_list_namespace *one = &view->namespaces[i];
		const char *kind = ps_kind_name(one->kind);

		(void)fprintf(out, "\t%s%" PRIu64 " [label=\"%s\\n%" PRIu64 "\", style=dashed];\n",
			      kind, one->inode, kind, one->inode);
		(void)fprintf(out, "\th%zu [shape=note, label=\"%s ", i,
			      ps_holder_name(one->holder));
		if (one->path) {
			print_label(one->path, out);
		} else {
			(void)fprintf(out, "%d of %d ", one->fd, one->pid);
			print_label(one->process, out);
		}
		(void)fprintf(out, "\"];\n\th%zu -- %s%" PRIu64 " [style=dashed];\n", i, kind,
			      one->inode);
	}
}

int ps_print_graph(const struct ps_view *view, bool with_ours, FILE *out)
{
	_cleanup_free_ struct ps_link *links = NULL;
	size_t n;
	int r = ps_links(view, with_ours, &links, &n);

	if (r < 0)
		return r;
	(void)fputs("graph conjoin {\n", out);
	for (size_t i = 0; i < view->n; i++)
		print_target(view->targets[i], i, out);
	for (size_t i = 0; i < n; i++) {
		const char *kind = ps_kind_name(links[i].kind);

		if (i == 0 || links[i - 1].kind != links[i].kind ||
		    links[i - 1].inode != links[i].inode)
			(void)fprintf(out, "\t%s%" PRIu64 " [label=\"%s\\n%" PRIu64 "\"];\n", kind,
				      links[i].inode, kind, links[i].inode);
		(void)fprintf(out, "\tt%zu -- %s%" PRIu64 ";\n", links[i].target, kind,
			      links[i].inode);
	}
	print_held(view, out);
	(void)fputs("}\n", out);
	return 0;
}
