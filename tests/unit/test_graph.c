/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The graph's core with a device type and a vnic driver made for the test: a pipe has two
 * ends and carries packets from one to the other; a well gives what the test put in and
 * keeps what it gets.
 */
#include "graph/engine.h"
#include "graph/punt.h"

#include <errno.h>
#include <rte_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the pipe ------------------------------------------------------------------------------ */

static int fail_prepare;
static int live_contexts;

struct pipe_end {
	uint32_t other;
};

static void
pipe_process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vport *in = vport_get(worker, packet_meta(packets[i])->vport);
		struct vport *out =
			in != NULL ? vport_get(worker, ((struct pipe_end *)in->context)->other)
				   : NULL;

		if (out == NULL)
			packet_drop(worker, in, DROP_STALE_VPORT, packets[i]);
		else
			vport_send(worker, out, packets[i]);
	}
}

static int
pipe_prepare(struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct weft_vport *first = change_vport_next(device, NULL);
	struct weft_vport *second = first != NULL ? change_vport_next(device, first) : NULL;

	(void)change;
	(void)error;
	if (fail_prepare)
		return -1;
	if (second != NULL) {
		((struct pipe_end *)change_vport_after(first)->context)->other = second->id;
		((struct pipe_end *)change_vport_after(second)->context)->other = first->id;
	}
	return 0;
}

static void
pipe_context_free(void *context)
{
	live_contexts--;
	free(context);
}

static const struct device_class pipe_class = {
	.name = "pipe",
	.process = pipe_process,
	.prepare = pipe_prepare,
	.context_free = pipe_context_free,
};

static struct weft_vport *
pipe_end_add(struct weft_change *change, struct weft_device *device, const char *name)
{
	struct pipe_end *end = calloc(1, sizeof(*end));
	struct weft_vport *vport = vport_add(change, device, name, end, 9000);

	if (vport == NULL)
		free(end);
	else
		live_contexts++;
	return vport;
}

/* ---- the well ------------------------------------------------------------------------------ */

struct well {
	struct rte_mbuf *in[64], *out[64];
	unsigned n_in, n_out;
};

static enum nic_result well_answer = NIC_OK;
static int open_wells;

static enum nic_result
well_open(struct weft_nic *nic, struct weft_error *error)
{
	if (well_answer != NIC_OK) {
		error->code = EIO;
		strcpy(error->text, "the well is dry");
		return well_answer;
	}
	nic->driver_state = calloc(1, sizeof(struct well));
	nic->queues[0]->polled = nic->queues[0]->wakes = true;
	open_wells++;
	return NIC_OK;
}

static void
well_close(struct weft_nic *nic)
{
	struct well *well = nic->driver_state;

	rte_pktmbuf_free_bulk(well->in, well->n_in);
	rte_pktmbuf_free_bulk(well->out, well->n_out);
	free(well);
	open_wells--;
}

static int
well_start(struct nic_queue *queue, struct worker *worker)
{
	(void)queue;
	(void)worker;
	return 0;
}

static bool
well_stop(struct nic_queue *queue, struct worker *worker)
{
	(void)queue;
	(void)worker;
	return true;
}

static unsigned
well_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct well *well = queue->nic->driver_state;
	unsigned n = well->n_in < count ? well->n_in : count;

	(void)worker;
	memcpy(packets, well->in, n * sizeof(*packets));
	well->n_in -= n;
	return n;
}

static void
well_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct well *well = queue->nic->driver_state;

	for (unsigned i = 0; i < count; i++) {
		if (well->n_out == 64)
			nic_transmit_drop(worker, queue->nic, DROP_TRANSMIT_FULL, packets[i]);
		else
			well->out[well->n_out++] = packets[i];
	}
}

static const struct nic_driver well_driver = {
	.name = "well",
	.kind = WEFT_NIC_MEMORY,
	.transmit_any = true,
	.open = well_open,
	.close = well_close,
	.start = well_start,
	.stop = well_stop,
	.receive = well_receive,
	.transmit = well_transmit,
};

/* ---- the bench they stand on ------------------------------------------------------------------
 */

static const struct device_class *const classes[] = { &pipe_class, NULL };
static const struct nic_driver *const drivers[] = { &well_driver, NULL };
static const char *const eal[] = { NULL };
static uint64_t now = 1000000000;

static uint64_t
test_clock(void *context)
{
	(void)context;
	return now;
}

static int
open_engine(void **state)
{
	struct weft_options options = { .memory_mb = 32, .eal = eal, .clock = test_clock };
	struct weft_error error;

	*state = engine_open(&options, classes, drivers, &error);
	return *state != NULL ? 0 : -1;
}

static int
close_engine(void **state)
{
	engine_close(*state);
	fail_prepare = 0;
	well_answer = NIC_OK;
	return live_contexts == 0 && open_wells == 0 ? 0 : -1;
}

static const struct weft_nic_config well_config = { .kind = WEFT_NIC_MEMORY };

struct pipe {
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *a, *b;
};

static struct pipe
pipe_add(struct weft_change *change, struct weft_network *network, const char *name)
{
	struct pipe pipe = { .network = network };

	pipe.device = device_add(change, network, &pipe_class, name, NULL);
	pipe.a = pipe_end_add(change, pipe.device, "a");
	pipe.b = pipe_end_add(change, pipe.device, "b");
	return pipe;
}

static void
commit(struct weft_change *change)
{
	struct weft_error error = { 0 };

	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
}

static void
put_bytes(struct weft *weft, struct well *well, const uint8_t *frame, unsigned length)
{
	struct rte_mbuf *packet = packet_from_bytes(&weft->pools, frame, length);

	assert_non_null(packet);
	well->in[well->n_in++] = packet;
}

static void
put(struct weft *weft, struct weft_nic *nic, unsigned length)
{
	static const uint8_t frame[2000] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };

	put_bytes(weft, nic->driver_state, frame, length);
}

static unsigned
got(struct weft_nic *nic)
{
	struct well *well = nic->driver_state;
	unsigned count = well->n_out;

	rte_pktmbuf_free_bulk(well->out, well->n_out);
	well->n_out = 0;
	return count;
}

/* ---- what must hold
 * ------------------------------------------------------------------------------ */

static void
a_frame_crosses_a_device(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe pipe = pipe_add(change, network, "p");
	struct weft_nic *left = weft_nic_add(change, network, "left", &well_config);
	struct weft_nic *right = weft_nic_add(change, network, "right", &well_config);
	struct weft_counters counters;

	weft_attach(change, pipe.a, left);
	weft_attach(change, pipe.b, right);
	commit(change);
	put(weft, left, 60);
	put(weft, left, 100);
	assert_int_equal(weft_run(weft), 3); /* two received, one node visit */
	assert_int_equal(got(right), 2);
	assert_int_equal(got(left), 0);
	weft_vport_counters(pipe.a, &counters);
	assert_int_equal(counters.in_packets, 2);
	assert_int_equal(counters.in_bytes, 160);
	weft_vport_counters(pipe.b, &counters);
	assert_int_equal(counters.out_packets, 2);
	assert_int_equal(counters.drops, 0);
}

static void
an_aborted_change_leaves_nothing(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe pipe = pipe_add(change, network, "p");
	struct weft_nic *nic = weft_nic_add(change, network, "left", &well_config);

	weft_attach(change, pipe.a, nic);
	assert_ptr_equal(weft_network_find(weft, "red"), network);
	assert_null(weft_change_begin(weft)); /* one at a time */
	weft_change_abort(change);
	assert_null(weft_network_find(weft, "red"));
	assert_int_equal(live_contexts, 0);
	assert_int_equal(open_wells, 0);
}

static void
one_failed_call_fails_the_whole_change(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct weft_error error;

	assert_non_null(network);
	assert_null(weft_network_add(change, "red", NULL));
	assert_null(weft_network_add(change, "blue", NULL)); /* nothing more is staged */
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_int_equal(error.code, EEXIST);
	assert_string_equal(error.text, "network 'red' is there already");
	assert_null(weft_network_find(weft, "red"));
}

static void
a_device_that_cannot_prepare_fails_the_change(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_error error;

	pipe_add(change, weft_network_add(change, "red", NULL), "p");
	fail_prepare = 1;
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_null(weft_network_find(weft, "red"));
	assert_int_equal(live_contexts, 0);
}

static void
a_vnic_that_cannot_open_fails_the_change_and_says_why(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct weft_error error;

	well_answer = NIC_FAILED;
	assert_null(weft_nic_add(change, network, "left", &well_config));
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_string_equal(error.text, "vnic left: the well is dry");
}

static void
an_absent_vnic_comes_by_itself(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe pipe = pipe_add(change, network, "p");
	struct weft_nic *left, *right;
	struct weft_counters counters;

	left = weft_nic_add(change, network, "left", &well_config);
	well_answer = NIC_ABSENT;
	right = weft_nic_add(change, network, "right", &well_config);
	weft_attach(change, pipe.a, left);
	weft_attach(change, pipe.b, right);
	commit(change);
	assert_int_equal(right->status, NIC_STATUS_DEGRADED);
	assert_string_equal(right->status_text, "the well is dry");
	put(weft, left, 60);
	weft_run(weft);
	weft_vport_counters(pipe.b, &counters);
	assert_int_equal(counters.drops, 1); /* nic-down */
	well_answer = NIC_OK;
	now += 2000000000;
	weft_tick(weft);
	assert_int_equal(right->status, NIC_STATUS_UP);
	put(weft, left, 60);
	weft_run(weft);
	assert_int_equal(got(right), 1);
	nic_lost(right);
	weft_tick(weft); /* opened anew at once */
	assert_int_equal(right->status, NIC_STATUS_UP);
	assert_int_equal(open_wells, 2);
}

static void
links_join_devices_and_go_with_them(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe first = pipe_add(change, network, "first");
	struct pipe second = pipe_add(change, network, "second");
	struct weft_nic *left = weft_nic_add(change, network, "left", &well_config);
	struct weft_nic *right = weft_nic_add(change, network, "right", &well_config);
	struct vport_counters counters;
	struct vport_drops drops;

	weft_attach(change, first.a, left);
	weft_link(change, first.b, second.a);
	weft_attach(change, second.b, right);
	commit(change);
	put(weft, left, 60);
	weft_run(weft);
	assert_int_equal(got(right), 1);

	change = weft_change_begin(weft);
	weft_device_remove(change, second.device);
	weft_change_abort(change);
	put(weft, left, 60);
	weft_run(weft);
	assert_int_equal(got(right), 1); /* as if nothing had been staged */

	change = weft_change_begin(weft);
	weft_device_remove(change, second.device);
	commit(change);
	assert_null(weft_device_find(network, "second"));
	put(weft, left, 60);
	weft_run(weft);
	vport_read_counters(first.b, &counters, &drops);
	assert_int_equal(drops.by_reason[DROP_NO_ATTACHMENT], 1);
	assert_int_equal(counters.out_packets, 2);
}

static void
a_ring_of_devices_ends_at_the_hop_limit(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe first = pipe_add(change, network, "first");
	struct pipe second = pipe_add(change, network, "second");
	struct vport_counters counters;
	struct vport_drops drops;
	uint64_t dropped = 0;
	struct weft_vport *ends[] = { first.a, first.b, second.a, second.b };

	weft_link(change, first.b, second.a);
	weft_link(change, second.b, first.a);
	commit(change);
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	inject_in(weft, first.a->id, packet_from_bytes(&weft->pools, frame, sizeof(frame)));
	for (int i = 0; i < 10; i++)
		weft_run(weft);
	for (int i = 0; i < 4; i++) {
		vport_read_counters(ends[i], &counters, &drops);
		dropped += drops.by_reason[DROP_HOP_LIMIT];
	}
	assert_int_equal(dropped, 1);
	assert_int_equal(weft_run(weft), 0);
}

static void
uplinks_keep_networks_apart_by_vlan(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	struct weft_network *blue = weft_network_add(change, "blue", NULL);
	struct pipe in_red = pipe_add(change, red, "p"), in_blue = pipe_add(change, blue, "p");
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &well_config);
	struct weft_nic *red_nic = weft_nic_add(change, red, "n", &well_config);
	struct weft_nic *blue_nic = weft_nic_add(change, blue, "n", &well_config);
	static const uint8_t tagged[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0x20, 101,
		8, 0 };
	struct well *well;
	struct vport_drops drops;

	weft_attach_uplink(change, in_red.a, wire, 101);
	weft_attach(change, in_red.b, red_nic);
	weft_attach_uplink(change, in_blue.a, wire, 0);
	weft_attach(change, in_blue.b, blue_nic);
	commit(change);

	well = wire->driver_state;
	put_bytes(weft, well, tagged, sizeof(tagged));
	weft_run(weft);
	assert_int_equal(((struct well *)red_nic->driver_state)->n_out, 1);
	/* the tag of the uplink is gone */
	assert_int_equal(rte_pktmbuf_pkt_len(((struct well *)red_nic->driver_state)->out[0]), 60);
	assert_int_equal(got(red_nic), 1);
	assert_int_equal(got(blue_nic), 0);

	put(weft, wire, 60); /* untagged */
	weft_run(weft);
	assert_int_equal(got(red_nic), 0);
	assert_int_equal(got(blue_nic), 1);

	/* out: red gets its tag; a frame that blue has tagged itself as red must not leave */
	put(weft, red_nic, 60);
	weft_run(weft);
	assert_int_equal(well->n_out, 1);
	assert_int_equal(rte_pktmbuf_mtod(well->out[0], uint8_t *)[15], 101);
	assert_int_equal(got(wire), 1);
	well = blue_nic->driver_state;
	put_bytes(weft, well, tagged, sizeof(tagged));
	weft_run(weft);
	assert_int_equal(got(wire), 0);

	/* a VLAN that nobody has */
	well = wire->driver_state;
	put_bytes(weft, well, tagged, sizeof(tagged));
	rte_pktmbuf_mtod(well->in[0], uint8_t *)[15] = 102;
	weft_run(weft);
	nic_read_drops(wire, &drops);
	assert_int_equal(drops.by_reason[DROP_UNKNOWN_VLAN], 1);
}

static void
what_is_too_short_is_dropped(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe pipe = pipe_add(change, network, "p");
	struct weft_nic *left = weft_nic_add(change, network, "left", &well_config);
	struct vport_counters counters;
	struct vport_drops drops;

	weft_attach(change, pipe.a, left);
	commit(change);
	put(weft, left, 13);
	put(weft, left, 1);
	weft_run(weft);
	vport_read_counters(pipe.a, &counters, &drops);
	assert_int_equal(drops.by_reason[DROP_TOO_SHORT], 2);
	assert_int_equal(counters.in_packets, 0);
}

static void
ids_tell_former_owners_apart(void **state)
{
	struct id_pool pool = { 0 };
	uint32_t first = id_pool_take(&pool), again;

	(void)state;
	assert_int_not_equal(first, 0);
	id_pool_give(&pool, first);
	again = id_pool_take(&pool);
	assert_int_equal(id_index(again), id_index(first));
	assert_int_not_equal(again, first);
	for (int i = 0; i < 5000; i++) {
		id_pool_give(&pool, again);
		again = id_pool_take(&pool);
		assert_int_not_equal(again, 0);
	}
	id_pool_free(&pool);
}

static void
what_is_gone_is_counted_all_the_same(void **state)
{
	struct weft *weft = *state;
	const uint8_t frame[60] = { 2 };
	const uint32_t nobody = 0xfff00007;
	struct vport_drops drops;
	struct rte_mbuf *packet;

	inject_in(weft, nobody, packet_from_bytes(&weft->pools, frame, 60));
	inject_out(weft, nobody, packet_from_bytes(&weft->pools, frame, 60));
	weft_run(weft);
	packet = packet_from_bytes(&weft->pools, frame, 60);
	packet_meta(packet)->vport = nobody;
	nic_take_handoff(weft->workers[0], packet);
	engine_read_lost(weft, &drops);
	assert_int_equal(drops.by_reason[DROP_STALE_VPORT], 2);
	assert_int_equal(drops.by_reason[DROP_NIC_DOWN], 1);
	assert_int_equal(rte_mempool_in_use_count(weft->pools.small), 0);
}

static void
punts_that_find_no_room_are_counted(void **state)
{
	struct weft *weft = *state;
	struct worker *worker = weft->workers[0];
	const struct punt_notice notice = { .vlan = 1 };
	const uint8_t frame[60] = { 2 };
	struct vport_drops drops;
	unsigned kept = 0;

	for (unsigned i = 0; i < 2000; i++)
		worker_punt(worker, PUNT_PROBE, packet_from_bytes(&weft->pools, frame, 60));
	worker_notice(worker, PUNT_FLOOD, &notice);
	engine_read_lost(weft, &drops);
	for (unsigned drained; (drained = punt_drain(weft)) > 0;)
		kept += drained;
	assert_in_range(kept, 1, 1999);
	assert_int_equal(drops.by_reason[DROP_PUNT_FULL], 2000 - kept);
	assert_int_equal(rte_mempool_in_use_count(weft->pools.small), 0);
}

static void
what_the_change_has_removed_is_refused(void **state)
{
	struct weft *weft = *state;
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);
	struct pipe pipe = pipe_add(change, network, "first");
	struct weft_nic *nic = weft_nic_add(change, network, "web", &well_config);

	weft_attach(change, pipe.a, nic);
	commit(change);
	for (unsigned which = 0; which < 7; which++) {
		struct weft_error error = { 0 };

		change = weft_change_begin(weft);
		weft_vport_remove(change, pipe.a);
		if (which == 0)
			weft_vport_remove(change, pipe.a);
		else if (which == 1)
			weft_detach(change, pipe.a);
		else if (which == 2)
			weft_attach(change, pipe.a, nic);
		else if (which == 3)
			weft_link(change, pipe.b, pipe.a);
		weft_nic_remove(change, nic);
		if (which == 4)
			weft_nic_remove(change, nic);
		weft_device_remove(change, pipe.device);
		if (which == 5)
			weft_device_remove(change, pipe.device);
		weft_network_remove(change, network);
		if (which == 6)
			weft_network_remove(change, network);
		assert_true(weft_change_failed(change, &error));
		assert_int_equal(error.code, ENOENT);
		weft_change_abort(change);
	}
	put(weft, nic, 60);
	weft_run(weft);
	assert_ptr_equal(weft_vport_find(pipe.device, "a"), pipe.a);
	change = weft_change_begin(weft);
	weft_network_remove(change, network);
	commit(change);
}

/* Real threads: packets go through while networks come and go. */
static void
changes_run_beside_traffic(void **state)
{
	struct weft_options options = { .workers = 2, .memory_mb = 32, .eal = eal };
	struct weft_error error;
	struct weft *weft = engine_open(&options, classes, drivers, &error);
	struct weft_change *change;

	(void)state;
	if (weft == NULL)
		fail_msg("%s", error.text);
	for (int round = 0; round < 50; round++) {
		struct weft_network *network;
		struct pipe first, second;
		uint8_t frame[60] = { 2 };

		change = weft_change_begin(weft);
		network = weft_network_add(change, "red", NULL);
		first = pipe_add(change, network, "first");
		second = pipe_add(change, network, "second");
		weft_link(change, first.b, second.a);
		weft_link(change, second.b, first.a);
		commit(change);
		for (int i = 0; i < 20; i++)
			inject_in(weft, first.a->id, packet_from_bytes(&weft->pools, frame, 60));
		change = weft_change_begin(weft);
		weft_network_remove(change, network);
		commit(change);
	}
	/* the last ones are on their way out; a busy machine may need a moment */
	for (int i = 0; i < 5000 && rte_mempool_in_use_count(weft->pools.small) > 0; i++)
		usleep(1000);
	assert_int_equal(rte_mempool_in_use_count(weft->pools.small), 0);
	engine_close(weft);
	assert_int_equal(live_contexts, 0);
}

#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENGINE(a_frame_crosses_a_device),
		WITH_ENGINE(an_aborted_change_leaves_nothing),
		WITH_ENGINE(one_failed_call_fails_the_whole_change),
		WITH_ENGINE(a_device_that_cannot_prepare_fails_the_change),
		WITH_ENGINE(a_vnic_that_cannot_open_fails_the_change_and_says_why),
		WITH_ENGINE(an_absent_vnic_comes_by_itself),
		WITH_ENGINE(links_join_devices_and_go_with_them),
		WITH_ENGINE(a_ring_of_devices_ends_at_the_hop_limit),
		WITH_ENGINE(uplinks_keep_networks_apart_by_vlan),
		WITH_ENGINE(what_is_too_short_is_dropped),
		WITH_ENGINE(what_is_gone_is_counted_all_the_same),
		WITH_ENGINE(punts_that_find_no_room_are_counted),
		WITH_ENGINE(what_the_change_has_removed_is_refused),
		cmocka_unit_test(ids_tell_former_owners_apart),
		cmocka_unit_test(changes_run_beside_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
