/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What weft knows of a packet beside its bytes. A packet is a DPDK mbuf (or a chain of
 * them); its metadata sits in the private area of the first one. Nothing global describes a
 * packet, so any worker may take it on.
 *
 * Ownership: whoever holds the mbuf pointer owns the packet, and hands it on or frees it.
 */
#ifndef WEFT_PACKET_PACKET_H
#define WEFT_PACKET_PACKET_H

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct edit_log;

/*
 * Offload state in the terms of virtio-net (virtio 1.2, 5.1.6): what the sender left undone.
 * checksum_start counts from the first byte of the frame; the editing calls keep it right.
 */
#define PACKET_NEEDS_CHECKSUM 0x01 /* partial: pseudo-header sum stands in the field */
#define PACKET_CHECKSUM_GOOD 0x02  /* the sender vouches for the transport checksum */

enum packet_gso {
	PACKET_GSO_NONE = 0,
	PACKET_GSO_TCP4 = 1,
	PACKET_GSO_TCP6 = 2,
	PACKET_GSO_UDP = 3, /* UDP segmentation (USO), either family */
	/* a VXLAN datagram of either family that has one of TCP in it (packet/encapsulate.h) */
	PACKET_GSO_VXLAN_TCP4 = 4,
	PACKET_GSO_VXLAN_TCP6 = 5,
};

#define PACKET_PARSED 0x01  /* l3, l4, ethertype, protocol hold */
#define PACKET_DRY_RUN 0x02 /* `weft explain`: nothing learns, counts or leaves */
#define PACKET_PROBE 0x04   /* injected by `weft test` */
#define PACKET_GSO_ECN 0x08 /* virtio: the TCP super-packet carries CWR */
/* It was put together out of fragments by who only forwards it, and is to be cut again: into IP
 * packets of `header_length` bytes. */
#define PACKET_GATHERED 0x10
/* It waits to be judged before it leaves (graph/vport.h); or has been, or is of weft's own. */
#define PACKET_TO_JUDGE 0x20
#define PACKET_JUDGED 0x40
/* An ICMP error about one that has been: it quotes what its sender may have sent otherwise. */
#define PACKET_ABOUT_JUDGED 0x80

#define PACKET_OFFSET_NONE 0xffff

static inline bool
packet_gso_is_vxlan(uint8_t gso)
{
	return gso >= PACKET_GSO_VXLAN_TCP4;
}

/* Of the TCP super-packet inside. */
static inline uint8_t
packet_gso_inside(uint8_t gso)
{
	return gso == PACKET_GSO_VXLAN_TCP4 ? PACKET_GSO_TCP4 : PACKET_GSO_TCP6;
}

/* How many copies one packet may become on its whole way; divided among them at each flood. */
#define PACKET_COPY_BUDGET 4096
/* How many devices a packet may cross. */
#define PACKET_HOP_LIMIT 32

struct packet_meta {
	uint32_t vport;     /* id of the vport where it came into the present device */
	uint32_t flow_hash; /* keyed; 0: not computed yet (packet_flow_hash) */
	uint16_t l3;        /* offset of the network header behind MACs and tags */
	uint16_t l4;        /* offset of the transport header; PACKET_OFFSET_NONE: there is none */
	uint16_t ethertype; /* behind the tags, host order */
	uint16_t vlan;      /* VLAN in which the present device handles it */
	uint8_t protocol;   /* of l4 */
	uint8_t flags;
	uint8_t hops;    /* devices crossed */
	uint8_t offload; /* PACKET_NEEDS_CHECKSUM, PACKET_CHECKSUM_GOOD */
	uint8_t gso;     /* enum packet_gso */
	uint8_t reserved;
	uint16_t gso_size; /* payload bytes per segment */
	uint16_t checksum_start, checksum_offset;
	uint16_t copies;        /* copy budget that is left */
	uint16_t header_length; /* virtio hdr_len: bytes in front of the payload of a GSO packet;
				 * of PACKET_GATHERED see there */
	struct edit_log *log;   /* NULL: nobody keeps one */
	uint64_t trace;         /* mark, see graph/trace.h; 0: not traced */
};

static inline struct packet_meta *
packet_meta(struct rte_mbuf *packet)
{
	return (struct packet_meta *)rte_mbuf_to_priv(packet);
}

/* For a packet that has just come in, before its driver fills in the offload fields. */
static inline void
packet_meta_reset(struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	*meta = (struct packet_meta){ .copies = PACKET_COPY_BUDGET };
}

/*
 * Pools of packet buffers. `small` buffers hold an ordinary frame, `large` ones a whole GSO
 * super-packet; both have PACKET_HEADROOM in front and a packet_meta each.
 */
#define PACKET_HEADROOM RTE_PKTMBUF_HEADROOM
#define PACKET_SMALL_ROOM 2048
#define PACKET_LARGE_ROOM (62 * 1024) /* a tap is given gso_max_size 61,440 */

struct packet_pools {
	struct rte_mempool *small;
	struct rte_mempool *large;
};

/* A pool of buffers for `room` bytes behind PACKET_HEADROOM; frees by rte_mempool_free. NULL:
 * no memory, rte_errno. */
struct rte_mempool *packet_pool_create(
	const char *name, unsigned count, unsigned cache, uint16_t room);

/*
 * A packet whose first `bytes` may be written and which has room for `room` more in front.
 * Returns it, or another head in its place (the metadata moves along) when its bytes are
 * shared with other packets; NULL when there was no buffer or fewer than `bytes` (then it
 * has been freed).
 */
struct rte_mbuf *packet_writable_slow(
	struct packet_pools *pools, struct rte_mbuf *packet, unsigned bytes, unsigned room);

static inline struct rte_mbuf *
packet_writable(struct packet_pools *pools, struct rte_mbuf *packet, unsigned bytes, unsigned room)
{
	/* bytes of its own, which nobody else refers to: nearly every packet */
	if (likely(bytes <= rte_pktmbuf_data_len(packet) && room <= rte_pktmbuf_headroom(packet) &&
		    rte_mbuf_refcnt_read(packet) == 1 && RTE_MBUF_DIRECT(packet))) {
		/* who gave up the last other reference has read them before we write */
		atomic_thread_fence(memory_order_acquire);
		return packet;
	}
	return packet_writable_slow(pools, packet, bytes, room);
}

/* Cuts off what is behind the first `length` bytes, which it has at least, of a chain too. */
void packet_trim(struct rte_mbuf *packet, unsigned length);

/* The packet in one segment, for those who take no chains: itself, or another head. NULL: no
 * buffer, or longer than a large one (then it has been freed). */
struct rte_mbuf *packet_linear(struct packet_pools *pools, struct rte_mbuf *packet);

/* The first `length` bytes, which it has, out of however many segments. */
void packet_copy_bytes(void *to, const struct rte_mbuf *packet, unsigned length);

/* `length` bytes from `offset` on, which it has. */
void packet_copy_range(void *to, const struct rte_mbuf *packet, unsigned offset, unsigned length);

/*
 * Takes `length` bytes off the front of a chain and frees the segments that get empty. For
 * building chains: the lengths of segments are right, pkt_len and nb_segs are the caller's.
 */
struct rte_mbuf *packet_trim_front(struct rte_mbuf *segment, unsigned length);

/*
 * One more packet with the same bytes and metadata, for flooding. Short packets are copied,
 * long ones share their bytes. NULL: no buffer; the original is untouched.
 */
struct rte_mbuf *packet_duplicate(struct packet_pools *pools, struct rte_mbuf *packet);

/* A packet of `length` bytes out of one piece of memory. NULL: no buffer, or length over
 * 65,535. */
struct rte_mbuf *packet_from_bytes(struct packet_pools *pools, const void *bytes, size_t length);

#endif
