/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "cross.h"
#include "nic/drivers.h"

#include <pcap/pcap.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static const struct nic_driver *const drivers[] = { &dpdk_driver, &memory_driver, NULL };
static const struct weft_nic_config memory = { .kind = WEFT_NIC_MEMORY };

static struct weft *weft;
static struct weft_nic *device, *inside; /* at the two ports of the cross */
static struct cross cross;
static char folder[] = "/tmp/weft-test-dpdk-XXXXXX";
static uint64_t now;

static uint64_t
test_clock(void *context)
{
	return now;
}

static int
set_up(void **state)
{
	const struct weft_options options = { .memory_mb = 1024, .clock = test_clock };
	struct weft_error error = { 0 };

	now = SECOND;
	log_set_level(LOG_LEVEL_ERROR);
	if (mkdtemp(folder) == NULL)
		return -1;
	weft = engine_open(&options, cross_classes, drivers, &error);
	rte_log_set_global_level(RTE_LOG_CRIT);
	return weft != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	weft_close(weft);
	return rmdir(folder);
}

static struct weft_nic *
add_device(struct weft_change *change, struct weft_network *network, const char *name,
	const char *devargs)
{
	const struct weft_nic_config config = { .kind = WEFT_NIC_DPDK, .devargs = devargs };

	return weft_nic_add(change, network, name, &config);
}

static void
commit(struct weft_change *change)
{
	struct weft_error error = { 0 };

	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
}

/* device on port a, memory on port b */
static void
build(const char *devargs)
{
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);

	cross_add(change, network, "cross", &cross);
	device = add_device(change, network, "device", devargs);
	inside = weft_nic_add(change, network, "inside", &memory);
	weft_attach(change, cross.ports[0], device);
	weft_attach(change, cross.ports[1], inside);
	commit(change);
}

static void
take_down(void)
{
	struct weft_change *change = weft_change_begin(weft);

	weft_network_remove(change, weft_network_find(weft, "red"));
	commit(change);
	assert_int_equal(rte_eth_dev_count_total(), 0);
}

static void
run(unsigned turns)
{
	while (turns-- > 0)
		weft_run(weft);
}

static void
fill(uint8_t *frame, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(seed * 7 + i * 31);
}

static const char *
path(char *text, const char *name)
{
	sprintf(text, "%s/%s", folder, name);
	return text;
}

static void
write_pcap(const char *file, unsigned count, size_t length)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *dumper = pcap_dump_open(pcap, file);
	uint8_t frame[9018];

	assert_non_null(dumper);
	for (unsigned i = 0; i < count; i++) {
		struct pcap_pkthdr header = {
			.caplen = (bpf_u_int32)length,
			.len = (bpf_u_int32)length,
		};

		fill(frame, length, i);
		pcap_dump((u_char *)dumper, &header, frame);
	}
	pcap_dump_close(dumper);
	pcap_close(pcap);
}

static void
test_null_gives_and_takes(void **state)
{
	struct weft_counters counters;
	uint8_t frame[100] = { 0 };

	build("net_null0,size=77");
	assert_int_equal(device->status, NIC_STATUS_UP);
	run(1);
	assert_int_equal(weft_nic_receive(inside, frame, sizeof(frame)), 77);
	weft_vport_counters(cross.ports[0], &counters);
	assert_true(counters.in_packets >= NIC_BURST);
	assert_int_equal(counters.in_bytes, counters.in_packets * 77);
	assert_int_equal(weft_nic_send(inside, frame, 60), 0);
	run(2);
	weft_vport_counters(cross.ports[0], &counters);
	assert_int_equal(counters.out_packets, 1);
	take_down();
}

/* What goes into a net_ring device comes back from it. */
static void
test_ring_brings_frames_back_whole(void **state)
{
	static const size_t lengths[] = { 14, 60, 1514, 2048, 2049, 9018 };
	uint8_t sent[9018], received[9018];

	build("net_ring0");
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		fill(sent, lengths[i], i);
		assert_int_equal(weft_nic_send(inside, sent, lengths[i]), 0);
		run(3);
		assert_int_equal(weft_nic_receive(inside, received, sizeof(received)), lengths[i]);
		assert_memory_equal(sent, received, lengths[i]);
	}
	take_down();
}

/* Packets that the device holds when it goes come back to their pool. */
static void
test_removal_gives_buffers_back(void **state)
{
	unsigned before = rte_mempool_avail_count(weft->pools.small);
	uint8_t frame[60] = { 0 };

	for (unsigned round = 0; round < 20; round++) {
		build(round % 2 == 0 ? "net_ring0" : "net_null0");
		for (unsigned i = 0; i < 500; i++)
			weft_nic_send(inside, frame, sizeof(frame));
		run(1);
		take_down();
		assert_int_equal(rte_mempool_avail_count(weft->pools.small), before);
	}
}

static void
check_pcap_in_order(unsigned count, size_t length)
{
	char file[64], devargs[128];
	uint8_t frame[9018], received[9018];

	write_pcap(path(file, "in.pcap"), count, length);
	sprintf(devargs, "net_pcap0,rx_pcap=%s", file);
	build(devargs);
	for (unsigned i = 0; i < count; i++) {
		if (weft_nic_receive(inside, received, sizeof(received)) == 0) {
			run(1);
			assert_int_equal(
				weft_nic_receive(inside, received, sizeof(received)), length);
		}
		fill(frame, length, i);
		assert_memory_equal(frame, received, length);
	}
	run(2);
	assert_int_equal(weft_nic_receive(inside, received, sizeof(received)), 0);
	take_down();
	unlink(file);
}

static void
test_pcap_in_order(void **state)
{
	check_pcap_in_order(500, 1518);
	check_pcap_in_order(20, 9018); /* chains: no buffer is so large */
}

static void
test_pcap_out(void **state)
{
	char file[64], devargs[128], reason[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	uint8_t frame[1000];
	pcap_t *pcap;

	sprintf(devargs, "net_pcap0,tx_pcap=%s", path(file, "out.pcap"));
	build(devargs);
	for (unsigned i = 0; i < 200; i++) {
		fill(frame, sizeof(frame), i);
		assert_int_equal(weft_nic_send(inside, frame, sizeof(frame)), 0);
		run(1);
	}
	run(2);
	take_down();
	pcap = pcap_open_offline(file, reason);
	assert_non_null(pcap);
	for (unsigned i = 0; i < 200; i++) {
		fill(frame, sizeof(frame), i);
		assert_int_equal(pcap_next_ex(pcap, &header, &bytes), 1);
		assert_int_equal(header->caplen, sizeof(frame));
		assert_memory_equal(bytes, frame, sizeof(frame));
	}
	assert_int_equal(pcap_next_ex(pcap, &header, &bytes), PCAP_ERROR_BREAK);
	pcap_close(pcap);
	unlink(file);
}

/* The benchmark's source: a file for ever, in order, with more frames than other devices
 * have buffers. */
static void
test_pcap_infinite(void **state)
{
	const unsigned frames = 20000;
	char file[64], devargs[128];
	uint8_t frame[64], received[64];

	write_pcap(path(file, "in.pcap"), frames, sizeof(frame));
	sprintf(devargs, "net_pcap0,rx_pcap=%s,infinite_rx=1", file);
	build(devargs);
	for (unsigned i = 0; i < 2 * frames + 10; i++) {
		if (weft_nic_receive(inside, received, sizeof(received)) == 0) {
			run(1);
			assert_int_equal(weft_nic_receive(inside, received, sizeof(received)),
				sizeof(frame));
		}
		fill(frame, sizeof(frame), i % frames);
		assert_memory_equal(frame, received, sizeof(frame));
	}
	take_down();
	unlink(file);
}

static void
expect_refused(const char *devargs, const char *words)
{
	struct weft_error error = { 0 };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);

	add_device(change, network, "device", devargs);
	assert_int_equal(weft_change_commit(change, &error), -1);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	assert_null(weft_network_find(weft, "red"));
	assert_int_equal(rte_eth_dev_count_total(), 0);
}

static void
test_wrong_arguments_are_told(void **state)
{
	expect_refused(NULL, "name no device");
	expect_refused("", "name no device");
	expect_refused("no_such_driver0", "name no device");
	expect_refused(",size=64", "name no device");
}

/* A file that is not there yet: degraded with the reason, and up when it is. */
static void
test_absent_device_comes_by_itself(void **state)
{
	char file[64], devargs[128];
	uint8_t received[64];

	sprintf(devargs, "net_pcap0,rx_pcap=%s", path(file, "late.pcap"));
	build(devargs);
	assert_int_equal(device->status, NIC_STATUS_DEGRADED);
	assert_non_null(strstr(device->status_text, "net_pcap0"));
	run(2);
	write_pcap(file, 3, 64);
	now += 2 * SECOND;
	weft_tick(weft);
	assert_int_equal(device->status, NIC_STATUS_UP);
	run(2);
	assert_int_equal(weft_nic_receive(inside, received, sizeof(received)), 64);
	take_down();
	unlink(file);
}

static void
test_one_device_for_one_vnic(void **state)
{
	struct weft_error error = { 0 };
	struct weft_change *change;
	uint8_t frame[60];

	build("net_null0,size=60");
	change = weft_change_begin(weft);
	add_device(change, weft_network_find(weft, "red"), "second", "net_null0,size=80");
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_non_null(strstr(error.text, "another vnic"));
	/* and the first one has not felt it */
	run(2);
	assert_int_equal(weft_nic_receive(inside, frame, sizeof(frame)), 60);
	take_down();
}

static void
test_too_many_devices(void **state)
{
	struct weft_error error = { 0 };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "red", NULL);

	for (unsigned i = 0; i <= RTE_MAX_ETHPORTS; i++) {
		char devargs[32];

		sprintf(devargs, "net_null%u", i);
		add_device(change, network, devargs, devargs);
	}
	assert_int_equal(weft_change_commit(change, &error), -1);
	if (strstr(error.text, "room for 32 devices") == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(rte_eth_dev_count_total(), 0);
}

/* Devices come and go while packets pass through another one. */
static void
test_plugging_under_traffic(void **state)
{
	struct weft_counters before, after;
	struct weft_change *change;
	struct weft_nic *nic;
	uint8_t frame[60];

	build("net_null0,size=60");
	for (unsigned i = 0; i < 50; i++) {
		weft_vport_counters(cross.ports[0], &before);
		change = weft_change_begin(weft);
		nic = add_device(change, weft_network_find(weft, "red"), "other", "net_ring7");
		commit(change);
		run(2);
		change = weft_change_begin(weft);
		weft_nic_remove(change, nic);
		commit(change);
		run(2);
		weft_vport_counters(cross.ports[0], &after);
		assert_true(after.in_packets >= before.in_packets + 4 * NIC_BURST);
		while (weft_nic_receive(inside, frame, sizeof(frame)) > 0)
			;
	}
	assert_int_equal(rte_eth_dev_count_total(), 1);
	take_down();
}

static void
test_update(void **state)
{
	struct weft_nic_config config = { .kind = WEFT_NIC_DPDK, .devargs = "net_null0,size=60" };
	struct weft_change *change;
	uint8_t frame[100];

	build(config.devargs);
	config.mtu = 1400;
	change = weft_change_begin(weft);
	weft_nic_update(change, device, &config);
	commit(change);
	assert_int_equal(device->mtu, 1400);
	config.devargs = "net_null0,size=90";
	change = weft_change_begin(weft);
	weft_nic_update(change, device, &config);
	commit(change);
	assert_int_equal(device->status, NIC_STATUS_UP);
	while (weft_nic_receive(inside, frame, sizeof(frame)) > 0)
		;
	run(2);
	assert_int_equal(weft_nic_receive(inside, frame, sizeof(frame)), 90);
	take_down();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null_gives_and_takes),
		cmocka_unit_test(test_ring_brings_frames_back_whole),
		cmocka_unit_test(test_removal_gives_buffers_back),
		cmocka_unit_test(test_pcap_in_order),
		cmocka_unit_test(test_pcap_out),
		cmocka_unit_test(test_pcap_infinite),
		cmocka_unit_test(test_wrong_arguments_are_told),
		cmocka_unit_test(test_absent_device_comes_by_itself),
		cmocka_unit_test(test_one_device_for_one_vnic),
		cmocka_unit_test(test_too_many_devices),
		cmocka_unit_test(test_plugging_under_traffic),
		cmocka_unit_test(test_update),
	};

	return cmocka_run_group_tests_name("dpdk", tests, set_up, tear_down);
}
