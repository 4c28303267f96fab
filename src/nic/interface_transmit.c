/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending: a burst by one system call, each frame out of its own buffers with its virtio-net
 * header beside. Nothing is left under way when the call returns: the kernel has copied.
 */
#include "graph/engine.h"
#include "nic/interface_private.h"

#include <errno.h>
#include <sys/socket.h>

#define VECTORS 256 /* of one call: headers and segments */
#define SEGMENT_LIMIT (VECTORS - 1)

struct burst {
	unsigned count, n_vectors;
	struct rte_mbuf *packets[NIC_BURST];
	struct virtio_net_hdr headers[NIC_BURST];
	struct mmsghdr messages[NIC_BURST];
	struct iovec vectors[VECTORS];
};

static enum drop_reason
refusal(int code)
{
	switch (code) {
	case EMSGSIZE:
		return DROP_TOO_LONG;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return DROP_NIC_DOWN;
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return DROP_TRANSMIT_FULL;
	default: /* EINVAL: an offload that this kernel does not do */
		return DROP_TRANSMIT_FAILED;
	}
}

/* What refuses this frame refuses the others, too. */
static bool
refuses_all(int code)
{
	return code == EAGAIN || code == ENETDOWN || code == ENXIO || code == ENODEV;
}

static void
send_burst(struct worker *worker, struct interface_queue *queue, struct burst *burst)
{
	struct weft_nic *nic = queue->queue->nic;
	unsigned sent = 0;

	while (sent < burst->count) {
		int n = sendmmsg(
			queue->fd, &burst->messages[sent], burst->count - sent, MSG_DONTWAIT);
		unsigned refused;
		int code = errno;

		if (likely(n > 0)) {
			rte_pktmbuf_free_bulk(&burst->packets[sent], (unsigned)n);
			sent += (unsigned)n;
			continue;
		}
		if (code == EINTR)
			continue;
		refused = refuses_all(code) ? burst->count - sent : 1;
		for (; refused > 0; refused--)
			nic_transmit_drop(worker, nic, refusal(code), burst->packets[sent++]);
	}
	burst->count = burst->n_vectors = 0;
}

static void
add(struct burst *burst, struct rte_mbuf *packet)
{
	struct virtio_net_hdr *header = &burst->headers[burst->count];
	struct iovec *vector = &burst->vectors[burst->n_vectors];
	unsigned n = 0;

	offload_to_header(packet, header);
	vector[n++] = (struct iovec){ header, OFFLOAD_HEADER_SIZE };
	for (struct rte_mbuf *at = packet; at != NULL; at = at->next)
		vector[n++] = (struct iovec){ rte_pktmbuf_mtod(at, void *), at->data_len };
	burst->messages[burst->count].msg_hdr =
		(struct msghdr){ .msg_iov = vector, .msg_iovlen = n };
	burst->packets[burst->count++] = packet;
	burst->n_vectors += n;
}

void
interface_transmit(struct nic_queue *nic_queue, struct worker *worker, struct rte_mbuf **packets,
	unsigned count)
{
	struct interface_queue *queue = nic_queue->driver_state;
	struct burst burst;

	burst.count = burst.n_vectors = 0;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *packet = packets[i];

		if (unlikely(packet->nb_segs > SEGMENT_LIMIT))
			packet = packet_linear(&worker->pools, packet);
		if (unlikely(packet == NULL)) {
			nic_receive_drop(worker, nic_queue->nic, DROP_NO_BUFFER);
			continue;
		}
		if (unlikely(burst.count == NIC_BURST ||
			     burst.n_vectors + 1 + packet->nb_segs > VECTORS))
			send_burst(worker, queue, &burst);
		add(&burst, packet);
	}
	send_burst(worker, queue, &burst);
}
