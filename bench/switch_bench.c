/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker that forwards what net_pcap makes without end, through one switch or a chain of
 * them, into net_null; or through a firewall, both ways. For bench/switch, bench/scale and
 * bench/firewall, which count its cycles from outside.
 *
 *	switch_bench [-p PAIRS] [-c CHAIN] [-i IDLE] [-H] FRAMES.pcap
 *	switch_bench [-f RULES] [-H] FRAMES.pcap ANSWERS.pcap
 *	switch_bench -g [-H] FRAMES.pcap [ANSWERS.pcap]
 *
 *	-p  station i (02:01:00:xx:xx:xx) is known to be behind the way out, 0 <= i < PAIRS; those
 *	    that send (02:00:00:xx:xx:xx) are learned
 *	-c  switches on the way, joined by links
 *	-i  further switches of two ports that nothing goes through; the traffic goes through the
 *	    one in the middle
 *	-f  a firewall with so many rules, all of which accept, in place of switches. A second file
 *	    comes in where the frames of the first one leave, and leaves where they come in: both
 *	    vnics are net_pcap, which drops what it is to send
 *	-H  packet memory from hugepages
 *	-g  no weft: the same devices, pool and burst, but what is received is sent at once. That
 *	    is what the generator and the sink cost.
 *
 * Prints "ready TSC_HZ", then for each line on its stdin (one at a time) how many packets
 * went out; ends with the end of its stdin.
 */
#include "graph/engine.h"

#include <poll.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#define MEMORY_MB 512 /* for each file */
#define CHAIN_LIMIT 16
#define IN "net_pcap0"
#define OUT "net_null0"
#define BACK "net_pcap1"

struct options {
	unsigned pairs, chain, idle, rules;
	bool generator, hugepages;
	const char *frames, *answers;
};

static _Atomic uint64_t bounced;

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "switch_bench: %s\n", what);
	exit(1);
}

static void
commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) < 0)
		fail(error.text);
}

/* ---- without weft ----------------------------------------------------------------------------
 */

static uint16_t
port_of(const char *name)
{
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(name, &port) != 0)
		fail("the devices are not there");
	return port;
}

static void
bounce_burst(uint16_t in, uint16_t out)
{
	struct rte_mbuf *packets[NIC_BURST];
	uint16_t count = rte_eth_rx_burst(in, 0, packets, NIC_BURST);
	uint16_t sent = rte_eth_tx_burst(out, 0, packets, count);

	atomic_store_explicit(&bounced, atomic_load_explicit(&bounced, memory_order_relaxed) + sent,
		memory_order_relaxed);
}

static void *
bounce(void *argument)
{
	const struct options *options = argument;
	uint16_t in, out;

	/* as workers do: without it no thread has a cache of the pool */
	if (rte_thread_register() < 0)
		fail("no thread");
	in = port_of(IN);
	out = port_of(options->answers != NULL ? BACK : OUT);
	for (;;) {
		bounce_burst(in, out);
		if (options->answers != NULL)
			bounce_burst(out, in);
	}
	return NULL;
}

/* ---- through switches --------------------------------------------------------------------------
 */

static struct weft_device *
add_switch(struct weft_change *change, struct weft_network *network, const char *kind,
	unsigned number, unsigned macs, struct weft_vport *ports[2])
{
	const struct weft_switch_config config = { .mac_limit = macs };
	struct weft_device *device;
	char name[32];

	snprintf(name, sizeof(name), "%s%u", kind, number);
	device = weft_switch_add(change, network, name, &config);
	ports[0] = weft_switch_port_add(change, device, "in", NULL);
	ports[1] = weft_switch_port_add(change, device, "out", NULL);
	return device;
}

static void
add_stations(struct weft_change *change, struct weft_device *device, unsigned count,
	struct weft_vport *port)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t mac[6] = { 2, 1, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
			(uint8_t)i };

		weft_switch_mac_add(change, device, 0, mac, port);
	}
}

static void
add_idle(struct weft_change *change, struct weft_network *network, unsigned first, unsigned end)
{
	struct weft_vport *ports[2];

	for (unsigned i = first; i < end; i++)
		add_switch(change, network, "idle", i, 0, ports);
}

/* Returns where the packets leave. */
static struct weft_vport *
add_chain(struct weft_change *change, struct weft_network *network, const struct options *options,
	struct weft_vport **way_in)
{
	struct weft_vport *ports[2], *before = NULL;

	for (unsigned i = 0; i < options->chain; i++) {
		struct weft_device *device =
			add_switch(change, network, "lan", i, options->pairs + 1, ports);

		add_stations(change, device, options->pairs, ports[1]);
		if (before != NULL)
			weft_link(change, before, ports[0]);
		else
			*way_in = ports[0];
		before = ports[1];
	}
	return before;
}

static struct weft_nic *
add_nic(struct weft_change *change, struct weft_network *network, const char *name,
	const char *devargs)
{
	const struct weft_nic_config config = { .kind = WEFT_NIC_DPDK, .devargs = devargs };

	return weft_nic_add(change, network, name, &config);
}

/* ---- through a firewall -----------------------------------------------------------------------
 */

/* ACCEPT, all of them: the last one everything, the others a host each that nobody is. */
static void
add_rules(struct weft_change *change, struct weft_device *device, unsigned count)
{
	struct weft_rule *rules = calloc(count, sizeof(*rules));
	struct weft_prefix *hosts = calloc(count, sizeof(*hosts));
	char(*names)[16] = calloc(count, sizeof(*names));

	if (rules == NULL || hosts == NULL || names == NULL)
		fail("no memory");
	for (unsigned i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "r%u", i);
		hosts[i] =
			(struct weft_prefix){ 4, 32, { 172, 16, (uint8_t)(i >> 8), (uint8_t)i } };
		rules[i] = (struct weft_rule){ .name = names[i],
			.action = WEFT_RULE_ACCEPT,
			.from_ip = &hosts[i],
			.n_from_ip = i + 1 < count };
	}
	weft_firewall_rules(change, device, rules, count);
	free(rules);
	free(hosts);
	free(names);
}

/* Both are sinks from the first packet on. Returns where the packets of the first file leave;
 * `back`: where answers do. */
static struct weft_vport *
build_firewall(struct weft *weft, const struct options *options, struct weft_vport **back)
{
	const struct weft_firewall_config config = { .connection_limit = 1u << 20 };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "bench", NULL);
	struct weft_device *device = weft_firewall_add(change, network, "fw", &config);
	struct weft_vport *in = weft_firewall_port_add(change, device, "in");
	struct weft_vport *out = weft_firewall_port_add(change, device, "out");
	char devargs[4096];

	add_rules(change, device, options->rules);
	snprintf(devargs, sizeof(devargs), BACK ",rx_pcap=%s,infinite_rx=1", options->answers);
	weft_attach(change, out, add_nic(change, network, "out", devargs));
	snprintf(devargs, sizeof(devargs), IN ",rx_pcap=%s,infinite_rx=1", options->frames);
	weft_attach(change, in, add_nic(change, network, "in", devargs));
	commit(change);
	*back = in;
	return out;
}

/* The sink first, the source last: nothing is lost on the way. Returns the way out. */
static struct weft_vport *
build(struct weft *weft, const struct options *options)
{
	const struct weft_network_config config = {
		.mac_limit = (options->pairs + 1) * options->chain,
	};
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "bench", &config);
	struct weft_vport *in = NULL, *out;
	char devargs[4096];

	add_idle(change, network, 0, options->idle / 2);
	out = add_chain(change, network, options, &in);
	add_idle(change, network, options->idle / 2, options->idle);
	weft_attach(change, out, add_nic(change, network, "sink", OUT ",no-rx=1"));
	commit(change);

	snprintf(devargs, sizeof(devargs), IN ",rx_pcap=%s,infinite_rx=1", options->frames);
	change = weft_change_begin(weft);
	weft_attach(change, in, add_nic(change, network, "source", devargs));
	commit(change);
	return out;
}

/* ------------------------------------------------------------------------------------------------
 */

static struct options
read_options(int argc, char **argv)
{
	struct options options = { .pairs = 1, .chain = 1 };
	int option;

	while ((option = getopt(argc, argv, "p:c:i:f:gH")) != -1) {
		if (option == 'p')
			options.pairs = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			options.chain = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'i')
			options.idle = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'f')
			options.rules = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'H')
			options.hugepages = true;
		else if (option == 'g')
			options.generator = true;
		else
			exit(2);
	}
	if (optind + 1 + (optind + 2 == argc) != argc || options.chain == 0 ||
		options.chain > CHAIN_LIMIT || (options.rules > 0 && optind + 2 != argc)) {
		fprintf(stderr,
			"usage: switch_bench [-p PAIRS] [-c CHAIN] [-i IDLE] [-f RULES] [-g] [-H] "
			"FILE [FILE]\n");
		exit(2);
	}
	options.frames = argv[optind];
	options.answers = argv[optind + 1];
	return options;
}

static uint64_t
sent_by(const struct weft_vport *vport)
{
	struct weft_counters counters = { 0 };

	if (vport != NULL)
		weft_vport_counters(vport, &counters);
	return counters.out_packets;
}

static uint64_t
count(const struct options *options, const struct weft_vport *out, const struct weft_vport *back)
{
	if (options->generator)
		return atomic_load_explicit(&bounced, memory_order_relaxed);
	return sent_by(out) + sent_by(back);
}

/* Ticks the engine once a second, as weftd does. False: the end of stdin. */
static bool
wait_for_line(const struct options *options, struct weft *weft)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[16];

	while (poll(&input, 1, 1000) == 0)
		if (!options->generator)
			weft_tick(weft);
	return read(STDIN_FILENO, line, sizeof(line)) > 0;
}

int
main(int argc, char **argv)
{
	const struct options options = read_options(argc, argv);
	const struct weft_options engine = {
		.workers = options.generator ? 0 : 1,
		.memory_mb = options.answers != NULL ? 2 * MEMORY_MB : MEMORY_MB,
		.hugepages = options.hugepages,
	};
	struct weft_error error;
	struct weft_vport *out, *back = NULL;
	struct weft *weft = weft_open(&engine, &error);
	pthread_t thread;

	if (weft == NULL)
		fail(error.text);
	if (options.rules > 0 || (options.generator && options.answers != NULL))
		out = build_firewall(weft, &options, &back);
	else
		out = build(weft, &options);
	if (options.generator &&
		pthread_create(&thread, NULL, bounce, (void *)(uintptr_t)&options) != 0)
		fail("no thread");
	printf("ready %lu\n", rte_get_tsc_hz());
	fflush(stdout);
	while (wait_for_line(&options, weft)) {
		printf("%lu\n", count(&options, out, back));
		fflush(stdout);
	}
	/* the thread of -g never stops: no closing under it */
	if (!options.generator)
		weft_close(weft);
	return 0;
}
