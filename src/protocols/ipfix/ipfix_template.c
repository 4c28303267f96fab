/* SPDX-License-Identifier: BSD-3-Clause */
/* What a record has in it: one table, of which templates and records are both made. */
#include "protocols/ipfix/ipfix_private.h"

#include <string.h>

#define REVERSE 29305 /* enterprise of the reverse direction's elements: RFC 5103, 6.1 */
#define VARIABLE 65535

/* Of IANA's registry (RFC 7012), or the reverse of one of these. */
struct element {
	uint16_t id, length;
	uint8_t with, without; /* of flows whose kind has all of `with`, and none of `without` */
	uint8_t size;          /* of the member: a number of 1, 2, 4, 8 bytes; 16: bytes */
	uint16_t offset;       /* of the member in a flow; CONSTANT: `constant` */
	uint32_t enterprise;   /* 0: IANA's own */
	uint8_t constant;
};

#define CONSTANT UINT16_MAX
#define MEMBER(name) sizeof(((struct ipfix_flow *)0)->name), offsetof(struct ipfix_flow, name)
#define SIX IPFIX_SIX
#define ICMP IPFIX_ICMP
#define NEW IPFIX_TRANSLATED

static const struct element elements[] = {
	{ 152, 8, 0, 0, MEMBER(start), 0, 0 },              /* flowStartMilliseconds */
	{ 153, 8, 0, 0, MEMBER(end), 0, 0 },                /* flowEndMilliseconds */
	{ 8, 4, 0, SIX, MEMBER(source), 0, 0 },             /* sourceIPv4Address */
	{ 12, 4, 0, SIX, MEMBER(destination), 0, 0 },       /* destinationIPv4Address */
	{ 27, 16, SIX, 0, MEMBER(source), 0, 0 },           /* sourceIPv6Address */
	{ 28, 16, SIX, 0, MEMBER(destination), 0, 0 },      /* destinationIPv6Address */
	{ 7, 2, 0, ICMP, MEMBER(source_port), 0, 0 },       /* sourceTransportPort */
	{ 11, 2, 0, ICMP, MEMBER(destination_port), 0, 0 }, /* destinationTransportPort */
	{ 32, 2, ICMP, SIX, MEMBER(icmp), 0, 0 },           /* icmpTypeCodeIPv4 */
	{ 139, 2, ICMP | SIX, 0, MEMBER(icmp), 0, 0 },      /* icmpTypeCodeIPv6 */
	{ 4, 1, 0, 0, MEMBER(protocol), 0, 0 },             /* protocolIdentifier */
	{ 136, 1, 0, 0, MEMBER(end_reason), 0, 0 },         /* flowEndReason */
	{ 233, 1, 0, 0, MEMBER(event), 0, 0 },              /* firewallEvent */
	{ 239, 1, 0, 0, 1, CONSTANT, 0, 1 },                /* biflowDirection: initiator */
	{ 1, 8, 0, 0, MEMBER(octets[0]), 0, 0 },            /* octetDeltaCount */
	{ 2, 8, 0, 0, MEMBER(packets[0]), 0, 0 },           /* packetDeltaCount */
	{ 1, 8, 0, 0, MEMBER(octets[1]), REVERSE, 0 },
	{ 2, 8, 0, 0, MEMBER(packets[1]), REVERSE, 0 },
	{ 10, 4, 0, 0, MEMBER(ingress), 0, 0 },         /* ingressInterface */
	{ 14, 4, 0, 0, MEMBER(egress), 0, 0 },          /* egressInterface */
	{ 302, 4, 0, 0, MEMBER(selector), 0, 0 },       /* selectorId, shortened: RFC 7011, 6.2 */
	{ 148, 8, 0, 0, MEMBER(id), 0, 0 },             /* flowId */
	{ 225, 4, NEW, SIX, MEMBER(new_source), 0, 0 }, /* postNATSourceIPv4Address */
	{ 226, 4, NEW, SIX, MEMBER(new_destination), 0, 0 }, /* postNATDestinationIPv4Address */
	{ 281, 16, NEW | SIX, 0, MEMBER(new_source), 0, 0 }, /* postNATSourceIPv6Address */
	{ 282, 16, NEW | SIX, 0, MEMBER(new_destination), 0, 0 },  /* ...DestinationIPv6Address */
	{ 227, 2, NEW, ICMP, MEMBER(new_source_port), 0, 0 },      /* postNAPTSourceTransportPort */
	{ 228, 2, NEW, ICMP, MEMBER(new_destination_port), 0, 0 }, /* ...DestinationTransportPort */
};

#define ELEMENTS (sizeof(elements) / sizeof(elements[0]))

/* Of what (the scope), and the name of it. */
static const struct {
	uint16_t scope, name;
} options[IPFIX_OPTIONS] = {
	[IPFIX_INTERFACE] = { 10, 82 },  /* ingressInterface: interfaceName */
	[IPFIX_SELECTOR] = { 302, 335 }, /* selectorId: selectorName */
	[IPFIX_NAMED] = { 149, 300 },    /* observationDomainId: observationDomainName */
};

uint8_t *
ipfix_write(uint8_t *at, uint64_t value, unsigned length)
{
	for (unsigned i = length; i-- > 0;) {
		at[i] = (uint8_t)value;
		value >>= 8;
	}
	return at + length;
}

static bool
has(unsigned kind, const struct element *element)
{
	return (kind & element->with) == element->with && (kind & element->without) == 0;
}

/* ---- templates (RFC 7011, 3.4) --------------------------------------------------------------- */

static uint8_t *
write_specifier(uint8_t *at, uint16_t id, uint16_t length, uint32_t enterprise)
{
	at = ipfix_write(at, enterprise != 0 ? 0x8000u | id : id, 2);
	at = ipfix_write(at, length, 2);
	return enterprise != 0 ? ipfix_write(at, enterprise, 4) : at;
}

static size_t
flow_template(uint16_t id, uint8_t *record)
{
	unsigned kind = id - IPFIX_TEMPLATE, count = 0;
	uint8_t *at = record + 4;

	for (size_t i = 0; i < ELEMENTS; i++) {
		const struct element *element = &elements[i];

		if (!has(kind, element))
			continue;
		at = write_specifier(at, element->id, element->length, element->enterprise);
		count++;
	}
	ipfix_write(record, id, 2);
	ipfix_write(record + 2, count, 2);
	return (size_t)(at - record);
}

static size_t
options_template(uint16_t id, uint8_t *record)
{
	unsigned kind = id - IPFIX_OPTIONS_NAMED;
	uint8_t *at = ipfix_write(record, id, 2);

	at = ipfix_write(at, 2, 2); /* fields */
	at = ipfix_write(at, 1, 2); /* of them scope */
	at = write_specifier(at, options[kind].scope, 4, 0);
	at = write_specifier(at, options[kind].name, VARIABLE, 0);
	return (size_t)(at - record);
}

size_t
ipfix_template(uint16_t id, uint8_t record[IPFIX_TEMPLATE_SIZE])
{
	return id < IPFIX_OPTIONS_NAMED ? flow_template(id, record) : options_template(id, record);
}

/* ---- records --------------------------------------------------------------------------------- */

unsigned
ipfix_kind(const struct ipfix_flow *flow)
{
	unsigned kind = flow->translated ? IPFIX_TRANSLATED : 0;

	if (flow->family == 6)
		kind |= IPFIX_SIX;
	if (flow->protocol == (flow->family == 6 ? 58 : 1))
		kind |= IPFIX_ICMP;
	return kind;
}

static uint64_t
value_of(const struct ipfix_flow *flow, const struct element *element)
{
	const uint8_t *member = (const uint8_t *)flow + element->offset;
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	if (element->offset == CONSTANT)
		return element->constant;
	switch (element->size) {
	case 1:
		return *member;
	case 2:
		memcpy(&two, member, sizeof(two));
		return two;
	case 4:
		memcpy(&four, member, sizeof(four));
		return four;
	default:
		memcpy(&eight, member, sizeof(eight));
		return eight;
	}
}

void
ipfix_record(const struct ipfix_flow *flow, unsigned kind, uint8_t *record)
{
	for (size_t i = 0; i < ELEMENTS; i++) {
		const struct element *element = &elements[i];

		if (!has(kind, element))
			continue;
		if (element->size == 16)
			memcpy(record, (const uint8_t *)flow + element->offset, element->length);
		else
			ipfix_write(record, value_of(flow, element), element->length);
		record += element->length;
	}
}

size_t
ipfix_record_length(unsigned kind)
{
	size_t length = 0;

	for (size_t i = 0; i < ELEMENTS; i++)
		if (has(kind, &elements[i]))
			length += elements[i].length;
	return length;
}
