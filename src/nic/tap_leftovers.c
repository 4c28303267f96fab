/* SPDX-License-Identifier: BSD-3-Clause */
/* What an earlier weft of this instance left behind, and nobody has taken back. */
#include "base/error.h"
#include "base/log.h"
#include "nic/tap_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct search {
	struct netns_identity *seen;
	unsigned n_seen;
	int removed;
	bool incomplete;
	struct weft_error *error;
};

/* One namespace's leftovers. */
struct leftovers {
	unsigned *indices;
	unsigned count;
	bool no_memory;
};

static int
note_leftover(const struct netlink_link *link, void *argument)
{
	struct leftovers *leftovers = argument;
	unsigned *more;

	if (!tap_mark_is_ours(link->alias) || strcmp(link->kind, "tun") != 0 || !link->tun_known ||
		link->tun_queues > 0)
		return 0;
	more = realloc(leftovers->indices, (leftovers->count + 1) * sizeof(*more));
	if (more == NULL) {
		leftovers->no_memory = true;
		return 0;
	}
	leftovers->indices = more;
	more[leftovers->count++] = link->index;
	return 0;
}

/* Inside the namespace. */
static int
remove_leftovers(void *argument)
{
	struct search *search = argument;
	struct leftovers leftovers = { 0 };
	struct netlink netlink;

	if (netlink_open(&netlink, search->error) < 0) {
		search->incomplete = true;
		return 0;
	}
	if (netlink_links(&netlink, note_leftover, &leftovers, search->error) < 0)
		search->incomplete = true;
	if (leftovers.no_memory) {
		error_memory(search->error);
		search->incomplete = true;
	}
	for (unsigned i = 0; i < leftovers.count; i++) {
		if (netlink_link_delete(&netlink, leftovers.indices[i], search->error) == 0)
			search->removed++;
		else if (errno != ENODEV)
			search->incomplete = true;
	}
	free(leftovers.indices);
	netlink_close(&netlink);
	return 0;
}

/* False: seen before, or out of memory. */
static bool
is_new(struct search *search, const struct netns_identity *identity)
{
	struct netns_identity *more;

	for (unsigned i = 0; i < search->n_seen; i++)
		if (search->seen[i].device == identity->device &&
			search->seen[i].inode == identity->inode)
			return false;
	more = realloc(search->seen, (search->n_seen + 1) * sizeof(*more));
	if (more == NULL) {
		search->incomplete = true;
		error_memory(search->error);
		return false;
	}
	search->seen = more;
	more[search->n_seen++] = *identity;
	return true;
}

/* Namespaces come and go: one that has gone has no leftovers. */
static void
look_into(struct search *search, enum weft_netns_kind kind, const char *name)
{
	struct netns_identity identity;
	int fd;

	if (netns_identify(kind, name, &identity, NULL) < 0 || !is_new(search, &identity))
		return;
	fd = netns_open(kind, name, NULL);
	if (fd < 0)
		return;
	if (netns_call(fd, remove_leftovers, search, search->error) < 0)
		search->incomplete = true;
	close(fd);
}

static void
remove_netns(struct search *search, const char *name)
{
	int fd, marked;

	if (tap_netns_in_use(name))
		return;
	fd = netns_open(WEFT_NETNS_NAME, name, NULL);
	if (fd < 0)
		return;
	marked = netns_has_mark(fd, tap_netns_mark(), NULL);
	close(fd);
	if (marked != 1)
		return;
	if (netns_remove(name, search->error) == 0)
		search->removed++;
	else
		search->incomplete = true;
}

/* Calls `each` for the folder's entries. */
static void
look_through(struct search *search, const char *folder, enum weft_netns_kind kind,
	void (*each)(struct search *search, enum weft_netns_kind kind, const char *name))
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			each(search, kind, entry->d_name);
	closedir(directory);
}

static void
look_into_process(struct search *search, enum weft_netns_kind kind, const char *name)
{
	if (strspn(name, "0123456789") == strlen(name))
		look_into(search, kind, name);
}

static void
look_at_name(struct search *search, enum weft_netns_kind kind, const char *name)
{
	(void)kind;
	remove_netns(search, name);
}

int
tap_collect_leftovers(struct weft_error *error)
{
	struct search search = { .error = error };

	if (!tap_persistent())
		return 0;
	look_into(&search, WEFT_NETNS_HOST, "");
	look_through(&search, NETNS_FOLDER, WEFT_NETNS_NAME, look_into);
	look_through(&search, "/proc", WEFT_NETNS_PID, look_into_process);
	look_through(&search, NETNS_FOLDER, WEFT_NETNS_NAME, look_at_name);
	free(search.seen);
	if (search.removed > 0)
		log_info("%d taps and namespaces of an earlier run were removed", search.removed);
	return search.incomplete ? -1 : search.removed;
}
