/* SPDX-License-Identifier: BSD-3-Clause */
/* The control side of probes: their life, what they send, what comes of them. */
#include "graph/probe.h"

#include "base/error.h"
#include "graph/engine.h"
#include "graph/probe_private.h"
#include "packet/make.h"

#include <errno.h>
#include <rte_tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)
#define TIMEOUT_DEFAULT NS_PER_SECOND
#define REPEAT_NS (200 * NS_PER_MS)
#define TIME_SIZE 32
#define PAYLOAD "weft probe"

struct probes {
	struct probe_watches watches;
	LIST_HEAD(, probe) all;
};

static struct probes *
probes_of(struct weft *weft)
{
	return (struct probes *)weft->probes; /* its first member */
}

static struct probe *
probe_at(struct weft *weft, unsigned slot)
{
	return (struct probe *)weft->probes->slots[slot]; /* its first member */
}

/* ---- words ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
say(struct probe *probe, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(probe->text, sizeof(probe->text), format, arguments);
	va_end(arguments);
}

/* "0.0042 ms", "0.21 ms", "1 s": what is after the point's last figure but zeros is left out. */
static const char *
time_text(uint64_t time, char text[TIME_SIZE])
{
	char number[TIME_SIZE - 4], *end;

	if (time >= NS_PER_SECOND)
		snprintf(number, sizeof(number), "%.3f", (double)time / NS_PER_SECOND);
	else
		snprintf(number, sizeof(number), time < NS_PER_MS / 10 ? "%.4f" : "%.2f",
			(double)time / NS_PER_MS);
	end = number + strlen(number);
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		*--end = '\0';
	snprintf(text, TIME_SIZE, "%s %s", number, time >= NS_PER_SECOND ? "s" : "ms");
	return text;
}

static const char *
protocol_name(const struct probe *probe)
{
	return probe->watch.kind == PROBE_TCP ? "TCP" : "UDP";
}

struct icmp_text {
	uint8_t family, type;
	int16_t code; /* -1: any */
	const char *text;
};

/* RFC 792, RFC 1122 (3.2.2.1), RFC 1812 (5.2.7.1); RFC 4443 */
static const struct icmp_text icmp_texts[] = {
	{ 4, 3, 0, "network unreachable" },
	{ 4, 3, 1, "host unreachable" },
	{ 4, 3, 2, "protocol unreachable" },
	{ 4, 3, 3, "port unreachable" },
	{ 4, 3, 4, "fragmentation needed" },
	{ 4, 3, 9, "network administratively prohibited" },
	{ 4, 3, 10, "host administratively prohibited" },
	{ 4, 3, 13, "administratively prohibited" },
	{ 4, 3, -1, "destination unreachable" },
	{ 4, 11, -1, "time exceeded (TTL)" },
	{ 4, 12, -1, "parameter problem" },
	{ 6, 1, 0, "no route" },
	{ 6, 1, 1, "administratively prohibited" },
	{ 6, 1, 2, "beyond the scope of the source address" },
	{ 6, 1, 3, "address unreachable" },
	{ 6, 1, 4, "port unreachable" },
	{ 6, 1, 5, "source address not allowed" },
	{ 6, 1, 6, "route rejected" },
	{ 6, 1, -1, "destination unreachable" },
	{ 6, 3, -1, "time exceeded (hop limit)" },
	{ 6, 4, -1, "parameter problem" },
};

static const char *
icmp_text(uint8_t family, uint8_t type, uint8_t code)
{
	for (size_t i = 0; i < RTE_DIM(icmp_texts); i++) {
		const struct icmp_text *text = &icmp_texts[i];

		if (text->family == family && text->type == type &&
			(text->code == code || text->code == -1))
			return text->text;
	}
	return "an ICMP error";
}

#define AWAITED_SIZE (INET6_ADDRSTRLEN + 48)

/* "answer from 10.0.0.11", "answer to ARP for 10.0.0.1 (the gateway)" */
static const char *
awaited(const struct probe *probe, char text[AWAITED_SIZE])
{
	const struct probe_watch *watch = &probe->watch;
	char address[INET6_ADDRSTRLEN];

	if (probe->resolved)
		snprintf(text, AWAITED_SIZE, "answer from %s",
			probe_address_text(watch->family, watch->to, address));
	else
		snprintf(text, AWAITED_SIZE, "answer to %s for %s%s",
			watch->family == 4 ? "ARP" : "neighbour solicitation",
			probe_address_text(watch->family, watch->next_hop, address),
			probe->gateway ? " (the gateway)" : "");
	return text;
}

static void
say_waiting(struct probe *probe)
{
	char what[AWAITED_SIZE];

	say(probe, "waiting for an %s", awaited(probe, what));
}

static void
say_nothing_came(struct probe *probe)
{
	char what[AWAITED_SIZE], time[TIME_SIZE];

	say(probe, "no %s in %s", awaited(probe, what), time_text(probe->timeout, time));
}

/* ---- sending --------------------------------------------------------------------------------- */

static void
send_frame(struct probe *probe, const uint8_t *frame, size_t length)
{
	struct rte_mbuf *packet = packet_from_bytes(&probe->weft->pools, frame, length);

	if (packet == NULL)
		return; /* as if it had been lost: it will be repeated */
	packet_meta(packet)->flags |= PACKET_PROBE;
	inject_in(probe->weft, probe->watch.vport, packet);
}

static struct make_ends
ends_to(const struct probe *probe, const uint8_t *address)
{
	struct make_ends ends = {
		.source_mac = probe->watch.mac,
		.destination_mac = probe->hop_mac,
		.family = probe->watch.family,
	};

	memcpy(ends.source, probe->watch.own, sizeof(ends.source));
	memcpy(ends.destination, address, sizeof(ends.destination));
	return ends;
}

static void
ask_for_mac(struct probe *probe)
{
	struct make_ends ends = ends_to(probe, probe->watch.next_hop);
	uint8_t frame[MAKE_SIZE];

	atomic_fetch_add_explicit(&probe->watch.owed, 1, memory_order_relaxed);
	send_frame(probe, frame, make_neighbour_request(frame, &ends));
}

static void
send_request(struct probe *probe, uint64_t now)
{
	const struct probe_watch *watch = &probe->watch;
	struct make_ends ends = ends_to(probe, watch->to);
	uint8_t frame[MAKE_SIZE];
	size_t length;

	probe->sequence++;
	probe->sent[probe->sequence % PROBE_SENT_COUNT] = now;
	switch (watch->kind) {
	case PROBE_TCP:
		length = make_tcp(
			frame, &ends, watch->id, watch->port, watch->sequence, 0, RTE_TCP_SYN_FLAG);
		break;
	case PROBE_UDP:
		length = make_udp(
			frame, &ends, watch->id, watch->port, PAYLOAD, sizeof(PAYLOAD) - 1);
		break;
	default:
		length = make_echo(frame, &ends, watch->id, probe->sequence, watch->nonce,
			sizeof(watch->nonce));
		break;
	}
	send_frame(probe, frame, length);
}

/* The other side is not left with half a connection. */
static void
send_reset(struct probe *probe)
{
	struct make_ends ends = ends_to(probe, probe->watch.to);
	uint8_t frame[MAKE_SIZE];

	send_frame(probe, frame,
		make_tcp(frame, &ends, probe->watch.id, probe->watch.port,
			probe->watch.sequence + 1, 0, RTE_TCP_RST_FLAG));
}

static void
send_what_is_due(struct probe *probe, uint64_t now)
{
	if (probe->resolved)
		send_request(probe, now);
	else
		ask_for_mac(probe);
	probe->next = RTE_MIN(now + REPEAT_NS, probe->deadline);
}

/* Changes between two calls may have taken the vnic or its port away. False: then it is
 * over. */
static bool
still_attached(struct probe *probe)
{
	struct weft *weft = probe->weft;
	struct weft_vport *object;
	bool attached;

	weft_objects_lock(weft);
	object = vport_by_id(weft, probe->watch.vport);
	attached = object != NULL && object->live != NULL &&
		   object->live->attachment == ATTACHED_NIC && object->live->nic->id == probe->nic;
	weft_objects_unlock(weft);
	if (attached || probe->result != PROBE_RUNNING)
		return attached;
	probe->result = PROBE_BLOCKED;
	if (object == NULL)
		say(probe, "port %s, where vnic %s was, was removed while the probe ran",
			probe->vport_path, probe->nic_path);
	else
		say(probe, "vnic %s was removed from port %s while the probe ran", probe->nic_path,
			probe->vport_path);
	return false;
}

/* ---- what comes back ------------------------------------------------------------------------- */

/* 0: it is not known any more. */
static uint64_t
time_of_request(const struct probe *probe, const struct probe_finding *finding)
{
	uint16_t sequence = probe->sequence;

	if (probe->watch.kind == PROBE_PING) {
		if (finding->sequence == 0 || finding->sequence > sequence ||
			sequence - finding->sequence >= PROBE_SENT_COUNT)
			return 0;
		sequence = finding->sequence;
	}
	return probe->sent[sequence % PROBE_SENT_COUNT];
}

static void
note_round_trip(struct probe *probe, const struct probe_finding *finding, uint64_t when)
{
	uint64_t sent = time_of_request(probe, finding);

	/* the worker's clock is read once a turn: it may seem that the answer came first */
	if (sent != 0)
		probe->round_trip = when > sent ? when - sent : 1;
}

static void
answered(struct probe *probe, const struct probe_finding *finding, uint64_t when)
{
	char address[INET6_ADDRSTRLEN], time[TIME_SIZE];

	note_round_trip(probe, finding, when);
	probe->result = PROBE_REACHABLE;
	probe_address_text(probe->watch.family, probe->watch.to, address);
	if (probe->round_trip != 0)
		say(probe, "answer from %s in %s", address, time_text(probe->round_trip, time));
	else
		say(probe, "answer from %s", address);
}

static void
refused(struct probe *probe, const struct probe_finding *finding, uint64_t when)
{
	char address[INET6_ADDRSTRLEN], time[TIME_SIZE];

	note_round_trip(probe, finding, when);
	probe->result = PROBE_CLOSED;
	say(probe, "%s says that %s port %u is closed, in %s",
		probe_address_text(probe->watch.family, probe->watch.to, address),
		protocol_name(probe), probe->watch.port, time_text(probe->round_trip, time));
}

static void
stopped_on_its_way(struct probe *probe, const struct probe_finding *finding)
{
	char address[INET6_ADDRSTRLEN];

	probe->result = PROBE_BLOCKED;
	say(probe, "%s says: %s", probe_address_text(probe->watch.family, finding->from, address),
		icmp_text(probe->watch.family, finding->type, finding->code));
}

static void
resolve(struct probe *probe, const struct probe_finding *finding)
{
	probe->resolved = true;
	probe->hop_mac = finding->mac;
	say_waiting(probe);
	send_what_is_due(probe, engine_now(probe->weft));
}

static void
handle(struct probe *probe, enum probe_meaning meaning, const struct probe_finding *finding,
	uint64_t when)
{
	bool waits = probe->result == PROBE_RUNNING && when <= probe->deadline;

	if (!still_attached(probe))
		return;
	if (meaning == PROBE_NEIGHBOUR) {
		if (waits && !probe->resolved)
			resolve(probe, finding);
		return;
	}
	if (probe->sequence == 0)
		return; /* nothing was asked yet */
	/* late ones and repeated ones, too */
	if (meaning == PROBE_ANSWERED && probe->watch.kind == PROBE_TCP)
		send_reset(probe);
	if (!waits)
		return;
	if (meaning == PROBE_ANSWERED)
		answered(probe, finding, when);
	else if (meaning == PROBE_REFUSED)
		refused(probe, finding, when);
	else if (meaning == PROBE_ERROR)
		stopped_on_its_way(probe, finding);
}

/* One answer about the next hop serves all probes that wait for it at this vport. */
static void
take_punted(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	uint64_t when = packet_meta(packet)->trace; /* see punt_answer() */
	struct probe_view view;
	bool readable = weft->probes != NULL && probe_look(&view, packet);

	(void)context;
	(void)reason;
	for (unsigned i = 0; readable && i < PROBE_LIMIT; i++) {
		struct probe *probe = probe_at(weft, i);
		struct probe_finding finding = { .sequence = 0 };
		enum probe_meaning meaning;

		if (probe == NULL || probe->watch.vport != packet_meta(packet)->vport)
			continue;
		meaning = probe_match(&probe->watch, &view, &finding);
		if (meaning != PROBE_NOT_MINE)
			handle(probe, meaning, &finding, when);
	}
	rte_pktmbuf_free(packet);
}

/* ---- vports and slots ------------------------------------------------------------------------ */

/* The bit is there while any probe is at that vport. */
static void
set_watch(struct weft *weft, uint32_t vport)
{
	struct weft_vport *object;
	bool wanted = false;

	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		wanted = wanted ||
			 (weft->probes->slots[i] != NULL && weft->probes->slots[i]->vport == vport);
	weft_objects_lock(weft);
	object = vport_by_id(weft, vport);
	if (object != NULL && wanted)
		atomic_fetch_or(&object->watch, WATCH_PROBE);
	else if (object != NULL)
		atomic_fetch_and(&object->watch, ~(uint32_t)WATCH_PROBE);
	weft_objects_unlock(weft);
}

static void
set_slot(struct weft *weft, unsigned slot, struct probe_watch *watch)
{
	__atomic_store_n(&weft->probes->slots[slot], watch, __ATOMIC_RELEASE);
}

static void
leave_slot(struct probe *probe)
{
	if (probe->slot == PROBE_LIMIT)
		return;
	set_slot(probe->weft, probe->slot, NULL);
	set_watch(probe->weft, probe->watch.vport);
	probe->slot = PROBE_LIMIT;
}

/* A free one, else one whose probe is over and only looks out for late answers. */
static unsigned
find_slot(struct weft *weft)
{
	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		if (weft->probes->slots[i] == NULL)
			return i;
	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		if (probe_at(weft, i)->result != PROBE_RUNNING)
			return i;
	return PROBE_LIMIT;
}

static int
enter_slot(struct probe *probe, struct weft_error *error)
{
	struct weft *weft = probe->weft;
	unsigned slot = find_slot(weft);

	if (slot == PROBE_LIMIT)
		return error_set(error, EBUSY,
			"%u probes are under way already; wait until one is over", PROBE_LIMIT);
	if (weft->probes->slots[slot] != NULL)
		leave_slot(probe_at(weft, slot));
	probe->slot = slot;
	set_slot(weft, slot, &probe->watch);
	set_watch(weft, probe->watch.vport);
	return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int
open_probes(struct weft *weft, struct weft_error *error)
{
	struct probes *probes;

	if (weft->probes != NULL)
		return 0;
	probes = calloc(1, sizeof(*probes));
	if (probes == NULL)
		return error_memory(error);
	LIST_INIT(&probes->all);
	punt_register(weft, PUNT_PROBE, take_punted, NULL);
	__atomic_store_n(&weft->probes, &probes->watches, __ATOMIC_RELEASE);
	return 0;
}

struct probe *
probe_start(struct weft *weft, const struct probe_request *request, struct weft_error *error)
{
	uint64_t now = engine_now(weft);
	struct probe *probe;

	if (open_probes(weft, error) < 0)
		return NULL;
	probe = probe_make(weft, request, error);
	if (probe == NULL)
		return NULL;
	if (enter_slot(probe, error) < 0) {
		probe_free(probe);
		return NULL;
	}
	LIST_INSERT_HEAD(&probes_of(weft)->all, probe, entry);
	probe->timeout = request->timeout_ns != 0 ? request->timeout_ns : TIMEOUT_DEFAULT;
	probe->deadline = now + RTE_MIN(probe->timeout, UINT64_MAX - now);
	say_waiting(probe);
	send_what_is_due(probe, now);
	return probe;
}

/* ---- running --------------------------------------------------------------------------------- */

static void
go_on(struct probe *probe, uint64_t now)
{
	if (!still_attached(probe))
		return;
	if (now >= probe->deadline) {
		probe->result = PROBE_BLOCKED;
		say_nothing_came(probe);
	} else if (now >= probe->next) {
		send_what_is_due(probe, now);
	}
}

static struct probe *
running_at(struct weft *weft, unsigned slot)
{
	struct probe *probe = weft->probes != NULL ? probe_at(weft, slot) : NULL;

	return probe != NULL && probe->result == PROBE_RUNNING ? probe : NULL;
}

void
probe_poll(struct weft *weft, uint64_t now)
{
	for (unsigned i = 0; i < PROBE_LIMIT; i++) {
		struct probe *probe = running_at(weft, i);

		if (probe != NULL)
			go_on(probe, now);
	}
}

uint64_t
probe_next(struct weft *weft, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < PROBE_LIMIT; i++) {
		struct probe *probe = running_at(weft, i);

		if (probe != NULL)
			next = RTE_MIN(next, probe->next > now ? probe->next - now : 0);
	}
	return next;
}

enum probe_result
probe_result(const struct probe *probe)
{
	return probe->result;
}

const char *
probe_result_name(enum probe_result result)
{
	static const char *const names[] = {
		[PROBE_REACHABLE] = "reachable",
		[PROBE_CLOSED] = "closed",
		[PROBE_BLOCKED] = "blocked",
	};

	return result < RTE_DIM(names) ? names[result] : NULL;
}

const char *
probe_text(const struct probe *probe)
{
	return probe->text;
}

uint64_t
probe_round_trip(const struct probe *probe)
{
	return probe->round_trip;
}

/* ---- the end --------------------------------------------------------------------------------- */

void
probe_end(struct probe *probe)
{
	if (probe == NULL)
		return;
	leave_slot(probe);
	LIST_REMOVE(probe, entry);
	engine_synchronize(probe->weft);
	probe_free(probe);
}

void
probe_close_all(struct weft *weft)
{
	struct probes *probes = probes_of(weft);

	if (probes == NULL)
		return;
	while (!LIST_EMPTY(&probes->all))
		probe_end(LIST_FIRST(&probes->all));
	__atomic_store_n(&weft->probes, NULL, __ATOMIC_RELEASE);
	engine_synchronize(weft);
	free(probes);
}
