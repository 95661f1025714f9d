/* SPDX-License-Identifier: MIT */
#include "net/bearer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "net/base64.h"
#include "net/offer.h"
#include "net/tokens.h"

static const char subprotocol[] = "base64url.bearer.authorization.k8s.io.";

static bool is_token_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~+/", c));
}

bool bearer_is_token(const char *text, size_t size)
{
	size_t n = 0;

	while (n < size && is_token_character(text[n]))
		n++;
	if (n == 0)
		return false;
	while (n < size && text[n] == '=')
		n++;
	return n == size;
}

int bearer_parse(const char *value, size_t size, const char **ret, size_t *ret_size)
{
	static const char scheme[] = "Bearer";
	const size_t length = sizeof(scheme) - 1;
	const char *at;

	if (size <= length || strncasecmp(value, scheme, length) != 0 || value[length] != ' ')
		return -EINVAL;
	size -= length;
	for (at = value + length; size > 0 && *at == ' '; at++)
		size--;
	while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
		size--;
	if (!bearer_is_token(at, size))
		return -EINVAL;
	*ret = at;
	*ret_size = size;
	return 0;
}

bool bearer_is_subprotocol(const char *word, size_t size)
{
	const size_t length = sizeof(subprotocol) - 1;

	return size >= length && memcmp(word, subprotocol, length) == 0;
}

/* The token of one such word. */
static int decode_word(const char *word, size_t size, char *buf, size_t *ret_size)
{
	char decoded[BASE64_DECODED_MAX(TOKEN_SIZE_MAX * 4 / 3 + 1)];
	const size_t length = sizeof(subprotocol) - 1;
	size_t n = 0;
	int r = -EINVAL;

	if (size - length <=
	    TOKEN_SIZE_MAX * 4 / 3 + 1) /* so many digits are TOKEN_SIZE_MAX bytes */
		r = base64_decode(BASE64_URL, word + length, size - length, decoded, &n);
	if (r == 0 && !bearer_is_token(decoded, n))
		r = -EINVAL;
	if (r == 0) {
		memcpy(buf, decoded, n);
		*ret_size = n;
	}
	explicit_bzero(decoded, sizeof(decoded));
	return r;
}

int bearer_from_offer(const char *offer, size_t size, char *buf, size_t *ret_size)
{
	const char *word, *found = NULL;
	size_t length, found_length = 0;

	while (offer_next(&offer, &size, &word, &length)) {
		if (!bearer_is_subprotocol(word, length))
			continue;
		if (found)
			return -EINVAL;
		found = word;
		found_length = length;
	}
	return found ? decode_word(found, found_length, buf, ret_size) : -ENOENT;
}
