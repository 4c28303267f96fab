/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What services of routers' ports send. Frames are gathered and leave together, by one call of
 * a worker; those that give a lease wait until it has been written down, where somebody does.
 */
#include "router/router_service.h"

#include <stdlib.h>

#define OUT_LIMIT 256
#define HELD_LIMIT 1024 /* what finds no room is lost, and asked for again */

struct outgoing {
	struct rte_mbuf *packet;
	uint32_t vport;
	bool routed;
	uint64_t changes; /* held: until so many are written */
};

static struct outgoing out[OUT_LIMIT];
static unsigned n_out;
/* a ring */
static struct outgoing held[HELD_LIMIT];
static unsigned first_held, n_held;
/* of one message, until its engine is done with it */
static bool holding;
static struct outgoing fresh[OUT_LIMIT];
static unsigned n_fresh;

static _Atomic uint64_t lease_changes, leases_written;

/* ---- on the worker --------------------------------------------------------------------------- */

static void
send_one(struct worker *worker, const struct outgoing *outgoing)
{
	struct vport *vport = vport_get(worker, outgoing->vport);

	packet_meta(outgoing->packet)->vport = outgoing->vport;
	/* nobody is there to hear it, which is no loss */
	if (vport == NULL || vport->attachment == ATTACHED_NOTHING)
		rte_pktmbuf_free(outgoing->packet);
	else if (outgoing->routed)
		router_originate(worker, vport, outgoing->packet, 4, NULL);
	else
		vport_send(worker, vport, outgoing->packet);
}

static void
send_all(struct worker *worker, void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < n_out; i++)
		send_one(worker, &out[i]);
	n_out = 0;
}

/* What goes into another device is in its queue before this returns, and out of the vnics
 * behind it when the next call does. */
static void
nothing(struct worker *worker, void *argument)
{
	(void)worker;
	(void)argument;
}

/* ---- gathering ------------------------------------------------------------------------------- */

static void
put_out(struct weft *weft, const struct outgoing *outgoing)
{
	if (n_out == OUT_LIMIT)
		worker_call(weft->workers[0], send_all, NULL);
	out[n_out++] = *outgoing;
}

static void
put_held(const struct outgoing *outgoing)
{
	if (n_held == HELD_LIMIT) {
		rte_pktmbuf_free(outgoing->packet);
		return;
	}
	held[(first_held + n_held++) % HELD_LIMIT] = *outgoing;
}

void
service_send(struct service *service, const uint8_t *frame, size_t length, bool routed)
{
	struct outgoing outgoing = { .vport = service->vport, .routed = routed };

	outgoing.packet = packet_from_bytes(&service->weft->pools, frame, length);
	if (outgoing.packet == NULL)
		return;
	if (!holding)
		put_out(service->weft, &outgoing);
	else if (n_fresh < OUT_LIMIT)
		fresh[n_fresh++] = outgoing;
	else
		rte_pktmbuf_free(outgoing.packet);
}

void
service_gather(void)
{
	holding = true;
}

void
service_release(struct weft *weft, bool hold)
{
	holding = false;
	for (unsigned i = 0; i < n_fresh; i++) {
		fresh[i].changes = atomic_load(&lease_changes);
		if (hold && service_hooks()->keeps)
			put_held(&fresh[i]);
		else
			put_out(weft, &fresh[i]);
	}
	n_fresh = 0;
}

void
services_flush(struct weft *weft)
{
	uint64_t written = atomic_load(&leases_written);

	while (n_held > 0 && (held[first_held].changes <= written || !service_hooks()->keeps)) {
		put_out(weft, &held[first_held]);
		first_held = (first_held + 1) % HELD_LIMIT;
		n_held--;
	}
	if (n_out > 0)
		worker_call(weft->workers[0], send_all, NULL);
}

void
services_flush_through(struct weft *weft)
{
	if (n_out == 0)
		return;
	services_flush(weft);
	worker_call(weft->workers[0], nothing, NULL);
}

void
service_out_close(void)
{
	while (n_out > 0)
		rte_pktmbuf_free(out[--n_out].packet);
	for (; n_held > 0; n_held--) {
		rte_pktmbuf_free(held[first_held].packet);
		first_held = (first_held + 1) % HELD_LIMIT;
	}
}

/* ---- what is kept ---------------------------------------------------------------------------- */

void
service_count_change(void)
{
	atomic_fetch_add(&lease_changes, 1);
	if (service_hooks()->changed != NULL)
		service_hooks()->changed(service_hooks()->context);
}

uint64_t
router_lease_changes(void)
{
	return atomic_load(&lease_changes);
}

void
router_leases_written(uint64_t changes)
{
	atomic_store(&leases_written, changes);
}
