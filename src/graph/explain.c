/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/explain.h"

#include "base/error.h"
#include "graph/engine.h"
#include "graph/nic_address.h"
#include "packet/make.h"

#include <arpa/inet.h>
#include <errno.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No dry run needs more: copies are bounded by the budget, devices by the hop limit. */
#define VISITS 4096
#define PORT_DEFAULT 49152

struct run {
	struct explanation *explanation;
	uint32_t vport;
	const void *frame;
	size_t length;
	int failure; /* errno */
};

static void
run_on_worker(struct worker *worker, void *argument)
{
	struct run *run = argument;
	struct vport *vport = vport_get(worker, run->vport);
	struct rte_mbuf *packet;

	if (vport == NULL) {
		run->failure = ENOENT;
		return;
	}
	packet = packet_from_bytes(&worker->pools, run->frame, run->length);
	if (packet == NULL) {
		run->failure = ENOBUFS;
		return;
	}
	packet_meta(packet)->flags |= PACKET_DRY_RUN;
	packet_meta(packet)->trace = TRACE_MARK_EXPLAIN;
	/* packets of others that are under way go on first, so that only ours is left */
	worker_run_nodes(worker, VISITS);
	worker->explanation = run->explanation;
	vport_receive(worker, vport, packet);
	worker_run_nodes(worker, VISITS);
	worker->explanation = NULL;
}

/* ---- who has an address ---------------------------------------------------------------------- */

/* Under weft_objects_lock. */
static bool
find_station(struct weft *weft, struct weft_network *network, uint8_t family,
	const uint8_t *address, uint8_t mac[6])
{
	const struct weft_nic *nic = nic_with_address(weft, network, family, address);
	const struct weft_device *device;

	if (nic != NULL) {
		memcpy(mac, nic->mac, RTE_ETHER_ADDR_LEN);
		return true;
	}
	if (network == NULL)
		return false;
	TAILQ_FOREACH(device, &network->devices, entry)
	{
		if (device->class->find_station != NULL &&
			device->class->find_station(device, family, address, mac))
			return true;
	}
	return false;
}

bool
explain_station(struct worker *worker, const struct vport *vport, uint8_t family,
	const uint8_t *address, uint8_t mac[6])
{
	static const uint8_t none[RTE_ETHER_ADDR_LEN];

	/* who explains holds the lock meanwhile */
	return worker->explanation != NULL &&
	       find_station(worker->weft, vport->object->device->network, family, address, mac) &&
	       memcmp(mac, none, sizeof(none)) != 0;
}

/* ---- summing up ------------------------------------------------------------------------------ */

static void
append(char *text, size_t size, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s", more);
}

/* Taken by a device itself; or why it was dropped. */
static void
sum_up_unsent(struct weft *weft, struct explanation *explanation)
{
	const struct trace_event *dropped = NULL, *taken = NULL;
	char path[VPORT_NAME_SIZE];

	for (unsigned i = 0; i < explanation->count; i++) {
		const struct trace_event *step = &explanation->steps[i];

		if (step->verdict == TRACE_DROPPED)
			dropped = step;
		else if (step->verdict == TRACE_TAKEN)
			taken = step;
	}
	if (taken != NULL)
		snprintf(explanation->verdict, sizeof(explanation->verdict), "taken at %.200s",
			trace_where(weft, taken->vport, path));
	else if (dropped != NULL)
		snprintf(explanation->verdict, sizeof(explanation->verdict),
			"dropped at %.200s: %s", trace_where(weft, dropped->vport, path),
			drop_name(dropped->reason));
	else
		append(explanation->verdict, sizeof(explanation->verdict), "went nowhere");
}

/* Where it was sent; or what became of it, if it was sent nowhere. */
static void
sum_up(struct weft *weft, struct explanation *explanation)
{
	char path[VPORT_NAME_SIZE], more[VPORT_NAME_SIZE + TRACE_TEXT_SIZE + 40];
	unsigned sent = 0, told = 0;

	for (unsigned i = 0; i < explanation->count; i++) {
		const struct trace_event *step = &explanation->steps[i];

		if (step->verdict != TRACE_SENT)
			continue;
		if (++sent > 4)
			continue;
		snprintf(more, sizeof(more), "%s%s", sent == 1 ? "sent at " : ", ",
			trace_where(weft, step->vport, path));
		append(explanation->verdict, sizeof(explanation->verdict), more);
		told++;
	}
	if (sent > told) {
		snprintf(more, sizeof(more), " and %u more", sent - told);
		append(explanation->verdict, sizeof(explanation->verdict), more);
	}
	if (sent == 0)
		sum_up_unsent(weft, explanation);
}

struct explanation *
explain_frame(struct weft *weft, uint32_t vport, const void *frame, size_t length,
	struct weft_error *error)
{
	struct run run = { .vport = vport, .frame = frame, .length = length };

	if (length < RTE_ETHER_HDR_LEN || length > UINT16_MAX) {
		error_set(error, EINVAL, "a frame has %u to %u bytes, this one has %zu",
			RTE_ETHER_HDR_LEN, UINT16_MAX, length);
		return NULL;
	}
	run.explanation = calloc(1, sizeof(*run.explanation));
	if (run.explanation == NULL) {
		error_memory(error);
		return NULL;
	}
	/* so that the worker may look who has an address (explain_station) */
	weft_objects_lock(weft);
	worker_call(weft->workers[0], run_on_worker, &run);
	weft_objects_unlock(weft);
	if (run.failure != 0) {
		free(run.explanation);
		if (run.failure == ENOENT)
			error_set(error, ENOENT, "the port is not there any more");
		else
			error_set(error, run.failure, "no packet buffer is free at the moment");
		return NULL;
	}
	sum_up(weft, run.explanation);
	return run.explanation;
}

/* ---- making the frame ------------------------------------------------------------------------ */

/* The MAC that the vnic's user would find by ARP: of who has the next hop in this network. */
static int
find_mac(const struct explain_request *request, const struct nic_way *way,
	struct rte_ether_addr *mac, struct weft_error *error)
{
	const struct weft_nic *nic = request->from;
	char text[INET6_ADDRSTRLEN];
	bool found;

	weft_objects_lock(nic->weft);
	found = find_station(
		nic->weft, nic->network, request->family, way->next_hop, mac->addr_bytes);
	weft_objects_unlock(nic->weft);
	if (found && !rte_is_zero_ether_addr(mac))
		return 0;
	inet_ntop(request->family == 4 ? AF_INET : AF_INET6, way->next_hop, text, sizeof(text));
	return error_set(error, ENOENT,
		"no vnic or router of network %s is known to have %s%s; say which MAC the packet "
		"is for",
		nic->network != NULL ? nic->network->name : "-", text,
		way->gateway ? " (the gateway)" : "");
}

static int
find_ends(const struct explain_request *request, struct make_ends *ends, struct weft_error *error)
{
	struct nic_way way;

	*ends = (struct make_ends){ .vlan = request->vlan, .family = request->family };
	if (nic_way_to(request->from, request->family, request->to, &way, error) < 0)
		return -1;
	memcpy(&ends->source_mac, way.mac, sizeof(ends->source_mac));
	memcpy(ends->source, way.source, sizeof(ends->source));
	memcpy(ends->destination, request->to, sizeof(ends->destination));
	if (!request->has_mac)
		return find_mac(request, &way, &ends->destination_mac, error);
	memcpy(&ends->destination_mac, request->to_mac, sizeof(ends->destination_mac));
	return 0;
}

static size_t
make(const struct explain_request *request, const struct make_ends *ends, uint8_t *frame)
{
	uint16_t from = request->from_port != 0 ? request->from_port : PORT_DEFAULT;

	switch (request->protocol) {
	case EXPLAIN_TCP:
		return make_tcp(frame, ends, from, request->to_port, 1, 0, RTE_TCP_SYN_FLAG);
	case EXPLAIN_UDP:
		return make_udp(frame, ends, from, request->to_port, "weft", 4);
	default:
		return make_echo(frame, ends, 1, 1, "weft", 4);
	}
}

/* To a MAC and nothing more: of the experimental ethertype (IEEE 802, 9.2.4). */
static size_t
make_plain(const struct explain_request *request, uint8_t *frame)
{
	const uint8_t *mac = request->from->mac;
	const uint8_t types[6] = { 0x81, 0x00, request->vlan >> 8, (uint8_t)request->vlan, 0x88,
		0xb5 };
	bool tagged = request->vlan != 0;

	memset(frame, 0, RTE_ETHER_MIN_LEN);
	memcpy(frame, request->to_mac, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, mac, RTE_ETHER_ADDR_LEN);
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, tagged ? types : types + 4, tagged ? 6 : 2);
	return RTE_ETHER_MIN_LEN;
}

struct explanation *
explain_packet(struct weft *weft, const struct explain_request *request, struct weft_error *error)
{
	uint32_t vport = atomic_load(&request->from->vport);
	uint8_t frame[MAKE_SIZE];
	struct make_ends ends;
	size_t length;

	if (vport == 0) {
		error_set(error, ENOTCONN, "vnic %s is attached to no port", request->from->name);
		return NULL;
	}
	if (request->family == 0 && request->has_mac) {
		length = make_plain(request, frame);
	} else if (request->family != 0) {
		if (find_ends(request, &ends, error) < 0)
			return NULL;
		length = make(request, &ends, frame);
	} else {
		error_set(error, EINVAL, "neither an address nor a MAC to send to");
		return NULL;
	}
	return explain_frame(weft, vport, frame, length, error);
}
