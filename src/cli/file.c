/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/file.h"

#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct text {
	char *bytes;
	size_t length, room;
};

/* 0, or an errno value. */
static int
read_all(int fd, struct text *text)
{
	for (;;) {
		ssize_t n;

		if (text->length == text->room) {
			text->room = text->room == 0 ? 65536 : text->room * 2;
			text->bytes = output_memory(realloc(text->bytes, text->room));
		}
		n = read(fd, text->bytes + text->length, text->room - text->length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		text->length += (size_t)n;
		if (text->length > FILE_LIMIT)
			return EFBIG;
	}
}

static int
read_file(const char *name, struct text *text)
{
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	int code;

	if (fd < 0)
		return errno;
	code = read_all(fd, text);
	if (fd != STDIN_FILENO)
		close(fd);
	return code;
}

/* Where the first byte is that no text has, as file:line:column. */
static void
tell_not_text(const char *name, const struct text *text)
{
	unsigned line = 1;
	size_t begin = 0, end = 0, next;
	json_t *string;

	for (end = 0; end < text->length; end = next) {
		const char *newline = memchr(text->bytes + end, '\n', text->length - end);

		next = newline == NULL ? text->length : (size_t)(newline - text->bytes) + 1;
		begin = end;
		string = json_stringn(text->bytes + begin, next - begin);
		json_decref(string);
		if (string == NULL || memchr(text->bytes + begin, '\0', next - begin) != NULL)
			break;
		line++;
	}
	for (end = begin; end < text->length && text->bytes[end] != '\0'; end = next) {
		for (next = end + 1;
			next < text->length && ((unsigned char)text->bytes[next] & 0xc0) == 0x80;)
			next++;
		string = json_stringn(text->bytes + end, next - end);
		json_decref(string);
		if (string == NULL)
			break;
	}
	output_error("%s:%u:%zu: the file is not text: the byte 0x%02x is not UTF-8", name, line,
		end - begin + 1, end < text->length ? (unsigned char)text->bytes[end] : 0);
}

json_t *
file_input(const char *name)
{
	const char *shown = strcmp(name, "-") == 0 ? "standard input" : name;
	struct text text = { 0 };
	json_t *input = NULL, *yaml = NULL;
	int code = read_file(name, &text);

	if (code == EFBIG)
		output_error("%s is longer than %u MB", shown, FILE_LIMIT >> 20);
	else if (code != 0)
		output_error("cannot read %s: %s", shown, strerror(code));
	else if (memchr(text.bytes, '\0', text.length) != NULL ||
		 (yaml = json_stringn(text.bytes, text.length)) == NULL)
		tell_not_text(shown, &text);
	else
		input = output_memory(json_pack("{ss so}", "file", shown, "yaml", yaml));
	free(text.bytes);
	return input;
}

static int
write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/* Beside it first, so that a full disk leaves the old file whole. */
static int
replace(const char *name, const char *text)
{
	char *beside = output_format("%s.XXXXXX", name);
	mode_t mask = umask(0);
	int fd = mkostemp(beside, O_CLOEXEC), code;

	umask(mask);
	if (fd < 0) {
		code = errno;
		free(beside);
		return code;
	}
	fchmod(fd, 0666 & ~mask);
	code = write_all(fd, text);
	if (code == 0 && fsync(fd) != 0)
		code = errno;
	if (close(fd) != 0 && code == 0)
		code = errno;
	if (code == 0 && rename(beside, name) != 0)
		code = errno;
	if (code != 0)
		unlink(beside);
	free(beside);
	return code;
}

/* A device, a pipe or a link to elsewhere is written into, not replaced. */
static int
write_into(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC), code;

	if (fd < 0)
		return errno;
	code = write_all(fd, text);
	if (close(fd) != 0 && code == 0)
		code = errno;
	return code;
}

bool
file_write(const char *name, const char *text)
{
	struct stat status;
	bool there = lstat(name, &status) == 0;
	int code = there && !S_ISREG(status.st_mode) ? write_into(name, text) : replace(name, text);

	if (code == 0)
		return true;
	output_error("cannot write %s: %s", name, strerror(code));
	return false;
}
