/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/collateral.h"

#include "base/name_map.h"
#include "model/configuration.h"
#include "model/text.h"

#include <stdlib.h>
#include <string.h>

/* Who stands on an object: the first few by name, the others counted. */
struct users {
	struct users *next;
	unsigned count;
	struct text names;
	char object[];
};

#define NAMES_SHOWN 5

struct index {
	struct name_map map; /* object -> users */
	struct users *all;
	bool failed;
};

static struct users *
users_of(struct index *index, const char *object)
{
	struct users *users = name_map_get(&index->map, object);
	size_t size = strlen(object) + 1;

	if (users != NULL)
		return users;
	users = calloc(1, sizeof(*users) + size);
	if (users == NULL)
		return NULL;
	memcpy(users->object, object, size);
	users->next = index->all;
	index->all = users;
	return name_map_put(&index->map, users->object, users) == 0 ? users : NULL;
}

/* `object` and `user` are taken over. */
static void
note(struct index *index, char *object, char *user)
{
	struct users *users = object != NULL && user != NULL ? users_of(index, object) : NULL;

	index->failed |= users == NULL;
	if (users != NULL && users->count++ < NAMES_SHOWN)
		text_add(&users->names, "%s%s", users->count > 1 ? ", " : "", user);
	free(object);
	free(user);
}

/* "KIND a", "KIND a/b", "KIND a/b:c" */
static char *
name(const char *kind, const char *a, const char *b, const char *c)
{
	struct text text = { 0 };

	text_add(&text, "%s %s", kind, a);
	if (b != NULL)
		text_add(&text, "/%s", b);
	if (c != NULL)
		text_add(&text, ":%s", c);
	return text_take(&text);
}

static void
note_nic(struct index *index, const char *network, const struct lyd_node *nic)
{
	const char *device = model_text(nic, "switch"), *port = model_text(nic, "port");

	if (device == NULL || port == NULL)
		return;
	note(index, name("port", network, device, port),
		name("nic", network, model_key(nic), NULL));
	note(index, name("switch", network, device, NULL),
		name("nic", network, model_key(nic), NULL));
}

static void
note_link(struct index *index, const struct lyd_node *owner, const struct lyd_node *link)
{
	const struct lyd_node *end = model_child(link, "ends");
	const char *network = model_key(owner);

	for (; end != NULL; end = model_next(end)) {
		const char *port = model_value(end), *colon = strchr(port, ':');
		char device[64];
		const char *kind;

		note(index, name("port", network, port, NULL),
			name("link", network, model_key(link), NULL));
		if (colon == NULL || (size_t)(colon - port) >= sizeof(device))
			continue;
		memcpy(device, port, (size_t)(colon - port));
		device[colon - port] = '\0';
		kind = model_entry(owner, "routers", device) != NULL     ? "router"
		       : model_entry(owner, "firewalls", device) != NULL ? "firewall"
									 : "switch";
		note(index, name(kind, network, device, NULL),
			name("link", network, model_key(link), NULL));
	}
}

static void
note_port(struct index *index, const char *network, const char *device, const struct lyd_node *port)
{
	const char *uplink = model_text(port, "uplink");

	if (uplink == NULL)
		return;
	note(index, name("uplink", uplink, NULL, NULL),
		name("port", network, device, model_key(port)));
}

/* A peer is felt by the port, and by the router and the network that it is in. */
static void
note_peer(struct index *index, const char *peer, const char *port)
{
	size_t network = strcspn(peer, "/"), router = strcspn(peer, ":");
	char text[160];

	if (router >= sizeof(text))
		return;
	note(index, name("port", peer, NULL, NULL), strdup(port));
	memcpy(text, peer, router);
	text[router] = '\0';
	note(index, name("router", text, NULL, NULL), strdup(port));
	text[network] = '\0';
	note(index, name("network", text, NULL, NULL), strdup(port));
}

static void
note_router_port(
	struct index *index, const char *network, const char *device, const struct lyd_node *port)
{
	const char *place = model_text(port, "switch"), *peer = model_text(port, "peer");
	char *own = name("port", network, device, model_key(port));

	note_port(index, network, device, port);
	index->failed |= own == NULL;
	if (place != NULL && own != NULL)
		note(index, name("switch", network, place, NULL), strdup(own));
	if (peer != NULL && own != NULL)
		note_peer(index, peer, own);
	free(own);
}

/* The router may be of another network, which then feels it too. */
static void
note_carrier(struct index *index, const char *network, const struct lyd_node *tunnel)
{
	char carrier[MODEL_NAME_SIZE], router[MODEL_NAME_SIZE];

	if (!model_tunnel_router(tunnel, carrier, router))
		return;
	note(index, name("router", carrier, router, NULL),
		name("tunnel", network, model_key(tunnel), NULL));
	if (strcmp(carrier, network) != 0)
		note(index, name("network", carrier, NULL, NULL),
			name("tunnel", network, model_key(tunnel), NULL));
}

static void
note_tunnel(struct index *index, const char *network, const struct lyd_node *tunnel)
{
	const struct lyd_node *vni = model_child(tunnel, "vnis");

	note_carrier(index, network, tunnel);
	for (; vni != NULL; vni = model_next(vni)) {
		const char *place = model_text(vni, "switch");

		note(index, name("tunnel", network, model_key(tunnel), NULL),
			name("vni", network, model_key(tunnel), model_key(vni)));
		if (place != NULL)
			note(index, name("switch", network, place, NULL),
				name("vni", network, model_key(tunnel), model_key(vni)));
	}
}

static void
note_network(struct index *index, const struct lyd_node *network)
{
	const char *key = model_key(network);
	const struct lyd_node *node, *port;

	for (node = model_child(network, "switches"); node != NULL; node = model_next(node)) {
		note(index, name("network", key, NULL, NULL),
			name("switch", model_key(node), NULL, NULL));
		for (port = model_child(node, "ports"); port != NULL; port = model_next(port))
			note_port(index, key, model_key(node), port);
	}
	for (node = model_child(network, "routers"); node != NULL; node = model_next(node)) {
		note(index, name("network", key, NULL, NULL),
			name("router", model_key(node), NULL, NULL));
		for (port = model_child(node, "ports"); port != NULL; port = model_next(port))
			note_router_port(index, key, model_key(node), port);
	}
	for (node = model_child(network, "tunnels"); node != NULL; node = model_next(node)) {
		note(index, name("network", key, NULL, NULL),
			name("tunnel", model_key(node), NULL, NULL));
		note_tunnel(index, key, node);
	}
	for (node = model_child(network, "nics"); node != NULL; node = model_next(node)) {
		note(index, name("network", key, NULL, NULL),
			name("nic", model_key(node), NULL, NULL));
		note_nic(index, key, node);
	}
	for (node = model_child(network, "links"); node != NULL; node = model_next(node))
		note_link(index, network, node);
}

static char *
describe(const struct users *users)
{
	struct text text = { 0 };

	text_add_bytes(&text, users->names.bytes, users->names.length);
	if (users->count > NAMES_SHOWN)
		text_add(&text, " and %u more", users->count - NAMES_SHOWN);
	return text_take(&text);
}

static int
find_users(struct index *index, struct plan_item *item)
{
	struct text object = { 0 };
	struct users *users;
	char *key;

	text_add(&object, "%s ", item->kind);
	if (item->network != NULL && strcmp(item->kind, "network") != 0)
		text_add(&object, "%s/", item->network);
	text_add(&object, "%s", item->name);
	key = text_take(&object);
	if (key == NULL)
		return -1;
	users = name_map_get(&index->map, key);
	free(key);
	if (users == NULL)
		return 0;
	item->collateral = describe(users);
	return item->collateral != NULL ? 0 : -1;
}

static bool
is_felt(const struct plan_item *item)
{
	return item->impact == PLAN_TRAFFIC_LOSS || item->impact == PLAN_REMOVAL;
}

static int
fill(struct index *index, struct plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (is_felt(&plan->items[i]) && find_users(index, &plan->items[i]) < 0)
			return -1;
	return index->failed ? -1 : 0;
}

static void
free_index(struct index *index)
{
	struct users *users;

	while ((users = index->all) != NULL) {
		index->all = users->next;
		text_free(&users->names);
		free(users);
	}
	name_map_free(&index->map);
}

int
collateral_find(struct plan *plan)
{
	const struct lyd_node *network = configuration_child(plan->before, "networks");
	struct index index = { 0 };
	unsigned felt = 0;
	int result;

	for (unsigned i = 0; i < plan->count; i++)
		felt += is_felt(&plan->items[i]);
	if (felt == 0)
		return 0;
	for (; network != NULL; network = model_next(network))
		note_network(&index, network);
	result = fill(&index, plan);
	free_index(&index);
	return result;
}
