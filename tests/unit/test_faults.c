/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A change that fails at any step leaves everything as it was. Each allocation and each system
 * call of an apply is made to fail in turn, until it comes through; then the same, killed at
 * each in turn, of what is written to disk.
 */
#include "../dhcp_fixture.h"
#include "../switch_fixture.h"
#include "fault.h"
#include "model/history.h"
#include "nic/netns.h"
#include "nic/tap.h"
#include "packet/reassemble.h"

#include <dirent.h>
#include <ftw.h>
#include <jansson.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define FAULT_LIMIT 20000 /* calls of one apply: it must come through before */
#define NIC_COUNT 4

static const char before_json[] = "{\"before\":1}", after_json[] = "{\"after\":2}";

/* ---- the history's folder ---------------------------------------------------------------- */

static char folder[256];

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	return remove(path);
}

static void
make_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/weft-faults-XXXXXX",
		getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(folder));
}

static void
remove_folder(void)
{
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct history *
open_history(void)
{
	struct weft_error error = { 0 };
	struct history *history = history_open(folder, 2, &error);

	if (history == NULL)
		fail_msg("%s", error.text);
	return history;
}

static bool
runs(const struct history *history, uint32_t number, const char *json)
{
	char *text = number != 0 ? history_read(history, number, NULL) : NULL;
	bool same = history_running(history) == number &&
		    (number == 0 || (text != NULL && strcmp(text, json) == 0));

	free(text);
	return same;
}

/* ---- the networks before --------------------------------------------------------------------- */

/* Some of the vnics are taps. Then the kernel sends when it likes, and what is counted and
 * learned is not compared. */
static bool taps;

static struct weft_nic_config
tap_config(const char *name, bool made)
{
	return (struct weft_nic_config){ .kind = WEFT_NIC_TAP,
		.interface = name,
		.netns_kind = made ? WEFT_NETNS_NAME : WEFT_NETNS_HOST,
		.netns = made ? "faults" : NULL,
		.netns_create = made };
}

static void
add_switch(struct weft_change *change, struct weft_network *network, const char *name,
	unsigned n_ports)
{
	struct weft_device *device = weft_switch_add(change, network, name, NULL);
	char port[8];

	for (unsigned i = 0; i < n_ports; i++) {
		snprintf(port, sizeof(port), "p%u", i);
		weft_switch_port_add(change, device, port, NULL);
	}
}

static struct weft_vport *
port_of(struct weft_network *network, const char *device, const char *port)
{
	struct weft_device *found = network != NULL ? weft_device_find(network, device) : NULL;

	return found != NULL ? weft_vport_find(found, port) : NULL;
}

static void
build(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 77 };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	struct weft_network *gone = weft_network_add(change, "gone", NULL);
	struct weft_nic_config config = lab_nic_config;
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &config);
	char name[8];

	add_switch(change, red, "lan", 8);
	add_switch(change, red, "dmz", 3);
	add_switch(change, red, "old", 1);
	add_switch(change, gone, "lan", 2);
	for (unsigned i = 0; i < NIC_COUNT; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		weft_attach(change, port_of(red, "lan", name),
			weft_nic_add(change, red, name, &config));
	}
	weft_link(change, port_of(red, "lan", "p4"), port_of(red, "dmz", "p0"));
	weft_attach(change, port_of(red, "dmz", "p1"), weft_nic_add(change, red, "web", &config));
	weft_attach_uplink(change, port_of(red, "lan", "p5"), wire, 101);
	weft_switch_mac_add(
		change, weft_device_find(red, "lan"), 1, mac, port_of(red, "lan", "p1"));
	weft_attach(change, port_of(gone, "lan", "p0"), weft_nic_add(change, gone, "n", &config));
	weft_attach_uplink(change, port_of(gone, "lan", "p1"), wire, 0);
	if (taps) {
		config = tap_config("old-tap", false);
		weft_attach(change, port_of(red, "dmz", "p2"),
			weft_nic_add(change, red, "old-tap", &config));
		config = tap_config("upd-tap", false);
		weft_nic_add(change, red, "upd-tap", &config);
	}
	lab_commit(change);
}

/* ---- the change: something of everything --------------------------------------------------- */

static void
stage_vnics(struct weft_change *change, struct weft_network *red)
{
	struct weft_prefix address = { 4, 24, { 10, 0, 0, 1 } };
	struct weft_nic_config config = { .kind = WEFT_NIC_MEMORY,
		.mac = { 2, 0, 0, 0, 1, 1 },
		.mtu = 1400,
		.addresses = &address,
		.n_addresses = 1 };

	weft_nic_update(change, weft_nic_find(lab, red, "p0"), &config);
	weft_nic_remove(change, weft_nic_find(lab, red, "p3"));
	/* another one of the same name in the same place */
	weft_nic_remove(change, weft_nic_find(lab, red, "p2"));
	weft_attach(change, port_of(red, "lan", "p2"), weft_nic_add(change, red, "p2", &config));
	weft_nic_add(change, NULL, "wire2", &config);
	weft_nic_update(change, weft_nic_find(lab, NULL, "wire"), &config);
	if (!taps)
		return;
	weft_nic_remove(change, weft_nic_find(lab, red, "old-tap"));
	config = tap_config("upd-tap", false);
	config.mtu = 1300;
	config.addresses = &address;
	config.n_addresses = 1;
	weft_nic_update(change, weft_nic_find(lab, red, "upd-tap"), &config);
	config = tap_config("new-tap", true);
	weft_attach(
		change, port_of(red, "dmz", "p2"), weft_nic_add(change, red, "new-tap", &config));
}

static void
stage_ports(struct weft_change *change, struct weft_network *red)
{
	static const uint8_t old_mac[6] = { 2, 0, 0, 0, 0, 77 }, new_mac[6] = { 2, 0, 0, 0, 0, 78 };
	struct weft_switch_port_config access = { .access = 20 };
	struct weft_switch_port_config trunk = { .vlans = { 1 << 20 | 1 << 2 }, .mtu = 1000 };
	struct weft_switch_config ageing = { .ageing_s = 60, .mac_limit = 5 };
	struct weft_device *lan = weft_device_find(red, "lan");

	weft_switch_update(change, lan, &ageing);
	weft_switch_port_update(change, port_of(red, "lan", "p1"), &access);
	weft_switch_port_update(change, port_of(red, "lan", "p2"), &trunk);
	weft_switch_port_update(change, port_of(red, "lan", "p2"), &access); /* once more */
	weft_switch_mac_remove(change, lan, 1, old_mac);
	weft_switch_mac_add(change, lan, 20, new_mac, port_of(red, "lan", "p2"));
	weft_vport_remove(change, port_of(red, "lan", "p7"));
	weft_detach(change, port_of(red, "lan", "p5"));
	weft_attach_uplink(
		change, port_of(red, "lan", "p5"), weft_nic_find(lab, NULL, "wire"), 102);
}

static void
stage(struct weft_change *change)
{
	struct weft_network_config config = { .mac_limit = 99 };
	struct weft_network *red = weft_network_find(lab, "red"), *green;

	weft_network_remove(change, weft_network_find(lab, "gone"));
	green = weft_network_add(change, "green", &config);
	add_switch(change, green, "lan", 2);
	weft_attach(change, port_of(green, "lan", "p0"),
		weft_nic_add(change, green, "n", &lab_nic_config));
	weft_network_update(change, red, &config);
	stage_vnics(change, red);
	stage_ports(change, red);
	/* dmz hangs on a further switch now */
	add_switch(change, red, "new", 3);
	weft_detach(change, port_of(red, "dmz", "p0"));
	weft_link(change, port_of(red, "lan", "p6"), port_of(red, "new", "p0"));
	weft_link(change, port_of(red, "new", "p1"), port_of(red, "dmz", "p0"));
	weft_device_remove(change, weft_device_find(red, "old"));
}

/* As weftd applies: prepared, written down, committed. 0 or -1. */
static int
apply(struct history *history, struct weft_error *error)
{
	struct weft_change *change = weft_change_begin(lab);

	if (change != NULL)
		stage(change);
	if (weft_change_prepare(change, error) < 0 ||
		history_commit(history, after_json, "anna", "test", false, error) < 0) {
		weft_change_abort(change);
		return -1;
	}
	assert_int_equal(weft_change_commit(change, NULL), 0);
	return 0;
}

/* ---- what there is, in words ---------------------------------------------------------------- */

struct text {
	char *bytes;
	size_t length;
	FILE *stream;
};

static void
text_begin(struct text *text)
{
	*text = (struct text){ 0 };
	text->stream = open_memstream(&text->bytes, &text->length);
	assert_non_null(text->stream);
}

static char *
text_end(struct text *text)
{
	fclose(text->stream);
	return text->bytes;
}

static void
tell_nic(FILE *to, struct weft_network *network, const struct weft_nic *nic)
{
	struct vport_drops drops;

	assert_ptr_equal(weft_nic_find(lab, network, nic->name), nic);
	fprintf(to, "  nic %s %s mtu %u status %d %s addresses %u", nic->name, nic->driver->name,
		nic->mtu, nic->status, nic->status_text, nic->config->n_addresses);
	if (nic->driver->kind == WEFT_NIC_MEMORY)
		fprintf(to, " mac %02x:%02x", nic->mac[4], nic->mac[5]);
	nic_read_drops(nic, &drops);
	if (!taps)
		for (unsigned i = 0; i < DROP_REASON_COUNT; i++)
			if (drops.by_reason[i] > 0)
				fprintf(to, " %s", drop_name(i));
	fprintf(to, "\n");
}

static void
tell_vport(FILE *to, const struct weft_vport *vport, bool counters)
{
	const struct vport *live = vport->live;
	struct switch_port_info info;
	struct weft_counters counts;
	char path[VPORT_NAME_SIZE];

	assert_null(vport->draft);
	assert_int_equal(vport->state, OBJECT_LIVE);
	assert_ptr_equal(weft_vport_find(vport->device, vport->name), vport);
	assert_ptr_equal(vport_by_id(lab, vport->id), vport);
	assert_ptr_equal(lab->vport_objects[id_index(vport->id)], vport);
	switch_port_read(vport, &info);
	fprintf(to, "    port %s mtu %u access %u native %u vlans %lx macs %u", vport->name,
		live->mtu, info.config.access, info.config.native,
		(unsigned long)info.config.vlans[0], taps ? 0 : info.macs);
	if (live->attachment == ATTACHED_VPORT)
		fprintf(to, " link %s", vport_path(vport_by_id(lab, live->peer), path));
	if (live->nic != NULL)
		fprintf(to, " nic %s vlan %u", live->nic->name, live->uplink_vlan);
	weft_vport_counters(vport, &counts);
	if (counters && !taps)
		fprintf(to, " in %lu out %lu drops %lu", (unsigned long)counts.in_packets,
			(unsigned long)counts.out_packets, (unsigned long)counts.drops);
	fprintf(to, "\n");
}

static void
tell_device(FILE *to, const struct weft_device *device, bool counters)
{
	struct switch_info info;
	struct weft_vport *vport;

	assert_false(device->touched);
	assert_false(device->removed);
	switch_read(device, &info);
	fprintf(to, "  switch %s ageing %u limit %u macs %u ports %u of %zu\n", device->name,
		info.ageing_s, info.mac_limit, taps ? 0 : info.macs, info.ports,
		device->vport_names.count);
	TAILQ_FOREACH(vport, &device->vports, entry)
	tell_vport(to, vport, counters);
}

static bool
tell_mac(void *context, const struct switch_mac *mac)
{
	char path[VPORT_NAME_SIZE];

	if (mac->fixed || !taps)
		fprintf(context, "mac %s %u %02x%02x %s age %u\n", vport_path(mac->vport, path),
			mac->vlan, mac->mac[4], mac->mac[5], mac->fixed ? "static" : "learned",
			mac->age_s);
	return true;
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
tell_macs(FILE *to)
{
	char *lines[128], *rest, *macs;
	struct text text;
	unsigned count = 0;

	text_begin(&text);
	switch_each_mac(lab, NULL, tell_mac, text.stream);
	macs = rest = text_end(&text);
	while (count < 128 && (lines[count] = strsep(&rest, "\n")) != NULL)
		count++;
	qsort(lines, count, sizeof(*lines), compare_lines);
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "%s\n", lines[i]);
	free(macs);
}

/* Malloced. */
static char *
tell(bool counters)
{
	struct weft_network *network;
	struct weft_device *device;
	struct weft_nic *nic;
	struct text text;

	text_begin(&text);
	TAILQ_FOREACH(network, &lab->networks, entry)
	{
		assert_ptr_equal(weft_network_find(lab, network->name), network);
		fprintf(text.stream, "network %s limit %u macs %u devices %zu nics %zu\n",
			network->name, network->config.mac_limit,
			taps ? 0 : atomic_load(&network->macs), network->device_names.count,
			network->nic_names.count);
		TAILQ_FOREACH(device, &network->devices, entry)
		tell_device(text.stream, device, counters);
		TAILQ_FOREACH(nic, &network->nics, entry)
		tell_nic(text.stream, network, nic);
	}
	TAILQ_FOREACH(nic, &lab->uplinks, entry)
	tell_nic(text.stream, NULL, nic);
	tell_macs(text.stream);
	fprintf(text.stream, "ids %u %u %u %u\n", lab->vport_ids.used - lab->vport_ids.n_free,
		lab->device_ids.used - lab->device_ids.n_free,
		lab->nic_ids.used - lab->nic_ids.n_free,
		lab->network_ids.used - lab->network_ids.n_free);
	fprintf(text.stream, "names %zu %zu\n", lab->network_names.count, lab->uplink_names.count);
	return text_end(&text);
}

/* Who gets what is sent where: of all memory vnics, to known and unknown stations. */
static void
tell_received(FILE *to, struct weft_network *network)
{
	struct weft_nic *nic;
	uint8_t frame[2048];
	size_t length;

	TAILQ_FOREACH(nic, engine_nics(lab, network), entry)
	while ((length = weft_nic_receive(nic, frame, sizeof(frame))) > 0)
		if (frame[6] == 2 && memcmp(frame + 7, "\0\0\0\0", 4) == 0) /* a station's */
			fprintf(to, "  %s/%s: %zu %02x>%02x %02x%02x%02x%02x\n",
				network != NULL ? network->name : "uplinks", nic->name, length,
				frame[11], frame[5], frame[12], frame[13], frame[14], frame[15]);
}

static void
send_from(FILE *to, struct weft_nic *nic, unsigned station)
{
	static const int tags[] = { NO_TAG, 20, 101, 102 };
	static const unsigned destinations[] = { BROADCAST, 1, 4, 77, 78 };
	struct weft_network *network;

	if (nic->driver->kind != WEFT_NIC_MEMORY)
		return;
	for (unsigned i = 0; i < RTE_DIM(tags) * RTE_DIM(destinations); i++) {
		unsigned destination = destinations[i / RTE_DIM(tags)];

		fprintf(to, "from %s to %u tag %d\n", nic->name, destination,
			tags[i % RTE_DIM(tags)]);
		lab_send(nic, destination, station, tags[i % RTE_DIM(tags)]);
		TAILQ_FOREACH(network, &lab->networks, entry)
		tell_received(to, network);
		tell_received(to, NULL);
	}
}

/* Malloced. Stations: 1.. in the order of the vnics. */
static char *
forward(void)
{
	struct weft_network *network;
	struct weft_nic *nic;
	unsigned station = 0;
	struct text text;

	text_begin(&text);
	TAILQ_FOREACH(network, &lab->networks, entry)
	TAILQ_FOREACH(nic, &network->nics, entry)
	send_from(text.stream, nic, ++station);
	TAILQ_FOREACH(nic, &lab->uplinks, entry)
	send_from(text.stream, nic, ++station);
	return text_end(&text);
}

static unsigned
open_files(void)
{
	DIR *all = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(all);
	while (readdir(all) != NULL)
		count++;
	closedir(all);
	return count;
}

static unsigned
buffers_in_use(void)
{
	return rte_mempool_in_use_count(lab->pools.small) +
	       rte_mempool_in_use_count(lab->pools.large);
}

static void
assert_same(char *text, const char *wanted, unsigned at)
{
	if (strcmp(text, wanted) != 0) {
		const char *a = text, *b = wanted;

		while (*a == *b)
			a++, b++;
		while (a > text && a[-1] != '\n')
			a--, b--;
		fail_msg("call %u (%s) failed; then there is\n%.200s\ninstead of\n%.200s", at,
			fault.name, a, b);
	}
	free(text);
}

/* ---- every call of an apply fails in turn --------------------------------------------------- */

static struct history *lab_history;

/* What was degraded for a failure comes right by itself. */
static void
let_mend(void)
{
	if (!taps)
		return;
	for (unsigned i = 0; i < 3; i++) {
		lab_time += 2 * SECOND;
		weft_tick(lab);
	}
}

static void
check_history(uint32_t number, const char *json)
{
	assert_true(runs(lab_history, number, json));
	history_close(lab_history);
	lab_history = open_history();
	assert_true(runs(lab_history, number, json));
}

/* The names of the taps that are there; of the namespaces, too. */
static char *
tell_kernel(void)
{
	static const char *const names[] = { "old-tap", "upd-tap", "new-tap" };
	struct text text;

	tap_drain();
	text_begin(&text);
	for (unsigned i = 0; i < RTE_DIM(names); i++)
		fprintf(text.stream, "%s %s\n", names[i],
			if_nametoindex(names[i]) != 0 ? "there" : "not there");
	fprintf(text.stream, "netns %s\n",
		access("/run/netns/faults", F_OK) == 0 ? "there" : "not there");
	return text_end(&text);
}

struct picture {
	char *state, *forwarding, *kernel;
};

/* All that can be learned: then floods stay as they are. */
static void
learn(void)
{
	let_mend();
	free(forward());
	free(forward());
}

static struct picture
take_picture(void)
{
	struct picture picture;

	let_mend();
	picture.forwarding = forward();
	picture.state = tell(false);
	tap_settle();
	picture.kernel = tell_kernel();
	return picture;
}

static void
open_all(struct picture *old)
{
	assert_int_equal(lab_open(NULL), 0);
	make_folder();
	lab_history = open_history();
	assert_int_equal(history_commit(lab_history, before_json, "anna", "test", false, NULL), 0);
	build();
	learn();
	*old = take_picture();
}

static void
close_all(void)
{
	history_close(lab_history);
	remove_folder();
	if (taps)
		weft_close(lab); /* taps hold buffers to read into */
	else
		assert_int_equal(lab_close(NULL), 0);
}

static void
free_picture(struct picture *picture)
{
	free(picture->state);
	free(picture->forwarding);
	free(picture->kernel);
}

static void
assert_picture(const struct picture *wanted, unsigned at)
{
	struct picture now = take_picture();

	assert_same(now.kernel, wanted->kernel, at);
	assert_same(now.state, wanted->state, at);
	assert_same(now.forwarding, wanted->forwarding, at);
}

/* As it was before the first attempt. */
static void
start_again(const struct picture *old)
{
	struct picture again;

	close_all();
	open_all(&again);
	assert_same(again.kernel, old->kernel, 0);
	assert_same(again.state, old->state, 0);
	assert_same(again.forwarding, old->forwarding, 0);
}

/* A change that changes nothing takes up whatever a failed one has left. */
static void
change_nothing(void)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *network;
	struct weft_device *device;
	struct switch_port_info info;
	struct weft_vport *vport;

	TAILQ_FOREACH(network, &lab->networks, entry)
	TAILQ_FOREACH(device, &network->devices, entry)
	TAILQ_FOREACH(vport, &device->vports, entry)
	{
		switch_port_read(vport, &info);
		/* what is default stays so */
		if (info.config.access != 0 || info.config.native == 1)
			info.config.native = 0;
		weft_switch_port_update(change, vport, &info.config);
	}
	lab_commit(change);
}

/* One attempt at which the at-th call fails. True: no call did. */
static bool
attempt(unsigned at, const struct picture *old, const struct picture *new)
{
	char *before = tell(true);
	struct weft_error error = { 0 };
	unsigned files, buffers = buffers_in_use();
	bool fired;
	int result;

	tap_drain();
	files = open_files();
	fault_arm(at, false);
	result = apply(lab_history, &error);
	fired = fault_disarm();
	if (result == 0) {
		free(before);
		learn();
		assert_picture(new, at);
		check_history(2, after_json);
	} else {
		assert_true(fired);
		assert_int_not_equal(error.text[0], '\0');
		assert_same(tell(true), before, at);
		free(before);
		tap_drain();
		assert_int_equal(open_files(), files);
		assert_int_equal(buffers_in_use(), buffers);
		assert_picture(old, at);
		change_nothing();
		assert_picture(old, at);
		check_history(1, before_json);
	}
	if (result == 0 && fired)
		start_again(old);
	return !fired;
}

static void
each_call_fails(void)
{
	struct picture old, new;
	unsigned at = 1;

	open_all(&old);
	assert_int_equal(apply(lab_history, NULL), 0);
	learn();
	new = take_picture();
	assert_string_not_equal(old.state, new.state);
	assert_string_not_equal(old.forwarding, new.forwarding);
	start_again(&old);
	while (!attempt(at, &old, &new))
		assert_true(++at < FAULT_LIMIT);
	assert_true(at > 100); /* it was a rich one */
	close_all();
	free_picture(&old);
	free_picture(&new);
}

static void
a_failed_change_leaves_everything(void **state)
{
	taps = false;
	each_call_fails();
}

/* Namespaces of our own, so that what a failed test leaves goes with the process. */
static bool
leave_namespaces(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return false;
	return mount("", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/run", "tmpfs", 0, NULL) == 0 && access("/dev/net/tun", R_OK) == 0;
}

static void
with_taps_too(void **state)
{
	if (!leave_namespaces())
		skip();
	taps = true;
	each_call_fails();
}

/* ---- what is on the disk, whatever fails or is killed ---------------------------------------- */

/* A call, of a history as `prepare` leaves it; 0 or -1. What runs before and after it. */
struct disk_case {
	void (*prepare)(struct history *history);
	int (*call)(struct history *history);
	uint32_t before, after;
	const char *before_text, *after_text;
};

static void
have_one(struct history *history)
{
	assert_int_equal(history_commit(history, before_json, "", "", false, NULL), 0);
}

static void
have_many(struct history *history)
{
	have_one(history);
	have_one(history);
	have_one(history);
}

static void
have_unconfirmed(struct history *history)
{
	have_one(history);
	assert_int_equal(history_commit(history, after_json, "", "", true, NULL), 0);
}

static void
have_none(struct history *history)
{
}

static int
call_commit(struct history *history)
{
	return history_commit(history, after_json, "anna", "test", false, NULL);
}

static int
call_commit_to_confirm(struct history *history)
{
	return history_commit(history, after_json, "anna", "test", true, NULL);
}

static int
call_confirm(struct history *history)
{
	return history_confirm(history, NULL);
}

/* Opening again reverts what was not confirmed. */
static int
call_open(struct history *history)
{
	history = history_open(folder, 2, NULL);
	history_close(history);
	return history != NULL ? 0 : -1;
}

static const struct disk_case disk_cases[] = {
	{ have_none, call_commit, 0, 1, NULL, after_json },
	{ have_one, call_commit, 1, 2, before_json, after_json },
	{ have_many, call_commit, 3, 4, before_json, after_json },
	{ have_unconfirmed, call_commit, 1, 3, before_json, after_json },
	{ have_one, call_commit_to_confirm, 1, 1, before_json, before_json },
	{ have_unconfirmed, call_confirm, 1, 2, before_json, after_json },
	{ have_unconfirmed, call_open, 1, 1, before_json, before_json },
	{ have_many, call_open, 3, 3, before_json, before_json },
};

static void *
fault_json_malloc(size_t size)
{
	return fault_now("malloc of jansson", ENOMEM) ? NULL : malloc(size);
}

/* Whether it came through with no call failing. */
static bool
disk_attempt(const struct disk_case *one, unsigned at)
{
	struct history *history;
	uint32_t number;
	bool fired;
	int result;

	make_folder();
	history = open_history();
	one->prepare(history);
	number = history_running(history);
	if (one->call == call_open) {
		history_close(history);
		history = NULL;
	}
	fault_arm(at, false);
	result = one->call(history);
	fired = fault_disarm();
	assert_true(result == 0 || fired);
	if (history != NULL && result < 0)
		assert_int_equal(history_running(history), number);
	history_close(history);
	history = open_history();
	if (!(result == 0 ? runs(history, one->after, one->after_text)
			  : runs(history, one->before, one->before_text)))
		fail_msg("case %zu: call %u (%s) failed, returned %d, then %u runs",
			one - disk_cases, at, fault.name, result, history_running(history));
	history_close(history);
	remove_folder();
	return !fired;
}

static void
a_failed_call_leaves_what_ran(void **state)
{
	json_set_alloc_funcs(fault_json_malloc, free);
	for (unsigned i = 0; i < RTE_DIM(disk_cases); i++) {
		unsigned at = 1;

		while (!disk_attempt(&disk_cases[i], at))
			assert_true(++at < FAULT_LIMIT);
		assert_true(at > 6);
	}
	json_set_alloc_funcs(malloc, free);
}

/* The child's whole life; returns whether the call came to its end. */
static bool
kill_child(const struct disk_case *one, unsigned at)
{
	struct history *history;
	int status, result;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		history = history_open(folder, 2, NULL);
		if (history == NULL)
			_exit(1);
		one->prepare(history);
		if (one->call == call_open)
			history_close(history);
		fault_arm(at, true);
		result = one->call(history);
		fault_disarm();
		_exit(result == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 0;
}

static bool
kill_attempt(const struct disk_case *one, unsigned at)
{
	struct history *history;
	bool done;

	make_folder();
	done = kill_child(one, at);
	history = open_history();
	if (!runs(history, one->after, one->after_text) &&
		(done || !runs(history, one->before, one->before_text)))
		fail_msg("case %zu: killed at call %u, then %u runs", one - disk_cases, at,
			history_running(history));
	/* and it goes on */
	assert_int_equal(history_commit(history, before_json, "", "", false, NULL), 0);
	history_close(history);
	remove_folder();
	return done;
}

static void
a_killed_call_leaves_what_ran_or_runs_next(void **state)
{
	for (unsigned i = 0; i < RTE_DIM(disk_cases); i++) {
		unsigned at = 1;

		while (!kill_attempt(&disk_cases[i], at))
			assert_true(++at < FAULT_LIMIT);
		assert_true(at > 6);
	}
}

/* ---- small ones ------------------------------------------------------------------------------ */

static bool
is_never_stale(void *context, uint32_t vport, uint32_t stamp)
{
	return false;
}

static void
waits_for_nobody(void *context)
{
}

/* A commit cannot fail: where the table cannot grow, a station goes that will be heard again. */
static void
a_static_mac_takes_a_learned_ones_place(void **state)
{
	struct mac_table table = { .stale = is_never_stale, .synchronize = waits_for_nobody };
	struct mac_entry old, entry = { .device = 1, .vport = 5, .stamp = mac_stamp(1, 0, 0) };
	struct mac_array *array;
	struct mac_found found;

	assert_int_equal(mac_table_open(&table, 2), 0);
	array = mac_table_array(&table);
	for (entry.key = 1; entry.key <= 2 * MAC_BUCKET_SLOTS; entry.key++)
		assert_int_equal(mac_insert(&table, array, &entry), MAC_DONE);
	for (; entry.key <= 4 * MAC_BUCKET_SLOTS + 1; entry.key++) {
		bool fits = entry.key <= 4 * MAC_BUCKET_SLOTS;
		int result;

		entry.vport = 6;
		entry.stamp = mac_stamp(0, 0, MAC_STATIC);
		fault_arm(1, false);
		result = mac_table_put(&table, &entry, &old);
		assert_true(fault_disarm());
		assert_int_equal(result, fits ? 0 : -1);
		assert_int_equal(old.vport, fits ? 5 : 0);
		for (uint64_t key = 1; key <= entry.key; key++) {
			mac_find(array, mac_hash(array, key, 1), key, 1, &found);
			if (key == entry.key)
				assert_int_equal(found.vport, fits ? 6 : 0);
			else if (key > 2 * MAC_BUCKET_SLOTS)
				assert_int_equal(found.vport, 6);
			else if (key == old.key)
				assert_int_equal(found.vport, 0);
		}
	}
	mac_table_close(&table);
}

static void
reassembly_is_made_whole_or_not_at_all(void **state)
{
	static const struct reassembly_limits limits = { 16, 16, 1 << 20, 1 << 20, 1 };
	struct reassembly *made = NULL;
	unsigned at;

	for (at = 1; made == NULL; at++) {
		assert_true(at < 100);
		fault_arm(at, false);
		made = reassembly_create(&limits);
		assert_int_equal(made == NULL, fault_disarm());
	}
	assert_true(at > 6);
	reassembly_free(made);
}

/* "Not there" is waited for, anything else is told. */
static void
a_namespace_that_cannot_be_looked_at_is_not_absent(void **state)
{
	bool looked = false;

	for (unsigned at = 1; at <= 4; at++) {
		struct weft_error error = { 0 };
		int fd, code;

		fault_arm(at, false);
		fd = netns_open(WEFT_NETNS_HOST, "", &error);
		code = errno;
		if (!fault_disarm()) {
			assert_true(fd >= 0);
			close(fd);
			break;
		}
		looked = looked || strcmp(fault.name, "fstat64") == 0;
		assert_int_equal(fd, -1);
		assert_int_not_equal(code, ENOENT);
		assert_int_not_equal(error.code, ENOENT);
	}
	assert_true(looked);
}

/* ---- a DHCP server without memory ---------------------------------------------------------- */

#define DHCP_NETWORK 0x0a000000u
#define DHCP_CLIENTS 40

static uint32_t dhcp_got;

static void
dhcp_take_reply(void *context, const struct dhcp_reply *reply)
{
	struct dhcp_message message;

	(void)context;
	assert_true(reply_holds(reply, &message));
	dhcp_got = message.yiaddr;
}

static uint32_t
dhcp_random(void *context)
{
	(void)context;
	return 4;
}

static struct dhcp_subnet *
dhcp_subnet(void)
{
	static const struct dhcp_range pool = { DHCP_NETWORK + 10, DHCP_NETWORK + 100 };
	static const struct dhcp_reservation reservation = {
		.address = DHCP_NETWORK + 5, .mac = { 2, 0, 0, 0, 0, 5 }, .host_name = "five"
	};
	static const char *const search[] = { "example.org" };
	struct dhcp_server_config config = { .server = DHCP_NETWORK + 1,
		.prefix = DHCP_NETWORK,
		.length = 24,
		.pools = &pool,
		.n_pools = 1,
		.reservations = &reservation,
		.n_reservations = 1,
		.search = search,
		.n_search = 1 };
	struct weft_error error = { 0 };
	struct dhcp_subnet *subnet = dhcp_subnet_make(&config, &error);

	assert_true(subnet != NULL || error.code == ENOMEM);
	return subnet;
}

/* The client asks until it has a lease: one call that fails may cost it one try. */
static void
dhcp_get_lease(struct dhcp_server *server, uint32_t client)
{
	struct draft draft;
	unsigned tries = 0;

	do {
		assert_true(tries++ < 3);
		dhcp_got = 0;
		draft_begin(&draft, DHCP_DISCOVER, client);
		draft_end(&draft);
		dhcp_server_input(server, draft.bytes, draft.length, 1);
		if (dhcp_got == 0)
			continue;
		draft_begin(&draft, DHCP_REQUEST, client);
		draft_number(&draft, DHCP_OPTION_SERVER, DHCP_NETWORK + 1);
		draft_number(&draft, DHCP_OPTION_REQUESTED, dhcp_got);
		draft_end(&draft);
		dhcp_got = 0;
		dhcp_server_input(server, draft.bytes, draft.length, 1);
	} while (dhcp_got == 0);
}

static bool
dhcp_no_other(void *context, const struct dhcp_lease *lease)
{
	bool *seen = context;

	assert_false(seen[lease->address - DHCP_NETWORK]);
	seen[lease->address - DHCP_NETWORK] = true;
	return true;
}

/* False: the call to fail was none of its calls. */
static bool
dhcp_with_fault(unsigned at)
{
	static const struct dhcp_hooks hooks = { .send = dhcp_take_reply, .random = dhcp_random };
	struct dhcp_server *server = NULL;
	struct dhcp_subnet *subnet;
	struct dhcp_lease *leases;
	bool seen[256] = { 0 };
	size_t count;

	fault_arm(at, false);
	subnet = dhcp_subnet();
	if (subnet != NULL)
		server = dhcp_server_open(subnet, &hooks);
	if (server == NULL) {
		dhcp_subnet_free(subnet);
		return fault_disarm();
	}
	for (uint32_t client = 1; client <= DHCP_CLIENTS; client++)
		dhcp_get_lease(server, client);
	assert_int_equal(dhcp_server_held(server), DHCP_CLIENTS);
	dhcp_server_walk(server, 1, 0, dhcp_no_other, seen);
	subnet = dhcp_subnet();
	if (subnet != NULL)
		dhcp_server_use(server, subnet, 2);
	if (dhcp_leases_export(server, 2, 0, &leases, &count) == 0) {
		assert_int_equal(count, DHCP_CLIENTS);
		free(leases);
	}
	assert_int_equal(dhcp_server_held(server), DHCP_CLIENTS);
	dhcp_server_close(server);
	return fault_disarm();
}

static void
a_dhcp_server_goes_on_without_memory(void **state)
{
	unsigned at = 1;

	while (dhcp_with_fault(at))
		at++;
	/* three for each lease at least: itself, the offer, the owner */
	assert_true(at > 3 * DHCP_CLIENTS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_call_leaves_what_ran),
		cmocka_unit_test(a_killed_call_leaves_what_ran_or_runs_next),
		cmocka_unit_test(a_failed_change_leaves_everything),
		cmocka_unit_test(with_taps_too),
		cmocka_unit_test(a_static_mac_takes_a_learned_ones_place),
		cmocka_unit_test(reassembly_is_made_whole_or_not_at_all),
		cmocka_unit_test(a_namespace_that_cannot_be_looked_at_is_not_absent),
		cmocka_unit_test(a_dhcp_server_goes_on_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
