/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/identity.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FILE_NAME "identity"
#define NEW_NAME "identity.new"
#define TEXT_SIZE 18 /* 16 digits, a newline, NUL */

/* The file's own text, or -1: it has none of that form. */
static int
parse(const char *text, ssize_t length, uint64_t *identity)
{
	if (length != TEXT_SIZE - 1 || text[length - 1] != '\n' ||
		strspn(text, "0123456789abcdef") != TEXT_SIZE - 2)
		return -1;
	*identity = strtoull(text, NULL, 16);
	return *identity != 0 ? 0 : -1;
}

/* 0; -1 with errno: there is none; 1: what is there is broken. */
static int
load(int folder, uint64_t *identity)
{
	int file = openat(folder, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[TEXT_SIZE + 1] = "";
	ssize_t length;

	if (file < 0)
		return -1;
	do
		length = read(file, text, TEXT_SIZE);
	while (length < 0 && errno == EINTR);
	close(file);
	return parse(text, length, identity) == 0 ? 0 : 1;
}

/* Through to the disk. -1 with errno. */
static int
write_new(int folder, const char *text)
{
	int file = openat(
		folder, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t wrote;
	int why;

	if (file < 0)
		return -1;
	errno = EIO; /* of a short write */
	wrote = write(file, text, strlen(text));
	if (wrote == (ssize_t)strlen(text) && fsync(file) == 0)
		return close(file);
	why = errno;
	close(file);
	errno = why;
	return -1;
}

/* The file is the old one or the new one, whatever happens. -1 with errno. */
static int
store(int folder, uint64_t identity)
{
	char text[TEXT_SIZE];
	int why;

	snprintf(text, sizeof(text), "%016" PRIx64 "\n", identity);
	if (write_new(folder, text) == 0 && renameat(folder, NEW_NAME, folder, FILE_NAME) == 0)
		return fsync(folder);
	why = errno;
	unlinkat(folder, NEW_NAME, 0);
	errno = why;
	return -1;
}

static uint64_t
make(void)
{
	uint64_t identity = 0;

	while (identity == 0)
		if (getrandom(&identity, sizeof(identity), 0) != sizeof(identity))
			identity = 0;
	return identity;
}

uint64_t
identity_read(const char *folder)
{
	int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t identity = 0;
	int found = at >= 0 ? load(at, &identity) : -1, why;

	if (found == 0) {
		close(at);
		return identity;
	}
	why = errno;
	identity = make();
	if (found == 1)
		log_warning("%s/" FILE_NAME
			    " is broken: a new one is made, and routers get other MACs",
			folder);
	else if (why != ENOENT)
		log_warning("cannot read %s/" FILE_NAME ": %s", folder, strerror(why));
	errno = why;
	if (at < 0 || store(at, identity) < 0)
		log_warning("cannot keep %s/" FILE_NAME
			    ": %s; routers get other MACs at the next start",
			folder, strerror(errno));
	if (at >= 0)
		close(at);
	return identity;
}
