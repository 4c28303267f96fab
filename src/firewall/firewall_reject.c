/* SPDX-License-Identifier: BSD-3-Clause */
/* What a firewall answers in the place of whom a refused packet was for. */
#include "firewall/firewall_objects.h"
#include "packet/icmp.h"
#include "packet/ip.h"

#include <netinet/in.h>

#define NS 1000000000ull

bool
firewall_is_to_group(const struct fields *fields)
{
	if (fields->to_mac[0] & 1)
		return true;
	if (fields->family == 4)
		return ip4_is_multicast(fields->to_ip) || ip4_is_broadcast(fields->to_ip);
	return fields->family == 6 && ip6_is_multicast(fields->to_ip);
}

/* The answer, an untagged frame without MACs; NULL: none is due, or there is no buffer. */
static struct rte_mbuf *
make_answer(struct worker *worker, const struct passage *passage)
{
	const struct fields *fields = &passage->fields;
	const struct rte_mbuf *packet = passage->packet;

	if (fields->protocol == IPPROTO_TCP)
		return tcp_reset(&worker->pools, packet, fields->l3);
	if (fields->family == 4)
		return icmp4_may_answer(packet, fields->l3)
			       ? icmp4_error(&worker->pools, packet, fields->l3, ICMP4_UNREACHABLE,
					 ICMP4_PROHIBITED, 0, fields->to_ip)
			       : NULL;
	return icmp6_may_answer(packet, fields->l3, ICMP6_UNREACHABLE, ICMP6_PROHIBITED)
		       ? icmp6_error(&worker->pools, packet, fields->l3, ICMP6_UNREACHABLE,
				 ICMP6_PROHIBITED, 0, fields->to_ip)
		       : NULL;
}

bool
firewall_frame(struct rte_mbuf *packet, const struct passage *passage, bool turned)
{
	const struct fields *fields = &passage->fields;
	uint8_t *frame;

	rte_pktmbuf_adj(packet, RTE_ETHER_HDR_LEN);
	frame = (uint8_t *)rte_pktmbuf_prepend(packet, fields->l3);
	if (frame == NULL)
		return false;
	packet_copy_bytes(frame, passage->packet, fields->l3);
	if (turned) {
		memcpy(frame, fields->from_mac, RTE_ETHER_ADDR_LEN);
		memcpy(frame + RTE_ETHER_ADDR_LEN, fields->to_mac, RTE_ETHER_ADDR_LEN);
	}
	return packet_parse(packet) == PARSE_OK;
}

/* Into the router, as if from whoever the packet was going to. */
static void
send_as_next_hop(struct worker *worker, const struct passage *passage, struct rte_mbuf *answer)
{
	packet_meta(answer)->vport = passage->egress->id;
	packet_meta(answer)->flags |= PACKET_JUDGED;
	worker_enqueue(worker, passage->egress->node, answer);
}

static void
send_back(struct worker *worker, const struct passage *passage, struct rte_mbuf *answer)
{
	packet_meta(answer)->vport = passage->ingress->id;
	packet_meta(answer)->flags |= PACKET_JUDGED;
	vport_send(worker, passage->ingress, answer);
}

void
firewall_send_back(struct worker *worker, const struct passage *passage, struct rte_mbuf *answer)
{
	if (passage->way == WAY_OUT)
		send_as_next_hop(worker, passage, answer);
	else
		send_back(worker, passage, answer);
}

static void
answer(struct worker *worker, const struct passage *passage)
{
	struct rte_mbuf *answer = make_answer(worker, passage);

	if (answer == NULL)
		return;
	packet_meta(answer)->trace = 0;
	if (firewall_frame(answer, passage, true))
		firewall_send_back(worker, passage, answer);
	else
		rte_pktmbuf_free(answer);
}

void
firewall_reject(struct worker *worker, struct passage *passage)
{
	if (passage->fields.family != 0 && !passage_is_dry_run(passage) &&
		!firewall_is_to_group(&passage->fields) &&
		rate_allows(&passage->firewall->reject_rate, worker->now, NS / FIREWALL_REJECT_RATE,
			FIREWALL_REJECT_BURST))
		answer(worker, passage);
	packet_drop(worker, passage->ingress, passage->reason, passage->packet);
}
