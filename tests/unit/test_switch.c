/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch on memory vnics: learning, ageing, moves, limits, static entries, filters. */
#include "../switch_fixture.h"

#include "graph/explain.h"
#include "graph/vport.h"
#include "nic/drivers.h"

/* ---- learning ------------------------------------------------------------------------------ */

static void
unknown_is_flooded_and_known_is_not(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 3, NULL);
	struct weft_counters counters;

	(void)state;
	lab_send(sw.nics[0], 2, 1, NO_TAG);
	lab_expect_nothing(sw.nics[0]);
	lab_expect(sw.nics[1], 2, 1, NO_TAG);
	lab_expect(sw.nics[2], 2, 1, NO_TAG);
	assert_int_equal(lab_macs(sw.device), 1);
	lab_send(sw.nics[1], 1, 2, NO_TAG);
	lab_expect(sw.nics[0], 1, 2, NO_TAG);
	lab_expect_nothing(sw.nics[2]);
	lab_send(sw.nics[0], 2, 1, NO_TAG);
	lab_expect(sw.nics[1], 2, 1, NO_TAG);
	lab_expect_nothing(sw.nics[2]);
	assert_int_equal(lab_macs(sw.device), 2);
	weft_vport_counters(sw.ports[1], &counters);
	assert_int_equal(counters.in_packets, 1);
	assert_int_equal(counters.out_packets, 2);
	assert_int_equal(counters.out_bytes, 2 * FRAME_LENGTH);
	assert_int_equal(counters.drops, 0);
}

static void
broadcast_and_multicast_are_always_flooded(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 4, NULL);
	const uint8_t mld[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t frame[128], got[2048];
	size_t length;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		lab_send(sw.nics[0], BROADCAST, 1, NO_TAG);
		lab_expect_nothing(sw.nics[0]);
		for (unsigned i = 1; i < 4; i++)
			lab_expect(sw.nics[i], BROADCAST, 1, NO_TAG);
	}
	length = make_frame(frame, 0, 1, NO_TAG, 1);
	memcpy(frame, mld, sizeof(mld));
	weft_nic_send(sw.nics[0], frame, length);
	lab_run();
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(weft_nic_receive(sw.nics[i], got, sizeof(got)), length);
		assert_memory_equal(got, frame, length);
	}
	/* group addresses are nobody's */
	assert_int_equal(lab_macs(sw.device), 1);
}

static void
a_silent_station_is_forgotten(void **state)
{
	struct weft_switch_config config = { .ageing_s = 20 };
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch sw = lab_switch(network, "lan", &config, 3, NULL);

	(void)state;
	lab_send(sw.nics[0], BROADCAST, 1, NO_TAG);
	lab_wait(15);
	lab_send(sw.nics[0], BROADCAST, 1, NO_TAG); /* and is heard again */
	lab_wait(20);
	assert_int_equal(lab_macs(sw.device), 1);
	for (unsigned i = 0; i < 3; i++)
		lab_drain(sw.nics[i]);
	lab_send(sw.nics[1], 1, 2, NO_TAG);
	lab_expect(sw.nics[0], 1, 2, NO_TAG);
	lab_expect_nothing(sw.nics[2]);
	lab_wait(2);
	assert_int_equal(lab_macs(sw.device), 1);
	lab_send(sw.nics[1], 1, 2, NO_TAG);
	lab_expect(sw.nics[2], 1, 2, NO_TAG);
	lab_wait(30);
	assert_int_equal(lab_macs(sw.device), 0);
	assert_int_equal(network->macs, 0);
}

static void
ageing_time_can_be_changed_while_it_runs(void **state)
{
	struct weft_switch_config config = { .ageing_s = 1000 };
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", &config, 2, NULL);
	struct weft_change *change;
	struct switch_info info;

	(void)state;
	lab_send(sw.nics[0], BROADCAST, 1, NO_TAG);
	lab_wait(100);
	assert_int_equal(lab_macs(sw.device), 1);
	change = weft_change_begin(lab);
	config.ageing_s = 50;
	weft_switch_update(change, sw.device, &config);
	weft_change_abort(change);
	lab_wait(2);
	assert_int_equal(lab_macs(sw.device), 1);
	change = weft_change_begin(lab);
	weft_switch_update(change, sw.device, &config);
	lab_commit(change);
	switch_read(sw.device, &info);
	assert_int_equal(info.ageing_s, 50);
	lab_wait(2);
	assert_int_equal(lab_macs(sw.device), 0);
}

static void
a_station_that_moves_is_followed(void **state)
{
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch sw = lab_switch(network, "lan", NULL, 3, NULL);
	struct switch_port_info port;
	struct switch_info info;

	(void)state;
	lab_send(sw.nics[0], BROADCAST, 1, NO_TAG);
	lab_send(sw.nics[1], BROADCAST, 1, NO_TAG);
	for (unsigned i = 0; i < 3; i++)
		lab_drain(sw.nics[i]);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[1], 1, 2, NO_TAG);
	lab_expect_nothing(sw.nics[0]);
	assert_int_equal(lab_macs(sw.device), 2);
	assert_int_equal(network->macs, 2);
	switch_port_read(sw.ports[0], &port);
	assert_int_equal(port.macs, 0);
	switch_port_read(sw.ports[1], &port);
	assert_int_equal(port.macs, 1);
	switch_read(sw.device, &info);
	assert_false(info.loop.seen);
}

static void
a_station_that_flaps_is_called_a_loop(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 3, NULL);
	struct switch_info info;
	uint8_t mac[6];

	(void)state;
	station_mac(mac, 1);
	for (unsigned i = 0; i <= SWITCH_FLAP_MOVES; i++)
		lab_send(sw.nics[i % 2], BROADCAST, 1, NO_TAG);
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_MAC_MOVE], 1);
	assert_memory_equal(lab_notice[PUNT_MAC_MOVE].mac, mac, 6);
	assert_int_equal(lab_notice[PUNT_MAC_MOVE].vlan, 1);
	assert_int_equal(lab_notice[PUNT_MAC_MOVE].vport, sw.ports[0]->id);
	assert_int_equal(lab_notice[PUNT_MAC_MOVE].other, sw.ports[1]->id);
	switch_read(sw.device, &info);
	assert_true(info.loop.seen);
	assert_memory_equal(info.loop.mac, mac, 6);
	assert_int_equal(info.loop.vports[0], sw.ports[1]->id);
	assert_int_equal(info.loop.vports[1], sw.ports[0]->id);
	assert_int_equal(info.loop.since, 1000 * SECOND);
	/* it stays where it is for the rest of the second, and no longer */
	for (unsigned i = 0; i < 3; i++)
		lab_drain(sw.nics[i]);
	lab_send(sw.nics[1], BROADCAST, 1, NO_TAG);
	lab_drain(sw.nics[0]);
	lab_drain(sw.nics[2]);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[0], 1, 2, NO_TAG);
	lab_wait(1);
	lab_send(sw.nics[1], BROADCAST, 1, NO_TAG);
	lab_drain(sw.nics[2]);
	lab_drain(sw.nics[0]);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[1], 1, 2, NO_TAG);
	lab_wait(SWITCH_LOOP_REMEMBERED);
	switch_read(sw.device, &info);
	assert_false(info.loop.seen);
}

/* ---- limits -------------------------------------------------------------------------------- */

static void
send_from(struct weft_nic *nic, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		lab_put(nic, BROADCAST, first + i, NO_TAG);
		if (i % 32 == 31)
			lab_run();
	}
	lab_run();
}

static void
a_port_learns_up_to_its_limit(void **state)
{
	const struct weft_switch_port_config ports[2] = { { .mac_limit = 10 }, { 0 } };
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, ports);
	struct switch_port_info info;

	(void)state;
	send_from(sw.nics[0], 100, 50);
	send_from(sw.nics[1], 200, 50);
	switch_port_read(sw.ports[0], &info);
	assert_int_equal(info.macs, 10);
	assert_int_equal(info.config.mac_limit, 10);
	switch_port_read(sw.ports[1], &info);
	assert_int_equal(info.macs, 50);
	assert_int_equal(lab_macs(sw.device), 60);
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_MAC_LIMIT], 1); /* one each 100 ms */
	assert_int_equal(lab_notice[PUNT_MAC_LIMIT].vport, sw.ports[0]->id);
	/* a station that moves to the full port is not followed, and not lost either */
	send_from(sw.nics[0], 200, 1);
	assert_int_equal(lab_macs(sw.device), 60);
	lab_drain(sw.nics[0]);
	lab_drain(sw.nics[1]);
	lab_send(sw.nics[0], 200, 100, NO_TAG);
	lab_expect(sw.nics[1], 200, 100, NO_TAG);
}

static void
one_network_cannot_fill_the_table_of_another(void **state)
{
	struct weft_switch_config config = { .mac_limit = 100 };
	struct weft_network *red = lab_network("red", 150), *blue = lab_network("blue", 0);
	struct bench_switch one = lab_switch(red, "one", &config, 2, NULL);
	struct bench_switch two = lab_switch(red, "two", &config, 2, NULL);
	struct bench_switch other = lab_switch(blue, "one", NULL, 3, NULL);

	(void)state;
	lab_send(other.nics[0], BROADCAST, 1, NO_TAG);
	send_from(one.nics[0], 1, 500);
	send_from(two.nics[0], 1, 500);
	assert_int_equal(lab_macs(one.device), 100);
	assert_int_equal(lab_macs(two.device), 50);
	assert_int_equal(red->macs, 150);
	assert_int_equal(blue->macs, 1);
	for (unsigned i = 0; i < 3; i++)
		lab_drain(other.nics[i]);
	lab_send(other.nics[1], 1, 2, NO_TAG);
	lab_expect(other.nics[0], 1, 2, NO_TAG);
	lab_expect_nothing(other.nics[2]);
	/* what ages out makes room */
	lab_wait(302);
	assert_int_equal(red->macs, 0);
	send_from(two.nics[0], 600, 500);
	assert_int_equal(lab_macs(two.device), 100);
}

/* More than fits the table as it was: learning is put off, not lost, and nothing is forgotten. */
static void
the_table_grows_with_what_is_learned(void **state)
{
	struct weft_switch_config config = { .mac_limit = 300000, .ageing_s = 10000 };
	struct bench_switch sw = lab_switch(lab_network("red", 300000), "lan", &config, 2, NULL);
	uint32_t before = mac_table_array(&switch_macs)->mask;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		send_from(sw.nics[0], 0x10000, 150000);
		lab_drain(sw.nics[1]);
		lab_wait(1);
	}
	assert_int_equal(lab_macs(sw.device), 150000);
	assert_true(mac_table_array(&switch_macs)->mask > before);
	for (unsigned i = 0; i < 150000; i += 1001) {
		lab_send(sw.nics[0], 0x10000 + i, 1, NO_TAG);
		assert_int_equal(lab_drops(sw.ports[0], DROP_SAME_PORT), i / 1001 + 1);
	}
}

/* ---- static entries -------------------------------------------------------------------------- */

static void
change_static(struct bench_switch *sw, unsigned station, struct weft_vport *vport)
{
	struct weft_change *change = weft_change_begin(lab);
	uint8_t mac[6];

	station_mac(mac, station);
	if (vport != NULL)
		weft_switch_mac_add(change, sw->device, 0, mac, vport);
	else
		weft_switch_mac_remove(change, sw->device, 1, mac);
	lab_commit(change);
}

static bool
look_for_static(void *context, const struct switch_mac *mac)
{
	unsigned *seen = context;

	if (!mac->fixed)
		seen[1]++;
	else if (mac->mac[5] == 1 && mac->vlan == 1)
		seen[0]++;
	return true;
}

static void
a_static_mac_is_never_learned_moved_or_aged(void **state)
{
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch sw = lab_switch(network, "lan", NULL, 3, NULL);
	unsigned seen[2] = { 0 };

	(void)state;
	lab_send(sw.nics[1], BROADCAST, 1, NO_TAG); /* learned first */
	change_static(&sw, 1, sw.ports[0]);
	assert_int_equal(lab_macs(sw.device), 0);
	assert_int_equal(network->macs, 0);
	for (unsigned i = 0; i < 9; i++)
		lab_send(sw.nics[1], BROADCAST, 1, NO_TAG);
	assert_int_equal(lab_macs(sw.device), 0);
	lab_wait(1000);
	for (unsigned i = 0; i < 3; i++)
		lab_drain(sw.nics[i]);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[0], 1, 2, NO_TAG);
	lab_expect_nothing(sw.nics[1]);
	switch_each_mac(lab, sw.device, look_for_static, seen);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 1);
	/* detaching the port does not take it away, another port does */
	change_static(&sw, 1, sw.ports[1]);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[1], 1, 2, NO_TAG);
	change_static(&sw, 1, NULL);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[1], 1, 2, NO_TAG);
	lab_expect(sw.nics[0], 1, 2, NO_TAG);
	/* removing what is learned, not static, does nothing */
	change_static(&sw, 2, NULL);
	assert_int_equal(lab_macs(sw.device), 1);
}

static void
wrong_configurations_are_refused(void **state)
{
	const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 }, zero[6] = { 0 }, good[6] = { 2 };
	const struct weft_switch_port_config wrong[] = { { .access = 4095 }, { .native = 4095 },
		{ .access = 3, .native = 4 }, { .access = 3, .vlans = { 8 } }, { .vlans = { 1 } },
		{ .mtu = 65522 } };
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);
	struct bench_switch other = lab_switch(sw.network, "other", NULL, 1, NULL);
	struct weft_switch_config config = { .ageing_s = 1000001 };
	struct weft_change *change;
	struct weft_error error;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		change = weft_change_begin(lab);
		assert_null(weft_switch_port_add(change, sw.device, "x", &wrong[i]));
		assert_int_equal(weft_change_commit(change, &error), -1);
		assert_true(strlen(error.text) > 10);
		change = weft_change_begin(lab);
		weft_switch_port_update(change, sw.ports[0], &wrong[i]);
		assert_int_equal(weft_change_commit(change, &error), -1);
	}
	change = weft_change_begin(lab);
	assert_null(weft_switch_add(change, sw.network, "x", &config));
	assert_int_equal(weft_change_commit(change, &error), -1);
	change = weft_change_begin(lab);
	weft_switch_mac_add(change, sw.device, 1, group, sw.ports[0]);
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_string_equal(error.text, "01:00:5e:00:00:01 is not the address of one station");
	change = weft_change_begin(lab);
	weft_switch_mac_add(change, sw.device, 1, zero, sw.ports[0]);
	assert_int_equal(weft_change_commit(change, &error), -1);
	change = weft_change_begin(lab);
	weft_switch_mac_add(change, sw.device, 4095, good, sw.ports[0]);
	assert_int_equal(weft_change_commit(change, &error), -1);
	change = weft_change_begin(lab);
	weft_switch_mac_add(change, sw.device, 1, good, other.ports[0]);
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_string_equal(error.text, "red/other:p0 is not a port of red/lan");
	/* and all is as it was */
	lab_send(sw.nics[0], BROADCAST, 1, NO_TAG);
	lab_expect(sw.nics[1], BROADCAST, 1, NO_TAG);
}

/* ---- what is dropped
 * ------------------------------------------------------------------------------ */

static void
bad_frames_are_dropped_for_the_right_reason(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);
	uint8_t frame[128], lldp[6] = { 1, 0x80, 0xc2, 0, 0, 0 };
	size_t length = make_frame(frame, BROADCAST, 1, NO_TAG, 0);

	(void)state;
	memset(frame + 6, 0, 6);
	weft_nic_send(sw.nics[0], frame, length);
	lab_run();
	assert_int_equal(lab_drops(sw.ports[0], DROP_BAD_SOURCE_MAC), 1);
	make_frame(frame, 2, BROADCAST, NO_TAG, 0);
	weft_nic_send(sw.nics[0], frame, length);
	lab_run();
	assert_int_equal(lab_drops(sw.ports[0], DROP_BAD_SOURCE_MAC), 2);
	for (unsigned i = 0; i < 16; i++) {
		make_frame(frame, 2, 1, NO_TAG, 0);
		lldp[5] = (uint8_t)i;
		memcpy(frame, lldp, 6);
		weft_nic_send(sw.nics[0], frame, length);
		lab_run();
		assert_int_equal(lab_drops(sw.ports[0], DROP_RESERVED_MAC), i + 1);
	}
	lab_expect_nothing(sw.nics[1]);
	frame[5] = 0x10; /* the next one is an ordinary group address */
	weft_nic_send(sw.nics[0], frame, length);
	lab_run();
	assert_int_equal(lab_drain(sw.nics[1]), 1);
	lab_send(sw.nics[0], 2, 1, 4095);
	assert_int_equal(lab_drops(sw.ports[0], DROP_BAD_VLAN_TAG), 1);
	lab_send(sw.nics[0], 1, 3, NO_TAG);
	assert_int_equal(lab_drops(sw.ports[0], DROP_SAME_PORT), 1);
	lab_expect_nothing(sw.nics[1]);
}

/* Puts a packet of the test's own making before the switch. */
static void
enter(struct bench_switch *sw, unsigned port, struct rte_mbuf *packet)
{
	struct worker *worker = lab->workers[0];

	worker->now = lab_time;
	vport_receive(worker, vport_get(worker, sw->ports[port]->id), packet);
	lab_run();
}

/* One byte to a segment: as odd as a sender can make it. */
static struct rte_mbuf *
in_pieces(const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *first = NULL;

	for (size_t i = 0; i < length; i++) {
		struct rte_mbuf *segment = rte_pktmbuf_alloc(lab->pools.small);

		*(uint8_t *)rte_pktmbuf_append(segment, 1) = bytes[i];
		if (first == NULL) {
			first = segment;
			packet_meta_reset(first);
		} else {
			assert_int_equal(rte_pktmbuf_chain(first, segment), 0);
		}
	}
	return first;
}

static void
headers_may_be_in_pieces_or_cut_off(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);
	uint8_t frame[128];
	size_t length = make_frame(frame, BROADCAST, 1, 7, 0x5a);

	(void)state;
	enter(&sw, 0, in_pieces(frame, length));
	lab_expect(sw.nics[1], BROADCAST, 1, 7);
	for (length = 1; length < 14; length++) {
		enter(&sw, 0, in_pieces(frame, length));
		assert_int_equal(lab_drops(sw.ports[0], DROP_TOO_SHORT), length);
	}
	for (; length < 18; length++) {
		enter(&sw, 0, in_pieces(frame, length));
		assert_int_equal(lab_drops(sw.ports[0], DROP_BAD_VLAN_TAG), length - 13);
	}
	lab_expect_nothing(sw.nics[1]);
	/* no more than a header, and no tag: that is a frame */
	make_frame(frame, BROADCAST, 1, NO_TAG, 0);
	enter(&sw, 0, in_pieces(frame, 14));
	assert_int_equal(weft_nic_receive(sw.nics[1], frame, sizeof(frame)), 14);
}

static void
a_port_sends_no_more_than_its_mtu(void **state)
{
	const struct weft_switch_port_config ports[3] = { { 0 }, { .mtu = 1500 },
		{ .mtu = 1500, .native = WEFT_VLAN_NO_NATIVE } };
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 3, ports);
	uint8_t frame[9300] = { 0 }, got[9300];

	(void)state;
	make_frame(frame, BROADCAST, 1, NO_TAG, 0);
	weft_nic_send(sw.nics[0], frame, 1514);
	lab_run();
	assert_int_equal(weft_nic_receive(sw.nics[1], got, sizeof(got)), 1514);
	assert_int_equal(weft_nic_receive(sw.nics[2], got, sizeof(got)), 1518);
	weft_nic_send(sw.nics[0], frame, 1515);
	lab_run();
	lab_expect_nothing(sw.nics[1]);
	lab_expect_nothing(sw.nics[2]);
	assert_int_equal(lab_drops(sw.ports[1], DROP_TOO_LONG), 1);
	assert_int_equal(lab_drops(sw.ports[2], DROP_TOO_LONG), 1);
	/* jumbo frames where the port takes them */
	make_frame(frame, BROADCAST, 1, NO_TAG, 0);
	weft_nic_send(sw.nics[1], frame, 9230);
	lab_run();
	assert_int_equal(weft_nic_receive(sw.nics[0], got, sizeof(got)), 9230);
	assert_memory_equal(got, frame, 9230);
	weft_nic_send(sw.nics[1], frame, 9231);
	lab_run();
	assert_int_equal(lab_drops(sw.ports[0], DROP_TOO_LONG), 1);
}

static void
a_dry_run_leaves_no_trace(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);
	struct weft_counters counters;
	struct rte_mbuf *packet;
	uint8_t frame[128];
	size_t length = make_frame(frame, BROADCAST, 1, NO_TAG, 0);

	(void)state;
	packet = packet_from_bytes(&lab->pools, frame, length);
	packet_meta(packet)->flags |= PACKET_DRY_RUN;
	enter(&sw, 0, packet);
	memset(frame + 6, 0, 6);
	packet = packet_from_bytes(&lab->pools, frame, length);
	packet_meta(packet)->flags |= PACKET_DRY_RUN;
	enter(&sw, 0, packet);
	assert_int_equal(lab_macs(sw.device), 0);
	lab_expect_nothing(sw.nics[1]);
	for (unsigned i = 0; i < 2; i++) {
		weft_vport_counters(sw.ports[i], &counters);
		assert_int_equal(counters.in_packets + counters.out_packets + counters.drops, 0);
	}
}

/* ---- changes
 * --------------------------------------------------------------------------------------- */

static void
what_was_learned_goes_with_the_attachment(void **state)
{
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch sw = lab_switch(network, "lan", NULL, 3, NULL);
	struct weft_change *change;

	(void)state;
	send_from(sw.nics[0], 1, 20);
	send_from(sw.nics[1], 101, 1);
	assert_int_equal(network->macs, 21);
	change = weft_change_begin(lab);
	weft_detach(change, sw.ports[0]);
	weft_change_abort(change);
	assert_int_equal(network->macs, 21);
	change = weft_change_begin(lab);
	weft_detach(change, sw.ports[0]);
	lab_commit(change);
	assert_int_equal(network->macs, 1);
	assert_int_equal(lab_macs(sw.device), 1);
	for (unsigned i = 0; i < 3; i++)
		lab_drain(sw.nics[i]);
	/* unknown now, and the port is in no flood */
	lab_send(sw.nics[1], 1, 101, NO_TAG);
	lab_expect(sw.nics[2], 1, 101, NO_TAG);
	assert_int_equal(lab_drops(sw.ports[0], DROP_NO_ATTACHMENT), 0);
	/* the same stations come back elsewhere, before the table has been tidied, and after */
	send_from(sw.nics[2], 1, 10);
	lab_wait(1);
	send_from(sw.nics[2], 11, 10);
	assert_int_equal(network->macs, 21);
	change = weft_change_begin(lab);
	weft_attach(change, sw.ports[0], sw.nics[0]);
	lab_commit(change);
	send_from(sw.nics[0], 1, 20);
	assert_int_equal(network->macs, 21);
	/* each of many epochs is worth no more than the last */
	for (unsigned i = 0; i < 300; i++) {
		change = weft_change_begin(lab);
		weft_detach(change, sw.ports[0]);
		lab_commit(change);
		assert_int_equal(network->macs, 1);
		change = weft_change_begin(lab);
		weft_attach(change, sw.ports[0], sw.nics[0]);
		lab_commit(change);
		send_from(sw.nics[0], 1, 20);
		lab_drain(sw.nics[1]);
		lab_drain(sw.nics[2]);
		assert_int_equal(network->macs, 21);
		if (i % 50 == 0)
			lab_wait(1);
	}
}

static void
what_was_learned_goes_with_the_vlan(void **state)
{
	const struct weft_switch_port_config less = { .vlans = { 1 << 1 | 1 << 5 } };
	const struct weft_switch_port_config more = { .vlans = { 1 << 1 | 1 << 5 | 1 << 7 } };
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch sw = lab_switch(network, "lan", NULL, 2, NULL);
	struct weft_change *change;

	(void)state;
	lab_send(sw.nics[0], BROADCAST, 1, 5);
	lab_send(sw.nics[0], BROADCAST, 1, 6);
	lab_send(sw.nics[0], BROADCAST, 1, 7);
	assert_int_equal(network->macs, 3);
	change = weft_change_begin(lab);
	weft_switch_port_update(change, sw.ports[0], &less);
	lab_commit(change);
	assert_int_equal(network->macs, 0);
	lab_send(sw.nics[0], BROADCAST, 1, 5);
	assert_int_equal(network->macs, 1);
	/* a VLAN more takes nothing away */
	change = weft_change_begin(lab);
	weft_switch_port_update(change, sw.ports[0], &more);
	weft_switch_port_update(change, sw.ports[0], &more);
	lab_commit(change);
	assert_int_equal(network->macs, 1);
}

static void
removing_ports_and_switches_gives_the_counts_back(void **state)
{
	struct weft_network *network = lab_network("red", 0);
	struct bench_switch one = lab_switch(network, "one", NULL, 3, NULL);
	struct bench_switch two = lab_switch(network, "two", NULL, 2, NULL);
	struct weft_change *change;

	(void)state;
	send_from(one.nics[0], 1, 10);
	send_from(one.nics[1], 11, 10);
	send_from(two.nics[0], 1, 10);
	assert_int_equal(network->macs, 30);
	change = weft_change_begin(lab);
	weft_vport_remove(change, one.ports[0]);
	lab_commit(change);
	assert_int_equal(network->macs, 20);
	assert_int_equal(lab_macs(one.device), 10);
	change = weft_change_begin(lab);
	weft_device_remove(change, two.device);
	lab_commit(change);
	assert_int_equal(network->macs, 10);
	lab_wait(1);
	assert_int_equal(network->macs, 10);
	/* a new switch with an old one's name knows nothing */
	two = lab_switch(network, "two2", NULL, 2, NULL);
	lab_send(two.nics[1], 1, 99, NO_TAG);
	lab_expect(two.nics[0], 1, 99, NO_TAG);
	assert_int_equal(network->macs, 11);
}

/* ---- what changes under a worker's hands ------------------------------------------------------
 */

static struct weft_vport *vanishing;

/* As if a commit on another thread took a port away in the middle of a turn. */
static void
transmit_while_a_port_goes(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	lab->vports[id_index(vanishing->id)] = NULL;
	memory_driver.transmit(queue, worker, packets, count);
}

static void
a_flood_survives_a_port_that_goes_meanwhile(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 4, NULL);
	struct nic_driver spy = memory_driver;

	(void)state;
	spy.transmit = transmit_while_a_port_goes;
	vanishing = sw.ports[3];
	sw.nics[1]->driver = &spy;
	/* more than are sent at once: the first are sent while the last are flooded */
	for (unsigned i = 0; i < NIC_BURST; i++) {
		lab_put(sw.nics[0], BROADCAST, 1, NO_TAG);
		lab_put(sw.nics[2], BROADCAST, 2, NO_TAG);
	}
	lab_run();
	sw.nics[1]->driver = &memory_driver;
	lab->vports[id_index(vanishing->id)] = vanishing->live;
	assert_int_equal(lab_drain(sw.nics[1]), 2 * NIC_BURST);
	assert_int_equal(
		lab_drops(sw.ports[0], DROP_STALE_VPORT) + lab_drops(sw.ports[2], DROP_STALE_VPORT),
		1);
}

/* Ports 1 and 2 are of one group, port 3 of another, port 0 of none. */
static void
frames_stay_out_of_their_isolation_group(void **state)
{
	struct weft_switch_port_config configs[4] = { { 0 }, { .group = 7 }, { .group = 7 },
		{ .group = UINT64_C(1) << 63 } };
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 4, configs);
	struct weft_change *change;

	(void)state;
	lab_send(sw.nics[1], BROADCAST, 1, NO_TAG);
	lab_expect(sw.nics[0], BROADCAST, 1, NO_TAG);
	lab_expect_nothing(sw.nics[2]);
	lab_expect(sw.nics[3], BROADCAST, 1, NO_TAG);
	/* known, in the same group, in another one, in none */
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	for (unsigned i = 0; i < 4; i++)
		lab_expect_nothing(sw.nics[i]);
	assert_int_equal(lab_drops(sw.ports[1], DROP_ISOLATED), 1);
	lab_send(sw.nics[3], 1, 3, NO_TAG);
	lab_expect(sw.nics[1], 1, 3, NO_TAG);
	lab_send(sw.nics[0], 1, 4, NO_TAG);
	lab_expect(sw.nics[1], 1, 4, NO_TAG);
	lab_send(sw.nics[1], 4, 1, NO_TAG);
	lab_expect(sw.nics[0], 4, 1, NO_TAG);
	/* and no more when the group is gone */
	change = weft_change_begin(lab);
	weft_switch_port_update(change, sw.ports[2], NULL);
	lab_commit(change);
	lab_send(sw.nics[2], 1, 2, NO_TAG);
	lab_expect(sw.nics[1], 1, 2, NO_TAG);
	assert_int_equal(lab_drops(sw.ports[1], DROP_ISOLATED), 1);
}

static void
an_explanation_leaves_nothing_to_be_sent(void **state)
{
	struct bench_switch sw = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);
	struct worker *worker = lab->workers[0];
	uint8_t frame[128];
	size_t length = make_frame(frame, BROADCAST, 1, NO_TAG, 0x5a);

	(void)state;
	/* one is still on its way when the explanation begins */
	vport_receive(worker, sw.ports[0]->live, packet_from_bytes(&lab->pools, frame, length));
	free(explain_frame(lab, sw.ports[0]->id, frame, length, NULL));
	/* a change may take the vnics away before the next turn */
	assert_null(worker->dirty);
	lab_expect(sw.nics[1], BROADCAST, 1, NO_TAG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_is_flooded_and_known_is_not),
		TEST(broadcast_and_multicast_are_always_flooded),
		TEST(a_silent_station_is_forgotten),
		TEST(ageing_time_can_be_changed_while_it_runs),
		TEST(a_station_that_moves_is_followed),
		TEST(a_station_that_flaps_is_called_a_loop),
		TEST(a_port_learns_up_to_its_limit),
		TEST(one_network_cannot_fill_the_table_of_another),
		TEST(the_table_grows_with_what_is_learned),
		TEST(a_static_mac_is_never_learned_moved_or_aged),
		TEST(wrong_configurations_are_refused),
		TEST(bad_frames_are_dropped_for_the_right_reason),
		TEST(headers_may_be_in_pieces_or_cut_off),
		TEST(a_port_sends_no_more_than_its_mtu),
		TEST(a_dry_run_leaves_no_trace),
		TEST(what_was_learned_goes_with_the_attachment),
		TEST(what_was_learned_goes_with_the_vlan),
		TEST(removing_ports_and_switches_gives_the_counts_back),
		TEST(a_flood_survives_a_port_that_goes_meanwhile),
		TEST(frames_stay_out_of_their_isolation_group),
		TEST(an_explanation_leaves_nothing_to_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
