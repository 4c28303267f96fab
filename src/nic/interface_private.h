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

/*
 * Frames wait in a ring of slots that the kernel shares with us. A frame too long for its
 * slot waits in the socket, too, to be read from there: so the slots can be small, and are
 * still warm in the cache when they are used again.
 */
#define INTERFACE_RING_SLOT 2048
#define INTERFACE_RING_SLOTS 2048 /* a power of two */
#define INTERFACE_RING_SIZE ((size_t)INTERFACE_RING_SLOT * INTERFACE_RING_SLOTS)

/* One packet socket. The worker that owns it writes, between start and stop. */
struct interface_queue {
	struct wait_source source;
	struct nic_queue *queue;
	struct interface_worker *io; /* of the worker that it runs on */
	int fd;
	char *ring;
	unsigned next; /* slot that the kernel fills next */
};

struct interface {
	struct weft_nic *nic;
	struct interface_queue queues[NIC_QUEUE_LIMIT];

	/* control side */
	struct netns_identity netns;
	struct netlink netlink; /* inside the namespace */
	unsigned index;         /* of the interface */
	unsigned n_sockets;     /* open ones: queues[].fd and .ring */
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

/* ---- interface_frame.c: from what the socket gives to a packet; no I/O ---------------------- */

/* What the kernel says beside a frame. */
struct interface_notes {
	uint16_t tag_type, tci; /* of the tag that it took out of the frame; type 0: none */
};

/* A slot of the ring that is ours. */
struct interface_slot {
	const char *frame; /* behind its virtio-net header */
	unsigned length;
	struct interface_notes notes;
	bool cut;    /* longer than the slot */
	bool queued; /* and waits in the socket */
	bool losing; /* frames before it were lost: PACKET_STATISTICS tells how many */
};

/* False: the slot is the kernel's still. */
bool interface_read_slot(const char *memory, struct interface_slot *slot);
/* The slot's frame, copied. NULL: *reason tells why it is no packet. */
struct rte_mbuf *interface_copy_frame(
	struct packet_pools *pools, const struct interface_slot *slot, enum drop_reason *reason);

#define INTERFACE_CONTROL_SIZE 64 /* what the kernel says beside a frame that is read */

struct interface_notes interface_read_notes(struct msghdr *message);

/*
 * Where a long frame is read to: its header and first PACKET_SMALL_ROOM bytes to `head`, the
 * rest to `rest`. Together they hold every frame that there can be.
 */
struct interface_buffers {
	struct rte_mbuf *head, *rest; /* small and large; NULL: given away */
};

#define INTERFACE_HEAD_SIZE (OFFLOAD_HEADER_SIZE + PACKET_SMALL_ROOM)
#define INTERFACE_REST_SIZE (PACKET_HEADROOM + PACKET_LARGE_ROOM)

/* The buffers become a packet. length: with the virtio-net header. NULL: as above. */
struct rte_mbuf *interface_take_frame(struct packet_pools *pools, struct interface_buffers *buffers,
	unsigned length, const struct interface_notes *notes, enum drop_reason *reason);

/* ---- interface_receive.c, interface_transmit.c: packets -------------------------------------- */

int interface_start(struct nic_queue *queue, struct worker *worker);
bool interface_stop(struct nic_queue *queue, struct worker *worker);
unsigned interface_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);
void interface_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count);

#endif
