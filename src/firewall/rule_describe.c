/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_tcp.h>
#include <stdarg.h>
#include <stdio.h>

/* Text that grows; what does not fit is cut. */
struct words {
	char *text;
	size_t size, length;
};

static void __attribute__((format(printf, 2, 3))) say(struct words *words, const char *format, ...)
{
	va_list arguments;
	int n;

	if (words->length + 1 >= words->size)
		return;
	va_start(arguments, format);
	n = vsnprintf(words->text + words->length, words->size - words->length, format, arguments);
	va_end(arguments);
	if (n > 0)
		words->length += (size_t)n;
	if (words->length >= words->size)
		words->length = words->size - 1;
}

/* " from " before the first of several, "," before the others. */
static void
begin(struct words *words, const char *what, unsigned i)
{
	if (i == 0)
		say(words, "%s%s ", words->length > 0 ? " " : "", what);
	else
		say(words, ",");
}

static void
say_protocol(struct words *words, const struct weft_rule *match)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { IPPROTO_ICMP, "icmp" }, { IPPROTO_IGMP, "igmp" }, { IPPROTO_TCP, "tcp" },
		{ IPPROTO_UDP, "udp" }, { IPPROTO_GRE, "gre" }, { IPPROTO_ESP, "esp" },
		{ IPPROTO_AH, "ah" }, { IPPROTO_ICMPV6, "icmpv6" }, { 89, "ospf" }, { 112, "vrrp" },
		{ IPPROTO_SCTP, "sctp" }, { IPPROTO_UDPLITE, "udplite" } };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == match->protocol) {
			say(words, "%s%s", words->length > 0 ? " " : "", names[i].name);
			return;
		}
	say(words, "%sprotocol %u", words->length > 0 ? " " : "", match->protocol);
}

static void
say_ethertype(struct words *words, uint16_t ethertype)
{
	if (ethertype == 0x0806)
		say(words, "%sarp", words->length > 0 ? " " : "");
	else
		say(words, "%sethertype 0x%04x", words->length > 0 ? " " : "", ethertype);
}

static void
say_prefix(struct words *words, const struct weft_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->address, text, sizeof(text));
	say(words, "%s", text);
	if (prefix->length != (prefix->family == 4 ? 32 : 128))
		say(words, "/%u", prefix->length);
}

static void
say_mac(struct words *words, const char *what, const uint8_t mac[6], const uint8_t mask[6])
{
	static const uint8_t whole[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	begin(words, what, 0);
	say(words, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	if (memcmp(mask, whole, sizeof(whole)) != 0)
		say(words, "/%02x:%02x:%02x:%02x:%02x:%02x", mask[0], mask[1], mask[2], mask[3],
			mask[4], mask[5]);
}

static void
say_ranges(
	struct words *words, const char *what, const struct weft_port_range *ranges, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		begin(words, what, i);
		say(words, "%u", ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			say(words, "-%u", ranges[i].last);
	}
}

struct side {
	const char *what;
	const char *const *links;
	unsigned n_links;
	const struct weft_prefix *prefixes;
	unsigned n_prefixes;
	const char *set;
	const struct weft_port_range *ranges;
	unsigned n_ranges;
	const char *port_set;
};

static void
say_side(struct words *words, const struct side *side)
{
	unsigned n = 0;

	for (unsigned i = 0; i < side->n_prefixes; i++) {
		begin(words, side->what, n++);
		say_prefix(words, &side->prefixes[i]);
	}
	if (side->set != NULL) {
		begin(words, side->what, n++);
		say(words, "@%s", side->set);
	}
	if (n == 0 && (side->n_ranges > 0 || side->port_set != NULL))
		say(words, "%s%s", words->length > 0 ? " " : "", side->what);
	say_ranges(words, "port", side->ranges, side->n_ranges);
	if (side->port_set != NULL) {
		begin(words, "port", side->n_ranges);
		say(words, "@%s", side->port_set);
	}
}

static void
say_links(struct words *words, const char *what, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (i == 0)
			say(words, "%s%s:", words->length > 0 ? " " : "", what);
		say(words, "%s%s", i > 0 ? "," : "", names[i]);
	}
}

static void
say_icmp(struct words *words, const struct weft_rule *match)
{
	for (unsigned i = 0; i < match->n_icmp; i++) {
		begin(words, "icmp type", i);
		say(words, "%u", match->icmp[i].type);
		if (match->icmp[i].code >= 0)
			say(words, "/%d", match->icmp[i].code);
	}
}

static void
say_flags(struct words *words, uint8_t flags)
{
	static const char letters[] = "FSRPAUEC"; /* from bit 0 */

	for (unsigned bit = 0; bit < 8; bit++)
		if (flags >> bit & 1)
			say(words, "%c", letters[bit]);
	if (flags == 0)
		say(words, "-");
}

static void
say_fields(struct words *words, const struct weft_rule *match)
{
	if (match->fields & WEFT_RULE_TCP_FLAGS) {
		begin(words, "flags", 0);
		say_flags(words, match->tcp_flags & match->tcp_flags_mask);
		say(words, "/");
		say_flags(words, match->tcp_flags_mask);
	}
	if (match->fields & WEFT_RULE_DSCP) {
		begin(words, "dscp", 0);
		say(words, "%u", match->dscp);
	}
	if (match->fields & WEFT_RULE_VLAN) {
		begin(words, "vlan", 0);
		say(words, "%u", match->vlan);
	}
	if (match->fields & WEFT_RULE_FROM_MAC)
		say_mac(words, "from mac", match->from_mac, match->from_mac_mask);
	if (match->fields & WEFT_RULE_TO_MAC)
		say_mac(words, "to mac", match->to_mac, match->to_mac_mask);
	if (match->fields & WEFT_RULE_FRAGMENT)
		say(words, "%sfragment", words->length > 0 ? " " : "");
}

static void
say_states(struct words *words, uint8_t states)
{
	static const char *const names[] = { "new", "related", "invalid" }; /* from bit 0 */
	unsigned n = 0;

	for (unsigned bit = 0; bit < 3; bit++)
		if (states >> bit & 1) {
			begin(words, "state", n++);
			say(words, "%s", names[bit]);
		}
}

void
rule_describe(const struct rule *rule, char *text, size_t size)
{
	const struct weft_rule *match = &rule->match;
	const struct side from = { "from", match->from, match->n_from, match->from_ip,
		match->n_from_ip, match->from_set, match->from_port, match->n_from_port,
		match->from_port_set };
	const struct side to = { "to", match->to, match->n_to, match->to_ip, match->n_to_ip,
		match->to_set, match->to_port, match->n_to_port, match->to_port_set };
	struct words words = { text, size, 0 };

	if (size == 0)
		return;
	text[0] = '\0';
	if (match->family != 0)
		say(&words, "ipv%u", match->family);
	if (match->fields & WEFT_RULE_IP)
		say(&words, "%sip", words.length > 0 ? " " : "");
	if (match->fields & WEFT_RULE_ETHERTYPE)
		say_ethertype(&words, match->ethertype);
	if (match->fields & WEFT_RULE_PROTOCOL)
		say_protocol(&words, match);
	say_icmp(&words, match);
	say_links(&words, "in", from.links, from.n_links);
	say_links(&words, "out", to.links, to.n_links);
	say_side(&words, &from);
	say_side(&words, &to);
	say_fields(&words, match);
	say_states(&words, match->states);
	if (words.length == 0)
		say(&words, "any");
	if (match->syn_proxy)
		say(&words, ", syn-proxy");
	if (match->helper != WEFT_HELPER_NONE)
		say(&words, ", helper %s", match->helper == WEFT_HELPER_FTP ? "ftp" : "tftp");
}
