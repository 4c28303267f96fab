/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the interface driver know of each other: AF_PACKET on a kernel interface
 * that is there already and belongs to others (an uplink, one end of a veth).
 *
 * The interface is never changed, only listened to and sent on: not set up, not given an MTU.
 * What it lacks is told. The one thing that is asked of it is promiscuity, which goes with
 * the socket.
 */
#ifndef WEFT_NIC_INTERFACE_PRIVATE_H
#define WEFT_NIC_INTERFACE_PRIVATE_H

#include "graph/nic.h"
#include "graph/waiter.h"
#include "nic/netlink.h"
#include "nic/netns.h"
#include "packet/offload.h"

struct interface_worker;
struct msghdr;

/* One packet socket. The worker that owns it writes, between start and stop. */
struct interface_queue {
	struct wait_source source;
	struct nic_queue *queue;
	struct interface_worker *io; /* of the worker that it runs on */
	int fd;
	uint32_t overflows; /* frames that found the socket's memory full, as it last told */
};

struct interface {
	struct weft_nic *nic;
	struct interface_queue queues[NIC_QUEUE_LIMIT];

	/* control side */
	struct netns_identity netns;
	struct netlink netlink; /* inside the namespace */
	unsigned index;         /* of the interface */
	int fds[NIC_QUEUE_LIMIT];
	unsigned n_fds;
	bool promiscuous;
};

/* ---- interface_socket.c: the packet sockets ------------------------------------------------ */

/*
 * Opens interface->netlink and at most `wanted` sockets inside the namespace. They take no
 * frame yet. Several share the frames by flow; where the kernel refuses that there is one.
 * interface_close_sockets undoes it.
 */
enum nic_result interface_open_sockets(
	struct interface *interface, int netns_fd, unsigned wanted, struct weft_error *error);
void interface_close_sockets(struct interface *interface);
/* From now on the socket takes frames. */
int interface_socket_start(int fd);
int interface_set_promiscuous(struct interface *interface, struct weft_error *error);

/* ---- interface_frame.c: from a message of the socket to a packet; no I/O -------------------- */

#define INTERFACE_CONTROL_SIZE 64 /* what the kernel says beside a frame */

/*
 * Where a frame is received: its header and first PACKET_SMALL_ROOM bytes in `head`, the rest
 * in `rest`, so that a short frame is where it should be and a super-packet needs no copy.
 */
struct interface_slot {
	struct rte_mbuf *head, *rest; /* small and large; NULL: given away */
};

/* What the kernel says beside a frame. */
struct interface_notes {
	uint16_t tag_type, tci; /* of the tag that it took out of the frame; type 0: none */
	uint32_t overflows;     /* of the socket so far; 0: not told */
};

struct interface_notes interface_read_notes(struct msghdr *message);

/*
 * The frame in the slot becomes a packet, and its buffers leave the slot. length: with the
 * virtio-net header. NULL: *reason tells why it is none.
 */
struct rte_mbuf *interface_take_frame(struct packet_pools *pools, struct interface_slot *slot,
	unsigned length, const struct interface_notes *notes, enum drop_reason *reason);

/* Bytes of the slot's two pieces; together they hold every frame that there can be. */
#define INTERFACE_HEAD_SIZE (OFFLOAD_HEADER_SIZE + PACKET_SMALL_ROOM)
#define INTERFACE_REST_SIZE (PACKET_HEADROOM + PACKET_LARGE_ROOM)

/* ---- interface_receive.c, interface_transmit.c: packets -------------------------------------- */

int interface_start(struct nic_queue *queue, struct worker *worker);
bool interface_stop(struct nic_queue *queue, struct worker *worker);
unsigned interface_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);
void interface_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);

#endif
