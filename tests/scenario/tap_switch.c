/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One switch with vnics on it, for the tests and measurements of the tap and the interface
 * driver alone:
 *
 *	tap_switch [-w WORKERS] [-b] [-i INSTANCE] [-q QUEUES] [-m MTU] [-c] [-a] NIC...
 *
 * NIC is a tap, NETNS[,ADDRESS/LENGTH[,GATEWAY]], whose interface is e0, or an interface that
 * is there, NAME@NETNS. NETNS is a name under /run/netns, a path if it has a '/', a process
 * id if it is digits; "host" behind '@' is the program's own. -c makes namespaces that are
 * not there, -b polls, -a collects what an earlier run of the instance left behind once all
 * is up. Prints "up" then; "status N TEXT" on each change of NIC N, "drops N REASON COUNT ..."
 * of all for each line that it reads; ends on SIGTERM, or when its standard input does.
 */
#include "base/log.h"
#include "graph/engine.h"
#include "nic/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAPS 600
#define TICK_MS 250

static volatile sig_atomic_t ended;

static void
end(int signal)
{
	(void)signal;
	ended = 1;
}

static int
parse_prefix(char *text, struct weft_prefix *prefix)
{
	char *slash = strchr(text, '/');
	bool six = strchr(text, ':') != NULL;

	if (slash != NULL)
		*slash = '\0';
	prefix->family = six ? 6 : 4;
	prefix->length = (uint8_t)(slash != NULL ? atoi(slash + 1) : six ? 128 : 32);
	return inet_pton(six ? AF_INET6 : AF_INET, text, prefix->address) == 1 ? 0 : -1;
}

static void
parse_netns(const char *text, struct weft_nic_config *config)
{
	config->netns = text;
	config->netns_kind = strchr(text, '/') != NULL                    ? WEFT_NETNS_PATH
			     : strspn(text, "0123456789") == strlen(text) ? WEFT_NETNS_PID
									  : WEFT_NETNS_NAME;
}

static void
parse_interface(char *text, char *at, struct weft_nic_config *config)
{
	*at++ = '\0';
	config->kind = WEFT_NIC_INTERFACE;
	config->interface = text;
	if (strcmp(at, "host") != 0)
		parse_netns(at, config);
}

static int
parse_nic(char *text, struct weft_nic_config *config)
{
	struct weft_prefix *prefixes;
	char *address, *gateway = NULL;

	if (strchr(text, '@') != NULL) {
		parse_interface(text, strchr(text, '@'), config);
		return 0;
	}
	prefixes = calloc(2, sizeof(*prefixes));
	if (prefixes == NULL)
		return -1;
	config->kind = WEFT_NIC_TAP;
	config->interface = "e0";
	address = strchr(text, ',');
	if (address != NULL) {
		*address++ = '\0';
		gateway = strchr(address, ',');
	}
	if (gateway != NULL)
		*gateway++ = '\0';
	parse_netns(text, config);
	config->addresses = prefixes;
	config->gateways = prefixes + 1;
	config->n_addresses = address != NULL;
	config->n_gateways = gateway != NULL;
	return (address != NULL && parse_prefix(address, &prefixes[0]) < 0) ||
			       (gateway != NULL && parse_prefix(gateway, &prefixes[1]) < 0)
		       ? -1
		       : 0;
}

static int
fail(const char *what, const struct weft_error *error)
{
	fprintf(stderr, "tap_switch: %s: %s\n", what, error->text);
	return 1;
}

/* What changed since the last call. */
static void
tell(struct weft *weft, struct weft_network *network, unsigned count)
{
	static char told[TAPS][sizeof(((struct weft_nic *)0)->status_text) + 8];

	for (unsigned i = 0; i < count; i++) {
		char name[16], now[sizeof(told[i])];
		struct weft_nic *nic;

		snprintf(name, sizeof(name), "n%u", i);
		nic = weft_nic_find(weft, network, name);
		snprintf(now, sizeof(now), "%s",
			nic->status == NIC_STATUS_UP ? "up" : nic->status_text);
		if (strcmp(now, told[i]) != 0)
			printf("status %u %s\n", i, now);
		memcpy(told[i], now, sizeof(now));
	}
	fflush(stdout);
}

/* What was dropped at each vport and its vnic, all reasons that there were. */
static void
tell_drops(
	struct weft *weft, struct weft_network *network, struct weft_device *device, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vport_counters counters;
		struct vport_drops of_vport, of_nic;
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		vport_read_counters(weft_vport_find(device, name), &counters, &of_vport);
		nic_read_drops(weft_nic_find(weft, network, name), &of_nic);
		printf("drops %u", i);
		for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++) {
			uint64_t drops = of_vport.by_reason[reason] + of_nic.by_reason[reason];

			if (drops > 0)
				printf(" %s %llu", drop_name(reason), (unsigned long long)drops);
		}
		printf("\n");
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct weft_options options = { .workers = 1 };
	struct weft_nic_config config = { 0 }, nic_config;
	struct weft_switch_config switch_config = { 0 };
	struct weft_switch_port_config port_config = { 0 };
	struct weft_network_config network_config = { 0 };
	struct weft_error error;
	struct weft_change *change;
	struct weft_network *network;
	struct weft_device *device;
	struct weft *weft;
	bool collect = false;
	int option;

	while ((option = getopt(argc, argv, "w:bi:q:m:ca")) >= 0) {
		if (option == 'w')
			options.workers = (unsigned)atoi(optarg);
		else if (option == 'b')
			options.poll = WEFT_POLL_BUSY;
		else if (option == 'q')
			config.queues = (unsigned)atoi(optarg);
		else if (option == 'm')
			config.mtu = (unsigned)atoi(optarg);
		else if (option == 'c')
			config.netns_create = true;
		else if (option == 'a')
			collect = true;
		else if (option != 'i' || tap_set_instance(optarg, &error) < 0)
			return 2;
	}
	if (argc - optind > TAPS)
		return 2;
	log_set_level(LOG_LEVEL_INFO);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	weft = weft_open(&options, &error);
	if (weft == NULL)
		return fail("open", &error);
	change = weft_change_begin(weft);
	network = weft_network_add(change, "test", &network_config);
	device = weft_switch_add(change, network, "lan", &switch_config);
	for (int i = optind; i < argc; i++) {
		char name[16];
		struct weft_vport *port;

		snprintf(name, sizeof(name), "n%d", i - optind);
		nic_config = config;
		if (parse_nic(argv[i], &nic_config) < 0)
			return 2;
		port = weft_switch_port_add(change, device, name, &port_config);
		weft_attach(change, port, weft_nic_add(change, network, name, &nic_config));
		free((void *)nic_config.addresses);
	}
	if (weft_change_commit(change, &error) < 0) {
		fail("apply", &error);
		weft_close(weft);
		return 1;
	}
	if (collect)
		printf("collected %d\n", tap_collect_leftovers(&error));
	printf("up\n");
	while (!ended) {
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
		char byte;

		tell(weft, network, (unsigned)(argc - optind));
		if (poll(&input, 1, TICK_MS) > 0) {
			if (read(STDIN_FILENO, &byte, 1) <= 0)
				break;
			if (byte == '\n')
				tell_drops(weft, network, device, (unsigned)(argc - optind));
		}
		weft_tick(weft);
	}
	weft_close(weft);
	return 0;
}
