/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bench/firewall puts between two containers: tap, switch, firewall, router, switch, tap.
 *
 *	firewall_between_bench RULES NETNS_A NETNS_B
 *
 * The containers are 10.98.1.10/24 and 10.98.2.10/24, their gateways end in .1. The last rule
 * accepts everything, the others a host each that nobody is. Prints "ready", ends with its stdin.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "firewall_between_bench: %s\n", what);
	exit(1);
}

static struct weft_prefix
address(const char *text)
{
	struct weft_prefix made = { .family = 4, .length = 24 };

	inet_pton(AF_INET, text, made.address);
	return made;
}

static void
add_rules(struct weft_change *change, struct weft_device *device, unsigned count)
{
	struct weft_rule *rules = calloc(count, sizeof(*rules));
	struct weft_prefix *hosts = calloc(count, sizeof(*hosts));
	char(*names)[16] = calloc(count, sizeof(*names));

	if (count == 0 || rules == NULL || hosts == NULL || names == NULL)
		fail("RULES");
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

/* A container and its switch; the switch's port to what is next. */
static struct weft_vport *
add_side(struct weft_change *change, struct weft_network *network, unsigned side, const char *netns)
{
	struct weft_prefix own = address(side == 0 ? "10.98.1.10" : "10.98.2.10");
	struct weft_prefix gateway = address(side == 0 ? "10.98.1.1" : "10.98.2.1");
	const struct weft_nic_config config = { .kind = WEFT_NIC_TAP,
		.netns_kind = WEFT_NETNS_NAME,
		.netns = netns,
		.interface = "e0",
		.addresses = &own,
		.n_addresses = 1,
		.gateways = &gateway,
		.n_gateways = 1 };
	struct weft_device *device =
		weft_switch_add(change, network, side == 0 ? "s1" : "s2", NULL);

	weft_attach(change, weft_switch_port_add(change, device, "nic", NULL),
		weft_nic_add(change, network, side == 0 ? "a" : "b", &config));
	return weft_switch_port_add(change, device, "next", NULL);
}

static struct weft_vport *
add_router_port(struct weft_change *change, struct weft_device *router, unsigned side)
{
	struct weft_prefix own = address(side == 0 ? "10.98.1.1" : "10.98.2.1");
	const struct weft_router_port_config config = { .addresses = &own, .n_addresses = 1 };

	return weft_router_port_add(change, router, side == 0 ? "p1" : "p2", &config);
}

static void
build(struct weft *weft, unsigned rules, char **namespaces)
{
	const struct weft_firewall_config config = { .otherwise = WEFT_RULE_DROP };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "bench", NULL);
	struct weft_device *firewall = weft_firewall_add(change, network, "fw", &config);
	struct weft_device *router = weft_router_add(change, network, "r", NULL);
	struct weft_error error;

	add_rules(change, firewall, rules);
	weft_link(change, add_side(change, network, 0, namespaces[0]),
		weft_firewall_port_add(change, firewall, "in"));
	weft_link(change, weft_firewall_port_add(change, firewall, "out"),
		add_router_port(change, router, 0));
	weft_link(change, add_router_port(change, router, 1),
		add_side(change, network, 1, namespaces[1]));
	if (weft_change_commit(change, &error) < 0)
		fail(error.text);
}

int
main(int argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct weft_error error;
	struct weft *weft = weft_open(NULL, &error);
	time_t ticked = 0;

	if (argc != 4)
		fail("usage: firewall_between_bench RULES NETNS_A NETNS_B");
	if (weft == NULL)
		fail(error.text);
	build(weft, (unsigned)atoi(argv[1]), argv + 2);
	printf("ready\n");
	fflush(stdout);
	while (poll(&input, 1, 50) == 0) {
		weft_poll(weft);
		if (time(NULL) != ticked)
			weft_tick(weft);
		ticked = time(NULL);
	}
	weft_close(weft);
	return 0;
}
