/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPFIX (RFC 7011), the exporting side: flows in, messages out. No I/O and no clock: a session is
 * what a caller makes of it, by UDP or TCP.
 *
 * Records
 *	One record tells of both directions of a flow (a biflow, RFC 5103): source is who began, the
 *	reverse elements (enterprise 29305) count what came back. Counts are deltas: since the
 *	record before of the same flow. Of a flow that is translated the record also has what
 *	its packets become (RFC 8158's elements, postNAT...). What is only one way, such as a packet
 *	that was denied, has reverse counts of 0.
 *
 *	What decided of a flow is told as a Selector (RFC 5477): selectorId in the record,
 *	selectorName by an options record. A rule is a filter that selects packets, which is what a
 *	Selector is; both elements are IANA's, so every collector knows how to read them, which an
 *	enterprise element of our own would not give. Places of a firewall are told as interfaces,
 *	their names (interfaceName) likewise by options records, and so is the name of the domain.
 *
 * Templates
 *	Eight for flows, ids 256 and up; three for options. They come first in a session. Over UDP
 *	they come again with the first records after each `refresh` (RFC 7011, 8.1), and so do
 *	names.
 *
 * Sequence numbers count data records, those of options too, of this session (RFC 7011, 3.1);
 * messages that the caller could not send are counted, so that the collector sees the gap.
 *
 * Threads: one.
 */
#ifndef WEFT_PROTOCOLS_IPFIX_H
#define WEFT_PROTOCOLS_IPFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPFIX_MESSAGE_LEAST 512 /* RFC 7011, 10.3.3: where nothing is known of the path */
#define IPFIX_MESSAGE_MOST 8192
#define IPFIX_NAME_SIZE 160

/* firewallEvent (IANA, element 233). */
enum ipfix_event {
	IPFIX_EVENT_CREATED = 1,
	IPFIX_EVENT_DELETED = 2,
	IPFIX_EVENT_DENIED = 3,
	IPFIX_EVENT_UPDATE = 5,
};

/* flowEndReason (element 136). */
enum ipfix_end {
	IPFIX_END_IDLE = 1,
	IPFIX_END_ACTIVE = 2, /* it goes on */
	IPFIX_END_DETECTED = 3,
	IPFIX_END_FORCED = 4,
	IPFIX_END_RESOURCES = 5,
};

struct ipfix_flow {
	uint8_t family; /* 4 or 6 */
	uint8_t protocol;
	bool translated;
	uint8_t event;                          /* enum ipfix_event */
	uint8_t end_reason;                     /* enum ipfix_end */
	uint8_t source[16], destination[16];    /* of who began; IPv4: the first four bytes */
	uint16_t source_port, destination_port; /* 0: there are none */
	uint16_t icmp;                          /* ICMP and ICMPv6: type << 8 | code */
	/* as the other side sees it; of those that are translated */
	uint8_t new_source[16], new_destination[16];
	uint16_t new_source_port, new_destination_port;
	uint32_t ingress, egress; /* interfaces */
	uint32_t selector;
	uint64_t id;                    /* the same in all records of it */
	uint64_t start, end;            /* ms since 1970: of its first packet and its last */
	uint64_t packets[2], octets[2]; /* there, and back */
};

enum ipfix_named { IPFIX_INTERFACE, IPFIX_SELECTOR, IPFIX_NAMED };

struct ipfix_config {
	uint32_t domain;      /* observationDomainId; not 0 */
	const char *name;     /* of the domain; copied */
	bool datagrams;       /* of UDP: templates come again */
	uint32_t refresh;     /* seconds, with datagrams */
	size_t message_limit; /* IPFIX_MESSAGE_LEAST to _MOST */
};

struct ipfix_calls {
	void *context;
	/* A whole message, with so many records of flows. */
	void (*send)(void *context, const uint8_t *message, size_t length, unsigned flows);
	/* What the id is called; false: nothing that is known. */
	bool (*name)(void *context, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE]);
};

struct ipfix;

/* NULL: no memory. */
struct ipfix *ipfix_create(const struct ipfix_config *config, const struct ipfix_calls *calls);
void ipfix_free(struct ipfix *ipfix);

/* A new session: templates first, the sequence from 0. What was not flushed is given up; returns
 * how many records of flows that was. */
unsigned ipfix_restart(struct ipfix *ipfix);
/* The next messages are as long as that at most. */
void ipfix_limit(struct ipfix *ipfix, size_t message_limit);

/* `now`: ms since 1970. Sends a message when one is full. */
void ipfix_put(struct ipfix *ipfix, const struct ipfix_flow *flow, uint64_t now);
/* Sends what there is. */
void ipfix_flush(struct ipfix *ipfix, uint64_t now);

#endif
