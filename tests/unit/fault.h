/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes one call fail: the N-th of those that the armed thread makes, out of libweft, of the
 * functions listed here (the linker's --wrap leads them past us; meson.build has the same
 * list). For one test program; everything is static but what the linker needs.
 */
#ifndef WEFT_TESTS_FAULT_H
#define WEFT_TESTS_FAULT_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FAULT_KILLED 86 /* exit status */

static __thread struct {
	bool armed, kill, fired;
	unsigned at, count;
	const char *name; /* of the call that failed */
} fault;

static inline void
fault_arm(unsigned at, bool kill)
{
	fault.at = at;
	fault.kill = kill;
	fault.count = 0;
	fault.fired = false;
	fault.name = "none";
	fault.armed = true;
}

/* Whether a call has failed. */
static inline bool
fault_disarm(void)
{
	fault.armed = false;
	return fault.fired;
}

static inline bool
fault_now(const char *name, int code)
{
	if (!fault.armed || ++fault.count != fault.at)
		return false;
	if (fault.kill)
		_exit(FAULT_KILLED);
	fault.fired = true;
	fault.name = name;
	errno = code;
	return true;
}

#define FAULT(type, failed, code, name, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		return fault_now(#name, code) ? failed : __real_##name arguments; \
	}

FAULT(void *, NULL, ENOMEM, malloc, (size_t size), (size))
FAULT(void *, NULL, ENOMEM, calloc, (size_t count, size_t size), (count, size))
FAULT(void *, NULL, ENOMEM, realloc, (void *old, size_t size), (old, size))
FAULT(void *, NULL, ENOMEM, aligned_alloc, (size_t align, size_t size), (align, size))
FAULT(char *, NULL, ENOMEM, strdup, (const char *text), (text))
FAULT(void *, (void *)-1, ENOMEM, mmap64,
	(void *at, size_t length, int protection, int flags, int file, off_t offset),
	(at, length, protection, flags, file, offset))
FAULT(int, -1, EMFILE, open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
FAULT(int, -1, EMFILE, openat64, (int folder, const char *path, int flags, mode_t mode),
	(folder, path, flags, mode))
FAULT(int, -1, EMFILE, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAULT(int, -1, EPERM, ioctl, (int file, unsigned long request, void *argument),
	(file, request, argument))
FAULT(int, -1, EPERM, setns, (int file, int kind), (file, kind))
FAULT(int, -1, EPERM, mount,
	(const char *what, const char *where, const char *type, unsigned long flags,
		const void *data),
	(what, where, type, flags, data))
FAULT(int, EAGAIN, EAGAIN, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes, void *(*function)(void *),
		void *argument),
	(thread, attributes, function, argument))
FAULT(ssize_t, -1, ENOBUFS, send, (int file, const void *bytes, size_t length, int flags),
	(file, bytes, length, flags))
FAULT(ssize_t, -1, EIO, recv, (int file, void *bytes, size_t length, int flags),
	(file, bytes, length, flags))
FAULT(ssize_t, -1, ENOSPC, write, (int file, const void *bytes, size_t length),
	(file, bytes, length))
FAULT(ssize_t, -1, EIO, read, (int file, void *bytes, size_t length), (file, bytes, length))
FAULT(int, -1, EIO, fsync, (int file), (file))
FAULT(int, -1, EIO, renameat, (int from_folder, const char *from, int to_folder, const char *to),
	(from_folder, from, to_folder, to))
FAULT(int, -1, EIO, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
FAULT(int, -1, EIO, mkdir, (const char *path, mode_t mode), (path, mode))
FAULT(int, -1, EIO, flock, (int file, int operation), (file, operation))
FAULT(int, -1, EIO, fstat64, (int file, struct stat *status), (file, status))

/* The file is closed whatever close() says. */
int __real_close(int file);
int __wrap_close(int file);

int
__wrap_close(int file)
{
	bool failed = fault_now("close", EIO);
	int result = __real_close(file);

	if (failed)
		errno = EIO;
	return failed ? -1 : result;
}

#endif
