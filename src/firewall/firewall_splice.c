/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections whose sides do not number their bytes alike: of the SYN proxy (firewall_proxy.c) once
 * both sides are joined, and those that a helper reads (firewall_helper.c). */
#include "firewall/firewall_objects.h"
#include "packet/edit.h"

#include <rte_tcp.h>

/* A window as a side has it in its header, as the other takes it to be. */
uint16_t
firewall_splice_window(const struct connection_splice *splice, unsigned side, uint16_t window)
{
	uint32_t seen = (uint32_t)window << splice->scale[side] >> splice->seen_scale[side];

	/* one that is open does not close by being told in larger steps */
	if (seen == 0 && window != 0)
		return 1;
	return seen < UINT16_MAX ? (uint16_t)seen : UINT16_MAX;
}

bool
firewall_shift(struct worker *worker, struct passage *passage, const struct edit_tcp_shift *shift)
{
	bool dry_run = passage_is_dry_run(passage);

	passage->packet = edit_shift_tcp(&worker->pools, passage->packet, shift);
	if (likely(passage->packet != NULL))
		return true;
	packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
	return false;
}

/* What becomes of a segment of either side. */
static struct edit_tcp_shift
shift_of(const struct connection_splice *splice, unsigned side, const struct tcp_segment *segment)
{
	const struct splice_shift *own = &splice->shift[side], *other = &splice->shift[!side];

	return (struct edit_tcp_shift){
		.sequence = splice_shift_of(own, segment->sequence),
		.acknowledgment =
			splice_named(other, segment->acknowledgment) - segment->acknowledgment,
		.no_sack = other->before != other->after,
		.time = side == 1 ? splice->time_shift : 0,
		.echo = side == 0 ? 0 - splice->time_shift : 0,
		.window = firewall_splice_window(splice, side, segment->window),
	};
}

/* As side 0 sends it, or gets it. */
static struct tcp_segment
seen_by_client(const struct tcp_segment *segment, unsigned side, const struct edit_tcp_shift *shift)
{
	struct tcp_segment seen = *segment;

	if (side == 0)
		return seen;
	seen.sequence += shift->sequence;
	seen.acknowledgment += shift->acknowledgment;
	seen.window = shift->window;
	return seen;
}

/* What becomes of a segment that is not of the connection as it is. */
static enum splice_verdict
refused(struct firewall_shard *shard, struct connection *connection, enum tcp_verdict verdict,
	bool proxied)
{
	if (verdict == TCP_BAD_SYN && !proxied) /* for its receiver to challenge */
		return SPLICE_FORWARD;
	if (verdict != TCP_RESTART)
		return SPLICE_INVALID;
	connection_end(shard->connections, connection, CONNECTION_REPLACED);
	return SPLICE_OVER;
}

static enum splice_verdict
forward_joined(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice, unsigned side,
	const struct tcp_segment *segment, struct edit_tcp_shift *shift)
{
	uint8_t state = connection->tcp.state;
	bool forwards;

	/* both begin anew, with their own numbers */
	if ((segment->flags & RTE_TCP_SYN_FLAG) && !(splice->flags & SPLICE_PROXY) &&
		(state == TCP_STATE_SYN_SENT || state == TCP_STATE_SYN_RECEIVED)) {
		memset(splice->shift, 0, sizeof(splice->shift));
		*shift = (struct edit_tcp_shift){ .window = segment->window };
	}
	if (splice->flags & SPLICE_FTP)
		forwards = firewall_helper_pass(
			worker, shard, passage, connection, splice, side, segment, shift);
	else
		forwards = firewall_shift(worker, passage, shift);
	return forwards ? SPLICE_FORWARD : SPLICE_GONE;
}

/* One that was announced, or a request of TFTP: its packets stay as they are. */
static enum splice_verdict
pass_plain(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, const struct connection_splice *splice, unsigned side,
	const struct tcp_segment *segment)
{
	enum tcp_verdict verdict = connection_pass(shard->connections, connection, side, segment,
		rte_pktmbuf_pkt_len(passage->packet), worker->now);

	if (unlikely(verdict != TCP_PASS)) {
		if (passage_is_traced(passage))
			firewall_trace_verdict(worker, passage, verdict);
		return refused(shard, connection, verdict, false);
	}
	if ((splice->flags & SPLICE_TFTP) && side == 0)
		firewall_helper_pass_tftp(worker, passage, connection);
	return SPLICE_FORWARD;
}

enum splice_verdict
firewall_splice_joined(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice, unsigned side,
	const struct tcp_segment *segment)
{
	struct edit_tcp_shift shift = shift_of(splice, side, segment);
	struct tcp_segment seen = seen_by_client(segment, side, &shift);
	enum tcp_verdict verdict = connection_pass(shard->connections, connection, side, &seen,
		rte_pktmbuf_pkt_len(passage->packet), worker->now);

	if (likely(verdict == TCP_PASS))
		return forward_joined(
			worker, shard, passage, connection, splice, side, segment, &shift);
	if (passage_is_traced(passage))
		firewall_trace_verdict(worker, passage, verdict);
	return refused(shard, connection, verdict, splice->flags & SPLICE_PROXY);
}

enum splice_verdict
firewall_splice_pass(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *segment)
{
	struct connection_splice *splice = connection_splice_of(shard->connections, connection);

	if (unlikely(passage_is_dry_run(passage)))
		return SPLICE_FORWARD;
	if (splice->flags & (SPLICE_CHILD | SPLICE_TFTP))
		return pass_plain(worker, shard, passage, connection, splice, side, segment);
	if (splice->flags & SPLICE_PROXY)
		return firewall_proxy_pass(
			worker, shard, passage, connection, splice, side, segment);
	return firewall_splice_joined(worker, shard, passage, connection, splice, side, segment);
}

/* ---- errors -----------------------------------------------------------------------------------
 */

/* The quoted packet was sent by the side that the error goes to: it is told of its own numbers. */
bool
firewall_splice_quote(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct connection *connection, unsigned side)
{
	const struct connection_splice *splice =
		connection_splice_of(shard->connections, connection);
	const struct splice_shift *shift = &splice->shift[!side];
	const struct edit_quote quote = {
		.l3 = (uint16_t)(passage->fields.l4 + 8),
		.l4 = passage->quoted_l4,
		.family = passage->fields.family,
		.protocol = IPPROTO_TCP,
	};
	bool dry_run = passage_is_dry_run(passage);
	uint32_t sequence;

	if (connection->protocol != IPPROTO_TCP || (shift->before | shift->after) == 0)
		return true;
	packet_copy_range(&sequence, passage->packet,
		quote.l4 + offsetof(struct rte_tcp_hdr, sent_seq), sizeof(sequence));
	passage->packet = packet_writable(
		&worker->pools, passage->packet, edit_quote_bytes(passage->packet, &quote), 0);
	if (unlikely(passage->packet == NULL)) {
		packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
		return false;
	}
	sequence = rte_be_to_cpu_32(sequence);
	edit_shift_quote(passage->packet, &quote, splice_named(shift, sequence) - sequence);
	return true;
}
