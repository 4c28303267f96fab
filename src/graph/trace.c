/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/trace.h"

#include "base/error.h"
#include "base/record_ring.h"
#include "graph/engine.h"
#include "graph/explain.h"
#include "packet/parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The mark: the packet's number, and a bit for each trace that wants it. */
#define MARK_TRACES_SHIFT 56
#define MARK_NUMBER (TRACE_MARK_EXPLAIN - 1)

#define RING_SIZE (1u << 20)
/* A packet is marked only where so many steps of it find room: more than most have. */
#define ROOM_FOR_A_PACKET (64 * (sizeof(struct trace_event) + 8))
/* Packets that were marked may still be on their way so long (trace_done). */
#define SETTLE_NS 50000000

struct trace {
	struct weft *weft;
	struct filter filter;
	unsigned place; /* bit in worker.trace_mask */
	uint64_t count;
	_Atomic uint64_t marked, lost, last_marked;
	unsigned n_rings;
	struct record_ring rings[]; /* by worker */
};

/* ---- workers --------------------------------------------------------------------------------- */

static void
explain_step(struct explanation *explanation, const struct trace_event *event)
{
	struct trace_event *step = &explanation->steps[explanation->count];

	if (explanation->count == EXPLAIN_STEP_LIMIT) {
		explanation->lost++;
		return;
	}
	*step = *event;
	if (explanation->count++ > 0)
		step->describe[0] = '\0';
}

static void
deliver_to(struct worker *worker, unsigned places, const struct trace_event *event)
{
	for (places &= worker->trace_mask; places != 0; places &= places - 1) {
		struct trace *trace = worker->traces[__builtin_ctz(places)];
		struct record_ring *ring = &trace->rings[worker->index];
		void *record = record_ring_reserve(ring, sizeof(*event));

		if (record == NULL) {
			atomic_fetch_add_explicit(&trace->lost, 1, memory_order_relaxed);
			continue;
		}
		memcpy(record, event, sizeof(*event));
		record_ring_commit(ring);
	}
}

static unsigned
places_of(uint64_t mark)
{
	return (unsigned)(mark >> MARK_TRACES_SHIFT);
}

/* Gives the step to all that the mark names. */
static void
deliver(struct worker *worker, uint64_t mark, const struct trace_event *event)
{
	deliver_to(worker, places_of(mark), event);
	if ((mark & TRACE_MARK_EXPLAIN) && worker->explanation != NULL)
		explain_step(worker->explanation, event);
}

static const char *
node_name(const struct worker *worker, const struct vport *vport)
{
	return vport != NULL ? worker->weft->classes[vport->node]->name : "graph";
}

static void
begin_event(struct worker *worker, struct trace_event *event, uint64_t mark,
	const struct vport *vport, const char *node)
{
	event->packet = mark & MARK_NUMBER;
	event->time = worker->now;
	event->vport = vport != NULL ? vport->id : 0;
	event->verdict = TRACE_GOES_ON;
	event->reason = 0;
	event->node = node;
	event->text[0] = event->describe[0] = '\0';
}

void
trace_step(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	const char *format, ...)
{
	uint64_t mark = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->trace;
	struct trace_event event;
	va_list arguments;

	begin_event(worker, &event, mark, vport, node_name(worker, vport));
	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	deliver(worker, mark, &event);
}

/* What is at the vport's other side, for people. */
static void
describe_attachment(struct worker *worker, const struct vport *vport, char *text, size_t size)
{
	const struct vport *peer;
	char path[VPORT_NAME_SIZE];

	switch (vport->attachment) {
	case ATTACHED_NIC:
		snprintf(text, size, "vnic %.80s", vport->nic->name);
		break;
	case ATTACHED_UPLINK:
		if (vport->uplink_vlan != 0)
			snprintf(text, size, "uplink %.80s, VLAN %u", vport->nic->name,
				vport->uplink_vlan);
		else
			snprintf(text, size, "uplink %.80s, untagged", vport->nic->name);
		break;
	case ATTACHED_VPORT:
		peer = vport_get(worker, vport->peer);
		snprintf(text, size, "the link with %.80s",
			peer != NULL ? vport_path(peer->object, path) : "a port that is gone");
		break;
	default:
		snprintf(text, size, "nothing");
		break;
	}
}

static const char *
attachment_node(const struct vport *vport)
{
	return vport->attachment == ATTACHED_VPORT ? "link" : "nic";
}

/* Which of the traces in `places` want the packet. */
static unsigned
choose(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	unsigned places)
{
	unsigned chosen = 0;

	for (; places != 0; places &= places - 1) {
		unsigned place = (unsigned)__builtin_ctz(places);
		struct trace *trace = worker->traces[place];

		if ((trace->count != 0 && atomic_load_explicit(&trace->marked,
						  memory_order_relaxed) >= trace->count) ||
			!filter_matches(&trace->filter, packet, vport))
			continue;
		if (record_ring_room(&trace->rings[worker->index]) < ROOM_FOR_A_PACKET) {
			atomic_fetch_add_explicit(&trace->lost, 1, memory_order_relaxed);
			continue;
		}
		if (atomic_fetch_add_explicit(&trace->marked, 1, memory_order_relaxed) >=
				trace->count &&
			trace->count != 0)
			continue;
		atomic_store_explicit(&trace->last_marked, worker->now, memory_order_relaxed);
		chosen |= 1u << place;
	}
	return chosen;
}

void
trace_enter(struct worker *worker, struct rte_mbuf *packet, const struct vport *vport)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned before = places_of(meta->trace), chosen = 0;
	char side[TRACE_TEXT_SIZE - 8];
	struct trace_event event;

	if (!(meta->flags & PACKET_DRY_RUN))
		chosen = choose(worker, packet, vport, worker->trace_mask & ~before);
	if (chosen != 0) {
		if ((meta->trace & MARK_NUMBER) == 0)
			meta->trace |= atomic_fetch_add_explicit(&worker->weft->trace_number, 1,
					       memory_order_relaxed) +
				       1;
		meta->trace |= (uint64_t)chosen << MARK_TRACES_SHIFT;
	}
	if (meta->trace == 0)
		return;
	begin_event(worker, &event, meta->trace, vport, attachment_node(vport));
	describe_attachment(worker, vport, side, sizeof(side));
	snprintf(event.text, sizeof(event.text), "in from %s", side);
	deliver_to(worker, before, &event);
	if (chosen == 0 && !(meta->trace & TRACE_MARK_EXPLAIN))
		return;
	packet_describe(packet, event.describe, sizeof(event.describe));
	deliver_to(worker, chosen, &event);
	if ((meta->trace & TRACE_MARK_EXPLAIN) && worker->explanation != NULL)
		explain_step(worker->explanation, &event);
}

void
trace_leave(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport)
{
	uint64_t mark = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->trace;
	char side[TRACE_TEXT_SIZE - 8];
	struct trace_event event;

	begin_event(worker, &event, mark, vport, attachment_node(vport));
	describe_attachment(worker, vport, side, sizeof(side));
	snprintf(event.text, sizeof(event.text), "out to %s", side);
	if (vport->attachment != ATTACHED_VPORT)
		event.verdict = TRACE_SENT;
	/* nic_flush will find it so, where nothing tells traces any more */
	if (vport->attachment != ATTACHED_VPORT &&
		!atomic_load_explicit(&vport->nic->usable, memory_order_relaxed)) {
		event.verdict = TRACE_DROPPED;
		event.reason = DROP_NIC_DOWN;
		snprintf(event.text, sizeof(event.text), "%.50s: dropped: %s", side,
			drop_text(DROP_NIC_DOWN));
	}
	deliver(worker, mark, &event);
}

void
trace_dropped(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	enum drop_reason reason)
{
	uint64_t mark = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->trace;
	struct trace_event event;

	begin_event(worker, &event, mark, vport, node_name(worker, vport));
	event.verdict = TRACE_DROPPED;
	event.reason = (uint8_t)reason;
	snprintf(event.text, sizeof(event.text), "dropped: %s", drop_text(reason));
	deliver(worker, mark, &event);
}

void
trace_taken(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	const char *what)
{
	uint64_t mark = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->trace;
	struct trace_event event;

	begin_event(worker, &event, mark, vport, node_name(worker, vport));
	event.verdict = TRACE_TAKEN;
	snprintf(event.text, sizeof(event.text), "taken: %s", what);
	deliver(worker, mark, &event);
}

/* ---- the control side ------------------------------------------------------------------------ */

static void
show_to_worker(struct worker *worker, void *argument)
{
	struct trace *trace = argument;

	worker->traces[trace->place] = trace;
	worker->trace_mask |= 1u << trace->place;
}

static void
hide_from_worker(struct worker *worker, void *argument)
{
	struct trace *trace = argument;

	worker->trace_mask &= ~(1u << trace->place);
	worker->traces[trace->place] = NULL;
}

/*
 * Places are taken in turn, so that packets still on their way with the mark of a trace that
 * was closed are not taken for those of the next one.
 */
static int
take_place(struct weft *weft, struct trace *trace)
{
	int result = -1;

	weft_objects_lock(weft);
	for (unsigned i = 0; i < TRACE_LIMIT && result < 0; i++) {
		unsigned place = (weft->trace_next + i) % TRACE_LIMIT;

		if (weft->trace_places & 1u << place)
			continue;
		weft->trace_places |= 1u << place;
		weft->trace_next = place + 1;
		trace->place = place;
		result = 0;
	}
	weft_objects_unlock(weft);
	return result;
}

static void
free_trace(struct trace *trace)
{
	for (unsigned i = 0; i < trace->n_rings; i++)
		record_ring_close(&trace->rings[i]);
	free(trace);
}

struct trace *
trace_open(struct weft *weft, const struct filter *filter, uint64_t count, struct weft_error *error)
{
	size_t size = sizeof(struct trace) + weft->n_workers * sizeof(struct record_ring);
	struct trace *trace = aligned_alloc(64, RTE_ALIGN_CEIL(size, 64));

	if (trace == NULL) {
		error_memory(error);
		return NULL;
	}
	memset(trace, 0, size);
	trace->weft = weft;
	trace->filter = *filter;
	trace->count = count;
	for (; trace->n_rings < weft->n_workers; trace->n_rings++) {
		if (record_ring_open(&trace->rings[trace->n_rings], RING_SIZE) < 0) {
			error_memory(error);
			free_trace(trace);
			return NULL;
		}
	}
	if (take_place(weft, trace) < 0) {
		error_set(error, EBUSY, "%u traces are open already; end one of them", TRACE_LIMIT);
		free_trace(trace);
		return NULL;
	}
	for (unsigned i = 0; i < weft->n_workers; i++)
		worker_call(weft->workers[i], show_to_worker, trace);
	return trace;
}

bool
trace_read(struct trace *trace, struct trace_event *event)
{
	struct record_ring *oldest = NULL;
	const struct trace_event *next;
	size_t length;

	for (unsigned i = 0; i < trace->n_rings; i++) {
		next = record_ring_peek(&trace->rings[i], &length);
		if (next == NULL || (oldest != NULL && next->time >= event->time))
			continue;
		oldest = &trace->rings[i];
		*event = *next;
	}
	if (oldest == NULL)
		return false;
	record_ring_release(oldest);
	return true;
}

bool
trace_done(const struct trace *trace)
{
	size_t length;

	if (trace->count == 0 || atomic_load(&trace->marked) < trace->count ||
		engine_now(trace->weft) - atomic_load(&trace->last_marked) < SETTLE_NS)
		return false;
	for (unsigned i = 0; i < trace->n_rings; i++)
		if (record_ring_peek((struct record_ring *)&trace->rings[i], &length) != NULL)
			return false;
	return true;
}

uint64_t
trace_lost(const struct trace *trace)
{
	return atomic_load(&trace->lost);
}

void
trace_close(struct trace *trace)
{
	struct weft *weft;

	if (trace == NULL)
		return;
	weft = trace->weft;
	for (unsigned i = 0; i < weft->n_workers; i++)
		worker_call(weft->workers[i], hide_from_worker, trace);
	weft_objects_lock(weft);
	weft->trace_places &= ~(1u << trace->place);
	weft_objects_unlock(weft);
	free_trace(trace);
}

const char *
trace_where(struct weft *weft, uint32_t vport, char path[VPORT_NAME_SIZE])
{
	struct weft_vport *object;

	path[0] = '\0';
	if (vport == 0)
		return path;
	weft_objects_lock(weft);
	object = vport_by_id(weft, vport);
	if (object != NULL)
		vport_path(object, path);
	weft_objects_unlock(weft);
	return path;
}

const char *
trace_verdict_name(enum trace_verdict verdict)
{
	static const char *const names[] = {
		[TRACE_SENT] = "sent",
		[TRACE_DROPPED] = "dropped",
		[TRACE_TAKEN] = "taken",
	};

	return verdict < RTE_DIM(names) ? names[verdict] : NULL;
}
