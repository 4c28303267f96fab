/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closing taps. The kernel takes some 20 ms to let go of one, waiting for its own grace
 * periods, not working: so helper threads close several at a time.
 */
#include "base/log.h"
#include "base/thread.h"
#include "nic/tap_private.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <unistd.h>

#define HELPERS 16

struct closing {
	int fds[NIC_QUEUE_LIMIT];
	unsigned n_fds;
	bool persistent;
	struct netlink netlink;
	struct netns_identity netns;
	char interface[IFNAMSIZ];
	char *netns_made;
	bool remove_netns;
	bool under_way;
	TAILQ_ENTRY(closing) entry;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gone = PTHREAD_COND_INITIALIZER;
static TAILQ_HEAD(, closing) list = TAILQ_HEAD_INITIALIZER(list);
static unsigned helpers;

/* The netlink socket last: it keeps the namespace, and so the device's place, known. */
static void
close_now(struct closing *closing)
{
	if (closing->persistent && closing->n_fds > 0 &&
		ioctl(closing->fds[0], TUNSETPERSIST, 0) < 0 && errno != EBADFD)
		log_warning("tap %s is left behind: %s", closing->interface, strerror(errno));
	for (unsigned i = 0; i < closing->n_fds; i++)
		close(closing->fds[i]);
	netlink_close(&closing->netlink);
	tap_netns_put(closing->netns_made, closing->remove_netns);
}

static struct closing *
next_closing(void)
{
	struct closing *at;

	TAILQ_FOREACH(at, &list, entry)
	if (!at->under_way)
		return at;
	return NULL;
}

static void *
help(void *argument)
{
	struct closing *closing;

	(void)argument;
	pthread_mutex_lock(&lock);
	while ((closing = next_closing()) != NULL) {
		closing->under_way = true;
		pthread_mutex_unlock(&lock);
		close_now(closing);
		pthread_mutex_lock(&lock);
		TAILQ_REMOVE(&list, closing, entry);
		free(closing);
		pthread_cond_broadcast(&gone);
	}
	helpers--;
	pthread_cond_broadcast(&gone);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* True when somebody will close what is in the list. With the lock. */
static bool
enough_helpers(void)
{
	pthread_t thread;

	if (helpers == HELPERS)
		return true;
	if (thread_start(&thread, "weft-tap-close", help, NULL) == 0) {
		pthread_detach(thread);
		helpers++;
	}
	return helpers > 0;
}

static struct closing *
take_over(struct tap *tap, bool remove_netns)
{
	struct closing *closing = malloc(sizeof(*closing));

	if (closing == NULL)
		return NULL;
	*closing = (struct closing){ .n_fds = tap->n_fds,
		.persistent = tap->persistent,
		.netlink = tap->netlink,
		.netns = tap->netns,
		.netns_made = tap->netns_made,
		.remove_netns = remove_netns };
	memcpy(closing->fds, tap->fds, sizeof(closing->fds));
	memcpy(closing->interface, tap->interface, sizeof(closing->interface));
	return closing;
}

void
tap_close_device(struct tap *tap, bool remove_netns)
{
	struct closing *closing;
	bool helped = false;

	if (tap->n_fds == 0 && tap->netlink.fd < 0 && tap->netns_made == NULL)
		return;
	closing = take_over(tap, remove_netns);
	if (closing != NULL) {
		pthread_mutex_lock(&lock);
		helped = enough_helpers();
		if (helped)
			TAILQ_INSERT_TAIL(&list, closing, entry);
		pthread_mutex_unlock(&lock);
	}
	if (!helped) {
		/* no memory or no thread: at once, in this one */
		struct closing here = { .n_fds = tap->n_fds,
			.persistent = tap->persistent,
			.netlink = tap->netlink,
			.netns_made = tap->netns_made,
			.remove_netns = remove_netns };

		memcpy(here.fds, tap->fds, sizeof(here.fds));
		memcpy(here.interface, tap->interface, sizeof(here.interface));
		free(closing);
		close_now(&here);
	}
	tap->n_fds = 0;
	tap->netlink.fd = -1;
	tap->netns_made = NULL;
}

static bool
is_closing(const struct netns_identity *netns, const char *interface)
{
	const struct closing *at;

	TAILQ_FOREACH(at, &list, entry)
	if (at->netns.device == netns->device && at->netns.inode == netns->inode &&
		strcmp(at->interface, interface) == 0)
		return true;
	return false;
}

void
tap_wait_closed(const struct netns_identity *netns, const char *interface)
{
	pthread_mutex_lock(&lock);
	while (is_closing(netns, interface))
		pthread_cond_wait(&gone, &lock);
	pthread_mutex_unlock(&lock);
}

void
tap_settle(void)
{
	pthread_mutex_lock(&lock);
	while (!TAILQ_EMPTY(&list) || helpers > 0)
		pthread_cond_wait(&gone, &lock);
	pthread_mutex_unlock(&lock);
}

void
tap_drain(void)
{
	tap_settle();
	tap_netns_sweep();
}
