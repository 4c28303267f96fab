/* SPDX-License-Identifier: BSD-3-Clause */
/* Links between ports of devices. */
#include "base/nearest.h"
#include "model/build.h"
#include "model/check.h"

#include <string.h>

/* Devices that links join. */
static const struct {
	const char *list, *name;
} linked[] = { { "switches", "switch" }, { "routers", "router" }, { "firewalls", "firewall" } };

#define LINKED (sizeof(linked) / sizeof(linked[0]))

/* The nearest name among them, or what switches there are, or else of the others. */
static const char *
device_hint(struct checker *checker, const char *wanted)
{
	struct nearest nearest = { .wanted = wanted };
	const struct lyd_node *entry;

	for (unsigned i = LINKED; i-- > 0;)
		for (entry = model_child(checker->network, linked[i].list); entry != NULL;
			entry = model_next(entry))
			nearest_offer(&nearest, model_key(entry));
	if (nearest.best != NULL)
		return check_key(checker, "did you mean '%s'?", nearest.best);
	for (unsigned i = 0; i < LINKED; i++) {
		entry = model_child(checker->network, linked[i].list);
		if (entry != NULL)
			return check_reference_hint(checker, entry, linked[i].list, wanted);
	}
	return check_reference_hint(checker, NULL, "switches", wanted);
}

static const struct lyd_node *
find_linked(const struct checker *checker, const char *name)
{
	const struct name_map *const maps[] = { &checker->switches, &checker->routers,
		&checker->firewalls };
	const struct lyd_node *device = NULL;

	for (unsigned i = 0; i < LINKED && device == NULL; i++)
		device = name_map_get(maps[i], name);
	return device;
}

static const char *
linked_name(const struct lyd_node *device)
{
	for (unsigned i = 0; i < LINKED; i++)
		if (strcmp(device->schema->name, linked[i].list) == 0)
			return linked[i].name;
	return "device";
}

static void
check_end(struct checker *checker, const struct lyd_node *link, const struct lyd_node *end)
{
	const char *text = model_value(end);
	size_t length = (size_t)(strchr(text, ':') - text);
	const char *name = check_key(checker, "%.*s", (int)length, text);
	const struct lyd_node *device, *port;

	if (name == NULL)
		return;
	device = find_linked(checker, name);
	port = name_map_get(&checker->ports, text);
	if (device == NULL && !build_is_broken(checker->network))
		check_wrong(checker, end, NULL, device_hint(checker, name),
			"there is no switch, router or firewall '%s' in network '%s'", name,
			model_key(checker->network));
	else if (device != NULL && port == NULL && !build_is_broken(device))
		check_wrong(checker, end, NULL,
			check_reference_hint(
				checker, model_child(device, "ports"), "ports", text + length + 1),
			"%s '%s' has no port '%s'", linked_name(device), name, text + length + 1);
	if (port != NULL)
		check_use_port(checker, text, link, end);
}

/* Both ends of a link are on one device. */
static void
check_loop(struct checker *checker, const struct lyd_node *end)
{
	const char *name =
		check_key(checker, "%.*s", (int)strcspn(model_value(end), ":"), model_value(end));
	const struct lyd_node *device = name != NULL ? find_linked(checker, name) : NULL;

	if (device != NULL && strcmp(device->schema->name, "switches") == 0)
		check_doubt(checker, end, NULL, "a frame that is flooded goes round in it",
			"both ends of the link are on one switch: a loop");
	else if (device != NULL)
		check_doubt(checker, end, NULL, "a link leads to another device",
			"both ends of the link are on one %s", linked_name(device));
}

void
check_link(struct checker *checker, const struct lyd_node *link)
{
	const struct lyd_node *end = model_child(link, "ends"), *other;
	unsigned count = 0;

	for (; end != NULL; end = model_next(end)) {
		count++;
		check_end(checker, link, end);
	}
	if (count != 2 && !build_is_broken(link))
		check_wrong(checker, link, "ends", "write ends: [lan:a, other:b]",
			"a link has two ends, not %u", count);
	if (count != 2)
		return;
	end = model_child(link, "ends");
	other = model_next(end);
	if (strncmp(model_value(end), model_value(other),
		    (size_t)(strchr(model_value(end), ':') + 1 - model_value(end))) == 0)
		check_loop(checker, end);
}
