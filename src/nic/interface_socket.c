/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/log.h"
#include "nic/interface_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BLOCK 65536 /* bytes that the kernel wants in one piece */
/* Not memory that is set aside: what may wait beside the ring, and to be sent. */
#define RECEIVE_MEMORY (16 << 20)
#define SEND_MEMORY (4 << 20)

static int
failed(struct weft_error *error, int code, const char *what, const char *name)
{
	error_errno(error, code, "cannot %s interface %s", what, name);
	errno = code;
	return -1;
}

static int
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/* Beyond the system's limit where we may, else as far as it goes. */
static void
set_memory(int fd, int forced, int plain, int bytes)
{
	if (set_option(fd, SOL_SOCKET, forced, bytes) < 0)
		set_option(fd, SOL_SOCKET, plain, bytes);
}

/* Until the filter is taken away no frame gets into the socket. */
static int
attach_shut_filter(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int
interface_socket_start(int fd)
{
	return set_option(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

/* NULL: errno. */
static char *
map_ring(int fd)
{
	struct tpacket_req request = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = INTERFACE_RING_SIZE / RING_BLOCK,
		.tp_frame_size = INTERFACE_RING_SLOT,
		.tp_frame_nr = INTERFACE_RING_SLOTS,
	};
	void *memory;

	if (set_option(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2) < 0 ||
		set_option(fd, SOL_PACKET, PACKET_COPY_THRESH, 1) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
		return NULL;
	memory = mmap(NULL, INTERFACE_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		fd, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

static int
set_up(struct interface_queue *queue, unsigned index)
{
	int fd = queue->fd;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)index,
	};

	set_memory(fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_MEMORY);
	set_memory(fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_MEMORY);
	if (attach_shut_filter(fd) < 0 || set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1) < 0 ||
		set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1) < 0 ||
		set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1) < 0)
		return -1;
	queue->ring = map_ring(fd);
	if (queue->ring == NULL)
		return -1;
	return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

/*
 * Sockets of a fanout share the frames by the flow's hash, so that none overtakes another.
 * The first makes the group, the others join it by its number.
 */
static int
join_fanout(int fd, int *group)
{
	const int hash = PACKET_FANOUT_HASH;
	socklen_t size = sizeof(*group);

	if (*group >= 0)
		return set_option(fd, SOL_PACKET, PACKET_FANOUT, (*group & 0xffff) | hash << 16);
	if (set_option(fd, SOL_PACKET, PACKET_FANOUT, (hash | PACKET_FANOUT_FLAG_UNIQUEID) << 16) <
		0)
		return -1;
	return getsockopt(fd, SOL_PACKET, PACKET_FANOUT, group, &size);
}

static void
close_down_to(struct interface *interface, unsigned count)
{
	while (interface->n_sockets > count) {
		struct interface_queue *queue = &interface->queues[--interface->n_sockets];

		if (queue->ring != NULL)
			munmap(queue->ring, INTERFACE_RING_SIZE);
		queue->ring = NULL;
		close(queue->fd);
	}
}

struct opening {
	struct interface *interface;
	unsigned wanted;
	struct weft_error *error;
};

static int
open_one(struct interface *interface, struct weft_error *error)
{
	struct interface_queue *queue = &interface->queues[interface->n_sockets];
	const char *name = interface->nic->config->interface;
	/* protocol 0: takes nothing before it is bound */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code = errno;

	if (fd < 0) {
		error_errno(error, code, "cannot open a packet socket on interface %s%s", name,
			code == EPERM          ? " (needs CAP_NET_RAW)"
			: code == EAFNOSUPPORT ? " (modprobe af_packet)"
					       : "");
		errno = code;
		return -1;
	}
	queue->fd = fd;
	interface->n_sockets++;
	return set_up(queue, interface->index) < 0
		       ? failed(error, errno, "bind a packet socket to", name)
		       : 0;
}

/* 0, or -1: the first stays alone. */
static int
open_others(struct interface *interface, unsigned wanted)
{
	int group = -1;

	if (wanted < 2)
		return 0;
	if (join_fanout(interface->queues[0].fd, &group) < 0)
		return -1;
	while (interface->n_sockets < wanted)
		if (open_one(interface, NULL) < 0 ||
			join_fanout(interface->queues[interface->n_sockets - 1].fd, &group) < 0)
			return -1;
	return 0;
}

static int
open_inside(void *argument)
{
	struct opening *opening = argument;
	struct interface *interface = opening->interface;
	const char *name = interface->nic->config->interface;
	struct netlink_link link;

	if (netlink_open(&interface->netlink, opening->error) < 0 ||
		netlink_link_by_name(&interface->netlink, name, &link, opening->error) < 0)
		return -1;
	interface->index = link.index;
	if (open_one(interface, opening->error) < 0)
		return -1;
	if (open_others(interface, opening->wanted) < 0) {
		log_info("interface %s: %s; one queue will do", name, strerror(errno));
		close_down_to(interface, 1);
	}
	return 0;
}

enum nic_result
interface_open_sockets(
	struct interface *interface, int netns_fd, unsigned wanted, struct weft_error *error)
{
	struct opening opening = { interface, wanted, error };

	if (netns_call(netns_fd, open_inside, &opening, error) == 0)
		return NIC_OK;
	/* it may go between the look and the bind, too */
	return errno == ENODEV || errno == ENXIO ? NIC_ABSENT : NIC_FAILED;
}

void
interface_close_sockets(struct interface *interface)
{
	close_down_to(interface, 0);
	netlink_close(&interface->netlink);
}

int
interface_set_promiscuous(struct interface *interface, struct weft_error *error)
{
	struct packet_mreq request = { .mr_ifindex = (int)interface->index,
		.mr_type = PACKET_MR_PROMISC };

	if (interface->promiscuous)
		return 0;
	if (setsockopt(interface->queues[0].fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
		    sizeof(request)) < 0)
		return failed(
			error, errno, "receive all frames of", interface->nic->config->interface);
	interface->promiscuous = true;
	return 0;
}
