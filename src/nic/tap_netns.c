/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces that weft made for vnics with netns_create: several vnics may share one, and it
 * is removed with the last of them. One that a vnic only gives back to be opened anew stays,
 * with whoever runs in it.
 */
#include "base/error.h"
#include "base/log.h"
#include "nic/tap_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct made_netns {
	char *name;
	unsigned users;
	LIST_ENTRY(made_netns) entry;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, made_netns) made_list = LIST_HEAD_INITIALIZER(made_list);

static struct made_netns *
find(const char *name)
{
	struct made_netns *at;

	LIST_FOREACH(at, &made_list, entry)
	if (strcmp(at->name, name) == 0)
		return at;
	return NULL;
}

static struct made_netns *
add(const char *name)
{
	struct made_netns *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	made->name = strdup(name);
	if (made->name == NULL) {
		free(made);
		return NULL;
	}
	LIST_INSERT_HEAD(&made_list, made, entry);
	return made;
}

/* 1: the namespace of that name carries this weft's mark. */
static int
is_ours(const char *name, struct weft_error *error)
{
	int fd = netns_open(WEFT_NETNS_NAME, name, error), result;

	if (fd < 0)
		return -1;
	result = netns_has_mark(fd, tap_netns_mark(), error);
	close(fd);
	return result;
}

static void
remove_if_ours(const char *name)
{
	struct weft_error error;

	if (is_ours(name, NULL) == 1 && netns_remove(name, &error) < 0)
		log_warning("network namespace %s is left behind: %s", name, error.text);
}

static void
forget(struct made_netns *made)
{
	LIST_REMOVE(made, entry);
	free(made->name);
	free(made);
}

/* 1: it is there, and weft's; 0: another's. */
static int
make_or_know(const char *name, struct weft_error *error)
{
	int made = netns_make(name, tap_netns_mark(), error);

	return made == 0 ? is_ours(name, error) : made;
}

/* All that needs memory first: a namespace that was made is not left behind for want of it. */
static int
get_locked(const char *name, char **made_name, struct weft_error *error)
{
	struct made_netns *entry = find(name);
	bool known = entry != NULL;
	char *copy = strdup(name);
	int result = -1;

	if (!known)
		entry = add(name);
	if (copy == NULL || entry == NULL) {
		error_memory(error);
		errno = ENOMEM;
	} else {
		result = make_or_know(name, error);
	}
	if (result == 1) {
		entry->users++;
		*made_name = copy;
		return 0;
	}
	if (!known && entry != NULL)
		forget(entry);
	free(copy);
	return result;
}

int
tap_netns_get(const char *name, char **made_name, struct weft_error *error)
{
	int result;

	*made_name = NULL;
	pthread_mutex_lock(&lock);
	result = get_locked(name, made_name, error);
	pthread_mutex_unlock(&lock);
	return result;
}

void
tap_netns_put(char *name, bool remove)
{
	struct made_netns *made;

	if (name == NULL)
		return;
	pthread_mutex_lock(&lock);
	made = find(name);
	if (made != NULL && --made->users == 0 && remove) {
		remove_if_ours(name);
		forget(made);
	}
	pthread_mutex_unlock(&lock);
	free(name);
}

bool
tap_netns_in_use(const char *name)
{
	bool known;

	pthread_mutex_lock(&lock);
	known = find(name) != NULL;
	pthread_mutex_unlock(&lock);
	return known;
}

void
tap_netns_sweep(void)
{
	struct made_netns *made, *next;

	pthread_mutex_lock(&lock);
	for (made = LIST_FIRST(&made_list); made != NULL; made = next) {
		next = LIST_NEXT(made, entry);
		if (made->users == 0) {
			remove_if_ours(made->name);
			forget(made);
		}
	}
	pthread_mutex_unlock(&lock);
}
