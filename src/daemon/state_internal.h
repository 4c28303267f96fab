/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of state_*.c share. Each kind of objects has a function that adds its
 * objects to a view; state.c knows them all.
 *
 * A view belongs to the thread that reads. Running out of memory is noted in the view, and
 * looked at once, at the end.
 */
#ifndef WEFT_DAEMON_STATE_INTERNAL_H
#define WEFT_DAEMON_STATE_INTERNAL_H

#include "daemon/config.h"
#include "daemon/json_text.h"
#include "daemon/state.h"
#include "firewall/firewall.h"
#include "graph/engine.h"

struct state_view;

/* ---- what is asked for (state_select.c) ------------------------------------------------------ */

enum state_selector_kind {
	SELECT_NETWORK,  /* all that is in it */
	SELECT_DEVICE,   /* it, and its ports */
	SELECT_ROUTER,   /* likewise */
	SELECT_FIREWALL, /* likewise */
	SELECT_PORT,
	SELECT_NIC,
	SELECT_UPLINK,
	SELECT_LINK,
	SELECT_NUMBER, /* of a worker, of an entry of the history */
};

/* A restriction; all of a view's must hold. Members that its kind does not have are NULL. */
struct state_selector {
	enum state_selector_kind kind;
	char *network, *device, *object;
	uint64_t number;
};

#define STATE_SELECTORS 4

bool state_selects_network(const struct state_view *view, const struct weft_network *network);
/* True for a device that has selected ports, as well. */
bool state_selects_device(const struct state_view *view, const struct weft_device *device);
bool state_selects_vport(const struct state_view *view, const struct weft_vport *vport);
/* Whether only what is of one port is asked for. */
bool state_selects_by_port(const struct state_view *view);
bool state_selects_nic(const struct state_view *view, const struct weft_nic *nic);
bool state_selects_link(const struct state_view *view, const char *network, const char *name);
bool state_selects_number(const struct state_view *view, uint64_t number);

/* Adds a selector made of `text`. 0, or -1: it is not of that form, or no memory. */
int state_select(struct state_view *view, enum state_selector_kind kind, const char *text,
	struct weft_error *error);
/* Under weft_objects_lock: whether what is selected is there. 0, or -1: ENOENT. */
int state_check_selectors(const struct state_view *view, struct weft_error *error);
void state_selectors_free(struct state_view *view);

/* Offers ", did you mean ...?" or nothing; malloced by nobody: `text` of 300 bytes. */
#define STATE_HINT_SIZE 300
const char *state_hint(const char *nearest, char text[STATE_HINT_SIZE]);

/* ---- what is configured (state_view.c) ------------------------------------------------------- */

/* Lists of the configuration in which objects of the engine are looked up. */
enum state_list {
	STATE_SWITCHES,
	STATE_ROUTERS,
	STATE_FIREWALLS,
	STATE_PORTS,  /* of a switch or a router */
	STATE_ROUTES, /* of a router */
	STATE_NICS,
	STATE_LISTS
};

/* One such list by name: that of the parent that was asked about last. */
struct state_names {
	const struct lyd_node *parent;
	struct name_map map;
};

/* ---- what is found (state_view.c) ------------------------------------------------------------ */

struct state_item {
	json_t *object;
	const char *name; /* sorted by it; lives as long as the object; or NULL */
	uint64_t order;   /* among those of one name */
};

struct state_view {
	struct daemon *daemon;
	struct weft *weft;
	struct running *running;
	struct name_map networks; /* of the running configuration: lyd_node by name */
	struct state_names names[STATE_LISTS];
	struct state_selector selectors[STATE_SELECTORS];
	unsigned n_selectors;
	int vlan, reason; /* -1: any */
	bool has_mac;
	uint8_t mac[6];
	uint8_t family;                     /* 0: any */
	struct weft_prefix prefix, address; /* family 0: any */
	struct {
		struct connection_filter filter; /* but for the selectors */
		uint64_t limit;                  /* so many at most */
	} connections;
	struct state_item *items;
	size_t n_items, capacity;
	bool no_memory;
};

int state_view_open(struct state_view *view, struct daemon *daemon);
void state_view_close(struct state_view *view);

/* Takes the object. `name` NULL: the order alone counts. */
void state_add(struct state_view *view, json_t *object, const char *name, uint64_t order);
/* Those that were added as the `from`th and later are gone again. */
void state_drop(struct state_view *view, size_t from);
/* The sorted array of all that was added. NULL: no memory. */
json_t *state_take(struct state_view *view);

/* As people sort: numbers by their value, '/' and ':' before all else. As strcmp. */
int state_compare_names(const char *a, const char *b);

/* A new object with a "name", which is what it will be sorted by; NULL without memory, which
 * the functions below take for "do nothing". */
json_t *state_object(struct state_view *view, const char *name);
/* Take the value; NULL is no memory. */
void state_set(struct state_view *view, json_t *object, const char *key, json_t *value);
/* NULL: null. What is not UTF-8 becomes '?'. */
void state_set_text(struct state_view *view, json_t *object, const char *key, const char *text);
void state_set_number(struct state_view *view, json_t *object, const char *key, uint64_t number);
/* As a number, or null for 0. */
void state_set_some(struct state_view *view, json_t *object, const char *key, uint64_t number);
void state_set_mac(struct state_view *view, json_t *object, const char *key, const uint8_t mac[6]);
/* in-packets and so on. */
void state_set_counters(
	struct state_view *view, json_t *object, const struct vport_counters *counters);
/* {reason: count}, only counts above 0 */
void state_set_drops(struct state_view *view, json_t *object, const struct vport_drops *drops);
void state_append(struct state_view *view, json_t *array, json_t *value);

#define STATE_MAC_SIZE 18
const char *state_mac(const uint8_t mac[6], char text[STATE_MAC_SIZE]);
/* "10.0.0.1", "10.0.0.0/8"; return the text. */
#define STATE_ADDRESS_SIZE 50
const char *state_address(uint8_t family, const uint8_t *address, char text[STATE_ADDRESS_SIZE]);
const char *state_prefix(const struct weft_prefix *prefix, char text[STATE_ADDRESS_SIZE]);
/* "red/web"; of an uplink "wire". Returns the text. */
const char *state_nic_path(const struct weft_nic *nic, char path[VPORT_NAME_SIZE]);
const char *state_device_path(const struct weft_device *device, char path[VPORT_NAME_SIZE]);

/* The configuration's node of a network; NULL: it does not know it. */
const struct lyd_node *state_configured(const struct state_view *view, const char *network);
/* Of an entry of a list in there, or in a device. Parent NULL: NULL. */
const struct lyd_node *state_configured_in(struct state_view *view, const struct lyd_node *parent,
	enum state_list list, const char *name);
/* "description" of a configured object, if it has one. */
void state_set_description(
	struct state_view *view, json_t *object, const struct lyd_node *configured);

/* Calls look() for each selected vnic, uplinks as well if those are. Under the lock. */
void state_each_nic(
	struct state_view *view, void (*look)(struct state_view *view, const struct weft_nic *nic));
/* For each selected vport that workers see. `configured`: of its device. Under the lock. */
void state_each_vport(struct state_view *view,
	void (*look)(struct state_view *view, const struct weft_vport *vport,
		const struct lyd_node *configured));

/* ---- shared with metrics.c ------------------------------------------------------------------- */

/* Seen from its user: the sum of what its vports counted; drops at them and at itself. */
void state_nic_counters(
	const struct weft_nic *nic, struct vport_counters *counters, struct vport_drops *drops);
const char *state_nic_status(enum nic_status status);
/* A count that a worker writes. */
#define STATE_PEEK(count) __atomic_load_n(&(count), __ATOMIC_RELAXED)
/* Bytes of this process in memory. */
uint64_t state_resident_bytes(void);
double state_uptime(const struct daemon *daemon);

/* ---- the kinds ------------------------------------------------------------------------------- */

/* Under weft_objects_lock. */
void state_networks(struct state_view *view);
void state_switches(struct state_view *view);
void state_routers(struct state_view *view);
void state_routes(struct state_view *view);
void state_neighbors(struct state_view *view);
void state_ports(struct state_view *view);
void state_nics(struct state_view *view);
void state_uplinks(struct state_view *view);
void state_links(struct state_view *view);
void state_tunnels(struct state_view *view);
void state_firewalls(struct state_view *view);
int state_rules(struct state_view *view, struct weft_error *error);
void state_address_sets(struct state_view *view);
void state_port_sets(struct state_view *view);
void state_flow_records(struct state_view *view);
void state_macs(struct state_view *view);
void state_leases(struct state_view *view);
void state_drops(struct state_view *view);
/* Without. */
void state_workers(struct state_view *view);
void state_history(struct state_view *view);
void state_system(struct state_view *view);
/* Likewise. 0, or -1: what is selected is not there. */
int state_connections(struct state_view *view, struct weft_error *error);
/* What the selectors and filters of connections mean. 0 or -1, likewise. */
int state_select_connections(
	struct state_view *view, struct connection_filter *filter, struct weft_error *error);

/* ---- also for operations: a view of connections alone -----------------------------------------
 */

/* Reads the filters into an open view. 0, or -1: one is not of its form. */
int state_read_connection_query(
	struct state_view *view, const struct state_query *query, struct weft_error *error);

#endif
