/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets through a firewall that translates, from both sides, while its rules, sets and limits
 * change and time goes by. An input is a series of records: what is done, and its bytes. Frames are
 * raw ones, or made of few hosts and ports, so that they meet connections. At the end all
 * connections are ended, or silent for too long, and all fragments over: every count is 0 again,
 * and every buffer back.
 */
#include "firewall/firewall_objects.h"
#include "fuzz_packet.h"
#include "graph/punt.h"
#include "packet/icmp.h"
#include "packet/make.h"

#include <rte_tcp.h>
#include <stdio.h>

#define SECOND UINT64_C(1000000000)
#define FRAME_LIMIT 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft *weft;
static uint64_t now = 1000 * SECOND;
static struct weft_network *network;
static struct weft_device *firewall;
static struct weft_nic *nics[2];
/* What came out last at each side: answers are made of it, for nobody can guess a cookie. */
static uint8_t last[2][FRAME_LIMIT];
static size_t last_length[2];

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint64_t
read_clock(void *context)
{
	(void)context;
	return now;
}

static void
free_notice(void *context, struct weft *engine, enum punt_reason reason, struct rte_mbuf *packet)
{
	(void)context;
	(void)engine;
	(void)reason;
	rte_pktmbuf_free(packet);
}

static void
run(void)
{
	uint8_t frame[FRAME_LIMIT];
	size_t length;

	for (unsigned i = 0; weft_run(weft) > 0; i++)
		require(i < 10000, "it never ends");
	for (unsigned side = 0; side < 2; side++)
		while ((length = weft_nic_receive(nics[side], frame, sizeof(frame))) > 0) {
			last_length[side] = length < sizeof(frame) ? length : sizeof(frame);
			memcpy(last[side], frame, last_length[side]);
		}
	weft_poll(weft);
}

/* ---- what judges ------------------------------------------------------------------------------
 */

static const char *const in[] = { "in" }, *const out[] = { "out" };
static const struct weft_port_range low = { 0, 3 };
static const struct weft_prefix inside = { 4, 24, { 10, 0, 0 } };
static const struct weft_prefix outside = { 4, 32, { 10, 1, 0, 9 } };
static const struct weft_prefix server = { 4, 32, { 10, 0, 0, 1 } };
static const struct weft_prefix pool6 = { 6, 126, { 0x20, 1, [15] = 8 } };

static void
set_rules(struct weft_change *change, uint8_t choice)
{
	const struct weft_rule_limit limit = {
		.connections = choice & 2 ? 3 : 0,
		.per_source = choice & 4 ? 2 : 0,
		.rate = { choice & 8 ? 5 : 0, 1, 3 },
		.source_rate = { choice & 16 ? 2 : 0, 60, 0 },
	};
	const struct weft_rule rules[] = {
		{ .name = "a",
			.from = in,
			.n_from = 1,
			.log = true,
			.limit = &limit,
			.helper = choice & 1 ? WEFT_HELPER_FTP : WEFT_HELPER_TFTP },
		{ .name = "b",
			.from = out,
			.n_from = 1,
			.to_port = &low,
			.n_to_port = 1,
			.from_port_set = choice & 1 ? "ports" : NULL,
			.timeout = choice / 4,
			.fields = choice & 6 ? WEFT_RULE_PROTOCOL : 0,
			.protocol = IPPROTO_TCP,
			.syn_proxy = choice & 2,
			.helper = choice & 4 ? WEFT_HELPER_FTP : WEFT_HELPER_NONE },
		{ .name = "c", .action = WEFT_RULE_REJECT, .to_set = "set" },
		{ .name = "d",
			.states = WEFT_STATE_INVALID | WEFT_STATE_RELATED,
			.action = choice & 1 ? WEFT_RULE_REJECT : WEFT_RULE_ACCEPT },
		{ .name = "e", .stateless = true, .from_set = "set" },
	};
	unsigned first = choice % 5, count = 1 + (choice >> 4) % 5;

	if (first + count > 5)
		count = 5 - first;
	weft_firewall_rules(change, firewall, rules + first, count);
}

static void
set_translations(struct weft_change *change, uint8_t choice)
{
	const struct weft_translation list[] = {
		{ .match = { .name = "hide" },
			.kind = WEFT_TRANSLATE_SOURCE,
			.addresses = &outside,
			.n_addresses = 1,
			.ports = { 1, 6 },
			.answer = true },
		{ .match = { .name = "to", .to_ip = &outside, .n_to_ip = 1 },
			.kind = WEFT_TRANSLATE_DESTINATION,
			.addresses = &server,
			.n_addresses = 1,
			.ports = { 2, 2 } },
		{ .match = { .name = "six" },
			.kind = WEFT_TRANSLATE_SOURCE,
			.addresses = &pool6,
			.n_addresses = 1,
			.answer = true },
	};

	weft_firewall_translations(change, firewall, "in", list, choice % 4);
}

static void
configure(uint8_t what, uint8_t choice)
{
	const struct weft_firewall_config config = {
		.otherwise = choice % 3,
		.connection_limit = 1 + (choice >> 2) % 8,
		.source_limit = choice >> 5,
		.keep = choice & 8,
		.accept_invalid = choice & 16,
	};
	struct weft_change *change = weft_change_begin(weft);

	if (what & 1)
		set_rules(change, choice);
	if (what & 2)
		set_translations(change, choice);
	if (what & 4)
		weft_firewall_update(change, firewall, &config);
	if (what & 8)
		weft_address_set_update(change, network, "set", choice & 1 ? &inside : &outside, 1,
			choice & 1 ? &outside : &inside, 1);
	if (what & 32)
		weft_port_set_update(
			change, network, "ports", &(struct weft_port_range){ 1, 6 }, choice & 1);
	if (what & 16)
		weft_change_abort(change);
	else
		require(weft_change_commit(change, NULL) == 0, "a change was refused");
}

static void
open_once(void)
{
	static const struct weft_nic_config nic = { .kind = WEFT_NIC_MEMORY, .mtu = 9000 };
	struct weft_options options = { .memory_mb = 64, .clock = read_clock };
	struct weft_change *change;

	if (weft != NULL)
		return;
	weft = weft_open(&options, NULL);
	require(weft != NULL, "no engine");
	pools = weft->pools;
	for (int reason = 0; reason < PUNT_REASON_COUNT; reason++)
		punt_register(weft, (enum punt_reason)reason, free_notice, NULL);
	change = weft_change_begin(weft);
	network = weft_network_add(change, "red", NULL);
	firewall = weft_firewall_add(change, network, "fw", &(struct weft_firewall_config){ 0 });
	weft_address_set_add(change, network, "set", &inside, 1);
	weft_port_set_add(change, network, "ports", &low, 1);
	for (unsigned side = 0; side < 2; side++) {
		nics[side] = weft_nic_add(change, network, side == 0 ? "a" : "b", &nic);
		weft_attach(change,
			weft_firewall_port_add(change, firewall, side == 0 ? "in" : "out"),
			nics[side]);
	}
	require(weft_change_commit(change, NULL) == 0, "no firewall");
}

/* ---- frames ------------------------------------------------------------------------------------
 */

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t
take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static struct make_ends
take_ends(struct input *input, unsigned side)
{
	uint8_t who = take(input);
	struct make_ends ends = { .family = who & 1 ? 6 : 4, .vlan = who & 2 ? 5 : 0 };
	uint8_t from = (who >> 2) % 4, to = (who >> 4) % 4;

	ends.source_mac = (struct rte_ether_addr){ { 2, 0, 0, 0, (uint8_t)side, from } };
	ends.destination_mac = (struct rte_ether_addr){ { 2, 0, 0, 0, (uint8_t)!side, to } };
	if (ends.family == 4) {
		memcpy(ends.source, (uint8_t[]){ 10, (uint8_t)side, 0, from }, 4);
		memcpy(ends.destination, (uint8_t[]){ 10, !side, 0, to }, 4);
		if (who & 0x40)
			memcpy(ends.destination, outside.address, 4);
		if (who & 0x80)
			memcpy(ends.source, outside.address, 4);
	} else {
		memcpy(ends.source, (uint8_t[16]){ 0x20, 1, [7] = (uint8_t)side, [15] = from }, 16);
		memcpy(ends.destination, (uint8_t[16]){ 0x20, 1, [7] = !side, [15] = to }, 16);
		if (who & 0x40)
			memcpy(ends.destination, pool6.address, 16);
	}
	return ends;
}

/* Of few hosts and ports; bytes of it are changed, and it is cut off, as the input says. */
static size_t
make(struct input *input, unsigned side, uint8_t frame[FRAME_LIMIT])
{
	struct make_ends ends = take_ends(input, side);
	uint8_t kind = take(input), ports = take(input), change = take(input);
	uint16_t from = ports % 8, to = ports / 16 % 8;
	size_t length;

	if (kind % 4 == 0)
		length = make_tcp(frame, &ends, from, to, take(input) * 251u, take(input) * 251u,
			take(input));
	else if (kind % 4 == 1)
		length = make_udp(frame, &ends, from, to, "payload", 7);
	else if (kind % 4 == 2)
		length = make_echo(frame, &ends, from, to, "x", 1);
	else
		length = make_neighbour_request(frame, &ends);
	for (unsigned i = change % 4; i > 0; i--)
		frame[take(input) % length] = take(input);
	if (change & 0x80)
		length = 14 + take(input) % (length - 13);
	return length;
}

/* What of the last segment at a side an answer needs; false: it was none. */
static bool
read_last(unsigned side, struct fields *fields, struct tcp_segment *segment)
{
	struct rte_mbuf *packet = packet_from_bytes(&pools, last[side], last_length[side]);
	bool is_tcp = packet != NULL && fields_read(packet, fields) == FIELDS_OK &&
		      tcp_segment_read(segment, packet, fields);

	rte_pktmbuf_free(packet);
	return is_tcp;
}

/* Some of what FTP says, behind a segment. */
static size_t
add_line(uint8_t frame[FRAME_LIMIT], size_t length, uint32_t which)
{
	static const char *const lines[] = { "PORT 10,0,0,1,4,1\r\n", "PASV\r\n", "EPSV\r\n",
		"227 Entering Passive Mode (10,0,0,1,4,2).\r\n", "229 x (|||1026|)\r\n",
		"EPRT |1|10.1.0.1|1025|\r\n", "EPRT |2|2001::1|1027|\r\n", "PORT 10,1,0,",
		"1,4,7\r\n", "PORT 10,0,0,001,004,001\r\n" };
	const char *line = lines[which % 16 % RTE_DIM(lines)];
	unsigned l3 = frame[12] == 0x81 ? 18 : 14;
	bool six = frame[l3] >> 4 == 6;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + l3);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(frame + l3);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + l3 + (six ? 40 : 20));

	if (which % 16 >= RTE_DIM(lines))
		return length;
	memcpy(frame + length, line, strlen(line));
	length += strlen(line);
	tcp->cksum = 0;
	if (six) {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(length - l3 - 40));
		tcp->cksum = rte_ipv6_udptcp_cksum(ip6, tcp);
	} else {
		ip->total_length = rte_cpu_to_be_16((uint16_t)(length - l3));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	}
	return length;
}

/* A segment that answers the last one, nearly; 0: there was none. */
static size_t
make_answer(struct input *input, unsigned side, uint8_t frame[FRAME_LIMIT])
{
	struct make_ends ends = { .source_mac = { { 2, 0, 0, 0, (uint8_t)side, 1 } },
		.destination_mac = { { 2, 0, 0, 0, !side, 1 } } };
	struct make_segment answer = { 0 };
	struct tcp_segment segment;
	struct fields fields;
	uint8_t options = take(input), near = take(input);

	if (!read_last(side, &fields, &segment))
		return 0;
	ends.family = fields.family;
	ends.vlan = fields.vlan;
	memcpy(ends.source, fields.to_ip, sizeof(ends.source));
	memcpy(ends.destination, fields.from_ip, sizeof(ends.destination));
	answer.source_port = fields.to_port;
	answer.destination_port = fields.from_port;
	answer.sequence = segment.acknowledgment + (near & 3) - (near >> 2 & 1);
	answer.acknowledged = segment.sequence + segment.length + (near >> 3 & 3) -
			      !(segment.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) + 1 -
			      (near >> 5 & 1);
	answer.flags = take(input);
	answer.window = (uint16_t)(take(input) * 257);
	answer.mss = options & 1 ? 1000 : 0;
	answer.has_sack = options & 2;
	answer.has_times = options & 4;
	answer.has_scale = options & 8;
	answer.scale = options >> 4;
	answer.time = take(input);
	return add_line(frame, make_tcp_segment(frame, &ends, &answer), answer.time);
}

/* Somebody on its way says that the last packet at a side was too long; 0: there was none. */
static size_t
make_error(unsigned side, uint8_t frame[FRAME_LIMIT])
{
	static const uint8_t who[16] = { 192, 0, 2, 1 };
	struct rte_mbuf *packet = packet_from_bytes(&pools, last[side], last_length[side]), *error;
	struct fields fields;
	size_t length = 0;

	if (packet != NULL && fields_read(packet, &fields) == FIELDS_OK && fields.family != 0) {
		error = fields.family == 4 ? icmp4_error(&pools, packet, fields.l3,
						     ICMP4_UNREACHABLE, ICMP4_TOO_BIG, 1400, who)
					   : icmp6_error(&pools, packet, fields.l3, ICMP6_TOO_BIG,
						     0, 1400, who);
		if (error != NULL) {
			length = rte_pktmbuf_pkt_len(error);
			packet_copy_bytes(frame, error, (unsigned)length);
		}
		rte_pktmbuf_free(error);
	}
	rte_pktmbuf_free(packet);
	return length;
}

static void
put(struct input *input, unsigned side, bool raw, bool answers)
{
	uint8_t frame[FRAME_LIMIT];
	size_t length;

	if (raw && answers) {
		length = make_error(side, frame);
		if (length == 0)
			return;
	} else if (answers) {
		length = make_answer(input, side, frame);
		if (length == 0)
			return;
	} else if (raw) {
		length = 14 + take(input) * 4u;
		if (length > input->size)
			length = input->size;
		memcpy(frame, input->data, length);
		input->data += length;
		input->size -= length;
	} else {
		length = make(input, side, frame);
	}
	if (weft_nic_send(nics[side], frame, length) == 0)
		run();
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void
wait_seconds(unsigned seconds)
{
	now += seconds * SECOND;
	weft_tick(weft);
	run();
}

/* Longer than any timeout, in steps of which each ends what it may. */
static void
wait_for_all(void)
{
	for (unsigned i = 0; i < 4; i++)
		wait_seconds(8000);
	for (unsigned i = 0; i < 100 && atomic_load(&network->connections) > 0; i++)
		wait_seconds(1);
}

static void
end(bool by_time)
{
	const struct connection_filter all = { 0 };
	struct weft_change *change = weft_change_begin(weft);

	/* links of the classifier are no plain pointers: what is left would look lost */
	weft_firewall_rules(change, firewall, NULL, 0);
	weft_firewall_translations(change, firewall, "in", NULL, 0);
	require(weft_change_commit(change, NULL) == 0, "rules cannot go");
	if (by_time)
		wait_for_all();
	else
		firewall_kill(weft, &all);
	wait_seconds(40);
	require(atomic_load(&network->connections) == 0, "connections of the network are left");
	require(((struct firewall *)firewall->data)->domain.count == 0, "connections are left");
	/* what rates remember goes in time */
	for (unsigned i = 0; i < 10; i++)
		wait_seconds(8000);
	require(atomic_load(&network->limited_sources) == 0, "sources are left");
	fuzz_end();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	open_once();
	configure(7, take(&input));
	for (unsigned i = 0; i < 200 && input.size > 0; i++) {
		uint8_t what = take(&input);

		if (what < 200)
			put(&input, what & 1, what % 16 == 7 || what % 16 > 13,
				what % 8 > 3 && what % 16 != 7);
		else if (what < 230)
			configure(what, take(&input));
		else if (what < 250)
			wait_seconds(take(&input));
		else
			firewall_kill(
				weft, &(struct connection_filter){ .protocol = what & 1 ? 6 : 17 });
	}
	end(size % 2 != 0);
	return 0;
}
