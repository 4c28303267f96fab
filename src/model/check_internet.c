/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out through the host: which router, and that nothing is in the place of its objects. */
#include "model/build.h"
#include "model/check.h"
#include "model/internet.h"
#include "model/value.h"

#include <string.h>

static void
check_router_named(
	struct checker *checker, const struct lyd_node *network, const struct internet *internet)
{
	const struct lyd_node *leaf = model_child(network, "internet-router");
	const struct lyd_node *routers = model_child(network, "routers");

	if (internet->router != NULL || build_is_broken(network))
		return;
	if (leaf != NULL)
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, routers, "routers", model_value(leaf)),
			"there is no router '%s' in network '%s'", model_value(leaf),
			model_key(network));
	else if (routers == NULL)
		check_wrong(checker, model_child(network, "internet"), NULL,
			"add routers: { r1: { ports: { lan: { switch: ..., ip: ... } } } }",
			"network '%s' has no router to get out by", model_key(network));
	else
		check_wrong(checker, model_child(network, "internet"), NULL,
			"add internet-router: NAME", "network '%s' has several routers",
			model_key(network));
}

/* What people wrote has no such name. */
static void
check_free(struct checker *checker, const struct lyd_node *parent, const char *list,
	const char *key, const char *what)
{
	const struct lyd_node *entry = model_entry(parent, list, key);

	if (entry != NULL && build_place(entry).line != 0)
		check_wrong(checker, entry, NULL, "give it another name, or remove internet: host",
			"internet: host makes %s of its own", what);
}

static void
check_places(
	struct checker *checker, const struct lyd_node *network, const struct internet *internet)
{
	const struct lyd_node *route = model_entry(internet->router, "routes", "0.0.0.0/0");
	const struct lyd_node *firewall = model_child(network, "firewalls");

	check_free(checker, network, "switches", INTERNET, "a switch 'internet'");
	check_free(checker, network, "nics", INTERNET, "a nic 'internet'");
	check_free(checker, internet->router, "ports", INTERNET, "a port 'internet'");
	if (route != NULL && build_place(route).line != 0)
		check_wrong(checker, route, NULL, "remove it, or internet: host",
			"the default route of router '%s' is the one through the host",
			model_key(internet->router));
	for (; firewall != NULL; firewall = model_next(firewall)) {
		const char *guarded = model_text(firewall, "router");
		bool guards = guarded != NULL && strcmp(guarded, model_key(internet->router)) == 0;

		if (guards)
			check_free(checker, firewall, "translations", INTERNET,
				"a translation 'internet'");
		else if (strcmp(model_key(firewall), INTERNET_FIREWALL) == 0)
			check_wrong(checker, firewall, NULL, "give it another name",
				"internet: host makes a firewall '" INTERNET_FIREWALL
				"' of its own");
	}
}

static void
check_prefix(
	struct checker *checker, const struct lyd_node *network, const struct internet *internet)
{
	const struct lyd_node *leaf = model_child(network, "internet-prefix"), *before;
	struct weft_prefix prefix;
	uint32_t word;

	if (leaf != NULL && value_match(model_value(leaf), &prefix) &&
		(prefix.family != 4 || prefix.length != 30)) {
		check_wrong(checker, leaf, NULL, "such as 100.64.0.0/30",
			"internet-prefix: expected an IPv4 prefix of 30 bits");
		return;
	}
	memcpy(&word, internet->prefix.address, sizeof(word));
	before = check_claim(
		checker, &checker->internets, check_key(checker, "%08x", word), network);
	if (before != NULL)
		check_wrong(checker, leaf != NULL ? leaf : model_child(network, "internet"), NULL,
			"add internet-prefix: another IPv4 prefix of 30 bits",
			"network '%s' gets out by the same addresses", model_key(before));
}

void
check_internet(struct checker *checker, const struct lyd_node *network)
{
	static const char *const useless[] = { "internet-router", "internet-prefix" };
	struct internet internet;

	if (internet_of(network, &internet)) {
		check_router_named(checker, network, &internet);
		if (internet.router != NULL)
			check_places(checker, network, &internet);
		check_prefix(checker, network, &internet);
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		if (model_child(network, useless[i]) != NULL && !build_is_broken(network))
			check_wrong(checker, model_child(network, useless[i]), NULL,
				"add internet: host, or remove it", "%s without internet",
				useless[i]);
}
