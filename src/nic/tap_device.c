/* SPDX-License-Identifier: BSD-3-Clause */
/* Making the kernel device, or taking back that of an earlier process. */
#include "base/error.h"
#include "base/log.h"
#include "graph/engine.h"
#include "nic/tap_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20 /* Linux 6.2 */
#define TUN_F_USO6 0x40
#endif

#define TUN_DEVICE "/dev/net/tun"
/* What the kernel may hold for us; a full queue drops there. */
#define QUEUE_LENGTH 1000
/* The largest GSO packet that fits a buffer of PACKET_LARGE_ROOM with its headers. */
#define GSO_MAX_SIZE 61440
/* How long a process that has just died may hold its taps while the kernel cleans up. */
#define RELEASE_TRIES 50
#define RELEASE_PAUSE_US 20000

struct opening {
	struct tap *tap;
	struct weft_error *error;
};

/* Inside the namespace: a tun fd belongs to that in which it was opened. */
static int
open_fds(void *argument)
{
	struct opening *opening = argument;
	struct tap *tap = opening->tap;

	if (netlink_open(&tap->netlink, opening->error) < 0)
		return -1;
	while (tap->n_fds < tap->nic->n_queues) {
		int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC), code = errno;

		if (fd < 0) {
			error_errno(opening->error, code, "cannot open " TUN_DEVICE "%s",
				code == ENOENT || code == ENODEV ? " (modprobe tun)" : "");
			errno = code;
			return -1;
		}
		tap->fds[tap->n_fds++] = fd;
	}
	return 0;
}

static int
attach_queue(struct tap *tap, int fd, unsigned more_flags)
{
	struct ifreq request = { 0 };

	memcpy(request.ifr_name, tap->interface, sizeof(request.ifr_name));
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | more_flags |
				    (tap->n_fds > 1 ? IFF_MULTI_QUEUE : 0));
	return ioctl(fd, TUNSETIFF, &request);
}

static enum nic_result
attach_queues(struct tap *tap, unsigned more_flags, struct weft_error *error)
{
	for (unsigned i = 0; i < tap->n_fds; i++) {
		int size = OFFLOAD_HEADER_SIZE;

		if (attach_queue(tap, tap->fds[i], i == 0 ? more_flags : 0) < 0) {
			error_errno(error, errno, "cannot make the tap %s", tap->interface);
			return NIC_FAILED;
		}
		if (ioctl(tap->fds[i], TUNSETVNETHDRSZ, &size) < 0) {
			error_errno(
				error, errno, "cannot set the header of tap %s", tap->interface);
			return NIC_FAILED;
		}
	}
	return NIC_OK;
}

/* What the kernel may leave undone in what it gives us; USO where it knows it. The same is
 * what it takes from us. */
static void
set_offloads(struct tap *tap)
{
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	tap->nic->offloads =
		NIC_OFFLOAD_CHAINS | NIC_OFFLOAD_CHECKSUM | NIC_OFFLOAD_TSO4 | NIC_OFFLOAD_TSO6;
	if (ioctl(tap->fds[0], TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0)
		tap->nic->offloads |= NIC_OFFLOAD_USO;
	else if (ioctl(tap->fds[0], TUNSETOFFLOAD, tcp) < 0)
		ioctl(tap->fds[0], TUNSETOFFLOAD, 0);
}

static bool
has_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) != 0;
}

/*
 * What may not wait for publish(). The mark comes before persistence, so that no persistent
 * tap is ever without one.
 */
static enum nic_result
prepare(struct tap *tap, bool fresh, struct weft_error *error)
{
	struct netlink_link_change change = { .set = NETLINK_SET_ALIAS | NETLINK_SET_QUEUE_LENGTH |
						     NETLINK_SET_GSO_MAX_SIZE,
		.alias = tap->mark,
		.queue_length = QUEUE_LENGTH,
		.gso_max_size = GSO_MAX_SIZE };
	struct weft_nic *nic = tap->nic;
	struct netlink_link link;

	/* opened anew, it keeps the MAC that the kernel chose first */
	if (has_mac(nic->config->mac) || (fresh && has_mac(nic->mac))) {
		change.set |= NETLINK_SET_MAC;
		memcpy(change.mac, has_mac(nic->config->mac) ? nic->config->mac : nic->mac, 6);
	}
	if (netlink_link_by_name(&tap->netlink, tap->interface, &link, error) < 0)
		return NIC_FAILED;
	tap->index = link.index;
	if (link.mtu != nic->mtu) {
		change.set |= NETLINK_SET_MTU;
		change.mtu = nic->mtu;
	}
	if (netlink_link_set(&tap->netlink, tap->index, &change, error) < 0 ||
		netlink_link_by_index(&tap->netlink, tap->index, &link, error) < 0)
		return NIC_FAILED;
	memcpy(nic->mac, link.mac, sizeof(nic->mac));
	if (tap_persistent() && ioctl(tap->fds[0], TUNSETPERSIST, 1) < 0) {
		error_errno(error, errno, "cannot make the tap %s persistent", tap->interface);
		return NIC_FAILED;
	}
	tap->persistent = tap_persistent();
	return NIC_OK;
}

/* An earlier process of this instance left it: nobody holds it any more, once the kernel has
 * cleaned up behind that process. */
static void
wait_for_release(struct tap *tap, struct netlink_link *link)
{
	for (unsigned i = 0; i < RELEASE_TRIES && link->tun_queues > 0; i++) {
		usleep(RELEASE_PAUSE_US);
		if (netlink_link_by_index(&tap->netlink, link->index, link, NULL) < 0)
			return;
	}
}

enum found { NOTHING, TAKE_BACK, REPLACE, FOREIGN, HELD };

static enum found
what_is_there(struct tap *tap, struct netlink_link *link)
{
	bool own, ours;

	if (netlink_link_by_name(&tap->netlink, tap->interface, link, NULL) < 0)
		return NOTHING;
	own = strcmp(link->alias, tap->mark) == 0;
	ours = own || tap_mark_is_ours(link->alias);
	if (!ours || strcmp(link->kind, "tun") != 0 || !link->tun_known)
		return FOREIGN;
	if (own)
		wait_for_release(tap, link);
	/* by a process that has just died, or by a vnic that the same change removes */
	if (link->tun_queues > 0)
		return HELD;
	/* one that a vnic of another name had, or with another number of queues: made anew */
	return own && link->tun_multi_queue == (tap->n_fds > 1) ? TAKE_BACK : REPLACE;
}

static enum nic_result
make_or_take(struct tap *tap, struct weft_error *error)
{
	struct netlink_link link;
	enum found found = what_is_there(tap, &link);

	switch (found) {
	case FOREIGN:
		error_set(error, EEXIST,
			"there is an interface %s already, which is not this vnic's: "
			"give its tap another name (attach: { name: ... })",
			tap->interface);
		return NIC_FAILED;
	case HELD:
		error_set(error, EBUSY, "the tap %s is still in use, by another process or vnic",
			tap->interface);
		return NIC_ABSENT;
	case REPLACE:
		if (netlink_link_delete(&tap->netlink, link.index, error) < 0)
			return NIC_FAILED;
		break;
	case TAKE_BACK:
	case NOTHING:
		break;
	}
	/* TUN_EXCL: what appeared in between is not ours */
	if (attach_queues(tap, found == TAKE_BACK ? 0 : IFF_TUN_EXCL, error) != NIC_OK)
		return NIC_FAILED;
	if (found == TAKE_BACK) {
		tap->taken_back = true;
		log_info("tap %s is taken back", tap->interface);
	}
	set_offloads(tap);
	return prepare(tap, found != TAKE_BACK, error);
}

enum nic_result
tap_open_device(struct tap *tap, int netns_fd, struct weft_error *error)
{
	struct opening opening = { .tap = tap, .error = error };

	tap->netlink.fd = -1;
	if (netns_call(netns_fd, open_fds, &opening, error) < 0)
		return NIC_FAILED;
	return make_or_take(tap, error);
}
