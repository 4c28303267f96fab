/* SPDX-License-Identifier: BSD-3-Clause */
#include "cross.h"
#include "nic/drivers.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_LIMIT 65535

static const struct nic_driver *const drivers[] = { &memory_driver, NULL };
static const struct weft_nic_config memory = { .kind = WEFT_NIC_MEMORY, .mtu = FRAME_LIMIT };

static struct weft *weft;
static struct weft_nic *nics[2];
static struct cross cross;

static void
build(void)
{
	struct weft_error error = { 0 };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);

	cross_add(change, network, "cross", &cross);
	nics[0] = weft_nic_add(change, network, "left", &memory);
	nics[1] = weft_nic_add(change, network, "right", &memory);
	weft_attach(change, cross.ports[0], nics[0]);
	weft_attach(change, cross.ports[1], nics[1]);
	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
}

static int
set_up(unsigned workers)
{
	const struct weft_options options = { .workers = workers, .memory_mb = 64 };
	struct weft_error error = { 0 };

	weft = engine_open(&options, cross_classes, drivers, &error);
	if (weft == NULL) {
		print_error("%s\n", error.text);
		return -1;
	}
	build();
	return 0;
}

static int
set_up_own_thread(void **state)
{
	return set_up(0);
}

static int
set_up_worker(void **state)
{
	return set_up(1);
}

static int
tear_down(void **state)
{
	weft_close(weft);
	return 0;
}

/* Bytes that tell one frame from another. */
static void
fill(uint8_t *frame, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(seed + i * 31 + (i >> 8));
}

static void
run_until_quiet(void)
{
	for (unsigned quiet = 0; quiet < 3; quiet++)
		if (weft_run(weft) > 0)
			quiet = 0;
}

static void
test_every_length_arrives_whole(void **state)
{
	static const size_t lengths[] = { 14, 15, 59, 60, 61, 1514, 1518, 2047, 2048, 2049, 9018,
		61440, 63487, 63488, 63489, FRAME_LIMIT };
	static uint8_t sent[FRAME_LIMIT], received[FRAME_LIMIT + 1];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		fill(sent, lengths[i], i);
		assert_int_equal(weft_nic_send(nics[0], sent, lengths[i]), 0);
		run_until_quiet();
		assert_int_equal(weft_nic_receive(nics[1], received, sizeof(received)), lengths[i]);
		assert_memory_equal(sent, received, lengths[i]);
		assert_int_equal(weft_nic_receive(nics[1], received, sizeof(received)), 0);
		assert_int_equal(weft_nic_receive(nics[0], received, sizeof(received)), 0);
	}
}

static void
test_what_is_no_frame_is_refused(void **state)
{
	static uint8_t frame[FRAME_LIMIT + 1];

	assert_int_equal(weft_nic_send(nics[0], frame, 0), -1);
	assert_int_equal(weft_nic_send(nics[0], frame, 13), -1);
	assert_int_equal(weft_nic_send(nics[0], frame, FRAME_LIMIT + 1), -1);
	assert_int_equal(weft_nic_send(NULL, frame, 60), -1);
	assert_int_equal(weft_nic_receive(NULL, frame, 60), 0);
	run_until_quiet();
	assert_int_equal(weft_nic_receive(nics[1], frame, sizeof(frame)), 0);
}

static void
test_a_small_buffer_gets_the_start(void **state)
{
	uint8_t frame[100], received[100] = { 0 }, zeros[80] = { 0 };

	fill(frame, sizeof(frame), 7);
	weft_nic_send(nics[0], frame, sizeof(frame));
	weft_nic_send(nics[0], frame, 30);
	run_until_quiet();
	assert_int_equal(weft_nic_receive(nics[1], received, 20), 20);
	assert_memory_equal(received, frame, 20);
	assert_memory_equal(received + 20, zeros, 80);
	assert_int_equal(weft_nic_receive(nics[1], received, sizeof(received)), 30);
}

/* Rounds of random frames, so that records meet the end of the ring in every way. */
static void
test_ring_wraps_in_order(void **state)
{
	static uint8_t frame[FRAME_LIMIT], received[FRAME_LIMIT];
	uint32_t sent = 0, got = 0;
	size_t lengths[64];

	srand(4711);
	for (unsigned round = 0; round < 400; round++) {
		uint32_t first = sent;

		while (sent - first < 64) {
			size_t length = 14 + (size_t)rand() % (round % 4 == 0 ? 60000 : 300);

			fill(frame, length, sent);
			if (weft_nic_send(nics[0], frame, length) < 0)
				break;
			lengths[sent++ - first] = length;
		}
		assert_true(sent > first);
		run_until_quiet();
		for (; got < sent; got++) {
			size_t length = weft_nic_receive(nics[1], received, sizeof(received));

			assert_int_equal(length, lengths[got - first]);
			fill(frame, length, got);
			assert_memory_equal(frame, received, length);
		}
	}
}

static void
test_full_ring_refuses_and_loses_nothing(void **state)
{
	uint8_t frame[60] = { 0 }, received[60];
	uint32_t sent = 0, got = 0;

	while (weft_nic_send(nics[0], frame, sizeof(frame)) == 0)
		sent++;
	assert_in_range(sent, 3000, 5000);
	for (unsigned i = 0; i < 100; i++) {
		run_until_quiet();
		while (weft_nic_receive(nics[1], received, sizeof(received)) > 0)
			got++;
	}
	assert_int_equal(got, sent);
	assert_int_equal(weft_nic_send(nics[0], frame, sizeof(frame)), 0);
}

/* Nobody receives: what does not fit is dropped with its reason, and all is accounted for. */
static void
test_unread_frames_are_counted_drops(void **state)
{
	uint8_t frame[1000] = { 0 };
	struct vport_counters counters;
	struct vport_drops drops;
	struct weft_counters sum;
	uint32_t sent = 0, got = 0;

	for (unsigned i = 0; i < 1000; i++) {
		sent += weft_nic_send(nics[0], frame, sizeof(frame)) == 0;
		run_until_quiet();
	}
	assert_int_equal(sent, 1000);
	while (weft_nic_receive(nics[1], frame, sizeof(frame)) > 0)
		got++;
	vport_read_counters(cross.ports[1], &counters, &drops);
	assert_true(got > 0 && got < sent);
	assert_int_equal(drops.by_reason[DROP_TRANSMIT_FULL], sent - got);
	weft_vport_counters(cross.ports[0], &sum);
	assert_int_equal(sum.in_packets, sent);
	assert_int_equal(sum.in_bytes, sent * sizeof(frame));
}

static void
test_update_keeps_frames_and_threads(void **state)
{
	struct weft_nic_config changed = memory;
	struct weft_error error = { 0 };
	struct weft_change *change;
	uint8_t frame[60] = { 0 };

	weft_nic_send(nics[0], frame, sizeof(frame));
	changed.mtu = 9000;
	change = weft_change_begin(weft);
	weft_nic_update(change, nics[0], &changed);
	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(nics[0]->mtu, 9000);
	run_until_quiet();
	assert_int_equal(weft_nic_receive(nics[1], frame, sizeof(frame)), sizeof(frame));
}

/* Frames inside when the vnic goes: its buffers come back. */
static void
test_removal_gives_buffers_back(void **state)
{
	unsigned before = rte_mempool_avail_count(weft->pools.small);
	struct weft_error error = { 0 };
	struct weft_change *change;
	uint8_t frame[60] = { 0 };

	for (unsigned i = 0; i < 200; i++)
		weft_nic_send(nics[i % 2], frame, sizeof(frame));
	weft_run(weft);
	for (unsigned i = 0; i < 200; i++)
		weft_nic_send(nics[i % 2], frame, sizeof(frame));
	change = weft_change_begin(weft);
	weft_network_remove(change, weft_network_find(weft, "red"));
	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
	run_until_quiet();
	assert_int_equal(rte_mempool_avail_count(weft->pools.small), before);
	build();
	assert_int_equal(weft_nic_receive(nics[1], frame, sizeof(frame)), 0);
}

/* ---- one thread sends, one receives, the worker between them ----------------------------------
 */

#define STREAM_FRAMES 100000
#define STREAM_WINDOW 1000 /* frames under way: no ring gets full */

static _Atomic uint32_t stream_received;

static void *
send_stream(void *context)
{
	uint8_t frame[64] = { 0 };

	for (uint32_t i = 0; i < STREAM_FRAMES; i++) {
		while (i - atomic_load(&stream_received) >= STREAM_WINDOW)
			sched_yield();
		memcpy(frame + 14, &i, sizeof(i));
		if (weft_nic_send(nics[0], frame, sizeof(frame)) < 0)
			return NULL;
	}
	return nics[0];
}

static void
test_stream_between_threads_is_whole_and_in_order(void **state)
{
	pthread_t sender;
	uint8_t frame[64];
	void *result;

	atomic_store(&stream_received, 0);
	pthread_create(&sender, NULL, send_stream, NULL);
	for (uint32_t i = 0; i < STREAM_FRAMES; i++) {
		uint32_t number;

		while (weft_nic_receive(nics[1], frame, sizeof(frame)) == 0)
			sched_yield();
		memcpy(&number, frame + 14, sizeof(number));
		assert_int_equal(number, i);
		atomic_store(&stream_received, i + 1);
	}
	pthread_join(sender, &result);
	assert_ptr_equal(result, nics[0]);
}

/* A worker that sleeps is woken by each single frame; a lost wake-up would hang here. */
static void
test_every_single_frame_wakes_the_worker(void **state)
{
	uint8_t frame[60] = { 0 };

	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(weft_nic_send(nics[1], frame, sizeof(frame)), 0);
		while (weft_nic_receive(nics[0], frame, sizeof(frame)) == 0)
			sched_yield();
		if (i % 100 == 0)
			rte_delay_us_sleep(200); /* long enough to fall asleep */
	}
}

int
main(void)
{
	const struct CMUnitTest own_thread[] = {
		cmocka_unit_test(test_every_length_arrives_whole),
		cmocka_unit_test(test_what_is_no_frame_is_refused),
		cmocka_unit_test(test_a_small_buffer_gets_the_start),
		cmocka_unit_test(test_ring_wraps_in_order),
		cmocka_unit_test(test_full_ring_refuses_and_loses_nothing),
		cmocka_unit_test(test_update_keeps_frames_and_threads),
		cmocka_unit_test(test_removal_gives_buffers_back),
		cmocka_unit_test(test_unread_frames_are_counted_drops),
	};
	const struct CMUnitTest worker[] = {
		cmocka_unit_test(test_stream_between_threads_is_whole_and_in_order),
		cmocka_unit_test(test_every_single_frame_wakes_the_worker),
	};
	int failed = cmocka_run_group_tests_name(
		"memory, own thread", own_thread, set_up_own_thread, tear_down);

	return failed +
	       cmocka_run_group_tests_name("memory, worker", worker, set_up_worker, tear_down);
}
