/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments: put together before they are judged, for only the first one has ports, and what one
 * says another may overwrite at a receiver that takes overlaps; cut again when they go on.
 */
#include "firewall/firewall_objects.h"
#include "packet/fragment.h"
#include "packet/ip.h"

#define FRAGMENTS_MOST 128 /* as many as a datagram is put together of */

static const struct reassembly_limits limits = {
	.datagrams = 1024,
	.domain_datagrams = 256,
	.bytes = 16u << 20,
	.domain_bytes = 4u << 20,
	.timeout = REASSEMBLY_TIMEOUT,
};

struct reassembly *
firewall_fragments_open(void)
{
	return reassembly_create(&limits);
}

/* How long the first piece was: most senders and routers make all as long, but for the last. */
static uint16_t
first_piece(const struct rte_mbuf *packet, uint8_t family)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	unsigned least = family == 4 ? FRAGMENT_LEAST_MTU : IP6_LEAST_MTU;
	unsigned length = rte_pktmbuf_data_len(packet) - meta->l3;

	if (family == 6) /* the fragment header has gone */
		length += sizeof(struct rte_ipv6_fragment_ext);
	return (uint16_t)(length > least ? length : least);
}

bool
firewall_gather(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	bool dry_run = passage_is_dry_run(passage);
	uint8_t family = passage->fields.family;
	enum reassembly_result result;
	struct packet_meta *meta;

	/* a guarded switch may flood it: each copy is judged by itself, and has bytes of its own,
	 * for how long the pieces are is seen by their buffers */
	if (passage->egress != NULL)
		passage->packet = packet_writable(
			&worker->pools, passage->packet, rte_pktmbuf_pkt_len(passage->packet), 0);
	if (unlikely(passage->packet == NULL)) {
		packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
		return false;
	}
	result = reassembly_add_copy(shard->fragments, &worker->pools, passage->firewall->domain.id,
		passage->egress != NULL ? passage->egress->id : 0, &passage->packet,
		passage->fields.l3, worker->now);
	if (result == REASSEMBLY_WAITING)
		return false;
	if (passage->packet == NULL) {
		packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
		return false;
	}
	if (result != REASSEMBLY_WHOLE) {
		packet_drop(worker, passage->ingress, DROP_FRAGMENT, passage->packet);
		return false;
	}
	meta = packet_meta(passage->packet);
	meta->vport = passage->ingress->id;
	meta->flags |= PACKET_GATHERED;
	meta->header_length = first_piece(passage->packet, family);
	return true;
}

void
firewall_send_whole(struct worker *worker, struct vport *egress, struct passage *passage)
{
	struct rte_mbuf *packet = passage->packet, *fragments[FRAGMENTS_MOST];
	struct packet_meta *meta = packet_meta(packet);
	unsigned piece = meta->header_length, count;
	bool dry_run = passage_is_dry_run(passage), no_buffer;

	meta->flags &= (uint8_t)~PACKET_GATHERED;
	meta->header_length = 0;
	if (passage->fields.family == 4)
		count = fragment_ip4(&worker->pools, packet, passage->fields.l3, piece, fragments,
			FRAGMENTS_MOST, &no_buffer);
	else
		count = fragment_ip6(&worker->pools, packet, passage->fields.l3, piece,
			(uint32_t)worker_random(worker), fragments, FRAGMENTS_MOST, &no_buffer);
	if (count == 0)
		packet_dropped(worker, passage->ingress, no_buffer ? DROP_NO_BUFFER : DROP_FRAGMENT,
			dry_run);
	for (unsigned i = 0; i < count; i++)
		/* with the flags of the datagram */
		if (egress != NULL)
			vport_send(worker, egress, fragments[i]);
		else
			vport_give_back(worker, passage->ingress, fragments[i]);
}

void
firewall_expire_fragments(struct worker *worker, struct firewall_shard *shard)
{
	struct reassembly_expired expired;

	if (likely(reassembly_deadline(shard->fragments) > worker->now))
		return;
	while (reassembly_expire(shard->fragments, worker->now, &expired)) {
		if (expired.first == NULL)
			continue;
		packet_drop(worker, vport_get(worker, packet_meta(expired.first)->vport),
			DROP_FRAGMENT, expired.first);
	}
}
