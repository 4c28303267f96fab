/* SPDX-License-Identifier: BSD-3-Clause */
/* The other side of a vnic: where it is, and its addresses. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <stdlib.h>
#include <string.h>

#define KERNEL_NAME_LENGTH 15

/* ---- where it is -------------------------------------------------------------------- */

static const char *const places[] = { "netns", "pid", "path", "host" };
static const char *const kinds[] = { "interface", "dpdk", "memory" };

/* Whether a leaf of `attach` says something; host: false says nothing. */
static bool
is_said(const struct lyd_node *attach, const char *name)
{
	const char *text = model_text(attach, name);

	return text != NULL && strcmp(text, "false") != 0;
}

static const char *
first_said(const struct lyd_node *attach, const char *const *names, unsigned count,
	const char **second)
{
	const char *first = NULL;

	*second = NULL;
	for (unsigned i = 0; i < count; i++) {
		if (!is_said(attach, names[i]))
			continue;
		if (first != NULL && *second == NULL)
			*second = names[i];
		if (first == NULL)
			first = names[i];
	}
	return first;
}

static void
contradiction(struct checker *checker, const struct lyd_node *attach, const char *a, const char *b,
	const char *hint)
{
	check_wrong(checker, model_child(attach, b), NULL, hint, "%s cannot stand beside %s", b, a);
}

/* Returns whether `attach` is of one kind. */
static bool
check_shape(struct checker *checker, const struct lyd_node *attach)
{
	static const char one_place[] = "a vnic is in one namespace";
	static const char one_kind[] = "a vnic is of one kind: a tap, an interface, dpdk or memory";
	const char *place, *kind, *second;

	kind = first_said(attach, kinds, sizeof(kinds) / sizeof(*kinds), &second);
	if (second != NULL) {
		contradiction(checker, attach, kind, second, one_kind);
		return false;
	}
	place = first_said(attach, places, sizeof(places) / sizeof(*places), &second);
	if (second != NULL) {
		contradiction(checker, attach, place, second, one_place);
		return false;
	}
	if (kind != NULL && is_said(attach, "name")) {
		contradiction(checker, attach, kind, "name", "name is the kernel's name of a tap");
		return false;
	}
	if (kind != NULL && is_said(attach, "create")) {
		contradiction(
			checker, attach, kind, "create", "only a tap's namespace can be made");
		return false;
	}
	if (kind != NULL && place != NULL && strcmp(kind, "interface") != 0) {
		contradiction(checker, attach, kind, place, one_kind);
		return false;
	}
	if (is_said(attach, "create") && !is_said(attach, "netns")) {
		check_wrong(checker, model_child(attach, "create"), NULL, "add netns: NAME",
			"only a namespace that has a name can be made");
		return false;
	}
	if (kind != NULL || place != NULL)
		return true;
	check_wrong(checker, attach, NULL,
		"write one of netns: NAME, pid: N, path: FILE, host: true, interface: NAME, "
		"dpdk: ARGUMENTS, memory: true",
		"attach does not say to what");
	return false;
}

/* What tells one namespace from another, as far as names can. */
static const char *
namespace_key(struct checker *checker, const struct lyd_node *attach)
{
	static const char *const folders[] = { "/run/netns/", "/var/run/netns/" };
	const char *text;

	if ((text = model_text(attach, "netns")) != NULL)
		return check_key(checker, "netns:%s", text);
	if ((text = model_text(attach, "pid")) != NULL)
		return check_key(checker, "pid:%s", text);
	if ((text = model_text(attach, "path")) == NULL)
		return "host";
	for (unsigned i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (strncmp(text, folders[i], strlen(folders[i])) == 0)
			return check_key(checker, "netns:%s", text + strlen(folders[i]));
	return check_key(checker, "path:%s", text);
}

static void
claim_device(struct checker *checker, const struct lyd_node *entry, const struct lyd_node *attach)
{
	const struct lyd_node *leaf = model_child(attach, "dpdk"), *before;

	if (leaf == NULL)
		return;
	before = check_claim(checker, &checker->devices, model_value(leaf), entry);
	if (before != NULL)
		check_wrong(checker, leaf, NULL, "a device has one user",
			"device '%s' is used already by %s", model_value(leaf),
			check_where(checker, before));
}

static void
claim_interface(struct checker *checker, const struct lyd_node *entry,
	const struct lyd_node *attach, const char *space)
{
	const struct lyd_node *leaf = model_child(attach, "interface"), *before;
	const char *name;

	if (leaf == NULL)
		leaf = model_child(attach, "name");
	name = leaf != NULL ? model_value(leaf) : model_key(entry);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		check_wrong(checker, leaf, NULL, NULL, "'%s' is no name of an interface", name);
	before = check_claim(checker, &checker->interfaces,
		check_key(checker, "%s\n%.*s", space, KERNEL_NAME_LENGTH, name), entry);
	if (before == NULL)
		return;
	check_wrong(checker, leaf != NULL ? leaf : entry, NULL,
		"give one of them another name: attach: { name: NAME }",
		"interface '%.*s' of that namespace is used already by %s%s", KERNEL_NAME_LENGTH,
		name, check_where(checker, before),
		leaf == NULL && strlen(name) > KERNEL_NAME_LENGTH
			? "; the kernel's names have 15 characters"
			: "");
}

/* Names made of NETWORK-NIC must not bring two tenants into one namespace unasked. */
static void
claim_namespace(struct checker *checker, const struct lyd_node *nic, const struct lyd_node *attach)
{
	const struct lyd_node *leaf = model_child(attach, "netns"), *before, *other;

	if (leaf == NULL)
		return;
	before = check_claim(checker, &checker->namespaces, model_value(leaf), nic);
	if (before == NULL || lyd_parent(before) == lyd_parent(nic))
		return;
	other = model_child(model_child(before, "attach"), "netns");
	if ((leaf->flags | other->flags) & LYD_DEFAULT)
		check_wrong(checker, nic, "attach",
			"say where: attach: { netns: NAME, create: true }",
			"namespace '%s' would be shared with network '%s', %s", model_value(leaf),
			model_key(lyd_parent(before)), check_where(checker, before));
}

/* Returns the namespace that addresses are set in; NULL: none are, or it is not known. */
static const char *
check_attach(struct checker *checker, const struct lyd_node *entry)
{
	const struct lyd_node *attach = model_child(entry, "attach");
	const char *space;

	if (build_is_broken(entry) || build_is_broken(attach) || !check_shape(checker, attach))
		return NULL;
	claim_device(checker, entry, attach);
	if (is_said(attach, "dpdk") || is_said(attach, "memory"))
		return NULL;
	space = namespace_key(checker, attach);
	if (space == NULL) {
		checker->failed = true;
		return NULL;
	}
	claim_interface(checker, entry, attach, space);
	claim_namespace(checker, entry, attach);
	return space;
}

/* ---- addresses ------------------------------------------------------------------------ */

static void
check_addresses(
	struct checker *checker, const struct lyd_node *nic, const char *domain, const char *space)
{
	const struct lyd_node *leaf = model_child(nic, "ip");
	struct weft_prefix prefix;
	const char *why;

	for (; leaf != NULL; leaf = model_next(leaf)) {
		if (!value_address(model_value(leaf), true, &prefix))
			continue;
		why = check_refuse_address(&prefix);
		if (why != NULL) {
			check_wrong(checker, leaf, NULL, "write the address of the host", "%s %s",
				model_value(leaf), why);
			continue;
		}
		if (prefix.family == 6 && model_number(nic, "mtu", 1500) < 1280)
			/* RFC 8200, section 5 */
			check_wrong(checker, leaf, NULL, "raise mtu",
				"IPv6 needs an mtu of at least 1280");
		check_address_overlap(checker, leaf, &prefix);
		check_claim_address(checker, nic, leaf, domain, space);
	}
}

/* ---- gateways --------------------------------------------------------------------------- */

static void
check_gateway(struct checker *checker, const struct lyd_node *nic, const struct lyd_node *leaf)
{
	const struct lyd_node *ip = model_child(nic, "ip");
	struct weft_prefix gateway, prefix;

	if (!value_address(model_value(leaf), false, &gateway))
		return;
	for (; ip != NULL; ip = model_next(ip)) {
		if (!value_address(model_value(ip), true, &prefix) ||
			prefix.family != gateway.family)
			continue;
		if (value_same_bits(prefix.address, gateway.address, gateway.length)) {
			check_wrong(checker, leaf, NULL, "a gateway is another host",
				"gateway %s is the vnic's own address", model_value(leaf));
			return;
		}
		if (value_same_bits(prefix.address, gateway.address, prefix.length))
			return;
	}
	if (!value_is_link_local(&gateway) && !build_is_broken(nic))
		check_wrong(checker, leaf, NULL,
			"a gateway is in the network of one of the vnic's addresses",
			"gateway %s is in no network of nic '%s'", model_value(leaf),
			model_key(nic));
}

void
check_nic(struct checker *checker, const struct lyd_node *nic, const struct lyd_node *port)
{
	const char *device = model_text(nic, "switch");
	const char *vlan = model_text(port != NULL ? port : nic, "vlan");
	const struct lyd_node *gateway = model_child(nic, "gateway");
	/* hosts that hear each other's ARP */
	const char *domain =
		device != NULL ? check_key(checker, "%s %s", device, vlan != NULL ? vlan : "1")
			       : NULL;

	check_addresses(checker, nic, domain, check_attach(checker, nic));
	for (; gateway != NULL; gateway = model_next(gateway))
		check_gateway(checker, nic, gateway);
	check_mac(checker, nic, domain);
}

void
check_uplink(struct checker *checker, const struct lyd_node *uplink)
{
	const struct lyd_node *attach = model_child(uplink, "attach");

	if ((attach == NULL || (attach->flags & LYD_DEFAULT)) && !build_is_broken(uplink))
		check_wrong(checker, uplink, "attach", "add attach: { interface: NAME }",
			"uplink '%s' is attached to nothing", model_key(uplink));
	else
		check_attach(checker, uplink);
}
