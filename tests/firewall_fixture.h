/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of firewalls share: a firewall between two memory vnics, rules in short, and packets
 * of stations on both sides: station n of side s is 10.s.0.n, 2001:db8:s::n.
 */
#ifndef WEFT_TESTS_FIREWALL_FIXTURE_H
#define WEFT_TESTS_FIREWALL_FIXTURE_H

#include "firewall/firewall_objects.h"
#include "router_fixture.h"

#include <netinet/in.h>
#include <rte_icmp.h>
#include <rte_tcp.h>

enum side { IN, OUT };

struct bench_firewall {
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *ports[2];
	struct weft_nic *nics[2];
};

static inline void
set_rules(const struct bench_firewall *bench, const struct weft_rule *rules, unsigned count)
{
	struct weft_change *change = weft_change_begin(lab);

	weft_firewall_rules(change, bench->device, rules, count);
	lab_commit(change);
}

static inline struct bench_firewall
lab_firewall(const char *name, const struct weft_firewall_config *config,
	const struct weft_rule *rules, unsigned count)
{
	struct bench_firewall made = { .network = lab_network(name, 0) };
	struct weft_change *change = weft_change_begin(lab);

	made.device = weft_firewall_add(change, made.network, "fw", config);
	made.ports[IN] = weft_firewall_port_add(change, made.device, "in");
	made.ports[OUT] = weft_firewall_port_add(change, made.device, "out");
	weft_firewall_rules(change, made.device, rules, count);
	for (unsigned side = 0; side < 2; side++) {
		made.nics[side] =
			weft_nic_add(change, made.network, side == IN ? "a" : "b", &lab_nic_config);
		weft_attach(change, made.ports[side], made.nics[side]);
	}
	lab_commit(change);
	return made;
}

#define DROP_ALL (&(const struct weft_firewall_config){ .otherwise = WEFT_RULE_DROP })
#define ACCEPT_ALL (&(const struct weft_firewall_config){ .otherwise = WEFT_RULE_ACCEPT })

static const char *const only_in[] = { "in" }, *const only_out[] = { "out" };

/* ---- packets ----------------------------------------------------------------------------------
 */

static inline struct make_ends
ends_of(enum side side, unsigned from, unsigned to, uint8_t family)
{
	const char *format = family == 4 ? "10.%u.0.%u" : "2001:db8:%x::%x";
	struct make_ends ends = { .family = family };
	char text[64];

	station_mac(ends.source_mac.addr_bytes, side * 256 + from);
	station_mac(ends.destination_mac.addr_bytes, !side * 256 + to);
	snprintf(text, sizeof(text), format, side, from);
	memcpy(ends.source, prefix_of(text).address, 16);
	snprintf(text, sizeof(text), format, !side, to);
	memcpy(ends.destination, prefix_of(text).address, 16);
	return ends;
}

static inline void
put(const struct bench_firewall *bench, enum side side, const void *frame, size_t length)
{
	assert_int_equal(weft_nic_send(bench->nics[side], frame, length), 0);
	lab_run();
}

/* It comes out on the other side as it is, and nothing else does. */
static inline void
expect_pass(const struct bench_firewall *bench, enum side side, const void *frame, size_t length)
{
	uint8_t got[BUFFER];

	put(bench, side, frame, length);
	assert_int_equal(weft_nic_receive(bench->nics[!side], got, sizeof(got)), length);
	assert_memory_equal(got, frame, length);
	lab_expect_nothing(bench->nics[!side]);
	lab_expect_nothing(bench->nics[side]);
}

/* It is dropped for the reason; what comes back is the caller's to look at. */
static inline void
expect_drop(const struct bench_firewall *bench, enum side side, const void *frame, size_t length,
	enum drop_reason reason)
{
	uint64_t before = lab_drops(bench->ports[side], reason);

	put(bench, side, frame, length);
	assert_int_equal(lab_drops(bench->ports[side], reason), before + 1);
	lab_expect_nothing(bench->nics[!side]);
}

static inline size_t
udp_of(uint8_t *frame, enum side side, uint8_t family, uint16_t from_port, uint16_t to_port)
{
	struct make_ends ends = ends_of(side, 1, 1, family);

	return make_udp(frame, &ends, from_port, to_port, "payload", 7);
}

static inline size_t
tcp_of(uint8_t *frame, enum side side, uint8_t family, uint16_t from_port, uint16_t to_port,
	uint32_t sequence, uint32_t acknowledged, uint8_t flags)
{
	struct make_ends ends = ends_of(side, 1, 1, family);

	return make_tcp(frame, &ends, from_port, to_port, sequence, acknowledged, flags);
}

static inline uint32_t
connections_of(const struct bench_firewall *bench)
{
	struct firewall_info info;

	firewall_read(bench->device, &info);
	return info.connections;
}

/* A TCP connection from a client on side OUT to port 80 of a server on side IN. */
static inline void
shake_hands(const struct bench_firewall *bench, uint16_t port)
{
	uint8_t frame[MAKE_SIZE];

	expect_pass(bench, OUT, frame, tcp_of(frame, OUT, 4, port, 80, 1000, 0, RTE_TCP_SYN_FLAG));
	expect_pass(bench, IN, frame,
		tcp_of(frame, IN, 4, 80, port, 5000, 1001, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG));
	expect_pass(
		bench, OUT, frame, tcp_of(frame, OUT, 4, port, 80, 1001, 5001, RTE_TCP_ACK_FLAG));
}

#endif
