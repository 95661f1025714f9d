/* SPDX-License-Identifier: MIT */
#include "sys/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	WINDOW = 16384, /* and the longest text; RUNPATHs of several kilobytes exist */
	HEADERS_LIMIT =
		1170, /* 64 KiB of them, as the kernel: load_elf_phdrs() in fs/binfmt_elf.c */
	ENTRIES_LIMIT = 65536, /* of the dynamic section */
	NEEDED_LIMIT = 4096,
	SEGMENT_LIMIT = 8 << 20, /* of constants that are searched */
};

/* A file seen through a window: whoever reads things that stand together reads them once. */
struct view {
	int fd;
	uint64_t size;
	uint64_t at;
	size_t n;
	unsigned char data[WINDOW];
};

struct segment {
	uint32_t type, flags;
	uint64_t offset, address, size;
};

struct head {
	unsigned int type;
	uint64_t entry, segments_at;
	size_t n_segments, segment_size;
};

/* What the dynamic section says; offsets into its table of texts. */
struct dynamic {
	uint64_t table, table_size; /* its address */
	uint64_t soname, rpath, runpath;
	bool has_soname, has_rpath, has_runpath;
	uint64_t *needed;
	size_t n_needed;
	bool no_default;
};

static void dynamic_done(struct dynamic *dynamic)
{
	free(dynamic->needed);
}

void elf_done(struct elf *elf)
{
	free(elf->interpreter);
	free(elf->soname);
	free(elf->rpath);
	free(elf->runpath);
	for (size_t i = 0; i < elf->n_needed; i++)
		free(elf->needed[i]);
	free(elf->needed);
	*elf = (struct elf)ELF_INIT;
}

static int fill(struct view *view, uint64_t at)
{
	uint64_t left = view->size - at;
	size_t wanted = left < WINDOW ? (size_t)left : WINDOW;
	ssize_t n;

	view->at = at;
	view->n = 0;
	while (view->n < wanted) {
		n = pread(view->fd, view->data + view->n, wanted - view->n, (off_t)(at + view->n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG; /* it has shrunk */
		view->n += (size_t)n;
	}
	return 0;
}

/* Copies `size` bytes, at most WINDOW. */
static int view_read(struct view *view, uint64_t at, void *to, size_t size)
{
	int r;

	if (at > view->size || size > view->size - at)
		return -EBADMSG;
	if (at < view->at || at - view->at > view->n || size > view->n - (at - view->at)) {
		r = fill(view, at);
		if (r < 0)
			return r;
	}
	memcpy(to, view->data + (at - view->at), size);
	return 0;
}

/* A text that ends before `limit` bytes are over. */
static int view_text(struct view *view, uint64_t at, uint64_t limit, char **ret)
{
	const unsigned char *from;
	size_t room;
	char *text;
	int r;

	if (at > view->size || limit > view->size - at)
		return -EBADMSG;
	for (int filled = 0;; filled++) {
		if (at >= view->at && at - view->at < view->n) {
			from = view->data + (at - view->at);
			room = view->n - (size_t)(at - view->at);
			if (room > limit)
				room = (size_t)limit;
			if (memchr(from, '\0', room))
				break;
		}
		if (filled || limit == 0)
			return -EBADMSG;
		r = fill(view, at);
		if (r < 0)
			return r;
	}
	text = strdup((const char *)from);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int read_head(struct view *view, int bits, struct head *ret, uint16_t *ret_machine)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;
	int r;

	if (bits == 64) {
		r = view_read(view, 0, &wide, sizeof(wide));
		if (r < 0)
			return r;
		*ret = (struct head){wide.e_type, wide.e_entry, wide.e_phoff, wide.e_phnum,
				     wide.e_phentsize};
		*ret_machine = wide.e_machine;
		return 0;
	}
	r = view_read(view, 0, &narrow, sizeof(narrow));
	if (r < 0)
		return r;
	*ret = (struct head){narrow.e_type, narrow.e_entry, narrow.e_phoff, narrow.e_phnum,
			     narrow.e_phentsize};
	*ret_machine = narrow.e_machine;
	return 0;
}

static int read_segment(struct view *view, int bits, uint64_t at, struct segment *ret)
{
	Elf64_Phdr wide;
	Elf32_Phdr narrow;
	int r;

	if (bits == 64) {
		r = view_read(view, at, &wide, sizeof(wide));
		if (r == 0)
			*ret = (struct segment){wide.p_type, wide.p_flags, wide.p_offset,
						wide.p_vaddr, wide.p_filesz};
		return r;
	}
	r = view_read(view, at, &narrow, sizeof(narrow));
	if (r == 0)
		*ret = (struct segment){narrow.p_type, narrow.p_flags, narrow.p_offset,
					narrow.p_vaddr, narrow.p_filesz};
	return r;
}

/* They are kept: addresses are looked up in them. The caller frees them. */
static int read_segments(struct view *view, int bits, const struct head *head, struct segment **ret)
{
	size_t size = bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	_cleanup_free_ struct segment *segments = NULL;
	int r;

	if (head->n_segments > HEADERS_LIMIT ||
	    (head->n_segments > 0 && head->segment_size != size))
		return -EBADMSG;
	segments = calloc(head->n_segments + 1, sizeof(*segments));
	if (!segments)
		return -ENOMEM;
	for (size_t i = 0; i < head->n_segments; i++) {
		if (head->segments_at > UINT64_MAX - i * size)
			return -EBADMSG;
		r = read_segment(view, bits, head->segments_at + i * size, &segments[i]);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(segments);
	return 0;
}

static const struct segment *find_segment(const struct segment *segments, size_t n, uint32_t type)
{
	for (size_t i = 0; i < n; i++)
		if (segments[i].type == type)
			return &segments[i];
	return NULL;
}

/* What an address in memory is in the file, and how much follows there. */
static int find_address(const struct segment *segments, size_t n, uint64_t address,
			uint64_t *ret_at, uint64_t *ret_left)
{
	for (size_t i = 0; i < n; i++) {
		const struct segment *s = &segments[i];

		if (s->type != PT_LOAD || address < s->address || address - s->address >= s->size)
			continue;
		if (s->offset > UINT64_MAX - (address - s->address))
			return -EBADMSG;
		*ret_at = s->offset + (address - s->address);
		*ret_left = s->size - (address - s->address);
		return 0;
	}
	return -EBADMSG;
}

static int add_needed(struct dynamic *dynamic, uint64_t value)
{
	uint64_t *grown;

	if (dynamic->n_needed == NEEDED_LIMIT)
		return -EBADMSG;
	/* powers of two */
	if ((dynamic->n_needed & (dynamic->n_needed - 1)) == 0) {
		grown = reallocarray(dynamic->needed, dynamic->n_needed * 2 + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		dynamic->needed = grown;
	}
	dynamic->needed[dynamic->n_needed++] = value;
	return 0;
}

static int take_entry(struct dynamic *dynamic, int64_t tag, uint64_t value)
{
	switch (tag) {
	case DT_NEEDED:
		return add_needed(dynamic, value);
	case DT_STRTAB:
		dynamic->table = value;
		break;
	case DT_STRSZ:
		dynamic->table_size = value;
		break;
	case DT_SONAME:
		dynamic->soname = value;
		dynamic->has_soname = true;
		break;
	case DT_RPATH:
		dynamic->rpath = value;
		dynamic->has_rpath = true;
		break;
	case DT_RUNPATH:
		dynamic->runpath = value;
		dynamic->has_runpath = true;
		break;
	case DT_FLAGS_1:
		dynamic->no_default = value & DF_1_NODEFLIB;
		break;
	default:
		break;
	}
	return 0;
}

static int read_entry(struct view *view, int bits, uint64_t at, Elf64_Dyn *ret)
{
	Elf32_Dyn narrow;
	int r;

	if (bits == 64)
		return view_read(view, at, ret, sizeof(*ret));
	r = view_read(view, at, &narrow, sizeof(narrow));
	if (r == 0)
		*ret = (Elf64_Dyn){narrow.d_tag, {narrow.d_un.d_val}};
	return r;
}

static int read_dynamic(struct view *view, int bits, const struct segment *from,
			struct dynamic *ret)
{
	size_t size = bits == 64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t n = from->size / size;

	if (from->offset > view->size || from->size > view->size - from->offset ||
	    n > ENTRIES_LIMIT)
		return -EBADMSG;
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Dyn entry = {.d_tag = DT_NULL};
		int r = read_entry(view, bits, from->offset + i * size, &entry);

		if (r == 0 && entry.d_tag == DT_NULL)
			break;
		if (r == 0)
			r = take_entry(ret, entry.d_tag, entry.d_un.d_val);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The texts that the dynamic section names. */
struct texts {
	struct view *view;
	uint64_t at, size; /* the table of them, in the file */
};

static int take_text(const struct texts *texts, uint64_t offset, char **ret)
{
	if (offset >= texts->size)
		return -EBADMSG;
	return view_text(texts->view, texts->at + offset, texts->size - offset, ret);
}

static int take_texts(const struct texts *texts, const struct dynamic *dynamic, struct elf *ret)
{
	int r = 0;

	ret->needed = calloc(dynamic->n_needed + 1, sizeof(*ret->needed));
	if (!ret->needed)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < dynamic->n_needed; i++) {
		r = take_text(texts, dynamic->needed[i], &ret->needed[i]);
		if (r == 0)
			ret->n_needed++;
	}
	if (r == 0 && dynamic->has_soname)
		r = take_text(texts, dynamic->soname, &ret->soname);
	if (r == 0 && dynamic->has_rpath)
		r = take_text(texts, dynamic->rpath, &ret->rpath);
	if (r == 0 && dynamic->has_runpath)
		r = take_text(texts, dynamic->runpath, &ret->runpath);
	return r;
}

static int take_dynamic(struct view *view, const struct segment *segments, size_t n,
			struct elf *ret)
{
	const struct segment *from = find_segment(segments, n, PT_DYNAMIC);
	_cleanup_(dynamic_done) struct dynamic dynamic = {.needed = NULL};
	struct texts texts = {.view = view};
	uint64_t left;
	int r;

	if (!from)
		return 0;
	r = read_dynamic(view, ret->bits, from, &dynamic);
	if (r < 0)
		return r;
	ret->no_default = dynamic.no_default;
	if (dynamic.n_needed == 0 && !dynamic.has_soname && !dynamic.has_rpath &&
	    !dynamic.has_runpath)
		return 0;
	r = find_address(segments, n, dynamic.table, &texts.at, &left);
	if (r < 0)
		return r;
	texts.size = dynamic.table_size < left ? dynamic.table_size : left;
	if (texts.at > view->size || texts.size > view->size - texts.at)
		return -EBADMSG;
	return take_texts(&texts, &dynamic, ret);
}

static int take_interpreter(struct view *view, const struct segment *segments, size_t n,
			    struct elf *ret)
{
	const struct segment *from = find_segment(segments, n, PT_INTERP);
	int r;

	if (!from)
		return 0;
	r = view_text(view, from->offset, from->size, &ret->interpreter);
	if (r == 0 && ret->interpreter[0] == '\0')
		r = -EBADMSG;
	return r;
}

/* A program without a loader that may lie anywhere has an entry and needs nothing. */
static enum elf_kind find_kind(const struct head *head, const struct elf *elf)
{
	if (head->type != ET_EXEC && head->type != ET_DYN)
		return ELF_OTHER;
	if (elf->interpreter)
		return ELF_DYNAMIC;
	if (head->type == ET_DYN && (elf->n_needed > 0 || head->entry == 0))
		return ELF_LIBRARY;
	return ELF_STATIC;
}

/* 32, 64, or why it can't be read. */
static int find_bits(struct view *view)
{
	static const uint16_t one = 1;
	unsigned char ident[EI_NIDENT];
	int own = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	int r = view_read(view, 0, ident, sizeof(ident));

	if (r < 0)
		return r == -EBADMSG ? -ENOEXEC : r;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (ident[EI_DATA] != own || ident[EI_VERSION] != EV_CURRENT)
		return -ENOTSUP;
	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return -ENOTSUP;
	return ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
}

static int open_view(int fd, struct view *view, struct head *ret_head, struct elf *ret,
		     struct segment **ret_segments)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	view->fd = fd;
	view->size = (uint64_t)st.st_size;
	view->at = view->n = 0;
	r = find_bits(view);
	if (r < 0)
		return r;
	ret->bits = r;
	r = read_head(view, ret->bits, ret_head, &ret->machine);
	return r < 0 ? r : read_segments(view, ret->bits, ret_head, ret_segments);
}

int elf_read(int fd, struct elf *ret)
{
	_cleanup_(elf_done) struct elf elf = ELF_INIT;
	_cleanup_free_ struct segment *segments = NULL;
	struct view view;
	struct head head = {.type = ET_NONE};
	int r = open_view(fd, &view, &head, &elf, &segments);

	if (r == 0)
		r = take_interpreter(&view, segments, head.n_segments, &elf);
	if (r == 0)
		r = take_dynamic(&view, segments, head.n_segments, &elf);
	if (r < 0)
		return r;
	elf.kind = find_kind(&head, &elf);
	*ret = elf;
	elf = (struct elf)ELF_INIT;
	return 0;
}

static int search_segment(int fd, const struct segment *in, const char *const *texts, size_t n,
			  uint32_t *found)
{
	_cleanup_free_ char *data = NULL;
	size_t size = in->size < SEGMENT_LIMIT ? (size_t)in->size : SEGMENT_LIMIT;
	ssize_t got;

	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	got = pread(fd, data, size, (off_t)in->offset);
	if (got < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (!(*found & 1U << i) &&
		    memmem(data, (size_t)got, texts[i], strlen(texts[i]) + 1))
			*found |= 1U << i;
	return 0;
}

int elf_find_texts(int fd, const char *const *texts, size_t n, uint32_t *ret)
{
	_cleanup_(elf_done) struct elf elf = ELF_INIT;
	_cleanup_free_ struct segment *segments = NULL;
	struct view view;
	struct head head = {.type = ET_NONE};
	uint32_t found = 0;
	int r = open_view(fd, &view, &head, &elf, &segments);

	/* Linkers put constants beside the code if they aren't told to separate them. */
	for (uint32_t code = 0; r == 0 && !found && code <= PF_X; code += PF_X)
		for (size_t i = 0; r == 0 && i < head.n_segments; i++)
			if (segments[i].type == PT_LOAD && !(segments[i].flags & PF_W) &&
			    (segments[i].flags & PF_X) == code)
				r = search_segment(fd, &segments[i], texts, n, &found);
	if (r == 0)
		*ret = found;
	return r;
}
