/* SPDX-License-Identifier: MIT
 *
 * The protocol of text lines: the old one, byte for byte, and a form of it whose replies can be told apart from what's in
 * them. This comment is its specification.
 *
 * A client sends lines that end with LF (a CR before it isn't part of them); each is a shell command. They are run
 * one after the other, in their order. A line that the end of the connection cuts off isn't run: what is left of it may be another
 * command. The line `quit` ends the connection. A line may have as many bytes as the server allows. A longer one, or one
 * with a NUL in it, isn't run either, which a reply says, and the connection stays usable.
 *
 * The old form. The reply to CMD is
 *
 *	"Output from request " CMD " 2>&1:" LF  output  LF "Output from request ends." LF
 *
 * where output is stdout and stderr as they come, and the line of an error that isn't the command's own begins "conjoin: ". There
 * is no status, and output can look like the end of a reply.
 *
 * The framed form. A client whose *first* line is `#conjoin 1` gets as the answer
 *
 *	"#conjoin 1 ok" LF
 *
 * and from then on each line's reply is
 *
 *	reply  = *frame end
 *	frame  = length SP channel LF length*OCTET
 *	length = 1 … 65536, decimal, without zeros in front
 *	channel = "1"				stdout and stderr as they come; others are left for later, to be skipped by clients
 *	end    = "exit" SP 0…255 *word LF	how it ended, 128+N for signal N
 *	       / "error" SP text LF		it wasn't run; text has no control characters
 *	word   = SP "signal=" name		"TERM", "RTMIN+3"; a client leaves out words that it doesn't know
 *	       / SP "truncated"			there was more output than is given away
 *
 * so the first byte tells a frame, which begins with a digit, from an end. A first line `#conjoin N` with another N is answered
 * "#conjoin 1 only" LF, and the old form stays.
 *
 * Not here: sockets, running, and when a client is given up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/buffer.h"
#include "net/outcome.h"

enum { TEXT_FRAME_MAX = 65536 };

enum text_form { TEXT_OLD, TEXT_FRAMED };

/* --- lines --- */

enum text_event {
	TEXT_MORE,     /* nothing but the beginning of a line was left: feed more */
	TEXT_COMMAND,  /* `*ret_line` */
	TEXT_TOO_LONG, /* said once; the rest of the line is skipped as it comes */
	TEXT_HAS_NUL,  /* the line is left out */
	TEXT_HELLO, /* answer with text_add_hello(); `form` has changed, if it was one that we speak */
	TEXT_QUIT,	/* close, when what runs has been answered; nothing more is read */
	TEXT_NO_MEMORY, /* close: a part of a line was lost */
};

/* One connection's. Between lines it owns no memory, so that idle ones cost little. */
struct text_reader {
	size_t limit; /* bytes of a line, without its end; the caller sets it */
	enum text_form form;
	/* private */
	char *line;
	size_t size, room;
	bool skipping, has_nul, begun, over;
};

#define TEXT_READER_INIT {.form = TEXT_OLD}

/*
 * Takes from `*data` up to the next thing that there is to do, and moves `*data` and `*size` behind it. Call it until it
 * says TEXT_MORE; in between the caller may stop for as long as it likes, to run one command at a time, and read no more.
 * `*ret_line`, NUL-ended, `*ret_size` long, is the caller's then, to be freed; it's written for TEXT_COMMAND only.
 */
enum text_event text_reader_feed(struct text_reader *reader, const char **data, size_t *size,
				 char **ret_line, size_t *ret_size);

void text_reader_done(struct text_reader *reader);

/* --- replies, added to `out` --- */

/* The answer to TEXT_HELLO, in the form that the reader has now. */
void text_add_hello(struct buffer *out, enum text_form form);

/* Before the output of a command. Nothing in the framed form. */
void text_add_head(struct buffer *out, enum text_form form, const char *command, size_t size);

/* Output, of any size. */
void text_add_output(struct buffer *out, enum text_form form, const void *data, size_t size);

/* After it. Of `outcome` the old form tells a failure only, and that output was left out. */
void text_add_end(struct buffer *out, enum text_form form, const struct outcome *outcome);

/* The whole reply to a line that isn't run (TEXT_TOO_LONG, TEXT_HAS_NUL, or the server's refusal). Control characters in `why` are escaped. */
void text_add_error(struct buffer *out, enum text_form form, const char *why);
