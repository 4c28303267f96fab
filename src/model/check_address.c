/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of vnics and of routers' ports. */
#include "model/check.h"
#include "model/value.h"

#include <string.h>

/* Whether all bits behind the prefix are `ones`. */
static bool
host_bits_are(const struct weft_prefix *prefix, bool ones)
{
	for (unsigned bit = prefix->length; bit < 32; bit++)
		if ((prefix->address[bit / 8] >> (7 - bit % 8) & 1) != ones)
			return false;
	return true;
}

const char *
check_refuse_address(const struct weft_prefix *prefix)
{
	static const uint8_t zero[16], loopback[16] = { [15] = 1 };
	const uint8_t *bytes = prefix->address;

	if (memcmp(bytes, zero, sizeof(zero)) == 0)
		return "is no address of a host";
	if (prefix->length == 0)
		return "has a prefix of no bits";
	if (prefix->family == 6 && bytes[0] == 0xff)
		return "is a multicast address";
	if (prefix->family == 6)
		return memcmp(bytes, loopback, sizeof(loopback)) == 0 ? "is the loopback address"
								      : NULL;
	if (bytes[0] == 127)
		return "is a loopback address";
	if (bytes[0] >= 224)
		return "is a multicast or reserved address";
	/* RFC 3021: a prefix of 31 bits has neither */
	if (prefix->length < 31 && host_bits_are(prefix, false))
		return "is the address of the network itself";
	if (prefix->length < 31 && host_bits_are(prefix, true))
		return "is the network's broadcast address";
	return NULL;
}

bool
check_has_family(const struct lyd_node *entry, unsigned family)
{
	const struct lyd_node *ip = model_child(entry, "ip");
	struct weft_prefix prefix;

	if (family == 6 && model_flag(entry, "ipv6", false))
		return true;
	for (; ip != NULL; ip = model_next(ip))
		if (value_address(model_value(ip), true, &prefix) && prefix.family == family)
			return true;
	return false;
}

const char *
check_bare_address(struct checker *checker, const struct lyd_node *leaf)
{
	const char *text = model_value(leaf);

	return check_key(checker, "%.*s", (int)strcspn(text, "/"), text);
}

void
check_address_overlap(
	struct checker *checker, const struct lyd_node *leaf, const struct weft_prefix *prefix)
{
	const struct lyd_node *other = model_child(lyd_parent(leaf), "ip");
	unsigned all = prefix->family == 6 ? 128 : 32;
	struct weft_prefix before;

	for (; other != leaf; other = model_next(other)) {
		unsigned bits;

		if (!value_address(model_value(other), true, &before) ||
			before.family != prefix->family)
			continue;
		if (value_same_bits(before.address, prefix->address, all)) {
			check_wrong(checker, leaf, NULL, "remove one",
				"address %s is here twice, as %s and %s",
				check_bare_address(checker, leaf), model_value(other),
				model_value(leaf));
			return;
		}
		bits = before.length < prefix->length ? before.length : prefix->length;
		/* one network with several addresses is well, and so is a single further address */
		if (before.length != prefix->length && before.length != all &&
			prefix->length != all &&
			value_same_bits(before.address, prefix->address, bits)) {
			check_wrong(checker, leaf, NULL, "give both the same prefix length",
				"the network of %s overlaps that of %s", model_value(leaf),
				model_value(other));
			return;
		}
	}
}

void
check_claim_address(struct checker *checker, const struct lyd_node *owner,
	const struct lyd_node *leaf, const char *domain, const char *space)
{
	const char *address = check_bare_address(checker, leaf);
	const struct lyd_node *before = NULL;

	if (address == NULL) {
		checker->failed = true;
		return;
	}
	if (domain != NULL)
		before = check_claim(checker, &checker->addresses,
			check_key(checker, "%s %s", domain, address), leaf);
	if (before != NULL && lyd_parent(before) != owner) {
		check_wrong(checker, leaf, NULL,
			"hosts that hear each other need addresses of their own",
			"address %s is used already by %s", address, check_where(checker, before));
		return;
	}
	if (space == NULL)
		return;
	before = check_claim(checker, &checker->host_addresses,
		check_key(checker, "%s\n%s", space, address), leaf);
	if (before != NULL && lyd_parent(before) != owner)
		check_wrong(checker, leaf, NULL,
			"interfaces of one namespace need addresses of their own",
			"address %s is used already in that namespace, by %s", address,
			check_where(checker, before));
}

void
check_mac(struct checker *checker, const struct lyd_node *owner, const char *domain)
{
	static const uint8_t zero[6];
	const struct lyd_node *leaf = model_child(owner, "mac"), *before;
	uint8_t mac[6];

	if (leaf == NULL || !value_mac(model_value(leaf), mac))
		return;
	if ((mac[0] & 1) || memcmp(mac, zero, sizeof(mac)) == 0) {
		check_wrong(checker, leaf, NULL,
			"take one such as 02:00:00:00:00:01: the first byte of a station's address "
			"is even",
			"%s is no MAC address of a station", model_value(leaf));
		return;
	}
	if (domain == NULL)
		return;
	before = check_claim(checker, &checker->addresses,
		check_key(checker, "%s %s", domain, model_value(leaf)), leaf);
	if (before != NULL)
		check_wrong(checker, leaf, NULL,
			"hosts that hear each other need MAC addresses of their own",
			"MAC address %s is used already by %s", model_value(leaf),
			check_where(checker, before));
}
