/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCP leases that outlive weftd: the file, what it is read back as, and how it is shown. */
#include "../dhcp_fixture.h"
#include "../router_fixture.h"
#include "daemon/config.h"
#include "daemon/events.h"
#include "daemon/lease_json.h"
#include "daemon/leases.h"
#include "daemon/state.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- in place of config.c: nothing is configured -----------------------------------------------
 */

static struct running running;
static struct model *model;
static struct daemon daemon_under_test;
static char folder[64], path[80];

struct running *
config_hold(struct config *of)
{
	(void)of;
	atomic_fetch_add(&running.holders, 1);
	return &running;
}

void
config_release(struct running *of)
{
	atomic_fetch_sub(&of->holders, 1);
}

unsigned
config_history(struct config *of, struct history_entry *entries, unsigned limit,
	struct config_status *status)
{
	(void)of;
	(void)entries;
	(void)limit;
	*status = (struct config_status){ 0 };
	return 0;
}

static int
open_all(void **state)
{
	if (lab_open(state) != 0)
		return -1;
	model = model_open(NULL);
	running.configuration = configuration_empty(model);
	strcpy(folder, "/tmp/weft-leases-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/leases", folder);
	daemon_under_test =
		(struct daemon){ .weft = lab, .events = events_open(), .state = folder };
	return 0;
}

static int
close_all(void **state)
{
	char command[128];
	int result = lab_close_routers(state);

	events_close(daemon_under_test.events);
	configuration_free(running.configuration);
	model_close(model);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return result | system(command);
}

/* ---- a client ----------------------------------------------------------------------------------
 */

static void
put_message(const struct bench_router *router, uint32_t client, struct draft *draft)
{
	struct make_ends ends = { .family = 4 };
	uint8_t frame[MAKE_LONG_SIZE];

	draft_end(draft);
	memset(ends.destination, 0xff, 4);
	memset(&ends.destination_mac, 0xff, 6);
	ends.source_mac.addr_bytes[0] = 2;
	dhcp_put32(ends.source_mac.addr_bytes + 2, client);
	put_frame(
		router, 0, frame, make_long_udp(frame, &ends, 68, 67, draft->bytes, draft->length));
	weft_poll(lab);
	lab_run();
}

static bool
take_message(const struct bench_router *router, struct dhcp_message *message)
{
	uint8_t frame[BUFFER];
	size_t length = take_frame(router, 0, frame);

	/* asked for by ARP before it is offered: nobody answers */
	if (length > 0 && ethertype_of(frame) == 0x0806) {
		lab_time += SECOND * 6 / 10;
		weft_poll(lab);
		lab_run();
		length = take_frame(router, 0, frame);
	}
	return length > 42 && dhcp_parse(frame + 42, length - 42, message) == DHCP_OK;
}

/* Waits for the ACK; it must be on the disk then. Returns the address. */
static uint32_t
lease(const struct bench_router *router, uint32_t client)
{
	struct dhcp_message message;
	struct draft draft;
	char text[LEASE_ADDRESS_SIZE], file[1 << 16];
	FILE *stream;

	draft_begin(&draft, DHCP_DISCOVER, client);
	put_message(router, client, &draft);
	assert_true(take_message(router, &message));
	assert_int_equal(message.type, DHCP_OFFER);
	draft_begin(&draft, DHCP_REQUEST, client);
	draft_number(&draft, DHCP_OPTION_REQUESTED, message.yiaddr);
	draft_number(&draft, DHCP_OPTION_SERVER, 0x0a000001);
	draft_option(&draft, DHCP_OPTION_HOST_NAME, "printer", 7);
	put_message(router, client, &draft);
	for (unsigned i = 0; !take_message(router, &message); i++) {
		assert_true(i < 5000);
		usleep(1000);
		weft_poll(lab);
		lab_run();
	}
	assert_int_equal(message.type, DHCP_ACK);
	stream = fopen(path, "r");
	assert_non_null(stream);
	file[fread(file, 1, sizeof(file) - 1, stream)] = '\0';
	fclose(stream);
	assert_non_null(strstr(file, lease_address(message.yiaddr, text)));
	return message.yiaddr;
}

static struct leases *
start(void)
{
	struct weft_error error;
	struct leases *leases = leases_open(&daemon_under_test, &error);

	if (leases == NULL)
		fail_msg("%s", error.text);
	return leases;
}

static void
serve(const struct bench_router *router, bool on)
{
	static const struct weft_dhcp_config server;
	struct weft_router_port_config config = { .dhcp = on ? &server : NULL };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_prefix addresses[2];

	port_addresses(addresses, 0);
	config.addresses = addresses;
	config.n_addresses = 2;
	weft_router_port_update(change, router->ports[0], &config);
	lab_commit(change);
}

static uint32_t
held(const struct bench_router *router)
{
	struct router_leases found;

	assert_int_equal(router_port_leases(router->ports[0], &found), 0);
	free(found.list);
	return found.held;
}

static void
end(struct leases *leases)
{
	leases_stop(leases);
	router_watch_hosts(NULL);
	leases_close(leases);
}

/* ---- the tests ---------------------------------------------------------------------------------
 */

static void
leases_come_back(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct leases *leases = start();
	struct dhcp_message message;
	struct draft draft;
	uint32_t address;

	(void)state;
	serve(&router, true);
	address = lease(&router, 5);
	lease(&router, 6);
	assert_int_equal(held(&router), 2);
	/* without its server a port's leases are still kept */
	serve(&router, false);
	assert_int_equal(held(&router), 0);
	serve(&router, true);
	assert_int_equal(held(&router), 2);
	lease(&router, 7);
	end(leases);

	serve(&router, false);
	leases = start();
	serve(&router, true);
	assert_int_equal(held(&router), 3);
	quiet(&router);
	draft_begin(&draft, DHCP_DISCOVER, 5);
	put_message(&router, 5, &draft);
	assert_true(take_message(&router, &message));
	assert_int_equal(message.yiaddr, address);
	end(leases);
}

static void
they_are_shown(void **state)
{
	struct state_query query = {
		.kind = "leases", .port = "a/r:p0", .mac = "02:00:00:00:00:05"
	};
	struct bench_router router = lab_router("a", NULL);
	struct leases *leases = start();
	struct weft_error error;
	json_t *answer, *one;

	(void)state;
	serve(&router, true);
	lease(&router, 5);
	lease(&router, 6);
	answer = state_read(&daemon_under_test, &query, &error);
	assert_int_equal(json_array_size(answer), 1);
	one = json_array_get(answer, 0);
	assert_string_equal(json_string_value(json_object_get(one, "port")), "a/r:p0");
	assert_string_equal(json_string_value(json_object_get(one, "mac")), "02:00:00:00:00:05");
	assert_string_equal(json_string_value(json_object_get(one, "hostname")), "printer");
	assert_string_equal(json_string_value(json_object_get(one, "state")), "held");
	assert_true(json_is_false(json_object_get(one, "reserved")));
	json_decref(answer);
	query = (struct state_query){ .kind = "leases", .network = "a" };
	answer = state_read(&daemon_under_test, &query, &error);
	assert_int_equal(json_array_size(answer), 2);
	json_decref(answer);
	query.port = "a/r:p1";
	answer = state_read(&daemon_under_test, &query, &error);
	assert_int_equal(json_array_size(answer), 0);
	json_decref(answer);
	end(leases);
}

static void
write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A file that is none is put aside, a lease that is none is left out. */
static void
a_damaged_file_is_no_end(void **state)
{
	static const char *const damaged[] = { "", "{", "[]", "{\"version\": 2, \"ports\": {}}",
		"{\"version\": 1, \"ports\": []}" };
	struct bench_router router = lab_router("a", NULL);
	struct leases *leases;
	char aside[100];

	(void)state;
	snprintf(aside, sizeof(aside), "%s.bad", path);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		write_text(damaged[i]);
		leases = start();
		assert_int_equal(access(aside, F_OK), 0);
		assert_int_equal(unlink(aside), 0);
		serve(&router, true);
		assert_int_equal(held(&router), 0);
		end(leases);
		serve(&router, false);
	}
	write_text("{\"version\":1,\"ports\":{\"a/r:p0\":["
		   "{\"address\":\"10.0.0.7\",\"state\":\"held\",\"by-client-id\":false,"
		   "\"client-id\":\"\",\"hardware-type\":1,\"mac\":\"02:00:00:00:00:07\","
		   "\"hostname\":\"\",\"since\":1,\"expires\":null},"
		   "{\"address\":\"10.0.0.8\",\"state\":\"held\",\"mac\":\"zz\",\"since\":1,"
		   "\"expires\":null},"
		   "{\"address\":\"10.0.0.999\",\"state\":\"held\"},"
		   "7, null, {\"address\": 5}],"
		   "\"a/r:p1\": 7}}");
	leases = start();
	serve(&router, true);
	assert_int_equal(held(&router), 1);
	end(leases);
}

static void
a_lease_is_the_same_as_json(void **state)
{
	struct dhcp_lease before = { .address = 0x0a000005,
		.held = true,
		.by_client_id = true,
		.client_id_length = 255,
		.htype = 1,
		.hlen = 16,
		.chaddr = { 1, 2, 0xff },
		.host_name = "printer",
		.since = 1700000000,
		.expires = 1700000600 };
	struct dhcp_lease after;
	json_t *json;

	(void)state;
	for (unsigned i = 0; i < 255; i++)
		before.client_id[i] = (uint8_t)i;
	json = lease_to_json(&before);
	assert_true(lease_from_json(json, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	json_decref(json);
	before.held = false;
	before.declined = true;
	before.by_client_id = false;
	before.client_id_length = 0;
	memset(before.client_id, 0, sizeof(before.client_id));
	before.hlen = 0;
	memset(before.chaddr, 0, sizeof(before.chaddr));
	before.expires = UINT64_MAX;
	json = lease_to_json(&before);
	assert_true(lease_from_json(json, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_is_the_same_as_json),
		TEST(leases_come_back),
		TEST(they_are_shown),
		TEST(a_damaged_file_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
