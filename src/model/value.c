/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/value.h"

#include "base/nearest.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at `*text`, at most nine of them; false: there are none. */
static bool
take_number(const char **text, uint64_t *number)
{
	const char *at = *text;

	*number = 0;
	while (*at >= '0' && *at <= '9' && at - *text < 9)
		*number = *number * 10 + (uint64_t)(*at++ - '0');
	if (at == *text || (*at >= '0' && *at <= '9'))
		return false;
	*text = at;
	return true;
}

bool
value_milliseconds(const char *text, uint64_t *milliseconds)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 } };
	uint64_t number;

	if (!take_number(&text, &number))
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(text, units[i].name) == 0) {
			*milliseconds = number * units[i].factor;
			return true;
		}
	return false;
}

bool
value_bytes(const char *text, uint64_t *bytes)
{
	uint64_t number;
	unsigned shift;

	if (!take_number(&text, &number) || text[0] == '\0' || text[1] != '\0')
		return false;
	shift = text[0] == 'K' ? 10 : text[0] == 'M' ? 20 : text[0] == 'G' ? 30 : 0;
	*bytes = number << shift;
	return shift != 0;
}

bool
value_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		const char *at = text + i * 3;
		char digits[3] = { at[0], at[1], '\0' };

		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
			(i < 5 && at[2] != ':'))
			return false;
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

bool
value_address(const char *text, bool prefix, struct weft_prefix *address)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char copy[INET6_ADDRSTRLEN + 1];
	uint64_t bits = 0;

	if ((slash != NULL) != prefix || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	*address = (struct weft_prefix){ .family = strchr(copy, ':') != NULL ? 6 : 4 };
	if (inet_pton(address->family == 6 ? AF_INET6 : AF_INET, copy, address->address) != 1)
		return false;
	if (!prefix) {
		address->length = address->family == 6 ? 128 : 32;
		return true;
	}
	slash++;
	if (!take_number(&slash, &bits) || *slash != '\0' ||
		bits > (address->family == 6 ? 128 : 32))
		return false;
	address->length = (uint8_t)bits;
	return true;
}

bool
value_is_link_local(const struct weft_prefix *address)
{
	return address->family == 6 && address->address[0] == 0xfe &&
	       (address->address[1] & 0xc0) == 0x80;
}

bool
value_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, bytes) == 0 && (bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

void
value_mask(struct weft_prefix *prefix)
{
	for (unsigned bit = prefix->length; bit < 128; bit++)
		prefix->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool
value_network(const char *text, struct weft_prefix *prefix)
{
	struct weft_prefix masked;

	if (!value_address(text, true, prefix))
		return false;
	masked = *prefix;
	value_mask(&masked);
	return memcmp(&masked, prefix, sizeof(masked)) == 0;
}

bool
value_range(const char *text, struct weft_prefix range[2])
{
	const char *dash = strchr(text, '-');
	char first[INET_ADDRSTRLEN];
	size_t length = dash != NULL ? (size_t)(dash - text) : strlen(text);

	if (length >= sizeof(first))
		return false;
	memcpy(first, text, length);
	first[length] = '\0';
	return value_address(first, false, &range[0]) && range[0].family == 4 &&
	       value_address(dash != NULL ? dash + 1 : first, false, &range[1]) &&
	       range[1].family == 4 && memcmp(range[0].address, range[1].address, 4) <= 0;
}

unsigned
value_octets(const char *text, uint8_t *bytes, unsigned size)
{
	unsigned count = 0;

	for (; count < size; text += 3) {
		char digits[3] = { text[0], text[0] != '\0' ? text[1] : '\0', '\0' };

		if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
			return 0;
		bytes[count++] = (uint8_t)strtoul(digits, NULL, 16);
		if (text[2] == '\0')
			return count;
		if (text[2] != ':')
			return 0;
	}
	return 0;
}

/* "10.0.0.256" is a name by its letters, but nobody means it so. */
static bool
looks_like_address(const char *text)
{
	unsigned dots = 0;

	for (const char *at = text; *at != '\0'; at++)
		dots += *at == '.';
	return strchr(text, ':') != NULL ||
	       (dots == 3 && text[strspn(text, "0123456789.")] == '\0');
}

bool
value_hop(const char *text, struct weft_prefix *address, const char **port)
{
	const char *at = strchr(text, '@');
	char copy[INET6_ADDRSTRLEN + 1];
	size_t length = at != NULL ? (size_t)(at - text) : 0;

	*port = NULL;
	if (at == NULL && value_address(text, false, address))
		return true;
	*address = (struct weft_prefix){ 0 };
	*port = at != NULL ? at + 1 : text;
	if (at == NULL)
		return *text != '\0' && !looks_like_address(text);
	if (length >= sizeof(copy) || at[1] == '\0')
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return value_address(copy, false, address);
}

bool
value_endpoint(const char *text, struct weft_prefix *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
	char copy[INET6_ADDRSTRLEN + 1];
	uint64_t number;

	if (colon == NULL)
		return false;
	if (*begin == '[') {
		begin++;
		end--;
		if (end < begin || *end != ']')
			return false;
	}
	if ((size_t)(end - begin) >= sizeof(copy))
		return false;
	memcpy(copy, begin, (size_t)(end - begin));
	copy[end - begin] = '\0';
	colon++;
	if (!value_address(copy, false, address) || (address->family == 6) != (*text == '['))
		return false;
	if (!take_number(&colon, &number) || *colon != '\0' || number == 0 || number > 65535)
		return false;
	*port = (uint16_t)number;
	return true;
}

bool
value_vlan_range(const char *text, uint16_t *first, uint16_t *last)
{
	uint64_t from, to;

	if (!take_number(&text, &from))
		return false;
	to = from;
	if (*text == '-') {
		text++;
		if (!take_number(&text, &to))
			return false;
	}
	if (*text != '\0' || from < 1 || from > to || to > WEFT_VLAN_MAX)
		return false;
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return true;
}

/* ---- the one way to write it -------------------------------------------------------- */

static void
print_address(const struct weft_prefix *address, char text[INET6_ADDRSTRLEN])
{
	inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->address, text,
		INET6_ADDRSTRLEN);
}

static bool
canonical_address(enum value_kind kind, const char *text, char canonical[VALUE_TEXT_SIZE])
{
	struct weft_prefix address;
	char printed[INET6_ADDRSTRLEN];
	uint16_t port = 0;

	if (kind == VALUE_ENDPOINT      ? !value_endpoint(text, &address, &port)
		: kind == VALUE_NETWORK ? !value_network(text, &address)
					: !value_address(text, kind == VALUE_PREFIX, &address))
		return false;
	print_address(&address, printed);
	if (kind == VALUE_ADDRESS)
		snprintf(canonical, VALUE_TEXT_SIZE, "%s", printed);
	else if (kind != VALUE_ENDPOINT)
		snprintf(canonical, VALUE_TEXT_SIZE, "%s/%u", printed, address.length);
	else
		snprintf(canonical, VALUE_TEXT_SIZE, address.family == 6 ? "[%s]:%u" : "%s:%u",
			printed, port);
	return true;
}

static bool
canonical_hop(const char *text, char canonical[VALUE_TEXT_SIZE])
{
	struct weft_prefix address;
	char printed[INET6_ADDRSTRLEN] = "";
	const char *port;

	if (!value_hop(text, &address, &port))
		return false;
	if (address.family != 0)
		print_address(&address, printed);
	return snprintf(canonical, VALUE_TEXT_SIZE, "%s%s%s", printed,
		       address.family != 0 && port != NULL ? "@" : "",
		       port != NULL ? port : "") < VALUE_TEXT_SIZE;
}

static bool
canonical_range(const char *text, char canonical[VALUE_TEXT_SIZE])
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	struct weft_prefix range[2];

	if (!value_range(text, range))
		return false;
	print_address(&range[0], first);
	print_address(&range[1], last);
	if (strcmp(first, last) == 0)
		snprintf(canonical, VALUE_TEXT_SIZE, "%s", first);
	else
		snprintf(canonical, VALUE_TEXT_SIZE, "%s-%s", first, last);
	return true;
}

bool
value_canonical(enum value_kind kind, const char *text, char canonical[VALUE_TEXT_SIZE])
{
	uint16_t first, last;
	uint64_t number;
	uint8_t mac[6];

	switch (kind) {
	case VALUE_DURATION:
		if (!value_milliseconds(text, &number))
			return false;
		break;
	case VALUE_SIZE:
		if (!value_bytes(text, &number))
			return false;
		break;
	case VALUE_MAC:
		if (!value_mac(text, mac))
			return false;
		snprintf(canonical, VALUE_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
			mac[1], mac[2], mac[3], mac[4], mac[5]);
		return true;
	case VALUE_VLANS:
		if (!value_vlan_range(text, &first, &last))
			return false;
		break;
	case VALUE_ADDRESS:
	case VALUE_PREFIX:
	case VALUE_NETWORK:
	case VALUE_ENDPOINT:
		return canonical_address(kind, text, canonical);
	case VALUE_RANGE:
		return canonical_range(text, canonical);
	case VALUE_MATCH:
	case VALUE_PORTS:
	case VALUE_MAC_MATCH:
		return value_canonical_match(kind, text, canonical);
	case VALUE_HOP:
		return canonical_hop(text, canonical);
	default:
		return false;
	}
	snprintf(canonical, VALUE_TEXT_SIZE, "%s", text);
	return true;
}

bool
value_same(enum value_kind kind, const char *a, const char *b)
{
	uint64_t first, second;

	if (strcmp(a, b) == 0)
		return true;
	if (kind == VALUE_DURATION)
		return value_milliseconds(a, &first) && value_milliseconds(b, &second) &&
		       first == second;
	if (kind == VALUE_SIZE)
		return value_bytes(a, &first) && value_bytes(b, &second) && first == second;
	return false;
}

/* ---- what people write instead ------------------------------------------------------ */

static bool
is_number(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static const char *
boolean_hint(const char *text)
{
	static const char *const yes[] = { "yes", "on", "true", "1", "y", "enabled" };
	static const char *const no[] = { "no", "off", "false", "0", "n", "disabled" };

	for (unsigned i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return "write true";
		if (strcasecmp(text, no[i]) == 0)
			return "write false";
	}
	return NULL;
}

static const char *
enumeration_hint(const struct lysc_type *type, const char *text, char *memory, size_t size)
{
	const struct lysc_type_enum *enumeration = (const struct lysc_type_enum *)type;
	struct nearest nearest = { 0 };
	LY_ARRAY_COUNT_TYPE i;

	nearest.wanted = text;
	LY_ARRAY_FOR(enumeration->enums, i)
	nearest_offer(&nearest, enumeration->enums[i].name);
	if (nearest.best == NULL)
		return NULL;
	snprintf(memory, size, "did you mean '%s'?", nearest.best);
	return memory;
}

static const char *
address_hint(enum value_kind kind, const char *text, char *memory, size_t size)
{
	struct weft_prefix address;
	char printed[INET6_ADDRSTRLEN];

	if (kind == VALUE_PREFIX && value_address(text, false, &address)) {
		print_address(&address, printed);
		snprintf(memory, size, "add the length of the network's prefix: %s/%u", printed,
			address.family == 6 ? 64 : 24);
		return memory;
	}
	if (kind == VALUE_ADDRESS && value_address(text, true, &address)) {
		print_address(&address, printed);
		snprintf(memory, size, "without the prefix length: %s", printed);
		return memory;
	}
	if (kind == VALUE_ENDPOINT && value_address(text, false, &address)) {
		print_address(&address, printed);
		snprintf(memory, size,
			address.family == 6 ? "add the port: '[%s]:80'" : "add the port: '%s:80'",
			printed);
		return memory;
	}
	if (strchr(text, ',') != NULL)
		return "several are written [first, second]";
	if (strcasecmp(text, "dhcp") == 0 || strcasecmp(text, "auto") == 0)
		return "leave it out: the other side may set it by itself";
	return NULL;
}

static const char *
network_hint(const char *text, char *memory, size_t size)
{
	struct weft_prefix prefix;
	char printed[INET6_ADDRSTRLEN];

	if (strcasecmp(text, "default") == 0)
		return "write 0.0.0.0/0 or ::/0";
	if (!value_address(text, true, &prefix) && !value_address(text, false, &prefix))
		return NULL;
	value_mask(&prefix);
	print_address(&prefix, printed);
	snprintf(memory, size,
		strchr(text, '/') != NULL ? "the network of that address is %s/%u"
					  : "add the length of the prefix: of one address %s/%u",
		printed, prefix.length);
	return memory;
}

static const char *
mac_hint(const char *text, char *memory, size_t size)
{
	char digits[13];
	unsigned count = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':' || *text == '-' || *text == '.')
			continue;
		if (!isxdigit((unsigned char)*text) || count == 12)
			return NULL;
		digits[count++] = (char)tolower((unsigned char)*text);
	}
	if (count != 12)
		return NULL;
	snprintf(memory, size, "write %.2s:%.2s:%.2s:%.2s:%.2s:%.2s", digits, digits + 2,
		digits + 4, digits + 6, digits + 8, digits + 10);
	return memory;
}

static const char *
vlan_hint(const char *name, const char *text)
{
	if (strcasecmp(text, "all") == 0 || strcasecmp(text, "any") == 0 ||
		strcasecmp(text, "trunk") == 0)
		return "leave vlan and vlans out: a port is a trunk of every VLAN then";
	if (strcasecmp(text, "none") == 0 || strcasecmp(text, "untagged") == 0 ||
		strcmp(text, "0") == 0)
		return strcmp(name, "uplink-vlan") == 0
			       ? "leave uplink-vlan out for the untagged frames of the uplink"
			       : "leave vlan out: untagged frames are in VLAN 1 then";
	if (strcmp(name, "vlan") == 0 && strpbrk(text, "-, ") != NULL)
		return "vlan is one VLAN, of an access port; a trunk has vlans: [10, 20-29]";
	if (strcmp(name, "vlans") == 0 && strchr(text, ',') != NULL)
		return "several are written [10, 20-29]";
	return NULL;
}

static const char *
range_hint(const char *text, char *memory, size_t size)
{
	const char *dash = strchr(text, '-');
	struct weft_prefix first, last;
	char copy[INET6_ADDRSTRLEN + 1];

	if (value_address(text, true, &first))
		return "of a whole network leave pools out, or write its first and last address";
	if (dash == NULL || (size_t)(dash - text) >= sizeof(copy))
		return NULL;
	memcpy(copy, text, (size_t)(dash - text));
	copy[dash - text] = '\0';
	if (!value_address(copy, false, &first) || first.family != 4)
		return NULL;
	if (value_address(dash + 1, false, &last)) {
		if (last.family != 4)
			return NULL;
		snprintf(memory, size, "the lower one first: %s-%s", dash + 1, copy);
		return memory;
	}
	if (!is_number(dash + 1) || strlen(dash + 1) > 3)
		return NULL;
	snprintf(memory, size, "write the whole address: %s-%.*s.%s", copy,
		(int)(strrchr(copy, '.') - copy), copy, dash + 1);
	return memory;
}

static const char *
kind_hint(enum value_kind kind, const char *text, char *memory, size_t size)
{
	switch (kind) {
	case VALUE_DURATION:
		if (!is_number(text) || strlen(text) > 9)
			return NULL;
		snprintf(memory, size, "add the unit: %ss", text);
		return memory;
	case VALUE_SIZE:
		return is_number(text) ? "add the unit: K, M or G" : "write it as 512M or 4G";
	case VALUE_MAC:
		return mac_hint(text, memory, size);
	case VALUE_ADDRESS:
	case VALUE_PREFIX:
	case VALUE_ENDPOINT:
		return address_hint(kind, text, memory, size);
	case VALUE_RANGE:
		return range_hint(text, memory, size);
	case VALUE_HOP:
		if (strchr(text, '%') != NULL)
			return "the port of a link-local address is written fe80::1@PORT";
		return address_hint(VALUE_ADDRESS, text, memory, size);
	case VALUE_NETWORK:
	case VALUE_MATCH:
		return network_hint(text, memory, size);
	default:
		return NULL;
	}
}

const char *
value_hint(const struct lysc_node *leaf, const char *text, char *memory, size_t size)
{
	const struct lysc_type *type = schema_type(leaf);
	enum value_kind kind = schema_value_kind(leaf);

	if (type->basetype == LY_TYPE_BOOL)
		return boolean_hint(text);
	if (type->basetype == LY_TYPE_ENUM)
		return enumeration_hint(type, text, memory, size);
	if (strstr(leaf->name, "vlan") != NULL || strcmp(leaf->name, "native") == 0)
		return vlan_hint(leaf->name, text);
	if (strcmp(leaf->name, "workers") == 0 && strcasecmp(text, "auto") == 0)
		return "0 is weft's choice; it is the default";
	return kind_hint(kind, text, memory, size);
}
