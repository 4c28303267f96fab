/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of the switch share: an engine without threads, with a clock that the test moves,
 * and switches with memory vnics on their ports.
 */
#ifndef WEFT_TESTS_SWITCH_FIXTURE_H
#define WEFT_TESTS_SWITCH_FIXTURE_H

#include "graph/engine.h"
#include "graph/punt.h"
#include "switch/switch_objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include <cmocka.h>

#define LAB_PORTS 8
#define FRAME_LENGTH 60 /* untagged */
#define NO_TAG (-1)
#define BROADCAST 0xffff /* for station numbers */
#define SECOND UINT64_C(1000000000)

static uint64_t lab_time;
static struct weft *lab;

/* The last notice of each reason, and how many there were. */
static struct punt_notice lab_notice[PUNT_REASON_COUNT];
static unsigned lab_notices[PUNT_REASON_COUNT];

static inline uint64_t
lab_clock(void *context)
{
	(void)context;
	return lab_time;
}

static inline void
lab_take_notice(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	(void)context;
	(void)weft;
	memcpy(&lab_notice[reason], rte_pktmbuf_mtod(packet, void *), sizeof(lab_notice[reason]));
	lab_notices[reason]++;
	rte_pktmbuf_free(packet);
}

static inline int
lab_open(void **state)
{
	struct weft_options options = { .memory_mb = 128, .clock = lab_clock };
	struct weft_error error;

	(void)state;
	lab_time = 1000 * SECOND;
	lab = weft_open(&options, &error);
	if (lab == NULL) {
		print_error("%s\n", error.text);
		return -1;
	}
	memset(lab_notices, 0, sizeof(lab_notices));
	for (int reason = PUNT_MAC_MOVE; reason <= PUNT_FLOOD; reason++)
		punt_register(lab, (enum punt_reason)reason, lab_take_notice, NULL);
	return 0;
}

/* Every packet buffer must have come back. */
static inline int
lab_close(void **state)
{
	unsigned used;

	(void)state;
	punt_drain(lab);
	used = rte_mempool_in_use_count(lab->pools.small) +
	       rte_mempool_in_use_count(lab->pools.large);
	weft_close(lab);
	if (used != 0)
		print_error("%u packet buffers were lost\n", used);
	return used == 0 ? 0 : -1;
}

static inline void
lab_commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) != 0)
		fail_msg("%s", error.text);
}

static inline struct weft_network *
lab_network(const char *name, uint32_t mac_limit)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network_config config = { .mac_limit = mac_limit };

	weft_network_add(change, name, &config);
	lab_commit(change);
	return weft_network_find(lab, name);
}

/* A switch with a memory vnic on each of its ports. */
struct bench_switch {
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *ports[LAB_PORTS];
	struct weft_nic *nics[LAB_PORTS];
	unsigned n_ports;
};

static const struct weft_nic_config lab_nic_config = { .kind = WEFT_NIC_MEMORY };

/* configs: of each port, or NULL: all defaults. */
static inline struct bench_switch
lab_switch(struct weft_network *network, const char *name, const struct weft_switch_config *config,
	unsigned n_ports, const struct weft_switch_port_config *configs)
{
	struct bench_switch made = { .network = network, .n_ports = n_ports };
	struct weft_change *change = weft_change_begin(lab);
	char port[16], nic[64];

	made.device = weft_switch_add(change, network, name, config);
	for (unsigned i = 0; i < n_ports; i++) {
		snprintf(port, sizeof(port), "p%u", i);
		snprintf(nic, sizeof(nic), "%s-%u", name, i);
		made.ports[i] = weft_switch_port_add(
			change, made.device, port, configs != NULL ? &configs[i] : NULL);
		made.nics[i] = weft_nic_add(change, network, nic, &lab_nic_config);
		weft_attach(change, made.ports[i], made.nics[i]);
	}
	lab_commit(change);
	return made;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static inline void
station_mac(uint8_t mac[6], unsigned station)
{
	const uint8_t made[6] = { 2, 0, 0, (uint8_t)(station >> 16), (uint8_t)(station >> 8),
		(uint8_t)station };

	if (station == BROADCAST)
		memset(mac, 0xff, 6);
	else
		memcpy(mac, made, 6);
}

/* Returns the length. tci NO_TAG: untagged. The payload tells the frames apart. */
static inline size_t
make_frame(uint8_t *frame, unsigned destination, unsigned source, int tci, uint8_t payload)
{
	size_t at = 12;

	station_mac(frame, destination);
	station_mac(frame + 6, source);
	if (tci != NO_TAG) {
		frame[at++] = 0x81;
		frame[at++] = 0x00;
		frame[at++] = (uint8_t)(tci >> 8);
		frame[at++] = (uint8_t)tci;
	}
	frame[at++] = 0x88;
	frame[at++] = 0xb5; /* IEEE 802, local experimental ethertype 1 */
	memset(frame + at, payload, FRAME_LENGTH - 14);
	return at + FRAME_LENGTH - 14;
}

static inline void
lab_run(void)
{
	for (unsigned i = 0; weft_run(lab) > 0; i++)
		assert_true(i < 100000);
}

static inline void
lab_put(struct weft_nic *nic, unsigned destination, unsigned source, int tci)
{
	uint8_t frame[128];
	size_t length = make_frame(frame, destination, source, tci, 0x5a);

	assert_int_equal(weft_nic_send(nic, frame, length), 0);
}

static inline void
lab_send(struct weft_nic *nic, unsigned destination, unsigned source, int tci)
{
	lab_put(nic, destination, source, tci);
	lab_run();
}

/* Exactly this one frame is there. */
static inline void
lab_expect(struct weft_nic *nic, unsigned destination, unsigned source, int tci)
{
	uint8_t wanted[128], got[2048];
	size_t length = make_frame(wanted, destination, source, tci, 0x5a);

	assert_int_equal(weft_nic_receive(nic, got, sizeof(got)), length);
	assert_memory_equal(got, wanted, length);
	assert_int_equal(weft_nic_receive(nic, got, sizeof(got)), 0);
}

static inline unsigned
lab_drain(struct weft_nic *nic)
{
	uint8_t frame[2048];
	unsigned count = 0;

	while (weft_nic_receive(nic, frame, sizeof(frame)) > 0)
		count++;
	return count;
}

static inline void
lab_expect_nothing(struct weft_nic *nic)
{
	assert_int_equal(lab_drain(nic), 0);
}

static inline uint64_t
lab_drops(const struct weft_vport *vport, enum drop_reason reason)
{
	struct vport_counters counters;
	struct vport_drops drops;

	vport_read_counters(vport, &counters, &drops);
	return drops.by_reason[reason];
}

static inline uint32_t
lab_macs(const struct weft_device *device)
{
	struct switch_info info;

	switch_read(device, &info);
	return info.macs;
}

/* Lets time go by, with a tick each second. */
static inline void
lab_wait(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		lab_time += SECOND;
		weft_tick(lab);
	}
}

#endif
