/* SPDX-License-Identifier: MIT
 *
 * Bearer tokens, RFC 6750: the file that names those that are good, what a client shows, and whether it's one of them.
 * Not here: what is done with those who show a wrong one (throttle.h).
 *
 *	# one a line; blank lines and lines that begin with # are left out
 *	TOKEN
 *	NAME TOKEN
 *
 * A token consists of letters, digits and -._~+/ with = at its end, since a client can show no other. A name has up to
 * 64 characters of printable ASCII. Several tokens may have one name: that's how they are replaced one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

enum {
	TOKENS_FILE_MAX = 1024 * 1024, /* bytes */
	TOKENS_MAX = 1024,
	TOKEN_SIZE_MAX =
		512, /* characters; a JSON web token as a rule doesn't fit, and isn't checked here either */
	TOKEN_NAME_MAX = 64,
};

struct token;

/* Owns its tokens, whose memory is wiped when it's let go of. */
struct tokens {
	struct token *items;
	size_t n;
};

#define TOKENS_INIT {.items = NULL}

/*
 * Replaces all tokens by those of the text, if that can be done; else they stay as they are.
 *
 *	EINVAL	the error names the line, never what's in it
 *	ENODATA	there are none: nobody could get in, which nobody means
 */
int tokens_parse(struct tokens *tokens, const char *text, size_t size, struct cj_error *err);

/*
 * The same from a file, at the start and when it's to be read again. `*ret_exposed`: others than its owner may read it.
 *
 *	EINVAL	as above, or it isn't a regular file
 *	EFBIG	more than TOKENS_FILE_MAX
 */
int tokens_load(struct tokens *tokens, const char *path, bool *ret_exposed, struct cj_error *err);

/*
 * The name of the token that `candidate` is, "" if it has none; NULL: it's none of them. It lives until the next load.
 * How long this takes depends on how many tokens there are, and on the length of `candidate`, which who sent it knows.
 */
const char *tokens_check(const struct tokens *tokens, const char *candidate, size_t length);

/* The first, which is what a client shows. There is always one after a successful load. */
const char *tokens_first(const struct tokens *tokens);

void tokens_done(struct tokens *tokens);

/*
 * The token of an `Authorization:` header's value, as a part of it.
 *
 *	EINVAL	another scheme, or no token behind it
 */
int bearer_parse(const char *value, size_t size, const char **ret, size_t *ret_size);

/*
 * The token that a client which can't set headers hides among the subprotocols that it offers (Kubernetes' way):
 * `base64url.bearer.authorization.k8s.io.` and the token in base64url. `buf` has TOKEN_SIZE_MAX bytes; wipe it after use.
 *
 *	ENOENT	there is none
 *	EINVAL	more than one, or what is there isn't a token
 */
int bearer_from_offer(const char *offer, size_t size, char *buf, size_t *ret_size);

/* One of the words of an offer is such a token: it must not be chosen as a subprotocol. */
bool bearer_is_subprotocol(const char *word, size_t size);
