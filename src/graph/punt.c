/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/punt.h"

#include "base/error.h"
#include "graph/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTICE_INTERVAL_NS 100000000
#define DRAIN_BURST 32
/* The mbuf's metadata says in `reserved` what its ring cannot: the punt reason, or this. */
#define INJECT_IN 0
#define INJECT_OUT 1
#define INJECT_AGAIN 2

struct punt {
	struct {
		punt_handler handler;
		void *context;
	} handlers[PUNT_REASON_COUNT];
};

int
punt_open(struct weft *weft)
{
	weft->punt = calloc(1, sizeof(*weft->punt));
	return weft->punt != NULL ? 0 : -1;
}

void
punt_close(struct weft *weft)
{
	free(weft->punt);
	weft->punt = NULL;
}

/* Once for all that comes until the control side looks. */
static void
wake_control(struct weft *weft)
{
	void (*wake)(void *) = atomic_load_explicit(&weft->wake, memory_order_acquire);

	if (wake != NULL && !atomic_load_explicit(&weft->woken, memory_order_relaxed) &&
		!atomic_exchange(&weft->woken, true))
		wake(weft->wake_context);
}

void
worker_punt(struct worker *worker, enum punt_reason reason, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->reserved = (uint8_t)reason;
	if (likely(rte_ring_sp_enqueue(worker->punt, packet) == 0)) {
		wake_control(worker->weft);
		return;
	}
	meta->trace = 0; /* whoever punts may have put something else there */
	packet_drop(worker, vport_get(worker, meta->vport), DROP_PUNT_FULL, packet);
}

void
worker_notice(struct worker *worker, enum punt_reason reason, const struct punt_notice *notice)
{
	uint64_t *last = &worker->notice_times[reason];
	struct rte_mbuf *carrier;

	if (*last != 0 && worker->now - *last < NOTICE_INTERVAL_NS)
		return;
	/* no packet of anybody's: when there is no room for it, it is not missed as one */
	if (rte_ring_full(worker->punt))
		return;
	carrier = packet_from_bytes(&worker->pools, notice, sizeof(*notice));
	if (carrier == NULL)
		return;
	*last = worker->now;
	packet_meta(carrier)->vport = notice->vport;
	worker_punt(worker, reason, carrier);
}

void
punt_register(struct weft *weft, enum punt_reason reason, punt_handler handler, void *context)
{
	weft->punt->handlers[reason].context = context;
	weft->punt->handlers[reason].handler = handler;
}

static void
hand_to_handler(struct weft *weft, struct rte_mbuf *packet)
{
	unsigned reason = packet_meta(packet)->reserved;

	if (reason < PUNT_REASON_COUNT && weft->punt->handlers[reason].handler != NULL)
		weft->punt->handlers[reason].handler(
			weft->punt->handlers[reason].context, weft, reason, packet);
	else
		rte_pktmbuf_free(packet);
}

unsigned
punt_drain(struct weft *weft)
{
	struct rte_mbuf *packets[DRAIN_BURST];
	unsigned drained = 0;

	for (unsigned i = 0; i < weft->n_workers; i++) {
		unsigned count = rte_ring_sc_dequeue_burst(
			weft->workers[i]->punt, (void **)packets, DRAIN_BURST, NULL);

		for (unsigned j = 0; j < count; j++)
			hand_to_handler(weft, packets[j]);
		drained += count;
	}
	return drained;
}

static void
inject(struct weft *weft, uint32_t vport, struct rte_mbuf *packet, uint8_t direction)
{
	struct worker *worker = weft->workers[0];

	packet_meta(packet)->vport = vport;
	packet_meta(packet)->reserved = direction;
	if (rte_ring_mp_enqueue(worker->injected, packet) != 0) {
		rte_pktmbuf_free(packet);
		return;
	}
	worker_wake(worker);
}

void
inject_in(struct weft *weft, uint32_t vport, struct rte_mbuf *packet)
{
	inject(weft, vport, packet, INJECT_IN);
}

void
inject_out(struct weft *weft, uint32_t vport, struct rte_mbuf *packet)
{
	inject(weft, vport, packet, INJECT_OUT);
}

void
inject_again(struct weft *weft, uint32_t vport, struct rte_mbuf *packet)
{
	inject(weft, vport, packet, INJECT_AGAIN);
}

unsigned
punt_take_injected(struct worker *worker)
{
	struct rte_mbuf *packets[DRAIN_BURST];
	unsigned count =
		rte_ring_sc_dequeue_burst(worker->injected, (void **)packets, DRAIN_BURST, NULL);

	for (unsigned i = 0; i < count; i++) {
		struct vport *vport = vport_get(worker, packet_meta(packets[i])->vport);

		if (vport == NULL)
			packet_drop(worker, NULL, DROP_STALE_VPORT, packets[i]);
		else if (packet_meta(packets[i])->reserved == INJECT_OUT)
			vport_send(worker, vport, packets[i]);
		else if (packet_meta(packets[i])->reserved == INJECT_AGAIN)
			worker_enqueue(worker, vport->node, packets[i]);
		else
			vport_receive(worker, vport, packets[i]);
	}
	return count;
}
