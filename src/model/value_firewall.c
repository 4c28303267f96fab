/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of rules: what is matched, and words that stand for numbers. */
#include "model/model.h"
#include "model/value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MOST 1000000

/* ---- what is matched ---------------------------------------------------------------------- */

bool
value_match(const char *text, struct weft_prefix *prefix)
{
	struct weft_prefix masked;

	if (!value_address(text, strchr(text, '/') != NULL, prefix))
		return false;
	masked = *prefix;
	value_mask(&masked);
	return memcmp(masked.address, prefix->address, sizeof(masked.address)) == 0;
}

/* Up to five digits at *text, at most 65,535. */
static bool
take_port(const char **text, uint16_t *port)
{
	unsigned value = 0, digits = 0;

	for (; **text >= '0' && **text <= '9' && digits < 6; (*text)++, digits++)
		value = value * 10 + (unsigned)(**text - '0');
	*port = (uint16_t)value;
	return digits > 0 && value <= UINT16_MAX;
}

bool
value_ports(const char *text, struct weft_port_range *ports)
{
	if (!take_port(&text, &ports->first))
		return false;
	ports->last = ports->first;
	if (*text == '-') {
		text++;
		if (!take_port(&text, &ports->last))
			return false;
	}
	return *text == '\0' && ports->first <= ports->last;
}

bool
value_mac_match(const char *text, uint8_t mac[6], uint8_t mask[6])
{
	const char *slash = strchr(text, '/');
	char copy[18];

	memset(mask, 0xff, 6);
	if (slash == NULL)
		return value_mac(text, mac);
	if (slash - text != 17 || !value_mac(slash + 1, mask))
		return false;
	memcpy(copy, text, 17);
	copy[17] = '\0';
	return value_mac(copy, mac);
}

static void
print_mac(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}

static bool
canonical_mac(const char *text, char canonical[VALUE_TEXT_SIZE])
{
	uint8_t mac[6], mask[6];
	char first[18], second[18];

	if (!value_mac_match(text, mac, mask))
		return false;
	print_mac(mac, first);
	print_mac(mask, second);
	if (strchr(text, '/') != NULL)
		snprintf(canonical, VALUE_TEXT_SIZE, "%s/%s", first, second);
	else
		snprintf(canonical, VALUE_TEXT_SIZE, "%s", first);
	return true;
}

/* An address is written without its length. */
static bool
canonical_match(const char *text, char canonical[VALUE_TEXT_SIZE])
{
	struct weft_prefix prefix;
	char printed[INET6_ADDRSTRLEN];

	if (!value_match(text, &prefix))
		return false;
	inet_ntop(
		prefix.family == 6 ? AF_INET6 : AF_INET, prefix.address, printed, sizeof(printed));
	if (prefix.length == (prefix.family == 6 ? 128 : 32))
		snprintf(canonical, VALUE_TEXT_SIZE, "%s", printed);
	else
		snprintf(canonical, VALUE_TEXT_SIZE, "%s/%u", printed, prefix.length);
	return true;
}

static bool
canonical_ports(const char *text, char canonical[VALUE_TEXT_SIZE])
{
	struct weft_port_range ports;

	if (!value_ports(text, &ports))
		return false;
	if (ports.first == ports.last)
		snprintf(canonical, VALUE_TEXT_SIZE, "%u", ports.first);
	else
		snprintf(canonical, VALUE_TEXT_SIZE, "%u-%u", ports.first, ports.last);
	return true;
}

bool
value_canonical_match(enum value_kind kind, const char *text, char canonical[VALUE_TEXT_SIZE])
{
	if (kind == VALUE_MATCH)
		return canonical_match(text, canonical);
	return kind == VALUE_PORTS ? canonical_ports(text, canonical)
				   : canonical_mac(text, canonical);
}

int
model_parse_match(const char *text, struct weft_prefix *prefix)
{
	return value_match(text, prefix) ? 0 : -1;
}

int
model_parse_ports(const char *text, struct weft_port_range *ports)
{
	return value_ports(text, ports) ? 0 : -1;
}

int
model_parse_mac_match(const char *text, uint8_t mac[6], uint8_t mask[6])
{
	return value_mac_match(text, mac, mask) ? 0 : -1;
}

int
model_parse_rate(const char *text, struct weft_rule_rate *rate)
{
	uint32_t count = 0;
	const char *end = text;

	*rate = (struct weft_rule_rate){ .seconds = 1 };
	for (; *end >= '0' && *end <= '9' && end - text < 7; end++)
		count = count * 10 + (uint32_t)(*end - '0');
	if (strcmp(end, "/m") == 0)
		rate->seconds = 60;
	else if (strcmp(end, "/h") == 0)
		rate->seconds = 3600;
	else if (*end != '\0' && strcmp(end, "/s") != 0)
		return -1;
	rate->count = count;
	return count > 0 && count <= RATE_MOST ? 0 : -1;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Digits that are at most `most`; -1: something else. */
static int
number(const char *text, int most)
{
	int value = 0;

	if (*text == '\0' || strlen(text) > 3)
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
	}
	return value <= most ? value : -1;
}

const struct model_word model_protocols[] = {
	{ "tcp", 0, IPPROTO_TCP },
	{ "udp", 0, IPPROTO_UDP },
	{ "icmp", 4, IPPROTO_ICMP },
	{ "icmpv6", 6, IPPROTO_ICMPV6 },
	{ "sctp", 0, IPPROTO_SCTP },
	{ "dccp", 0, IPPROTO_DCCP },
	{ "udplite", 0, IPPROTO_UDPLITE },
	{ "gre", 0, IPPROTO_GRE },
	{ "esp", 0, IPPROTO_ESP },
	{ "ah", 0, IPPROTO_AH },
	{ "ospf", 0, 89 },
	{ "igmp", 4, IPPROTO_IGMP },
	{ "vrrp", 0, 112 },
	{ "ipip", 0, IPPROTO_IPIP },
	{ NULL, 0, 0 },
};

/* RFC 792, 4443, 4861, 2710, 3810. */
const struct model_word model_icmp_types[] = {
	{ "echo-reply", 4, 0 },
	{ "unreachable", 4, 3 },
	{ "redirect", 4, 5 },
	{ "echo-request", 4, 8 },
	{ "time-exceeded", 4, 11 },
	{ "parameter-problem", 4, 12 },
	{ "timestamp", 4, 13 },
	{ "timestamp-reply", 4, 14 },
	{ "unreachable", 6, 1 },
	{ "packet-too-big", 6, 2 },
	{ "time-exceeded", 6, 3 },
	{ "parameter-problem", 6, 4 },
	{ "echo-request", 6, 128 },
	{ "echo-reply", 6, 129 },
	{ "listener-query", 6, 130 },
	{ "listener-report", 6, 131 },
	{ "listener-done", 6, 132 },
	{ "router-solicitation", 6, 133 },
	{ "router-advertisement", 6, 134 },
	{ "neighbor-solicitation", 6, 135 },
	{ "neighbor-advertisement", 6, 136 },
	{ "redirect", 6, 137 },
	{ "listener-report-v2", 6, 143 },
	{ NULL, 0, 0 },
};

/* family 0: of any. */
static const struct model_word *
find_word(const struct model_word *words, const char *text, size_t length, unsigned family)
{
	for (; words->word != NULL; words++)
		if (strlen(words->word) == length && memcmp(words->word, text, length) == 0 &&
			(family == 0 || words->family == family))
			return words;
	return NULL;
}

int
model_parse_subject(const char *text, struct model_subject *subject)
{
	const struct model_word *word = find_word(model_protocols, text, strlen(text), 0);
	int protocol = word != NULL ? word->number : number(text, 255);

	*subject = (struct model_subject){ .family = word != NULL ? word->family : 0 };
	if (protocol >= 0) {
		subject->has_protocol = true;
		subject->protocol = (uint8_t)protocol;
		return 0;
	}
	if (strcmp(text, "any") == 0)
		return 0;
	subject->ip = strcmp(text, "ip") == 0;
	subject->arp = strcmp(text, "arp") == 0;
	if (strcmp(text, "ipv4") == 0)
		subject->family = 4;
	if (strcmp(text, "ipv6") == 0)
		subject->family = 6;
	return subject->ip || subject->arp || subject->family != 0 ? 0 : -1;
}

unsigned
model_icmp_family(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP ? 4 : protocol == IPPROTO_ICMPV6 ? 6 : 0;
}

int
model_parse_icmp(const char *text, unsigned family, struct weft_icmp_type *icmp)
{
	size_t length = strcspn(text, "/");
	const struct model_word *word = find_word(model_icmp_types, text, length, family);
	char copy[4] = "";
	int type, code = -1;

	if (word == NULL && length < sizeof(copy)) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	type = word != NULL ? word->number : number(copy, 255);
	if (text[length] == '/')
		code = number(text + length + 1, 255);
	if (type < 0 || (text[length] == '/' && code < 0))
		return -1;
	*icmp = (struct weft_icmp_type){ (uint8_t)type, (int16_t)code };
	return 0;
}

int
model_parse_tcp_flag(const char *text, uint8_t *bit, bool *set)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece",
		"cwr" };

	*set = *text != '!';
	text += !*set;
	for (unsigned i = 0; i < 8; i++)
		if (strcmp(text, names[i]) == 0) {
			*bit = (uint8_t)(1 << i);
			return 0;
		}
	return -1;
}

const char *
model_rule_subject(const struct lyd_node *rule, const char **action)
{
	static const char *const actions[] = { "accept", "drop", "reject" };

	for (unsigned i = 0; i < 3; i++) {
		const char *text = model_text(rule, actions[i]);

		if (text == NULL)
			continue;
		if (action != NULL)
			*action = actions[i];
		return text;
	}
	return NULL;
}

/* ---- firewalls --------------------------------------------------------------------------------
 */

bool
model_firewall_switches(const struct lyd_node *firewall)
{
	const struct lyd_node *port = model_child(firewall, "ports");
	unsigned count = 0;

	if (firewall == NULL || model_text(firewall, "router") != NULL)
		return false;
	for (; port != NULL; port = model_next(port))
		count++;
	return count > 2;
}
