/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface driver: life cycle. See interface_private.h, and graph/nic.h for the contract. */
#include "base/error.h"
#include "graph/engine.h"
#include "nic/drivers.h"
#include "nic/interface_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* "eth1", "eth1 of the network namespace red" */
#define PLACE_SIZE 320

static const char *
place(const struct weft_nic_config *config, char text[PLACE_SIZE])
{
	static const char *const kinds[] = {
		[WEFT_NETNS_NAME] = "network namespace",
		[WEFT_NETNS_PID] = "process",
		[WEFT_NETNS_PATH] = "network namespace",
	};

	if (config->netns_kind == WEFT_NETNS_HOST)
		snprintf(text, PLACE_SIZE, "%s", config->interface);
	else
		snprintf(text, PLACE_SIZE, "%s of %s %s", config->interface,
			kinds[config->netns_kind], config->netns);
	return text;
}

static const char *
netns_name(const struct weft_nic_config *config)
{
	return config->netns != NULL ? config->netns : "";
}

static unsigned
count_queues(const struct weft_nic *nic)
{
	unsigned count = nic->config->queues;

	if (count == 0)
		count = nic->weft->n_workers;
	return RTE_MIN(count, (unsigned)NIC_QUEUE_LIMIT);
}

/* Packet sockets take UDP super-packets since Linux 6.2, and have no way to ask. */
static bool
kernel_has_uso(void)
{
	struct utsname name;
	unsigned major, minor;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

static enum nic_result
open_interface(struct interface *interface, struct weft_error *error)
{
	struct weft_nic *nic = interface->nic;
	const struct weft_nic_config *config = nic->config;
	char text[PLACE_SIZE];
	enum nic_result result;
	int fd;

	if (config->interface == NULL || config->interface[0] == '\0' ||
		strlen(config->interface) >= IFNAMSIZ) {
		error_set(error, EINVAL, "'%s' is not a name of an interface",
			config->interface != NULL ? config->interface : "");
		return NIC_FAILED;
	}
	fd = netns_open(config->netns_kind, netns_name(config), error);
	if (fd < 0)
		return errno == ENOENT ? NIC_ABSENT : NIC_FAILED;
	result = netns_identify_fd(fd, &interface->netns, error) < 0
			 ? NIC_FAILED
			 : interface_open_sockets(interface, fd, count_queues(nic), error);
	close(fd);
	if (result == NIC_ABSENT)
		error_set(error, ENODEV, "there is no interface %s", place(config, text));
	return result;
}

static enum nic_result
interface_open(struct weft_nic *nic, struct weft_error *error)
{
	struct interface *interface = calloc(1, sizeof(*interface));
	enum nic_result result;

	if (interface == NULL) {
		error_memory(error);
		return NIC_FAILED;
	}
	interface->nic = nic;
	interface->netlink.fd = -1;
	result = open_interface(interface, error);
	if (result != NIC_OK) {
		interface_close_sockets(interface);
		free(interface);
		return result;
	}
	nic->n_queues = interface->n_sockets;
	for (unsigned i = 0; i < interface->n_sockets; i++) {
		interface->queues[i].queue = nic->queues[i];
		nic->queues[i]->driver_state = &interface->queues[i];
	}
	nic->offloads = NIC_OFFLOAD_CHAINS | NIC_OFFLOAD_CHECKSUM | NIC_OFFLOAD_TSO4 |
			NIC_OFFLOAD_TSO6 | (kernel_has_uso() ? NIC_OFFLOAD_USO : 0);
	nic->driver_state = interface;
	return NIC_OK;
}

static void
interface_close(struct weft_nic *nic)
{
	struct interface *interface = nic->driver_state;

	nic->driver_state = NULL;
	for (unsigned i = 0; i < interface->n_sockets; i++)
		nic->queues[i]->driver_state = NULL;
	interface_close_sockets(interface);
	free(interface);
}

/* What the interface lacks, and what its owner can do about it. */
static enum nic_result
judge(const struct weft_nic *nic, const struct netlink_link *link, struct weft_error *error)
{
	const char *name = nic->config->interface;
	char text[PLACE_SIZE];

	place(nic->config, text);
	if (!(link->flags & IFF_UP)) {
		error_set(error, ENETDOWN, "interface %s is down: ip link set %s up", text, name);
		return NIC_FAILED;
	}
	if (!(link->flags & IFF_RUNNING)) {
		error_set(error, ENETDOWN,
			"interface %s has no carrier: its cable or its other end is down", text);
		return NIC_FAILED;
	}
	if (link->mtu < nic->config->mtu) {
		error_set(error, EMSGSIZE,
			"interface %s has an MTU of %u, and %u is asked for: "
			"ip link set %s mtu %u",
			text, link->mtu, nic->config->mtu, name, nic->config->mtu);
		return NIC_FAILED;
	}
	return NIC_OK;
}

/* Looks at the interface as it is now. */
static enum nic_result
look(struct interface *interface, struct weft_error *error)
{
	struct weft_nic *nic = interface->nic;
	const struct weft_nic_config *config = nic->config;
	struct netlink_link link;
	char text[PLACE_SIZE];

	if (netlink_link_by_name(&interface->netlink, config->interface, &link, error) < 0) {
		if (errno != ENODEV)
			return NIC_FAILED;
		error_set(error, ENODEV, "interface %s is gone", place(config, text));
		return NIC_ABSENT;
	}
	if (link.index != interface->index) {
		error_set(error, ENODEV, "interface %s is another one now", place(config, text));
		return NIC_ABSENT;
	}
	memcpy(nic->mac, link.mac, sizeof(nic->mac));
	nic->mtu = config->mtu != 0 ? RTE_MIN(config->mtu, link.mtu) : link.mtu;
	return judge(nic, &link, error);
}

static enum nic_result
interface_publish(struct weft_nic *nic, struct weft_error *error)
{
	struct interface *interface = nic->driver_state;

	if (interface_set_promiscuous(interface, error) < 0)
		return NIC_FAILED;
	return look(interface, error);
}

static enum nic_result
interface_check(struct weft_nic *nic, struct weft_error *error)
{
	struct interface *interface = nic->driver_state;
	const struct weft_nic_config *config = nic->config;
	char text[PLACE_SIZE];

	if (netns_check(config->netns_kind, netns_name(config), &interface->netns, error) < 0)
		return errno == ENOENT ? NIC_ABSENT : NIC_FAILED;
	if (atomic_load(&nic->lost)) {
		error_set(error, ENODEV, "interface %s was lost", place(config, text));
		return NIC_ABSENT;
	}
	return interface_publish(nic, error);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static enum nic_result
interface_update(struct weft_nic *nic, const struct weft_nic_config *old, struct weft_error *error)
{
	const struct weft_nic_config *new = nic->config;

	if (old->kind != new->kind || old->netns_kind != new->netns_kind ||
		!same_text(old->netns, new->netns) || !same_text(old->interface, new->interface) ||
		old->queues != new->queues)
		return NIC_ABSENT;
	return look(nic->driver_state, error);
}

const struct nic_driver interface_driver = {
	.name = "interface",
	.kind = WEFT_NIC_INTERFACE,
	.transmit_any = true,
	.open = interface_open,
	.close = interface_close,
	.publish = interface_publish,
	.check = interface_check,
	.update = interface_update,
	.start = interface_start,
	.stop = interface_stop,
	.receive = interface_receive,
	.transmit = interface_transmit,
};
