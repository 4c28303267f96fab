/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that announce others: FTP's control connections and TFTP's requests.
 *
 * What a control connection says is read in order: a segment that comes before its turn is dropped
 * and will come again. Only an address of the peer's own is expected, and no port below 1024:
 * nobody is made to connect, or let be connected to, somebody else (RFC 2577). Where addresses are
 * translated the announcement is, too, as long as it came in one segment; numbers are shifted from
 * there on. The connection that was announced is accepted by the rule of the one that did.
 */
#include "firewall/firewall_objects.h"
#include "packet/icmp.h"

#include <netinet/in.h>
#include <rte_udp.h>

#define NS 1000000000ull
#define PORTS_LEAST 1024
#define TRIES 16
#define PIECE 256u

/* ---- what is expected -------------------------------------------------------------------------
 */

/* As good as one of its own. */
static uint64_t
owner_of(const struct worker *worker, const struct connection *connection)
{
	return connection_id(connection) | (uint64_t)worker->index << 25 | 1ull << 31;
}

/* Of side 1 to the one that `connection` knows as its side 0, at a port of it; or of side 0 to the
 * other: `side` is who waits. */
static void
fill(const struct worker *worker, const struct connection *connection, unsigned side,
	uint8_t protocol, uint16_t port, uint16_t seen_port, struct expectation *expectation)
{
	struct flow begun = connection_flow(connection, 0), mine, other;

	mine = connection_flow(connection, side);
	other = connection_flow(connection, !side);
	*expectation = (struct expectation){
		.flow = other,
		.reply = mine,
		.until = worker->now + EXPECTATION_SECONDS * NS,
		.owner = owner_of(worker, connection),
		.rule = connection->rule,
		.parent_ports = { begun.from_port, begun.to_port },
		.from = side == 0 ? connection->to : connection->from,
		.to = side == 0 ? connection->from : connection->to,
		.backwards = side == 0,
	};
	expectation->flow.protocol = expectation->reply.protocol = protocol;
	expectation->flow.from_port = expectation->reply.to_port = 0;
	expectation->flow.to_port = seen_port;
	expectation->reply.from_port = port;
}

static bool
expect(struct worker *worker, const struct passage *passage, const struct expectation *expectation)
{
	return expectations_add(passage->firewall->all->expectations, expectation,
		&passage->firewall->expected, worker->now);
}

/* At the port that was said, or where another waits there already, as its peer sees it, at one of
 * ours. */
static bool
expect_data(struct worker *worker, const struct passage *passage,
	const struct connection *connection, unsigned side, uint16_t port,
	struct expectation *expectation)
{
	bool translated = connection->flags & CONNECTION_TRANSLATED;

	fill(worker, connection, side, IPPROTO_TCP, port, port, expectation);
	for (unsigned i = 0; i < TRIES; i++) {
		if (expect(worker, passage, expectation))
			return true;
		if (!translated)
			return false;
		expectation->flow.to_port =
			(uint16_t)(PORTS_LEAST +
				   worker_random(worker) % (UINT16_MAX + 1u - PORTS_LEAST));
	}
	return false;
}

/* ---- FTP --------------------------------------------------------------------------------------
 */

/* What is to be said in place of what was. */
struct change {
	uint32_t sequence; /* of its first byte, as it was sent */
	unsigned before;   /* bytes; 0: nothing changes */
	unsigned after;
	char text[FTP_TEXT];
};

/* Where its sender may be reached, as it says itself, or as its peer knows it. */
static bool
is_own(const struct connection *connection, unsigned side,
	const struct ftp_announcement *announcement)
{
	struct flow mine = connection_flow(connection, side);
	struct flow other = connection_flow(connection, !side);
	size_t size = mine.family == 4 ? 4 : 16;

	if (announcement->port < PORTS_LEAST)
		return false;
	if (announcement->kind == FTP_EPSV_REPLY)
		return true;
	return announcement->family == mine.family &&
	       (memcmp(announcement->ip, mine.from_ip, size) == 0 ||
		       memcmp(announcement->ip, other.to_ip, size) == 0);
}

/* A server announces what it was asked for. */
static bool
is_asked_for(
	struct splice_helper *helper, unsigned side, const struct ftp_announcement *announcement)
{
	uint8_t asked = helper->asked;

	switch (announcement->kind) {
	case FTP_PASV:
	case FTP_EPSV:
		helper->asked = (uint8_t)announcement->kind;
		return false;
	case FTP_PASV_REPLY:
	case FTP_EPSV_REPLY:
		helper->asked = FTP_OTHER;
		return asked == (announcement->kind == FTP_PASV_REPLY ? FTP_PASV : FTP_EPSV);
	default:
		return side == 0 && announcement->kind != FTP_OTHER;
	}
}

/* What was expected before is not any more. */
static void
forget(const struct worker *worker, const struct passage *passage,
	const struct connection *connection, struct splice_helper *helper)
{
	if (helper->family != 0)
		expectations_remove(passage->firewall->all->expectations, &helper->expected,
			owner_of(worker, connection));
	helper->family = 0;
}

/* `line_at`: the sequence number with which the line begins; `from`: that with which the segment
 * does. */
static void
announce(struct worker *worker, const struct passage *passage, const struct connection *connection,
	struct splice_helper *helper, unsigned side, const struct ftp_announcement *announcement,
	uint32_t line_at, uint32_t from, struct change *change)
{
	struct expectation expectation;
	char text[FTP_TEXT];
	unsigned before = announcement->end - announcement->begin, length;
	bool changes;

	if (!is_asked_for(helper, side, announcement) || !is_own(connection, side, announcement))
		return;
	forget(worker, passage, connection, helper);
	if (!expect_data(worker, passage, connection, side, announcement->port, &expectation))
		return;
	helper->expected = expectation.flow;
	helper->family = expectation.flow.family;
	length = (unsigned)ftp_write(
		announcement, expectation.flow.to_ip, expectation.flow.to_port, text);
	changes = (connection->flags & CONNECTION_TRANSLATED) &&
		  (length != before || memcmp(text, helper->lines[side].text + announcement->begin,
					       before) != 0);
	if (!changes)
		return;
	/* its beginning has been said already, or something else is changed: not to be had */
	if (change->before != 0 || (int32_t)(line_at - from) < 0) {
		forget(worker, passage, connection, helper);
		return;
	}
	*change = (struct change){ line_at + announcement->begin, before, length, { 0 } };
	memcpy(change->text, text, length);
}

/* The bytes of the segment that have not been read yet. */
static void
read_segment(struct worker *worker, const struct passage *passage,
	const struct connection *connection, struct splice_helper *helper, unsigned side,
	const struct tcp_segment *segment, struct change *change)
{
	unsigned begin = helper->next[side] - segment->sequence;
	unsigned data = passage->fields.l4 + passage->fields.l4_length - segment->length;
	struct ftp_line *line = &helper->lines[side];
	struct ftp_announcement announcement;
	char piece[PIECE];

	for (unsigned at = begin; at < segment->length; at++) {
		unsigned offset = (at - begin) % PIECE;

		if (offset == 0)
			packet_copy_range(piece, passage->packet, data + at,
				RTE_MIN(PIECE, segment->length - at));
		if (!ftp_take(line, piece[offset]))
			continue;
		ftp_read(line, side == 1, &announcement);
		if (announcement.kind != FTP_OTHER)
			announce(worker, passage, connection, helper, side, &announcement,
				segment->sequence + at + 1 - line->length, segment->sequence,
				change);
	}
	helper->next[side] = segment->sequence + segment->length;
}

/* What was replaced comes again. False: in part. */
static bool
replay(const struct splice_replaced *replaced, const struct tcp_segment *segment,
	struct change *change)
{
	uint32_t begin = replaced->sequence - segment->sequence, end = begin + replaced->before;

	if (replaced->before == 0)
		return true;
	if ((int32_t)end <= 0 || (int32_t)(begin - segment->length) >= 0)
		return true;
	if ((int32_t)begin < 0 || end > segment->length)
		return false;
	*change = (struct change){ replaced->sequence, replaced->before, replaced->after, { 0 } };
	memcpy(change->text, replaced->text, replaced->after);
	return true;
}

static void
note_change(struct connection *connection, struct connection_splice *splice,
	struct splice_replaced *replaced, unsigned side, const struct change *change)
{
	struct splice_shift *shift = &splice->shift[side];
	uint32_t more = change->after - change->before;

	shift->from = change->sequence + change->before;
	shift->before = shift->after;
	shift->after += more;
	*replaced = (struct splice_replaced){ change->sequence, (uint16_t)change->before,
		(uint16_t)change->after, { 0 } };
	memcpy(replaced->text, change->text, change->after);
	/* the state table has what side 0 is told: this was the last that has been */
	if (side == 1)
		connection->tcp.sides[1].end += more;
}

/* False: the packet is gone. */
static bool
apply(struct worker *worker, struct passage *passage, const struct tcp_segment *segment,
	const struct change *change)
{
	unsigned data = passage->fields.l4 + passage->fields.l4_length - segment->length;
	bool dry_run = passage_is_dry_run(passage);

	passage->packet = edit_replace_payload(&worker->pools, passage->packet,
		data + change->sequence - segment->sequence, change->before, change->text,
		change->after);
	if (likely(passage->packet != NULL))
		return true;
	packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
	return false;
}

static bool
drop(struct worker *worker, const struct passage *passage)
{
	packet_drop(worker, passage->ingress, DROP_HELPER_ORDER, passage->packet);
	return false;
}

/* Of a super-packet nothing is replaced, and of what is damaged no checksum is made right. */
static bool
may_change(const struct passage *passage)
{
	return packet_meta(passage->packet)->gso == PACKET_GSO_NONE &&
	       tcp_checksum_holds(passage->packet, passage->fields.l3, passage->fields.l4,
		       passage->fields.l4_length);
}

static bool
shift_numbers(struct worker *worker, struct passage *passage, const struct edit_tcp_shift *shift)
{
	/* nothing has been replaced, and nobody has answered for the server */
	if ((shift->sequence | shift->acknowledgment | shift->time | shift->echo) == 0 &&
		!shift->no_sack)
		return true;
	return firewall_shift(worker, passage, shift);
}

static void
synchronize(struct splice_helper *helper, unsigned side, const struct tcp_segment *segment)
{
	bool syn = segment->flags & RTE_TCP_SYN_FLAG;

	if (helper->synchronized[side] && !syn)
		return;
	helper->synchronized[side] = true;
	helper->next[side] = segment->sequence + syn;
}

bool
firewall_helper_pass(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice, unsigned side,
	const struct tcp_segment *segment, struct edit_tcp_shift *shift)
{
	struct splice_helper *helper = connection_splice_helper(shard->connections, splice);
	struct change change = { 0 };
	bool is_new;
	int32_t unread;

	synchronize(helper, side, segment);
	if (segment->length == 0 || (segment->flags & RTE_TCP_SYN_FLAG))
		return shift_numbers(worker, passage, shift);
	if ((int32_t)(segment->sequence - helper->next[side]) > 0)
		return drop(worker, passage);
	unread = (int32_t)(segment->sequence + segment->length - helper->next[side]);
	if (!replay(&helper->replaced[side], segment, &change))
		return drop(worker, passage);
	is_new = change.before == 0;
	if (unread > 0)
		read_segment(worker, passage, connection, helper, side, segment, &change);
	if (change.before == 0)
		return shift_numbers(worker, passage, shift);
	if (!may_change(passage))
		return drop(worker, passage);
	if (is_new)
		note_change(connection, splice, &helper->replaced[side], side, &change);
	return shift_numbers(worker, passage, shift) && apply(worker, passage, segment, &change);
}

/* ---- TFTP -------------------------------------------------------------------------------------
 */

/* RFC 1350, 5: its answer comes from a port that the server takes. */
void
firewall_helper_pass_tftp(
	struct worker *worker, const struct passage *passage, const struct connection *connection)
{
	struct flow seen = connection_flow(connection, 1);
	struct expectation expectation;
	uint8_t opcode[2];

	if (passage->fields.l4_length < sizeof(struct rte_udp_hdr) + sizeof(opcode))
		return;
	packet_copy_range(opcode, passage->packet, passage->fields.l4 + sizeof(struct rte_udp_hdr),
		sizeof(opcode));
	if (opcode[0] != 0 || (opcode[1] != 1 && opcode[1] != 2))
		return;
	fill(worker, connection, 0, IPPROTO_UDP, connection->ports[0], seen.to_port, &expectation);
	expect(worker, passage, &expectation);
}

/* ---- beginnings -------------------------------------------------------------------------------
 */

static struct connection_splice *
obtain(struct connection_table *table, struct connection *connection)
{
	return connection->flags & CONNECTION_SPLICED ? connection_splice_of(table, connection)
						      : connection_splice_add(table, connection);
}

void
firewall_helper_begin(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, const struct rule *rule)
{
	struct connection_table *table = shard->connections;

	if (rule->match.helper == WEFT_HELPER_FTP && connection->protocol == IPPROTO_TCP) {
		connection_splice_help(table, obtain(table, connection));
	} else if (rule->match.helper == WEFT_HELPER_TFTP && connection->protocol == IPPROTO_UDP) {
		obtain(table, connection)->flags |= SPLICE_TFTP;
		firewall_helper_pass_tftp(worker, passage, connection);
	}
}

void
firewall_helper_adopt(struct firewall_shard *shard, struct connection *connection,
	const struct expectation *expectation)
{
	struct connection_splice *splice = connection_splice_add(shard->connections, connection);

	splice->flags = SPLICE_CHILD | (expectation->backwards ? SPLICE_BACKWARDS : 0);
	memcpy(splice->parent_ports, expectation->parent_ports, sizeof(splice->parent_ports));
}
