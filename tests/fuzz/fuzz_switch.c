/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole way of packets through two networks with two switches each, that share an uplink.
 * The first bytes say how the ports are (access, trunk, native VLAN, MTU, what is attached);
 * then come packets, each through the vnic that a driver would give it in at, in any pieces,
 * with any virtio-net header. One packet at a time, so that all that comes out is of it:
 * nothing leaves in another network than it came from, what came in is sent or a counted drop
 * at every device, a dry run leaves no trace, and every buffer comes back. Some runs are
 * captured and traced.
 */
#include "fuzz_packet.h"
#include "graph/capture.h"
#include "graph/engine.h"
#include "graph/explain.h"
#include "graph/punt.h"
#include "graph/trace.h"
#include "packet/offload.h"

#include <rte_ether.h>
#include <stdio.h>

#define NETWORKS 2
#define SWITCHES 2
#define PORTS 5 /* of a switch: two for vnics, two for links, one for the uplink */
#define STATIONS 8
#define UPLINK (NETWORKS * SWITCHES * 2) /* index of a vnic */
#define NICS (UPLINK + 1)
#define ALL_PORTS (NETWORKS * SWITCHES * PORTS)
#define SETUP_SIZE (ALL_PORTS + 1)
#define SECOND UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft *weft;
static uint64_t now = 1000 * SECOND;
static struct weft_vport *ports[NETWORKS][SWITCHES][PORTS];
static struct weft_nic *nics[NICS];
static uint16_t uplink_vlan[NETWORKS][SWITCHES]; /* 0: untagged */
static bool on_uplink[NETWORKS][SWITCHES];

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

/* ---- the networks ------------------------------------------------------------------------ */

static void
station_mac(uint8_t mac[6], uint8_t station)
{
	const uint8_t made[6] = { 2, 0, 0, 0, 0, station % STATIONS };
	const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	memcpy(mac, station % 11 == 10 ? all : made, 6);
}

static void
add_network(struct weft_change *change, unsigned n)
{
	static const char *const names[] = { "red", "blue" };
	/* the same addresses in both, each vnic's own by its last byte */
	struct weft_prefix addresses[] = { { 4, 24, { 10, 0, 0 } }, { 6, 64, { 0xfd } } };
	static const struct weft_prefix gateways[] = { { 4, 32, { 10, 0, 0, 1 } },
		{ 6, 128, { 0xfd, [15] = 1 } } };
	struct weft_nic_config config = { .kind = WEFT_NIC_MEMORY,
		.mtu = 65521,
		.addresses = addresses,
		.n_addresses = RTE_DIM(addresses),
		.gateways = gateways,
		.n_gateways = RTE_DIM(gateways) };
	struct weft_network *network = weft_network_add(change, names[n], NULL);
	struct weft_device *device;
	char name[32];
	uint8_t mac[6];

	for (unsigned s = 0; s < SWITCHES; s++) {
		snprintf(name, sizeof(name), "s%u", s);
		device = weft_switch_add(change, network, name, NULL);
		for (unsigned p = 0; p < PORTS; p++) {
			snprintf(name, sizeof(name), "p%u", p);
			ports[n][s][p] = weft_switch_port_add(change, device, name, NULL);
		}
		for (unsigned p = 0; p < 2; p++) {
			snprintf(name, sizeof(name), "s%u-%u", s, p);
			station_mac(config.mac, (uint8_t)(s * 2 + p));
			addresses[0].address[3] = addresses[1].address[15] =
				(uint8_t)(1 + s * 2 + p);
			nics[(n * SWITCHES + s) * 2 + p] =
				weft_nic_add(change, network, name, &config);
		}
		station_mac(mac, STATIONS - 1);
		weft_switch_mac_add(change, device, 1, mac, ports[n][s][0]);
	}
}

static void
open_once(void)
{
	static const struct weft_nic_config config = { .kind = WEFT_NIC_MEMORY, .mtu = 65521 };
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
	for (unsigned n = 0; n < NETWORKS; n++)
		add_network(change, n);
	nics[UPLINK] = weft_nic_add(change, NULL, "wire", &config);
	require(weft_change_commit(change, NULL) == 0, "no networks");
}

static struct weft_switch_port_config
port_config(uint8_t choice)
{
	static const uint32_t mtus[] = { 0, 1500, 68, 65521 };
	struct weft_switch_port_config config = { .mtu = mtus[choice >> 6] };

	switch (choice % 8) {
	case 1:
	case 2:
		config.access = choice % 8;
		break;
	case 3:
		config.vlans[0] = 0x0e; /* 1 to 3 */
		break;
	case 4:
		config.native = 2;
		break;
	case 5:
		config.native = WEFT_VLAN_NO_NATIVE;
		break;
	case 6:
		config.vlans[0] = 0x04;
		config.native = 3;
		break;
	case 7:
		config.mac_limit = 1;
		break;
	default:
		break;
	}
	return config;
}

static void
attach(struct weft_change *change, unsigned n, unsigned s, uint8_t choice)
{
	/* of both networks' switches, each has its own, and one of all the untagged frames */
	uint16_t vlan = (uint16_t)(1 + n * SWITCHES + s);

	for (unsigned p = 0; p < 2; p++)
		weft_attach(change, ports[n][s][p], nics[(n * SWITCHES + s) * 2 + p]);
	if (choice >> 4 & 3 && s == 0)
		weft_link(change, ports[n][0][2], ports[n][1][2]);
	if ((choice >> 4 & 3) == 3 && s == 0)
		weft_link(change, ports[n][0][3], ports[n][1][3]);
	if ((choice >> 4 & 3) == 2 && s == 0)
		weft_link(change, ports[n][0][3], ports[n][0][4]); /* a loop of one switch */
	on_uplink[n][s] = !((choice >> 4 & 3) == 2 && s == 0) && (choice & 8);
	uplink_vlan[n][s] = (choice >> 6) % (NETWORKS * SWITCHES) == n * SWITCHES + s ? 0 : vlan;
	if (on_uplink[n][s])
		weft_attach_uplink(change, ports[n][s][4], nics[UPLINK], uplink_vlan[n][s]);
}

/* Two changes: what was learned is forgotten with what was attached. */
static void
set_up(const uint8_t *choices)
{
	struct weft_change *change = weft_change_begin(weft);

	for (unsigned i = 0; i < ALL_PORTS; i++)
		weft_detach(change, ports[i / PORTS / SWITCHES][i / PORTS % SWITCHES][i % PORTS]);
	require(weft_change_commit(change, NULL) == 0, "not detached");
	change = weft_change_begin(weft);
	for (unsigned i = 0; i < ALL_PORTS; i++) {
		struct weft_switch_port_config config = port_config(choices[i]);

		weft_switch_port_update(change,
			ports[i / PORTS / SWITCHES][i / PORTS % SWITCHES][i % PORTS], &config);
	}
	for (unsigned n = 0; n < NETWORKS; n++)
		for (unsigned s = 0; s < SWITCHES; s++)
			attach(change, n, s, choices[ALL_PORTS]);
	require(weft_change_commit(change, NULL) == 0, "not attached");
	for (unsigned i = 0; i < NICS; i++)
		nics[i]->offloads = NIC_OFFLOAD_CHAINS |
				    (choices[i] & 8 ? NIC_OFFLOAD_CHECKSUM | NIC_OFFLOAD_TSO4 |
							      NIC_OFFLOAD_TSO6 | NIC_OFFLOAD_USO
						    : 0);
}

/* ---- counting ------------------------------------------------------------------------------ */

struct counts {
	uint64_t in, out, drops; /* of a device's ports */
};

struct tally {
	struct counts switches[NETWORKS][SWITCHES];
	uint64_t nic_drops; /* of the vnics, where no port has them */
	uint32_t macs[NETWORKS];
};

static uint64_t
sum_drops(const struct vport_drops *drops)
{
	uint64_t sum = 0;

	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		sum += drops->by_reason[reason];
	return sum;
}

static void
take_tally(struct tally *tally)
{
	struct vport_counters counters;
	struct vport_drops drops;

	memset(tally, 0, sizeof(*tally));
	for (unsigned i = 0; i < ALL_PORTS; i++) {
		unsigned n = i / PORTS / SWITCHES, s = i / PORTS % SWITCHES;
		struct counts *counts = &tally->switches[n][s];

		vport_read_counters(ports[n][s][i % PORTS], &counters, &drops);
		counts->in += counters.in_packets;
		counts->out += counters.out_packets;
		counts->drops += sum_drops(&drops);
	}
	for (unsigned i = 0; i < NICS; i++) {
		nic_read_drops(nics[i], &drops);
		tally->nic_drops += sum_drops(&drops);
	}
	for (unsigned n = 0; n < NETWORKS; n++)
		tally->macs[n] = atomic_load(&ports[n][0][0]->device->network->macs);
}

/* ---- a packet in, and what comes out ----------------------------------------------------------
 */

struct input {
	unsigned nic;
	uint8_t flags;
	struct virtio_net_hdr header;
	bool offload;
	const uint8_t *frame;
	size_t length;
};

/* As a driver does it. NULL: the header lies, and the frame is dropped. */
static struct rte_mbuf *
receive(const struct input *input, const uint8_t *frame)
{
	size_t piece = input->flags & 4 ? 14u + input->flags : (size_t)PACKET_LARGE_ROOM;
	struct rte_mbuf *packet = fixture_chain(frame, input->length, piece);

	if (!input->offload || offload_from_header(packet, &input->header))
		return packet;
	rte_pktmbuf_free(packet);
	return NULL;
}

static void
run(void)
{
	for (unsigned turns = 0; weft_run(weft) > 0; turns++)
		require(turns < 20000, "it never ends");
	punt_drain(weft);
}

/* The network of the port that a tagged frame on the uplink belongs to; NETWORKS: of none. */
static unsigned
uplink_network(const uint8_t *frame, size_t length)
{
	bool tagged = length >= 18 && frame[12] == 0x81 && frame[13] == 0;
	uint16_t vlan = tagged ? (uint16_t)(frame[14] << 8 | frame[15]) & 0xfff : 0;

	for (unsigned n = 0; n < NETWORKS; n++)
		for (unsigned s = 0; s < SWITCHES; s++)
			if (on_uplink[n][s] && uplink_vlan[n][s] == vlan)
				return n;
	return NETWORKS;
}

/* Takes what has come out; all of it must be of `network`. Returns how many frames. */
static uint64_t
take_output(unsigned network)
{
	static uint8_t frame[UINT16_MAX];
	uint64_t count = 0;
	size_t length;

	for (unsigned i = 0; i < NICS; i++)
		while ((length = weft_nic_receive(nics[i], frame, sizeof(frame))) > 0) {
			unsigned of =
				i == UPLINK ? uplink_network(frame, length) : i / 2 / SWITCHES;

			require(length >= RTE_ETHER_HDR_LEN, "no frame came out");
			require(of == network, "it left in another network");
			count++;
		}
	return count;
}

static uint64_t
drops_of(const struct tally *tally)
{
	uint64_t drops = tally->nic_drops;

	for (unsigned i = 0; i < NETWORKS * SWITCHES; i++)
		drops += tally->switches[i / SWITCHES][i % SWITCHES].drops;
	return drops;
}

static void
check_tallies(const struct tally *before, const struct tally *after, unsigned network,
	uint64_t came_out, bool super)
{
	uint64_t drops = drops_of(after) - drops_of(before), in = 0, out = 0, links;

	for (unsigned n = 0; n < NETWORKS; n++)
		for (unsigned s = 0; s < SWITCHES; s++) {
			const struct counts *a = &before->switches[n][s];
			const struct counts *b = &after->switches[n][s];

			require(n == network || memcmp(a, b, sizeof(*a)) == 0,
				"the other network counted");
			require(b->out - a->out + b->drops - a->drops >= b->in - a->in,
				"a packet went into a switch, and nowhere");
			in += b->in - a->in;
			out += b->out - a->out;
		}
	for (unsigned n = 0; n < NETWORKS; n++)
		require(n == network || before->macs[n] == after->macs[n],
			"the other network learned");
	require(in + drops > 0, "neither in nor dropped");
	/* all but one of what came into a switch came out of one by a link; the rest of what
	 * went out, left */
	links = in > 0 ? in - 1 : 0;
	require(out >= links, "more came out of links than went in");
	if (!super)
		require(came_out <= out - links && came_out + drops >= out - links,
			"what was sent did not come out");
	else
		require(came_out + drops > 0 || out == links, "what was sent did not come out");
}

/* The frame itself, or one made of what a user may ask for, out of its bytes. */
static struct explanation *
ask(const struct input *input, const uint8_t *frame)
{
	struct explain_request request = { .from = nics[input->nic] };
	struct weft_error error = { 0 };
	struct explanation *told;

	if (!(input->flags & 128) || input->length < 28)
		return explain_frame(
			weft, atomic_load(&nics[input->nic]->vport), frame, input->length, NULL);
	request.family = frame[0] % 3 * 2; /* 0: none, 2: no such, 4 */
	if (frame[0] & 0x80)
		request.family = 6;
	request.protocol = frame[1] % 3;
	request.has_mac = frame[1] & 0x80;
	request.vlan = (uint16_t)((frame[2] << 8 | frame[3]) & 0xfff);
	memcpy(&request.from_port, frame + 4, 2);
	memcpy(&request.to_port, frame + 6, 2);
	memcpy(request.to, frame + 8, 16);
	memcpy(request.to_mac, frame + 22, 6);
	told = explain_packet(weft, &request, &error);
	require(told != NULL || error.text[0] != '\0', "no reason");
	return told;
}

/* A dry run through the same tables: nothing leaves, counts or learns. */
static void
explain(const struct input *input, const uint8_t *frame)
{
	static struct tally before, after;
	struct explanation *told;

	if (input->nic == UPLINK || atomic_load(&nics[input->nic]->vport) == 0)
		return;
	take_tally(&before);
	told = ask(input, frame);
	if (told != NULL) {
		require(told->verdict[0] != '\0', "no verdict");
		require(told->count > 0, "no steps");
	}
	free(told);
	run();
	take_tally(&after);
	require(memcmp(&before, &after, sizeof(before)) == 0, "a dry run was counted");
	require(take_output(NETWORKS) == 0, "a dry run left");
}

static void
send(const struct input *input, const uint8_t *frame)
{
	static struct tally before, after;
	struct weft_nic *nic = nics[input->nic];
	unsigned network = input->nic == UPLINK ? uplink_network(frame, input->length)
						: input->nic / 2 / SWITCHES;
	struct rte_mbuf *packet = receive(input, frame);
	bool super;

	if (packet == NULL)
		return;
	super = packet_meta(packet)->gso != PACKET_GSO_NONE;
	take_tally(&before);
	nic_input(weft->workers[0], nic->queues[0], &packet, 1);
	run();
	take_tally(&after);
	check_tallies(&before, &after, network, take_output(network), super);
}

/* ---- watching ---------------------------------------------------------------------------------
 */

static struct capture *capture;
static struct trace *trace;

/* Of all ports, if the choice says so: every packet goes the slow way then. */
static void
begin_watching(uint8_t choice)
{
	static const struct filter everything;
	uint32_t ids[ALL_PORTS];
	struct capture_options options = {
		.vports = ids, .n_vports = ALL_PORTS, .snaplen = choice & 4 ? 20 : 0
	};

	for (unsigned i = 0; i < ALL_PORTS; i++)
		ids[i] = ports[i / PORTS / SWITCHES][i / PORTS % SWITCHES][i % PORTS]->id;
	capture = choice & 1 ? capture_open(weft, &options, NULL) : NULL;
	trace = choice & 2 ? trace_open(weft, &everything, 0, NULL) : NULL;
	require((capture != NULL) == ((choice & 1) != 0), "no capture");
	require((trace != NULL) == ((choice & 2) != 0), "no trace");
}

/* Whole blocks, each with its length in front and behind. */
static void
check_blocks(const uint8_t *bytes, size_t size)
{
	uint32_t length, again;

	for (; size > 0; bytes += length, size -= length) {
		require(size >= 12, "a block is cut");
		memcpy(&length, bytes + 4, 4);
		require(length >= 12 && length % 4 == 0 && length <= size, "no block");
		memcpy(&again, bytes + length - 4, 4);
		require(again == length, "another length behind the block");
	}
}

static void
read_capture(void)
{
	static uint8_t bytes[CAPTURE_READ_SIZE];
	size_t size;

	while (capture != NULL && (size = capture_read(capture, bytes, sizeof(bytes))) > 0)
		check_blocks(bytes, size);
}

/* A packet in, if its steps are few: the last copy's verdict is among them. */
static void
read_trace(void)
{
	struct trace_event event;
	unsigned events = 0, verdicts = 0;

	while (trace != NULL && trace_read(trace, &event)) {
		require(memchr(event.text, '\0', sizeof(event.text)) != NULL &&
				memchr(event.describe, '\0', sizeof(event.describe)) != NULL,
			"no end of a text");
		require(event.packet > 0, "a step of no packet");
		require(event.verdict != TRACE_DROPPED || event.reason < DROP_REASON_COUNT,
			"no reason");
		events++;
		verdicts += event.verdict != TRACE_GOES_ON;
	}
	require(events == 0 || events > 500 || verdicts > 0, "a trace without a verdict");
}

static void
end_watching(void)
{
	if (capture != NULL)
		capture_close(capture);
	if (trace != NULL)
		trace_close(trace);
}

/* Takes the next packet apart; false: there is none. */
static bool
next(const uint8_t **data, size_t *left, struct input *input, uint8_t *frame)
{
	size_t head = 4, length;

	if (*left < head)
		return false;
	*input = (struct input){ .nic = (*data)[0] % NICS, .flags = (*data)[1] };
	length = (size_t)(*data)[2] | (size_t)(*data)[3] << 8;
	input->offload = input->flags & 1;
	if (input->offload) {
		if (*left < head + sizeof(input->header))
			return false;
		memcpy(&input->header, *data + head, sizeof(input->header));
		head += sizeof(input->header);
	}
	*data += head;
	*left -= head;
	length = length < *left ? length : *left;
	memcpy(frame, *data, length);
	*data += length;
	*left -= length;
	if ((input->flags & 8) && length >= 12) {
		station_mac(frame, frame[5]);
		station_mac(frame + 6, frame[11]);
	}
	/* a GSO packet of its size: the rest is a pattern */
	if (input->flags & 16 && length > 0 && length < 40000) {
		memset(frame + length, 0x5a, 20000);
		length += 20000;
	}
	input->length = length;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[UINT16_MAX];
	static unsigned runs;
	struct input input;
	size_t left;

	open_once();
	if (size < SETUP_SIZE || size > UINT16_MAX)
		return 0;
	set_up(data);
	begin_watching(data[ALL_PORTS]);
	data += SETUP_SIZE;
	left = size - SETUP_SIZE;
	for (unsigned i = 0; i < 32 && next(&data, &left, &input, frame); i++) {
		if (input.flags & 2)
			explain(&input, frame);
		send(&input, frame);
		read_capture();
		read_trace();
		now += input.flags & 32 ? 200 * SECOND : 1000;
		if (input.flags & 64)
			weft_tick(weft);
	}
	end_watching();
	now += 11 * SECOND; /* no loop is remembered */
	if (++runs % 256 == 0)
		weft_tick(weft);
	if (!fixture_nothing_lost())
		abort();
	return 0;
}
