/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls and their ports as objects: how they are made, changed and taken away. */
#include "firewall/firewall.h"

#include "base/error.h"
#include "firewall/firewall_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_MTU 65521 /* what is attached judges what is too long for it */

/* ---- what a call may say --------------------------------------------------------------------- */

static uint32_t
or_default(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static struct weft_firewall_config
with_defaults(const struct weft_firewall_config *config)
{
	struct weft_firewall_config result = *config;

	result.connection_limit = or_default(config->connection_limit, FIREWALL_CONNECTION_LIMIT);
	/* RFC 5382, REQ-5; RFC 4787, REQ-5 (of UDP that nobody answers less: nothing is lost with
	 * it but a place); RFC 5508, REQ-2 asks for less than 60 nowhere but where it is answered
	 */
	result.tcp_timeout = or_default(config->tcp_timeout, 7440);
	result.tcp_opening_timeout = or_default(config->tcp_opening_timeout, 240);
	result.tcp_closing_timeout = or_default(config->tcp_closing_timeout, 240);
	result.udp_timeout = or_default(config->udp_timeout, 30);
	result.udp_reply_timeout = or_default(config->udp_reply_timeout, 180);
	result.icmp_timeout = or_default(config->icmp_timeout, 30);
	result.other_timeout = or_default(config->other_timeout, 600);
	return result;
}

static void
fill_domain(struct connection_domain *domain, const struct weft_firewall_config *config)
{
	const uint32_t timeouts[CONNECTION_TIMEOUTS] = {
		[TIMEOUT_TCP_OPENING] = config->tcp_opening_timeout,
		[TIMEOUT_TCP_ESTABLISHED] = config->tcp_timeout,
		[TIMEOUT_TCP_CLOSING] = config->tcp_closing_timeout,
		[TIMEOUT_TCP_RESET] = FIREWALL_RESET_TIMEOUT,
		[TIMEOUT_UDP] = config->udp_timeout,
		[TIMEOUT_UDP_REPLY] = config->udp_reply_timeout,
		[TIMEOUT_ICMP] = config->icmp_timeout,
		[TIMEOUT_OTHER] = config->other_timeout,
	};

	atomic_store_explicit(&domain->limit, config->connection_limit, memory_order_relaxed);
	atomic_store_explicit(&domain->source_limit, config->source_limit, memory_order_relaxed);
	for (unsigned i = 0; i < CONNECTION_TIMEOUTS; i++)
		atomic_store_explicit(&domain->timeouts[i], timeouts[i], memory_order_relaxed);
}

/* ---- firewalls --------------------------------------------------------------------------------
 */

static void
firewall_free(struct firewall *firewall)
{
	if (firewall == NULL)
		return;
	rule_list_free(firewall->rules);
	rule_list_free(firewall->sources);
	rule_list_free(firewall->destinations);
	translations_free(firewall->translations);
	zones_free(&firewall->zones);
	free(atomic_load_explicit(&firewall->live, memory_order_relaxed));
	free(firewall);
}

static struct firewall *
firewall_new(struct firewalls *all, struct weft_network *network,
	const struct weft_firewall_config *config)
{
	struct firewall *firewall = calloc(1, sizeof(*firewall));

	if (firewall == NULL)
		return NULL;
	firewall->rules = rule_list_create(&all->key, &all->rules);
	firewall->sources = rule_list_create(&all->key, &all->rules);
	firewall->destinations = rule_list_create(&all->key, &all->rules);
	if (firewall->rules == NULL || firewall->sources == NULL ||
		firewall->destinations == NULL) {
		firewall_free(firewall);
		return NULL;
	}
	firewall->all = all;
	firewall->config = with_defaults(config);
	firewall->domain.network = network;
	fill_domain(&firewall->domain, &firewall->config);
	return firewall;
}

struct weft_device *
weft_firewall_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_firewall_config *config)
{
	struct weft_device *device;
	struct firewall *firewall;
	struct firewalls *all;

	if (weft_change_failed(change, NULL) || network == NULL)
		return NULL;
	all = firewalls_ready(change_weft(change), change_error(change));
	if (all == NULL) {
		change_failed_with(change);
		return NULL;
	}
	firewall = firewall_new(all, network, config);
	if (firewall == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	device = device_add(change, network, &firewall_class, name, firewall);
	if (device == NULL) {
		firewall_free(firewall);
		return NULL;
	}
	firewall->domain.id = device->id;
	return device;
}

struct config_update {
	struct firewall *firewall;
	struct weft_firewall_config before;
};

static void
config_update_abort(void *object)
{
	struct config_update *update = object;

	update->firewall->config = update->before;
	free(update);
}

static const struct change_step config_update_step = { NULL, free, config_update_abort };

void
weft_firewall_update(struct weft_change *change, struct weft_device *device,
	const struct weft_firewall_config *config)
{
	struct config_update *update;
	struct firewall *firewall;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &firewall_class))
		return;
	firewall = device->data;
	update = malloc(sizeof(*update));
	if (update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*update = (struct config_update){ firewall, firewall->config };
	if (change_touch(change, device) < 0 ||
		change_stage(change, &config_update_step, update) < 0) {
		free(update);
		return;
	}
	firewall->config = with_defaults(config);
}

/* ---- ports ------------------------------------------------------------------------------------
 */

/* Which place is free, of those that the change leaves; FIREWALL_PORTS: none. */
static unsigned
free_index(struct weft_device *device)
{
	bool taken[FIREWALL_PORTS] = { false };
	struct weft_vport *vport = NULL;
	unsigned index = 0;

	while ((vport = change_vport_next(device, vport)) != NULL)
		taken[firewall_port_of(change_vport_after(vport))->index] = true;
	while (index < FIREWALL_PORTS && taken[index])
		index++;
	return index;
}

struct weft_vport *
weft_firewall_port_add(struct weft_change *change, struct weft_device *device, const char *name)
{
	struct firewall_port *port;
	struct weft_vport *vport;
	unsigned index;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &firewall_class))
		return NULL;
	index = free_index(device);
	if (index == FIREWALL_PORTS) {
		change_fail(change, EINVAL, "firewall %s/%s has %u ports already",
			device->network->name, device->name, FIREWALL_PORTS);
		return NULL;
	}
	port = calloc(1, sizeof(*port));
	if (port == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	port->owner = device->data;
	port->index = (uint8_t)index;
	vport = vport_add(change, device, name, port, PORT_MTU);
	if (vport == NULL)
		free(port);
	return vport;
}

/* ---- guards of switches -----------------------------------------------------------------------
 */

const char *
firewall_name(const struct weft_device *device)
{
	const char *colon = strchr(device->name, ':');

	return colon != NULL ? colon + 1 : device->name;
}

#define GUARD_NAME_SIZE 256

static bool
guard_name(char text[GUARD_NAME_SIZE], const char *name)
{
	return (size_t)snprintf(text, GUARD_NAME_SIZE, FIREWALL_GUARD_PREFIX "%s", name) <
	       GUARD_NAME_SIZE;
}

struct weft_device *
firewall_find(struct weft_network *network, const char *name)
{
	char text[GUARD_NAME_SIZE];
	struct weft_device *device = NULL;

	if (guard_name(text, name))
		device = weft_device_find(network, text);
	if (device == NULL)
		device = weft_device_find(network, name);
	return device != NULL && device->class == &firewall_class ? device : NULL;
}

void
firewall_become_guard(struct weft_change *change, struct weft_device *device)
{
	struct weft_vport *ports[FIREWALL_PORTS] = { NULL }, *vport = NULL;
	char text[GUARD_NAME_SIZE];

	if (weft_change_failed(change, NULL) || !device_is(change, device, &firewall_class))
		return;
	if (!guard_name(text, device->name)) {
		change_fail(change, EINVAL, "the name of firewall %s is too long", device->name);
		return;
	}
	while ((vport = change_vport_next(device, vport)) != NULL)
		ports[firewall_port_of(change_vport_after(vport))->index] = vport;
	/* in the order of what connections have noted */
	for (unsigned i = 0; i < FIREWALL_PORTS; i++)
		if (ports[i] != NULL && zones_obtain(change, device, ports[i]->name) < 0)
			return;
	for (unsigned i = 0; i < FIREWALL_PORTS; i++)
		if (ports[i] != NULL)
			weft_vport_remove(change, ports[i]);
	device_rename(change, device, text);
}

void
firewall_become_device(struct weft_change *change, struct weft_device *device)
{
	if (!weft_change_failed(change, NULL) && device_is(change, device, &firewall_class))
		device_rename(change, device, firewall_name(device));
}

/* ---- rules ------------------------------------------------------------------------------------
 */

static void
rules_abort(void *object)
{
	struct firewall *firewall = object;

	rule_list_undo(firewall->rules);
}

static const struct change_step rules_step = { NULL, NULL, rules_abort };

void
weft_firewall_rules(struct weft_change *change, struct weft_device *device,
	const struct weft_rule *rules, unsigned count)
{
	struct firewall *firewall;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &firewall_class))
		return;
	firewall = device->data;
	if (change_touch(change, device) < 0 || change_stage(change, &rules_step, firewall) < 0)
		return;
	if (rule_list_want(firewall->rules, rules, count, change_error(change)) < 0)
		change_failed_with(change);
}

/* ---- translations -----------------------------------------------------------------------------
 */

struct translations_update {
	struct firewall *firewall;
	struct translations *before;
};

static void
translations_update_finish(void *object)
{
	struct translations_update *update = object;

	translations_free(update->before);
	free(update);
}

static void
translations_update_abort(void *object)
{
	struct translations_update *update = object;

	rule_list_undo(update->firewall->sources);
	rule_list_undo(update->firewall->destinations);
	translations_free(update->firewall->translations);
	update->firewall->translations = update->before;
	free(update);
}

static const struct change_step translations_update_step = { NULL, translations_update_finish,
	translations_update_abort };

static int
find_port(struct weft_device *device, const char *name)
{
	struct weft_vport *vport = NULL;

	while ((vport = change_vport_next(device, vport)) != NULL)
		if (strcmp(vport->name, name) == 0)
			return firewall_port_of(change_vport_after(vport))->index;
	return -1;
}

void
weft_firewall_translations(struct weft_change *change, struct weft_device *device,
	const char *inside, const struct weft_translation *wanted, unsigned count)
{
	struct translations_update *update;
	struct translations *made;
	struct firewall *firewall;
	bool routed;
	int port;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &firewall_class))
		return;
	routed = inside == NULL && change_vport_next(device, NULL) == NULL;
	if (!routed && inside == NULL)
		inside = "in";
	firewall = device->data;
	port = routed ? 0 : find_port(device, inside);
	if (port < 0 && count != 0) {
		change_fail(change, ENOENT, "firewall %s/%s has no port \"%s\" to translate behind",
			device->network->name, device->name, inside);
		return;
	}
	if (change_touch(change, device) < 0)
		return;
	made = translations_create(inside, wanted, count, firewall->sources, firewall->destinations,
		change_error(change));
	if (made == NULL) {
		rule_list_undo(firewall->sources);
		rule_list_undo(firewall->destinations);
		change_failed_with(change);
		return;
	}
	made->inside = routed ? TRANSLATIONS_ROUTED : (unsigned)port;
	update = malloc(sizeof(*update));
	if (update == NULL || change_stage(change, &translations_update_step, update) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		translations_free(made);
		free(update);
		return;
	}
	*update = (struct translations_update){ firewall, firewall->translations };
	firewall->translations = made;
}

/* Rules name ports and sets; both are those of after the change. */
static int
resolve_port(void *context, const char *name)
{
	struct weft_device *device = context;
	const struct firewall *firewall = device->data;
	int zone;

	/* what guards has no ports of its own; a zone may have none, and comes when it gets one */
	if (change_vport_next(device, NULL) != NULL)
		return find_port(device, name);
	zone = zones_find(&firewall->zones, name);
	return zone >= 0 ? zone : RULE_PORTS;
}

static const struct address_set *
resolve_set(void *context, const char *name)
{
	const struct weft_device *device = context;

	return address_set_staged(device->network, name);
}

static const struct port_set *
resolve_port_set(void *context, const char *name)
{
	const struct weft_device *device = context;

	return port_set_staged(device->network, name);
}

/* ---- what a change makes of a firewall --------------------------------------------------------
 */

static struct firewall_live *
make_live(struct weft_device *device)
{
	const struct firewall *firewall = device->data;
	struct firewall_live *live = calloc(1, sizeof(*live));
	struct weft_vport *object = NULL;

	if (live == NULL)
		return NULL;
	live->otherwise = (uint8_t)firewall->config.otherwise;
	live->config = firewall->config;
	live->keep = firewall->config.keep;
	live->accept_invalid = firewall->config.accept_invalid;
	live->routed = change_vport_next(device, NULL) == NULL;
	while ((object = change_vport_next(device, object)) != NULL)
		live->ports[firewall_port_of(change_vport_after(object))->index] = object->id;
	return live;
}

static void
discard(struct weft_device *device)
{
	struct firewall *firewall = device->data;

	rule_list_undo(firewall->rules);
	rule_list_undo(firewall->sources);
	rule_list_undo(firewall->destinations);
	free(firewall->prepared);
	firewall->prepared = NULL;
}

static int
prepare(struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct firewall *firewall = device->data;
	const struct rule_names names = { resolve_port, resolve_set, resolve_port_set, device };
	struct firewall_live *live = make_live(device);

	(void)change;
	if (live == NULL)
		return error_memory(error);
	firewall->prepared = live;
	if (rule_list_prepare(firewall->rules, &names, error) == 0 &&
		rule_list_prepare(firewall->sources, &names, error) == 0 &&
		rule_list_prepare(firewall->destinations, &names, error) == 0)
		return 0;
	discard(device);
	return -1;
}

/* Whether what was accepted before may be refused now. */
static bool
judges_otherwise(const struct firewall_live *live, const struct firewall_live *before)
{
	return before == NULL || live->view != before->view ||
	       live->otherwise != before->otherwise || live->keep != before->keep;
}

/* What of the rules is known before any packet. */
static void
look_at_rules(struct firewall_live *live, const struct rule_list *rules)
{
	/* connections know of their first packet what their flow tells */
	const uint16_t more =
		WEFT_RULE_VLAN | WEFT_RULE_DSCP | WEFT_RULE_FROM_MAC | WEFT_RULE_TO_MAC;
	const struct rule *rule;

	live->flow_tells = true;
	live->has_stateless = live->has_syn_proxy = live->has_helper = false;
	for (unsigned i = 0; (rule = rule_list_at(rules, i)) != NULL; i++) {
		live->flow_tells &= !(rule->match.fields & more);
		live->has_stateless |= rule->match.stateless;
		live->has_syn_proxy |= rule->match.syn_proxy;
		live->has_helper |= rule->match.helper != WEFT_HELPER_NONE;
	}
}

static void
commit(struct weft_device *device)
{
	struct firewall *firewall = device->data;
	struct firewall_live *before = atomic_load_explicit(&firewall->live, memory_order_relaxed);
	struct firewall_live *live = firewall->prepared;

	fill_domain(&firewall->domain, &firewall->config);
	rule_list_publish(firewall->rules);
	rule_list_publish(firewall->sources);
	rule_list_publish(firewall->destinations);
	live->view = classifier_view(rule_list_classifier(firewall->rules));
	live->sources = classifier_view(rule_list_classifier(firewall->sources));
	live->destinations = classifier_view(rule_list_classifier(firewall->destinations));
	if (firewall->translations != NULL && firewall->translations->count != 0)
		live->translations = firewall->translations;
	live->whole = live->translations != NULL && live->translations->maps;
	live->version = before != NULL ? before->version : 0;
	look_at_rules(live, firewall->rules);
	if (judges_otherwise(live, before)) {
		live->version++;
		firewalls_sweep(firewall->all);
	}
	firewall->replaced = before;
	firewall->prepared = NULL;
	atomic_store_explicit(&firewall->live, live, memory_order_release);
	atomic_store_explicit(
		&firewall->all->by_device[id_index(device->id)], firewall, memory_order_release);
}

static void
reclaim(struct weft_device *device)
{
	struct firewall *firewall = device->data;

	rule_list_reclaim(firewall->rules);
	rule_list_reclaim(firewall->sources);
	rule_list_reclaim(firewall->destinations);
	free(firewall->replaced);
	firewall->replaced = NULL;
	zones_release(device);
}

static void
device_free(struct weft_device *device)
{
	struct firewall *firewall = device->data;

	if (firewall == NULL)
		return;
	if (atomic_load_explicit(&firewall->live, memory_order_relaxed) != NULL) {
		atomic_store_explicit(&firewall->all->by_device[id_index(device->id)], NULL,
			memory_order_release);
		firewalls_forget(device->network->weft, &firewall->domain);
	}
	firewall_free(firewall);
}

const struct device_class firewall_class = {
	.name = "firewall",
	.process = firewall_input,
	.open = firewalls_open,
	.close = firewalls_close,
	.prepare = prepare,
	.commit = commit,
	.discard = discard,
	.reclaim = reclaim,
	.device_free = device_free,
	.context_free = free,
	.poll = firewalls_poll,
	.tick = firewalls_tick,
};
