/* SPDX-License-Identifier: MIT */
#include "sys/mountinfo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mount_word next_word(const char **line)
{
	struct mount_word word = {*line, strcspn(*line, " \n")};

	*line += word.length + ((*line)[word.length] == ' ');
	return word;
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER-OPTIONS */
bool mountinfo_next(const char **text, struct mount_line *ret)
{
	const char *line = *text;
	struct mount_word tag;

	if (!*line)
		return false;
	ret->id = next_word(&line);
	(void)next_word(&line);
	ret->device = next_word(&line);
	ret->root = next_word(&line);
	ret->point = next_word(&line);
	ret->attributes = next_word(&line);
	do
		tag = next_word(&line);
	while (tag.length > 0 && !mount_word_is(tag, "-"));
	ret->type = next_word(&line);
	ret->source = next_word(&line);
	ret->options = next_word(&line);
	line += strcspn(line, "\n");
	*text = line + (*line == '\n');
	return true;
}

bool mount_word_is(struct mount_word word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.at, text, word.length) == 0;
}

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
	       at[2] <= '7';
}

int mount_word_copy(struct mount_word word, char *buf, size_t size)
{
	size_t n = 0;

	for (const char *at = word.at, *end = at + word.length; at < end; at++) {
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		if (*at == '\\' && end - at >= 4 && is_octal(at + 1)) {
			buf[n++] = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 3;
		} else {
			buf[n++] = *at;
		}
	}
	buf[n] = '\0';
	return (int)n;
}

char *mount_word_text(struct mount_word word)
{
	char *plain = malloc(word.length + 1);

	if (plain) /* it only gets shorter */
		(void)mount_word_copy(word, plain, word.length + 1);
	return plain;
}

/* The length of an option that may have escaped commas. */
static size_t option_length(const char *at, const char *end)
{
	const char *start = at;

	for (; at < end && *at != ','; at++)
		if (*at == '\\' && at + 1 < end)
			at++;
	return (size_t)(at - start);
}

bool mount_option(struct mount_word options, const char *name, struct mount_word *ret)
{
	const char *at = options.at, *end = at + options.length;
	size_t length = strlen(name);

	while (at < end) {
		size_t n = option_length(at, end);

		if (n > length && strncmp(at, name, length) == 0 && at[length] == '=') {
			*ret = (struct mount_word){at + length + 1, n - length - 1};
			return true;
		}
		at += n + 1;
	}
	return false;
}
