/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/netns.h"

#include "base/error.h"
#include "base/thread.h"
#include "nic/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOPBACK_INDEX 1 /* the first interface of every namespace */

/* The calling thread's own one. */
#define OWN_NETNS "/proc/thread-self/ns/net"

static int
failed(struct weft_error *error, int code, const char *what, const char *name)
{
	error_errno(error, code, "cannot %s %s", what, name);
	errno = code;
	return -1;
}

bool
netns_name_valid(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && strlen(name) <= NAME_MAX;
}

static int
named_path(const char *name, char path[PATH_MAX], struct weft_error *error)
{
	if (!netns_name_valid(name)) {
		error_set(error, EINVAL, "'%s' is not a name of a network namespace", name);
		errno = EINVAL;
		return -1;
	}
	snprintf(path, PATH_MAX, NETNS_FOLDER "/%s", name);
	return 0;
}

/* The file that is the namespace, and words for it. */
static int
namespace_path(
	enum weft_netns_kind kind, const char *name, char path[PATH_MAX], struct weft_error *error)
{
	switch (kind) {
	case WEFT_NETNS_HOST:
		snprintf(path, PATH_MAX, OWN_NETNS);
		return 0;
	case WEFT_NETNS_NAME:
		return named_path(name, path, error);
	case WEFT_NETNS_PID:
		if (name[0] == '\0' || strlen(name) > 10 ||
			strspn(name, "0123456789") != strlen(name)) {
			error_set(error, EINVAL, "'%s' is not a process id", name);
			errno = EINVAL;
			return -1;
		}
		snprintf(path, PATH_MAX, "/proc/%s/ns/net", name);
		return 0;
	case WEFT_NETNS_PATH:
		if (strlen(name) >= PATH_MAX)
			return failed(error, ENAMETOOLONG, "open the network namespace", name);
		snprintf(path, PATH_MAX, "%s", name);
		return 0;
	}
	errno = EINVAL;
	return error_set(error, EINVAL, "unknown kind of network namespace");
}

/* A name under /run/netns that nothing is mounted on is a plain file: not there yet. */
static int
absent(enum weft_netns_kind kind, const char *name, struct weft_error *error)
{
	if (kind == WEFT_NETNS_PID)
		error_set(error, ENOENT, "there is no process %s", name);
	else
		error_set(error, ENOENT, "there is no network namespace %s", name);
	errno = ENOENT;
	return -1;
}

/* Only nsfs has namespaces; setns says the rest. 1 or 0; -1: errno. */
static int
is_namespace(int fd)
{
	struct stat own, other;

	if (stat(OWN_NETNS, &own) < 0 || fstat(fd, &other) < 0)
		return -1;
	return own.st_dev == other.st_dev;
}

int
netns_open(enum weft_netns_kind kind, const char *name, struct weft_error *error)
{
	char path[PATH_MAX];
	int fd, is, code;

	if (namespace_path(kind, name, path, error) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ESRCH))
		return absent(kind, name, error);
	if (fd < 0)
		return failed(error, errno, "open the network namespace", path);
	is = is_namespace(fd);
	if (is == 1)
		return fd;
	code = errno;
	close(fd);
	/* not ENOENT, which would say that the namespace is not there: /proc is not, maybe */
	if (is < 0)
		return failed(error, code == ENOENT ? ENOTSUP : code,
			"tell whether this is a network namespace:", path);
	if (kind == WEFT_NETNS_NAME)
		return absent(kind, name, error);
	error_set(error, EINVAL, "%s is not a network namespace", path);
	errno = EINVAL;
	return -1;
}

int
netns_identify_fd(int fd, struct netns_identity *identity, struct weft_error *error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return failed(error, errno, "look at", "a network namespace");
	*identity = (struct netns_identity){ .device = status.st_dev, .inode = status.st_ino };
	return 0;
}

int
netns_identify(enum weft_netns_kind kind, const char *name, struct netns_identity *identity,
	struct weft_error *error)
{
	char path[PATH_MAX];
	struct stat status;

	if (namespace_path(kind, name, path, error) < 0)
		return -1;
	if (stat(path, &status) == 0) {
		*identity =
			(struct netns_identity){ .device = status.st_dev, .inode = status.st_ino };
		return 0;
	}
	if (errno == ENOENT || errno == ESRCH)
		return absent(kind, name, error);
	return failed(error, errno, "look at the network namespace", path);
}

int
netns_check(enum weft_netns_kind kind, const char *name, const struct netns_identity *identity,
	struct weft_error *error)
{
	struct netns_identity now;

	if (kind == WEFT_NETNS_HOST)
		return 0;
	if (netns_identify(kind, name, &now, error) < 0)
		return -1;
	if (now.device == identity->device && now.inode == identity->inode)
		return 0;
	error_set(error, ENOENT, "the network namespace %s is another one now", name);
	errno = ENOENT;
	return -1;
}

/* ---- running inside ------------------------------------------------------------------------ */

struct inside {
	int fd;
	int (*function)(void *argument);
	void *argument;
	int result, code;
	bool entered;
};

static void *
run_inside(void *argument)
{
	struct inside *inside = argument;

	inside->entered = setns(inside->fd, CLONE_NEWNET) == 0;
	if (inside->entered)
		inside->result = inside->function(inside->argument);
	inside->code = errno;
	return NULL;
}

/* On a thread of its own: so whatever happens, no thread of the process is left in the wrong
 * namespace. */
static int
run_thread(void *(*function)(void *), void *argument, struct weft_error *error)
{
	pthread_t thread;
	int code = thread_start(&thread, "weft-netns", function, argument);

	if (code != 0) {
		error_errno(error, code, "cannot start a thread");
		errno = code;
		return -1;
	}
	pthread_join(thread, NULL);
	return 0;
}

int
netns_call(int fd, int (*function)(void *argument), void *argument, struct weft_error *error)
{
	struct inside inside = { .fd = fd, .function = function, .argument = argument };

	if (run_thread(run_inside, &inside, error) < 0)
		return -1;
	if (!inside.entered)
		return failed(error, inside.code, "enter", "the network namespace");
	errno = inside.code;
	return inside.result;
}

/* ---- named namespaces ----------------------------------------------------------------------- */

/*
 * The folder is a mount point of its own with shared propagation, so that a name made here
 * is seen in other mount namespaces and its removal there, too, as with `ip netns add`.
 */
static int
share_folder(struct weft_error *error)
{
	if (mkdir(NETNS_FOLDER, 0755) < 0 && errno != EEXIST)
		return failed(error, errno, "make the folder", NETNS_FOLDER);
	if (mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return failed(error, errno, "share the mount", NETNS_FOLDER);
	if (mount(NETNS_FOLDER, NETNS_FOLDER, "none", MS_BIND | MS_REC, NULL) < 0)
		return failed(error, errno, "mount", NETNS_FOLDER);
	if (mount("", NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) < 0)
		return failed(error, errno, "share the mount", NETNS_FOLDER);
	return 0;
}

struct making {
	const char *path, *mark;
	struct weft_error *error;
	int code; /* errno; 0: made */
};

static int
set_up_loopback(const char *mark, struct weft_error *error)
{
	const struct netlink_link_change change = {
		.set = NETLINK_SET_UP | NETLINK_SET_ALIAS, .up = true, .alias = mark
	};
	struct netlink netlink;
	int result, code;

	if (netlink_open(&netlink, error) < 0)
		return -1;
	result = netlink_link_set(&netlink, LOOPBACK_INDEX, &change, error);
	code = errno;
	netlink_close(&netlink);
	errno = code;
	return result;
}

static void *
make_namespace(void *argument)
{
	struct making *making = argument;

	if (unshare(CLONE_NEWNET) < 0) {
		making->code = errno;
		error_errno(making->error, making->code, "cannot make a network namespace");
	} else if (set_up_loopback(making->mark, making->error) < 0)
		making->code = errno;
	else if (mount(OWN_NETNS, making->path, "none", MS_BIND, NULL) < 0) {
		making->code = errno;
		failed(making->error, making->code, "mount", making->path);
	}
	return NULL;
}

/* 1: a namespace of that name is there; 0: nothing, or a file that nothing is mounted on. */
static int
is_there(const char *name)
{
	int fd = netns_open(WEFT_NETNS_NAME, name, NULL);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	close(fd);
	return 1;
}

static int
make_named(const char *name, const char *path, const char *mark, struct weft_error *error)
{
	struct making making = { .path = path, .mark = mark, .error = error };
	int fd, there = is_there(name);

	if (there < 0)
		return failed(error, errno, "look at the network namespace", path);
	if (there == 1)
		return 0;
	/* one that a crash left behind without a mount will do */
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);
	if (fd < 0)
		return failed(error, errno, "make", path);
	close(fd);
	if (run_thread(make_namespace, &making, error) < 0)
		making.code = errno;
	if (making.code == 0)
		return 1;
	unlink(path);
	errno = making.code;
	return -1;
}

int
netns_make(const char *name, const char *mark, struct weft_error *error)
{
	char path[PATH_MAX];
	int folder, result, code;

	if (named_path(name, path, error) < 0 || share_folder(error) < 0)
		return -1;
	/* as `ip netns add` does: one maker at a time */
	folder = open(NETNS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return failed(error, errno, "open", NETNS_FOLDER);
	while (flock(folder, LOCK_EX) < 0)
		if (errno != EINTR) {
			code = errno;
			close(folder);
			return failed(error, code, "lock", NETNS_FOLDER);
		}
	result = make_named(name, path, mark, error);
	code = errno;
	close(folder);
	errno = code;
	return result;
}

struct mark_question {
	const char *mark;
	struct weft_error *error;
};

static int
look_for_mark(void *argument)
{
	const struct mark_question *question = argument;
	struct netlink netlink;
	struct netlink_link link;
	int result, code;

	if (netlink_open(&netlink, question->error) < 0)
		return -1;
	result = netlink_link_by_index(&netlink, LOOPBACK_INDEX, &link, question->error);
	code = errno;
	netlink_close(&netlink);
	errno = code;
	return result < 0 ? -1 : strcmp(link.alias, question->mark) == 0;
}

int
netns_has_mark(int fd, const char *mark, struct weft_error *error)
{
	struct mark_question question = { .mark = mark, .error = error };

	return netns_call(fd, look_for_mark, &question, error);
}

int
netns_remove(const char *name, struct weft_error *error)
{
	char path[PATH_MAX];

	if (named_path(name, path, error) < 0)
		return -1;
	/* EINVAL: nothing is mounted there */
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return failed(error, errno, "unmount", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return failed(error, errno, "remove", path);
	return 0;
}
