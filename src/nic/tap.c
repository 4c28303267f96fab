/* SPDX-License-Identifier: BSD-3-Clause */
/* The tap driver: life cycle. See tap.h, and graph/nic.h for the contract. */
#include "nic/tap.h"

#include "base/error.h"
#include "base/log.h"
#include "graph/device.h"
#include "graph/engine.h"
#include "nic/drivers.h"
#include "nic/tap_private.h"

#include <errno.h>
#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *
netns_name(const struct weft_nic_config *config)
{
	return config->netns != NULL ? config->netns : "";
}

/* The namespace's fd; made if the configuration says so. NIC_OK: *fd is open. */
static enum nic_result
find_netns(struct tap *tap, int *fd, struct weft_error *error)
{
	const struct weft_nic_config *config = tap->nic->config;

	if (config->netns_create && config->netns_kind == WEFT_NETNS_NAME &&
		tap_netns_get(netns_name(config), &tap->netns_made, error) < 0)
		return NIC_FAILED;
	*fd = netns_open(config->netns_kind, netns_name(config), error);
	if (*fd < 0)
		return errno == ENOENT ? NIC_ABSENT : NIC_FAILED;
	if (netns_identify_fd(*fd, &tap->netns, error) == 0)
		return NIC_OK;
	close(*fd);
	return NIC_FAILED;
}

static enum nic_result
open_tap(struct tap *tap, struct weft_error *error)
{
	enum nic_result result;
	int netns_fd;

	result = find_netns(tap, &netns_fd, error);
	if (result != NIC_OK)
		return result;
	tap_wait_closed(&tap->netns, tap->interface);
	result = tap_open_device(tap, netns_fd, error);
	close(netns_fd);
	return result;
}

static void
free_tap(struct tap *tap)
{
	free(tap->senders);
	free(tap);
}

static unsigned
count_queues(const struct weft_nic *nic)
{
	unsigned count = nic->config->queues;

	if (count == 0)
		count = nic->weft->n_workers;
	return count < NIC_QUEUE_LIMIT ? count : NIC_QUEUE_LIMIT;
}

/* A vnic that is only opened anew keeps the namespace, and who runs in it. */
static bool
gives_netns_up(const struct tap *tap)
{
	const struct weft_nic_config *config = tap->nic->config;

	if (tap->nic->state != OBJECT_LIVE)
		return tap->nic->state == OBJECT_REMOVED || !tap->taken_back;
	return !config->netns_create || tap->netns_made == NULL ||
	       config->netns_kind != WEFT_NETNS_NAME ||
	       strcmp(netns_name(config), tap->netns_made) != 0;
}

static enum nic_result
tap_open(struct weft_nic *nic, struct weft_error *error)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	enum nic_result result;

	if (tap == NULL) {
		error_memory(error);
		return NIC_FAILED;
	}
	tap->nic = nic;
	tap->netlink.fd = -1;
	tap->senders =
		aligned_alloc(sizeof(*tap->senders), nic->weft->n_workers * sizeof(*tap->senders));
	if (tap->senders == NULL) {
		free_tap(tap);
		error_memory(error);
		return NIC_FAILED;
	}
	memset(tap->senders, 0, nic->weft->n_workers * sizeof(*tap->senders));
	tap_interface_name(nic, tap->interface);
	tap_mark(nic, tap->mark);
	nic->n_queues = count_queues(nic);
	result = open_tap(tap, error);
	if (result != NIC_OK) {
		tap_close_device(tap, result == NIC_FAILED && gives_netns_up(tap));
		free_tap(tap);
		return result;
	}
	for (unsigned i = 0; i < tap->n_fds; i++) {
		tap->queues[i].fd = tap->fds[i];
		tap->queues[i].queue = nic->queues[i];
		nic->queues[i]->driver_state = &tap->queues[i];
	}
	nic->driver_state = tap;
	return NIC_OK;
}

static void
tap_close(struct weft_nic *nic)
{
	struct tap *tap = nic->driver_state;

	nic->driver_state = NULL;
	for (unsigned i = 0; i < tap->n_fds; i++)
		nic->queues[i]->driver_state = NULL;
	if (nic->state == OBJECT_STAGED && tap->taken_back)
		tap->persistent = false;
	tap_close_device(tap, gives_netns_up(tap));
	free_tap(tap);
}

static enum nic_result
tap_publish(struct weft_nic *nic, struct weft_error *error)
{
	return tap_reconcile(nic->driver_state, error);
}

static enum nic_result
tap_check(struct weft_nic *nic, struct weft_error *error)
{
	const struct weft_nic_config *config = nic->config;
	struct tap *tap = nic->driver_state;

	if (netns_check(config->netns_kind, netns_name(config), &tap->netns, error) < 0)
		return errno == ENOENT ? NIC_ABSENT : NIC_FAILED;
	if (atomic_load(&nic->lost)) {
		error_set(error, ENODEV, "the interface %s was removed", tap->interface);
		return NIC_ABSENT;
	}
	return tap_reconcile(tap, error);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static enum nic_result
tap_update(struct weft_nic *nic, const struct weft_nic_config *old, struct weft_error *error)
{
	const struct weft_nic_config *new = nic->config;
	struct tap *tap = nic->driver_state;

	if (old->kind != new->kind || old->netns_kind != new->netns_kind ||
		!same_text(old->netns, new->netns) || old->netns_create != new->netns_create ||
		!same_text(old->interface, new->interface) || count_queues(nic) != nic->n_queues)
		return NIC_ABSENT;
	nic->mtu = new->mtu != 0 ? new->mtu : RTE_ETHER_MTU;
	tap->as_configured = false;
	return tap_reconcile(tap, error);
}

const struct nic_driver tap_driver = {
	.name = "tap",
	.kind = WEFT_NIC_TAP,
	.transmit_any = true,
	.open = tap_open,
	.close = tap_close,
	.publish = tap_publish,
	.check = tap_check,
	.update = tap_update,
	.start = tap_start,
	.stop = tap_stop,
	.drain = tap_worker_drain,
	.receive = tap_receive,
	.transmit = tap_transmit,
};
