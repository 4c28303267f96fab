/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the benches of firewalls share: a firewall, a router or a switch between two vnics, and
 * frames of any number of connections through it, from both sides.
 *
 * Connection c is between client 10.a.b.c, or 2001:db8:1::abc, on side 0, and one of some 200
 * servers on side 1. Frames have 64 bytes (IPv6 with TCP: 74). Nothing is resolved: MACs are those
 * of the router's ports, which the switch has as static ones.
 */
#ifndef WEFT_BENCH_FIREWALL_LAB_H
#define WEFT_BENCH_FIREWALL_LAB_H

#include "firewall/firewall_objects.h"
#include "graph/engine.h"
#include "measure.h"
#include "packet/checksum.h"
#include "random_policy.h"
#include "router/neighbour.h"
#include "router/router.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MOST 96
#define BURST_MOST 256
#define CONNECTIONS_MOST (1u << 20)
#define ORDER (1u << 20)
#define VISITS 4096
#define CONNECTION_LIMIT (1u << 21)

enum between { SWITCH, ROUTER, FIREWALL };

struct setup {
	enum between between;
	unsigned family, protocol;
	unsigned rules;            /* the last of them accepts everything */
	uint32_t connection_limit; /* 0: as many as there are here */
};

/* One side's frames: all but addresses, client's port, IPv4 checksum. */
struct template
{
	uint8_t bytes[FRAME_MOST];
	uint32_t sum; /* of the IPv4 header as it is */
};

struct lab {
	struct weft *weft;
	struct setup setup;
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *ports[2];
	struct weft_nic *nics[2];
	struct template templates[2];
	unsigned length;
	uint32_t *order;
	struct policy_rule *rules;
	/* how bursts are made */
	unsigned burst;
	uint32_t connections; /* those of which packets are */
	uint32_t next;
	unsigned side;
};

static inline void
lab_commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) < 0)
		fail(error.text);
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static inline void
side_mac(uint8_t mac[6], unsigned side, bool station)
{
	const uint8_t made[6] = { 2, 0, 0, station, 0, (uint8_t)side };

	memcpy(mac, made, sizeof(made));
}

static inline unsigned
ip_bytes(const struct lab *lab)
{
	return lab->setup.family == 4 ? 20 : 40;
}

static inline void
put_ip4_template(struct template *template, const struct lab *lab)
{
	const uint8_t header[20] = { 0x45, 0, 0, (uint8_t)(lab->length - 14), 0, 0, 0x40, 0, 64,
		(uint8_t)lab->setup.protocol };
	uint16_t words[10];

	memcpy(template->bytes + 12, (const uint8_t[2]){ 8, 0 }, 2);
	memcpy(template->bytes + 14, header, sizeof(header));
	memcpy(words, header, sizeof(words));
	for (unsigned i = 0; i < 10; i++)
		template->sum += words[i];
}

static inline void
put_ip6_template(struct template *template, const struct lab *lab)
{
	const uint8_t header[8] = { 0x60, 0, 0, 0, 0, (uint8_t)(lab->length - 54),
		(uint8_t)lab->setup.protocol, 64 };
	const uint8_t net[4] = { 0x20, 0x01, 0x0d, 0xb8 };

	memcpy(template->bytes + 12, (const uint8_t[2]){ 0x86, 0xdd }, 2);
	memcpy(template->bytes + 14, header, sizeof(header));
	memcpy(template->bytes + 22, net, sizeof(net));
	memcpy(template->bytes + 38, net, sizeof(net));
}

static inline void
set_flags(struct lab *lab, unsigned side, uint8_t flags, uint32_t sequence, uint32_t acknowledged)
{
	uint8_t *tcp = lab->templates[side].bytes + 14 + ip_bytes(lab);
	uint32_t numbers[2] = { htonl(sequence), htonl(acknowledged) };

	if (lab->setup.protocol != IPPROTO_TCP)
		return;
	memcpy(tcp + 4, numbers, sizeof(numbers));
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	memset(tcp + 14, 0xff, 2);
}

static inline void
make_templates(struct lab *lab)
{
	bool tcp = lab->setup.protocol == IPPROTO_TCP;

	lab->length = tcp && lab->setup.family == 6 ? 74 : 64;
	for (unsigned side = 0; side < 2; side++) {
		struct template *template = &lab->templates[side];
		uint8_t *transport = template->bytes + 14 + ip_bytes(lab);
		uint16_t port = htons(tcp ? 443 : 5001);

		side_mac(template->bytes, side, false);
		side_mac(template->bytes + 6, side, true);
		if (lab->setup.family == 4)
			put_ip4_template(template, lab);
		else
			put_ip6_template(template, lab);
		memcpy(transport + (side == 0 ? 2 : 0), &port, sizeof(port));
		if (!tcp)
			transport[5] = (uint8_t)(lab->length - 14 - ip_bytes(lab));
		set_flags(lab, side, RTE_TCP_ACK_FLAG, 1, 1);
	}
}

static inline void
put_frame(const struct lab *lab, unsigned side, uint32_t connection, uint8_t *frame)
{
	const struct template *template = &lab->templates[side];
	uint32_t client = htonl(0x0a000000 | connection);
	uint32_t server = htonl(0x14000001 + connection % 200);
	uint16_t port = htons((uint16_t)(1024 + connection * 7 % 50000));
	uint32_t from = side == 0 ? client : server, to = side == 0 ? server : client;

	memcpy(frame, template->bytes, FRAME_MOST);
	if (lab->setup.family == 4) {
		uint32_t sum =
			template->sum + (from & 0xffff) + (from >> 16) + (to & 0xffff) + (to >> 16);
		uint16_t folded;

		sum = (sum & 0xffff) + (sum >> 16);
		folded = (uint16_t) ~(sum + (sum >> 16));
		memcpy(frame + 24, &folded, 2);
		memcpy(frame + 26, &from, 4);
		memcpy(frame + 30, &to, 4);
		memcpy(frame + 34 + side * 2, &port, 2);
		return;
	}
	frame[14 + 8 + 5] = (uint8_t)(1 + side);
	frame[14 + 24 + 5] = (uint8_t)(2 - side);
	memcpy(frame + 34, &from, 4);
	memcpy(frame + 50, &to, 4);
	memcpy(frame + 54 + side * 2, &port, 2);
}

/* ---- what is between --------------------------------------------------------------------------
 */

static inline struct weft_prefix
lab_prefix(const char *text, uint8_t length)
{
	struct weft_prefix made = { .family = strchr(text, ':') != NULL ? 6 : 4, .length = length };

	inet_pton(made.family == 4 ? AF_INET : AF_INET6, text, made.address);
	return made;
}

static inline struct weft_prefix
link_prefix(unsigned family, unsigned side, unsigned host)
{
	char text[64];

	snprintf(text, sizeof(text), family == 4 ? "198.18.%u.%u" : "2001:2:%x::%x", side, host);
	return lab_prefix(text, family == 4 ? 24 : 64);
}

static inline void
add_switch(struct weft_change *change, struct lab *lab)
{
	lab->device = weft_switch_add(change, lab->network, "between", NULL);
	for (unsigned side = 0; side < 2; side++)
		lab->ports[side] =
			weft_switch_port_add(change, lab->device, side ? "out" : "in", NULL);
	for (unsigned side = 0; side < 2; side++) {
		uint8_t mac[6];

		side_mac(mac, side, false);
		weft_switch_mac_add(change, lab->device, 0, mac, lab->ports[!side]);
	}
}

static inline void
add_route(struct weft_change *change, struct lab *lab, const char *text, unsigned side)
{
	struct weft_prefix to = lab_prefix(text, strchr(text, ':') != NULL ? 64 : 8);
	struct weft_hop hop = { .gateway = link_prefix(to.family, side, 2) };
	struct weft_route route = { .prefix = to, .hops = &hop, .n_hops = 1 };

	weft_router_route_set(change, lab->device, &route);
}

static inline void
add_router(struct weft_change *change, struct lab *lab)
{
	lab->device = weft_router_add(change, lab->network, "between", NULL);
	for (unsigned side = 0; side < 2; side++) {
		struct weft_prefix own[2] = { link_prefix(4, side, 1), link_prefix(6, side, 1) };
		struct weft_router_port_config config = { .addresses = own, .n_addresses = 2 };

		side_mac(config.mac, side, false);
		lab->ports[side] =
			weft_router_port_add(change, lab->device, side ? "out" : "in", &config);
	}
	add_route(change, lab, lab->setup.family == 4 ? "10.0.0.0" : "2001:db8:1::", 0);
	add_route(change, lab, lab->setup.family == 4 ? "20.0.0.0" : "2001:db8:2::", 1);
}

static inline void
know_stations(struct lab *lab)
{
	struct worker *worker = lab->weft->workers[0];

	worker->now = engine_now(lab->weft);
	for (unsigned side = 0; side < 2; side++) {
		uint8_t mac[6];

		side_mac(mac, side, true);
		neighbour_heard(worker, lab->ports[side]->live, (uint8_t)lab->setup.family,
			link_prefix(lab->setup.family, side, 2).address, mac,
			NEIGHBOUR_CREATE | NEIGHBOUR_CONFIRM | NEIGHBOUR_OVERRIDE);
	}
}

/* ACCEPT, all of them: whichever a packet fits. `other`: one of them is another. */
static inline void
set_rules(struct weft_change *change, struct lab *lab, unsigned count, unsigned other)
{
	struct weft_rule *rules = memory(count, sizeof(*rules));

	for (unsigned i = 0; i + 1 < count; i++) {
		rules[i] = lab->rules[i].match;
		rules[i].action = WEFT_RULE_ACCEPT;
	}
	rules[count - 1] = (struct weft_rule){ .name = "all", .action = WEFT_RULE_ACCEPT };
	if (other > 0 && count > 1) {
		struct policy_rule *rule = &lab->rules[count / 2];

		rule->from_port = (struct weft_port_range){ (uint16_t)other, (uint16_t)other };
		rules[count / 2] = rule->match;
		rules[count / 2].action = WEFT_RULE_ACCEPT;
		rules[count / 2].fields |= WEFT_RULE_PROTOCOL;
		rules[count / 2].protocol = 17;
		rules[count / 2].from_port = &rule->from_port;
		rules[count / 2].n_from_port = 1;
	}
	weft_firewall_rules(change, lab->device, rules, count);
	free(rules);
}

static inline void
add_firewall(struct weft_change *change, struct lab *lab)
{
	const struct weft_firewall_config config = {
		.otherwise = WEFT_RULE_DROP,
		.connection_limit = lab->setup.connection_limit != 0 ? lab->setup.connection_limit
								     : CONNECTION_LIMIT,
	};

	lab->device = weft_firewall_add(change, lab->network, "between", &config);
	for (unsigned side = 0; side < 2; side++)
		lab->ports[side] = weft_firewall_port_add(change, lab->device, side ? "out" : "in");
	set_rules(change, lab, lab->setup.rules, 0);
}

/* `devargs`: of both vnics. */
static inline struct lab *
lab_open(struct weft *weft, const struct setup *setup, const char *const devargs[2])
{
	const struct weft_network_config config = { .connection_limit = CONNECTION_LIMIT };
	struct weft_change *change = weft_change_begin(weft);
	struct lab *lab = memory(1, sizeof(*lab));

	lab->weft = weft;
	lab->setup = *setup;
	lab->burst = 64;
	lab->connections = 1;
	lab->order = memory(ORDER, sizeof(*lab->order));
	for (uint32_t i = 0; i < ORDER; i++)
		lab->order[i] = (uint32_t)random_word();
	lab->rules = memory(setup->rules + 1, sizeof(*lab->rules));
	for (unsigned i = 0; i < setup->rules; i++)
		policy_make_rule(&lab->rules[i], &policy_kinds[0], i, setup->rules);
	make_templates(lab);
	lab->network = weft_network_add(change, "bench", &config);
	if (setup->between == SWITCH)
		add_switch(change, lab);
	else if (setup->between == ROUTER)
		add_router(change, lab);
	else
		add_firewall(change, lab);
	for (unsigned side = 0; side < 2; side++) {
		const struct weft_nic_config nic = { .kind = WEFT_NIC_DPDK,
			.devargs = devargs[side] };

		lab->nics[side] = weft_nic_add(change, lab->network, side ? "out" : "in", &nic);
		weft_attach(change, lab->ports[side], lab->nics[side]);
	}
	lab_commit(change);
	if (setup->between == ROUTER)
		know_stations(lab);
	return lab;
}

static inline void
lab_close(struct lab *lab)
{
	struct weft_change *change = weft_change_begin(lab->weft);

	weft_network_remove(change, lab->network);
	lab_commit(change);
	free(lab->order);
	free(lab->rules);
	free(lab);
}

/* ---- bursts -----------------------------------------------------------------------------------
 */

static inline void
fill_packet(const struct lab *lab, unsigned side, uint32_t connection, struct rte_mbuf *packet)
{
	put_frame(lab, side, connection, rte_pktmbuf_mtod(packet, uint8_t *));
	packet->data_len = (uint16_t)lab->length;
	packet->pkt_len = lab->length;
	packet_meta_reset(packet);
}

/* Of connections taken by chance; one side's, and then the other's. */
static inline void
make_burst(struct worker *worker, struct lab *lab, struct rte_mbuf **packets)
{
	if (rte_pktmbuf_alloc_bulk(worker->pools.small, packets, lab->burst) != 0)
		fail("no buffers");
	lab->side = !lab->side;
	for (unsigned i = 0; i < lab->burst; i++) {
		uint32_t which = lab->order[lab->next++ & (ORDER - 1)];

		fill_packet(lab, lab->side, (uint32_t)((uint64_t)which * lab->connections >> 32),
			packets[i]);
	}
}

static inline void
walk(struct worker *worker, void *argument)
{
	struct lab *lab = argument;
	struct rte_mbuf *packets[BURST_MOST];

	make_burst(worker, lab, packets);
	nic_input(worker, lab->nics[lab->side]->queues[0], packets, lab->burst);
	worker_run_nodes(worker, VISITS);
}

static inline void
send_at_once(struct worker *worker, void *argument)
{
	struct lab *lab = argument;
	struct rte_mbuf *packets[BURST_MOST];

	make_burst(worker, lab, packets);
	for (unsigned i = 0; i < lab->burst; i++)
		nic_enqueue(worker, lab->nics[!lab->side], packets[i]);
}

/* ---- connections that begin -------------------------------------------------------------------
 */

/* Those from `first` on, one packet of a side of each of a burst. */
struct opening {
	struct lab *lab;
	uint32_t first;
	unsigned count, side;
	bool through; /* else: sent at once */
};

static inline void
open_some(struct worker *worker, void *argument)
{
	const struct opening *opening = argument;
	struct lab *lab = opening->lab;
	struct rte_mbuf *packets[BURST_MOST];

	if (rte_pktmbuf_alloc_bulk(worker->pools.small, packets, opening->count) != 0)
		fail("no buffers");
	for (unsigned i = 0; i < opening->count; i++)
		fill_packet(lab, opening->side, opening->first + i, packets[i]);
	if (opening->through) {
		nic_input(worker, lab->nics[opening->side]->queues[0], packets, opening->count);
		worker_run_nodes(worker, VISITS);
		return;
	}
	for (unsigned i = 0; i < opening->count; i++)
		nic_enqueue(worker, lab->nics[!opening->side], packets[i]);
}

/* The first `packets` packets of each: SYN, SYN-ACK, ACK; of UDP there and back. */
static inline void
open_connections(struct lab *lab, uint32_t first, uint32_t end, unsigned packets, bool through)
{
	static const uint8_t flags[3] = { RTE_TCP_SYN_FLAG, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG };

	while (first < end) {
		struct opening opening = { lab, first, RTE_MIN(64u, end - first), 0, through };

		for (unsigned i = 0; i < packets; i++) {
			opening.side = i & 1;
			set_flags(lab, opening.side, flags[i], i > 1, i > 0);
			worker_call(lab->weft->workers[0], open_some, &opening);
		}
		first += opening.count;
	}
	for (unsigned side = 0; side < 2; side++)
		set_flags(lab, side, RTE_TCP_ACK_FLAG, 1, 1);
}

/* As many as that are known and open. */
static inline void
lab_establish(struct lab *lab, uint32_t count)
{
	static const unsigned no_tcp = 2, tcp = 3;
	struct firewall_info info;

	firewall_read(lab->device, &info);
	open_connections(lab, info.connections, count,
		lab->setup.protocol == IPPROTO_TCP ? tcp : no_tcp, true);
	firewall_read(lab->device, &info);
	if (info.connections != count)
		fail("not all connections are there");
}

#endif
