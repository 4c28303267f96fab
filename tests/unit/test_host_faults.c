/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers' ports do for hosts, while one call after the other fails: all of it or nothing. */
#include "../router_fixture.h"
#include "fault.h"

#define FAULT_LIMIT 5000

static size_t
give_back(void *context, const char *port, struct dhcp_lease **leases)
{
	(void)context;
	(void)port;
	*leases = NULL;
	return 0;
}

static void
fill(struct weft_router_port_config *config, unsigned port, const struct weft_dhcp_config *dhcp,
	const struct weft_ra_config *ra, const struct weft_prefix *relay)
{
	if (port == 0 || port == 3)
		config->dhcp = dhcp;
	if (port == 1) {
		config->dhcp_relay = relay;
		config->n_dhcp_relay = 1;
	}
	if (port >= 1)
		config->ra = ra;
}

/* Services on all ports (or on none), and one port more. */
static struct weft_change *
stage(const struct bench_router *router, bool on, bool more)
{
	static const char *const search[] = { "red.example" };
	struct weft_prefix relay = prefix_of("10.1.0.9"), dns = prefix_of("10.0.0.53");
	struct weft_dhcp_reservation reserved = { { 2, [5] = 9 }, prefix_of("10.0.0.9"),
		"printer" };
	struct weft_dhcp_option option = { 43, (const uint8_t *)"\x01\x02", 2 };
	struct weft_dhcp_config dhcp = { .dns = &dns, .n_dns = 1, .search = search, .n_search = 1 };
	struct weft_ra_config ra = { .lifetime_s = 1800, .search = search, .n_search = 1 };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_prefix addresses[2];

	for (unsigned i = 0; i < ROUTER_PORTS + (unsigned)more; i++) {
		struct weft_router_port_config config = { .addresses = addresses,
			.n_addresses = 2 };

		port_addresses(addresses, i);
		dhcp.reservations = i == 0 ? &reserved : NULL;
		dhcp.n_reservations = i == 0;
		dhcp.options = &option;
		dhcp.n_options = 1;
		if (on)
			fill(&config, i < ROUTER_PORTS ? i : 3, &dhcp, &ra, &relay);
		if (i < ROUTER_PORTS)
			weft_router_port_update(change, router->ports[i], &config);
		else
			weft_router_port_add(change, router->device, "more", &config);
	}
	return change;
}

static bool
serves(const struct weft_vport *vport)
{
	struct router_leases leases;

	assert_int_equal(router_port_leases(vport, &leases), 0);
	free(leases.list);
	return leases.serves;
}

static void
undo(const struct bench_router *router)
{
	struct weft_vport *more = weft_vport_find(router->device, "more");
	struct weft_change *change = stage(router, false, false);

	weft_vport_remove(change, more);
	lab_commit(change);
}

/* True: no call failed. */
static bool
attempt(const struct bench_router *router, unsigned at)
{
	struct weft_error error = { 0 };
	struct weft_change *change;
	bool fired, done;

	fault_arm(at, false);
	change = stage(router, true, true);
	done = change != NULL && weft_change_commit(change, &error) == 0;
	fired = fault_disarm();
	assert_int_equal(serves(router->ports[0]), done);
	assert_int_equal(serves(router->ports[3]), done);
	assert_false(serves(router->ports[1]));
	assert_int_equal(weft_vport_find(router->device, "more") != NULL, done);
	assert_true(done || fired);
	weft_poll(lab);
	quiet(router);
	if (done)
		undo(router);
	weft_poll(lab);
	quiet(router);
	return !fired;
}

static void
each_call_fails(void **state)
{
	struct router_host_hooks hooks = { .restore = give_back };
	struct bench_router router = lab_router("a", NULL);
	unsigned at = 1;

	(void)state;
	router_watch_hosts(&hooks);
	weft_poll(lab);
	quiet(&router);
	while (!attempt(&router, at))
		assert_true(++at < FAULT_LIMIT);
	assert_true(at > 30);
	print_message("%u calls\n", at - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_call_fails, lab_open, lab_close_routers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
