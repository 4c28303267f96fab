/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translating connections. A connection's two flows are as each side sends; what side 0 sends
 * leaves as what side 1's flow answers, and the other way round.
 */
#include "firewall/firewall_objects.h"
#include "packet/edit.h"
#include "packet/icmp.h"
#include "packet/parse.h"

#include <netinet/in.h>

/* So many are tried; where half of them are taken, one in 2^256 connections finds none. */
#define TRIES 256
#define PORTS_LEAST 1024 /* where no translation says which: RFC 6056, 3.2 */

/* ---- planning: the first packet of a connection -------------------------------------------------
 */

static bool
has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_DCCP; /* SCTP has hosts' addresses in it: RFC 9260, 5.1.2 */
}

static bool
is_echo(const struct flow *flow)
{
	return flow->protocol == (flow->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static const struct translation *
find(struct passage const *passage, const struct classifier_view *view, const struct fields *fields)
{
	const struct rule *rule = classifier_find(view, fields, WEFT_STATE_NEW);

	return rule != NULL ? &passage->live->translations->list[rule->match.mark] : NULL;
}

static const struct device_class *
class_of(const struct vport *vport)
{
	return vport->object->device->class;
}

struct vport *
firewall_way_out(struct worker *worker, const struct passage *passage, const uint8_t *address)
{
	const struct device_class *class = class_of(passage->ingress);
	struct vport *egress = class->way_out != NULL
				       ? class->way_out(worker, passage->ingress,
						 passage->fields.family, address, passage->packet)
				       : NULL;

	return egress != NULL && egress->guard == passage->ingress->guard ? egress : NULL;
}

/* ---- mappings
 * ------------------------------------------------------------------------------------
 */

static struct mapping_scope
scope_of(const struct flow *flow)
{
	return (struct mapping_scope){ flow->domain, flow->family, flow->protocol };
}

static struct mapping_end
end_of(const uint8_t *ip, uint16_t port)
{
	struct mapping_end end = { .port = port };

	memcpy(end.ip, ip, sizeof(end.ip));
	return end;
}

/* The translation by which the inside would speak to the sender; NULL: by none. */
static const struct translation *
translation_back(
	struct worker *worker, const struct passage *passage, const struct mapping_end *inside)
{
	struct flow back = flow_reverse(&passage->flow);
	struct fields fields;
	struct vport *egress;

	memcpy(back.from_ip, inside->ip, sizeof(back.from_ip));
	back.from_port = inside->port;
	flow_fields(&back, &fields);
	fields.to = passage->fields.from;
	fields.from = (uint8_t)passage->live->translations->inside;
	if (passage->way != WAY_ACROSS) {
		egress = firewall_way_out(worker, passage, inside->ip);
		if (egress == NULL)
			return NULL;
		fields.from = egress->guard_index;
	}
	return find(passage, passage->live->sources, &fields);
}

/* RFC 4787, REQ-8. */
static bool
passes_filter(const struct firewall_shard *shard, const struct passage *passage,
	const struct translation *translation, const struct mapping_end *outside)
{
	if (translation == NULL || !translation->independent)
		return false;
	if (translation->filtering == WEFT_FILTER_ADDRESS)
		return mapping_has_peer(
			shard->mappings, scope_of(&passage->flow), outside, passage->flow.from_ip);
	return translation->filtering == WEFT_FILTER_NONE;
}

/* Whom it is for, by a mapping; what it has spoken to comes by its connection. */
static bool
plan_mapped_destination(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct fields *fields, struct flow *reply)
{
	struct mapping_end outside = end_of(passage->flow.to_ip, passage->flow.to_port), inside;

	if (!has_ports(passage->flow.protocol) ||
		!mapping_to_inside(shard->mappings, scope_of(&passage->flow), &outside, &inside) ||
		!passes_filter(
			shard, passage, translation_back(worker, passage, &inside), &outside))
		return false;
	memcpy(reply->from_ip, inside.ip, sizeof(reply->from_ip));
	fields->to_port = reply->from_port = inside.port;
	passage->mapped = 2;
	return true;
}

/* ---- destinations -------------------------------------------------------------------------------
 */

static bool
plan_fixed_destination(const struct passage *passage, struct fields *fields, struct flow *reply)
{
	const struct translation *translation = find(passage, passage->live->destinations, fields);

	if (translation == NULL)
		return false;
	translation_address(translation, &passage->firewall->all->key,
		translation->kind == WEFT_TRANSLATE_PREFIX ? fields->to_ip : fields->from_ip, false,
		reply->from_ip);
	if (translation->kind == WEFT_TRANSLATE_DESTINATION && translation->first_port != 0 &&
		has_ports(reply->protocol))
		fields->to_port = reply->from_port = translation->first_port;
	return true;
}

bool
firewall_plan_destination(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct fields *fields, struct flow *reply)
{
	if (!plan_fixed_destination(passage, fields, reply) &&
		(likely(!passage->live->whole) ||
			!plan_mapped_destination(worker, shard, passage, fields, reply)))
		return false;
	memcpy(fields->to_ip, reply->from_ip, sizeof(fields->to_ip));
	if (passage->way == WAY_ACROSS)
		fields->to = (uint8_t)passage->live->translations->inside;
	return true;
}

/* ---- sources ------------------------------------------------------------------------------------
 */

/* Where the reply of the flow tells apart whom it is for. */
static uint16_t *
own_port(struct flow *reply)
{
	return has_ports(reply->protocol) || is_echo(reply) ? &reply->to_port : NULL;
}

/* Nobody has it yet, and it is this worker's. */
static bool
is_free(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct flow *reply, uint64_t *hash)
{
	unsigned side;

	*hash = flow_hash(reply, &passage->firewall->all->key);
	return passage_owner(worker, passage, *hash) == worker->index &&
	       connection_find(shard->connections, reply, *hash, &side) == NULL;
}

/* The same; and if it is to be mapped nobody else's outside. */
static bool
is_usable(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct flow *reply, uint64_t *hash)
{
	struct mapping_end outside, inside;

	if (!is_free(worker, shard, passage, reply, hash))
		return false;
	if (likely(passage->mapped != 1))
		return true;
	outside = end_of(reply->to_ip, reply->to_port);
	return !mapping_to_inside(shard->mappings, scope_of(reply), &outside, &inside);
}

/* Finds a port, first of all the one that it has. */
static bool
pick_port(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	uint16_t first, uint16_t last, struct flow *reply, uint64_t *hash)
{
	uint16_t *port = own_port(reply);
	unsigned count = last - first + 1u, at;

	if (port == NULL || (*port >= first && *port <= last))
		if (is_usable(worker, shard, passage, reply, hash))
			return true;
	if (port == NULL)
		return false;
	at = (unsigned)(worker_random(worker) % count);
	for (unsigned i = 0; i < TRIES && i < count; i++) {
		*port = (uint16_t)(first + (at + i) % count);
		if (is_usable(worker, shard, passage, reply, hash))
			return true;
	}
	return false;
}

/* False: it has none. */
static bool
own_address(const struct passage *passage, const struct fields *fields, uint8_t *result)
{
	const struct device_class *class = class_of(passage->egress);
	const uint8_t *own = class->own_address != NULL ? class->own_address(passage->egress,
								  fields->family, fields->to_ip)
							: NULL;

	if (own != NULL)
		memcpy(result, own, fields->family == 4 ? 4 : 16);
	return own != NULL;
}

/* A port of a block that the host has, or gets. */
static bool
pick_in_blocks(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct translation *translation, struct flow *reply, uint64_t *hash)
{
	struct port_block_host host = { .domain = reply->domain, .family = reply->family };
	uint16_t own = reply->to_port, first, last;
	unsigned number = 0;

	memcpy(host.inside, passage->flow.from_ip, sizeof(host.inside));
	memcpy(host.outside, reply->to_ip, sizeof(host.outside));
	for (; port_block_of(shard->blocks, &host, number, &first, &last); number++) {
		reply->to_port = own;
		if (pick_port(worker, shard, passage, first, last, reply, hash))
			return true;
	}
	reply->to_port = own;
	if (passage_is_dry_run(passage)) /* of one that it would get */
		return pick_port(worker, shard, passage, translation->first_port,
			translation->last_port, reply, hash);
	return port_block_give(shard->blocks, &host, translation->first_port,
		       translation->last_port, translation->block, worker_random(worker),
		       firewall_tell_block, worker) &&
	       port_block_of(shard->blocks, &host, number, &first, &last) &&
	       pick_port(worker, shard, passage, first, last, reply, hash);
}

/* The reply goes to the mapping that the sender has; what masquerades has none at another port's
 * address. False: it has none. */
static bool
take_mapping(const struct firewall_shard *shard, const struct passage *passage,
	const struct translation *translation, struct flow *reply)
{
	struct mapping_end inside = end_of(passage->flow.from_ip, passage->flow.from_port), outside;

	if (!mapping_to_outside(shard->mappings, scope_of(&passage->flow), &inside, &outside) ||
		(translation->kind == WEFT_TRANSLATE_MASQUERADE &&
			memcmp(outside.ip, reply->to_ip, sizeof(outside.ip)) != 0))
		return false;
	memcpy(reply->to_ip, outside.ip, sizeof(reply->to_ip));
	reply->to_port = outside.port;
	return true;
}

bool
firewall_plan_source(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct fields *fields, struct flow *reply, uint64_t *reply_hash)
{
	const struct translation *translation = find(passage, passage->live->sources, fields);
	uint16_t first = PORTS_LEAST, last = UINT16_MAX;

	if (fields->to == passage->fields.from) {
		/* whom it is for would answer past us: it has to come from outside (RFC 4787,
		 * REQ-9) */
		memcpy(reply->to_ip, passage->flow.to_ip, sizeof(reply->to_ip));
	} else if (translation != NULL) {
		if (translation->kind != WEFT_TRANSLATE_MASQUERADE)
			translation_address(translation, &passage->firewall->all->key,
				fields->from_ip, true, reply->to_ip);
		else if (!own_address(passage, fields, reply->to_ip))
			return false;
		passage->blocked = translation->block != 0 && own_port(reply) != NULL;
		if (unlikely(translation->independent) && has_ports(reply->protocol)) {
			passage->mapped = 1;
			if (take_mapping(shard, passage, translation, reply))
				return is_free(worker, shard, passage, reply, reply_hash);
		}
		if (unlikely(passage->blocked))
			return pick_in_blocks(
				worker, shard, passage, translation, reply, reply_hash);
		if (translation->kind != WEFT_TRANSLATE_PREFIX) {
			first = translation->first_port;
			last = translation->last_port;
		} else if (is_free(worker, shard, passage, reply, reply_hash)) {
			return true; /* whatever its port is */
		}
	} else if (is_free(worker, shard, passage, reply, reply_hash)) {
		return true;
	}
	if (is_echo(reply) && first == PORTS_LEAST) /* ids are not ports: none is well-known */
		first = 0;
	return pick_port(worker, shard, passage, first, last, reply, reply_hash);
}

bool
firewall_plan_expected(struct worker *worker, struct firewall_shard *shard,
	const struct passage *passage, struct flow *reply, uint64_t *reply_hash)
{
	return is_free(worker, shard, passage, reply, reply_hash) ||
	       pick_port(worker, shard, passage, PORTS_LEAST, UINT16_MAX, reply, reply_hash);
}

/* ---- rewriting ---------------------------------------------------------------------------------
 */

/* What is not the same in both. */
static void
rewrite_own(struct rte_mbuf *packet, const struct flow *before, const struct flow *after)
{
	if (memcmp(before->from_ip, after->from_ip, sizeof(before->from_ip)) != 0)
		edit_set_ip_source(packet, after->from_ip);
	if (memcmp(before->to_ip, after->to_ip, sizeof(before->to_ip)) != 0)
		edit_set_ip_destination(packet, after->to_ip);
	if (is_echo(before)) {
		if ((before->from_port | before->to_port) != (after->from_port | after->to_port))
			edit_set_l4_source(
				packet, rte_cpu_to_be_16(after->from_port | after->to_port));
		return;
	}
	if (before->from_port != after->from_port)
		edit_set_l4_source(packet, rte_cpu_to_be_16(after->from_port));
	if (before->to_port != after->to_port)
		edit_set_l4_destination(packet, rte_cpu_to_be_16(after->to_port));
}

/* RFC 5508, 4.2: what is quoted goes back to who sent it, as that one sent it. `before`, `after`:
 * of the answer to it. */
static void
rewrite_error(struct passage *passage, const struct edit_quote *where, const struct flow *before,
	const struct flow *after)
{
	struct edit_quote quote = *where;

	quote.source = after->to_ip;
	quote.destination = after->from_ip;
	quote.source_port = rte_cpu_to_be_16(
		is_echo(after) ? after->from_port | after->to_port : after->to_port);
	quote.destination_port = rte_cpu_to_be_16(after->from_port);
	edit_set_quote(passage->packet, &quote);
	/* whoever has found the error is told from behind no translation either */
	if (memcmp(before->from_ip, after->from_ip, sizeof(before->from_ip)) != 0)
		edit_set_ip_source(passage->packet, after->from_ip);
	if (memcmp(before->to_ip, after->to_ip, sizeof(before->to_ip)) != 0)
		edit_set_ip_destination(passage->packet, after->to_ip);
}

static struct edit_quote
quote_of(const struct passage *passage)
{
	return (struct edit_quote){
		.l3 = (uint16_t)(passage->fields.l4 + 8),
		.l4 = passage->quoted_l4,
		.family = passage->fields.family,
		.protocol = passage->flow.protocol,
	};
}

bool
firewall_rewrite(struct worker *worker, struct passage *passage, const struct flow *reply)
{
	bool dry_run = passage_is_dry_run(passage), quoted = passage->kind == FLOW_QUOTED;
	struct flow after = flow_reverse(reply);
	struct edit_quote quote = quote_of(passage);
	unsigned bytes = quoted ? edit_quote_bytes(passage->packet, &quote)
				: packet_header_bytes(passage->packet);

	passage->packet = packet_writable(&worker->pools, passage->packet, bytes, 0);
	if (unlikely(passage->packet == NULL)) {
		packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
		return false;
	}
	if (quoted)
		rewrite_error(passage, &quote, &passage->flow, &after);
	else
		rewrite_own(passage->packet, &passage->flow, &after);
	packet_meta(passage->packet)->flow_hash = 0;
	if (passage_is_traced(passage))
		firewall_trace_rewrite(worker, passage);
	return true;
}

bool
firewall_turn(struct worker *worker, struct passage *passage)
{
	bool dry_run = passage_is_dry_run(passage);
	struct rte_ether_addr from, to;

	passage->packet = packet_writable(&worker->pools, passage->packet, RTE_ETHER_HDR_LEN, 0);
	if (unlikely(passage->packet == NULL)) {
		packet_dropped(worker, passage->ingress, DROP_NO_BUFFER, dry_run);
		return false;
	}
	memcpy(&from, passage->fields.from_mac, sizeof(from));
	memcpy(&to, passage->fields.to_mac, sizeof(to));
	edit_set_ether_both(passage->packet, edit_mac_word(&from), edit_mac_word(&to));
	return true;
}
