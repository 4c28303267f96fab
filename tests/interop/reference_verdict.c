/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet that has passed is made whole again, and what a router may change of it is taken out:
 * its TTL, its checksum, and how it was cut. Of an answer is kept what it says, and to whom.
 */
#include "reference.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define QUOTED 8 /* bytes behind the quoted header */

const char *
verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "drops", "passes", "resets", "prohibits",
		"answers otherwise" };

	return names[verdict];
}

static bool
is_four(const uint8_t *ip)
{
	return ip[0] >> 4 == 4;
}

static bool
is_to_group(const uint8_t *ip)
{
	return is_four(ip) ? ip[16] >= 224 : ip[24] == 0xff;
}

/* ---- what has passed --------------------------------------------------------------------------
 */

/* Where in the datagram a packet belongs, and what of it is payload. */
struct part {
	size_t header, skip, from; /* header: of the whole; skip: of this packet */
	uint8_t protocol;
};

static struct part
part_of(const uint8_t *ip)
{
	struct part part = { 40, 40, 0, ip[6] };

	if (is_four(ip)) {
		part.header = part.skip = (ip[0] & 0x0fu) * 4;
		part.from = (get16(ip + 6) & IP_OFFMASK) * 8;
		part.protocol = ip[9];
	} else if (ip[6] == IPPROTO_FRAGMENT) {
		part.skip = 48;
		part.protocol = ip[40];
		part.from = get16(ip + 42) & 0xfff8;
	}
	return part;
}

static void
plain_header(uint8_t *ip, uint8_t protocol, size_t length)
{
	if (is_four(ip)) {
		put16(ip + 2, (unsigned)length);
		put16(ip + 6, get16(ip + 6) & IP_DF);
		ip[8] = 0;
		put16(ip + 10, 0);
	} else {
		put16(ip + 4, (unsigned)(length - 40));
		ip[6] = protocol;
		ip[7] = 0;
	}
}

static void
add_passed(struct outcome *outcome, const uint8_t *ip, size_t length)
{
	struct part part = part_of(ip);
	size_t end = part.header + part.from + length - part.skip;

	if (length < part.skip || end > sizeof(outcome->bytes))
		give_up("a packet came out that is none");
	outcome->verdict = VERDICT_PASS;
	if (end > outcome->length)
		outcome->length = end;
	memcpy(outcome->bytes, ip, part.header);
	memcpy(outcome->bytes + part.header + part.from, ip + part.skip, length - part.skip);
	plain_header(outcome->bytes, part.protocol, outcome->length);
}

/* ---- what answers -----------------------------------------------------------------------------
 */

static void
keep(struct outcome *outcome, const uint8_t *bytes, size_t length)
{
	memcpy(outcome->bytes + outcome->length, bytes, length);
	outcome->length += length;
}

/* Who sends an ICMP error differs by nature: a router has an address, weft answers in the place of
 * whom the packet was for. */
static void
keep_error(struct outcome *outcome, const uint8_t *ip, size_t length)
{
	bool four = is_four(ip);
	size_t header = four ? 20 : 40;
	const uint8_t *icmp = ip + header;
	uint8_t quoted[40 + QUOTED];

	outcome->verdict = icmp[0] == (four ? 3 : 1) && icmp[1] == (four ? 13 : 1)
				   ? VERDICT_PROHIBITED
				   : VERDICT_OTHER;
	keep(outcome, icmp, 2);
	keep(outcome, ip + (four ? 16 : 24), four ? 4 : 16);
	if (length < header + 8 + header + QUOTED)
		return;
	memcpy(quoted, icmp + 8, header + QUOTED);
	plain_header(quoted, quoted[6], four ? get16(quoted + 2) : 40 + get16(quoted + 4));
	keep(outcome, quoted, header + QUOTED);
}

static void
add_answer(struct outcome *outcome, const uint8_t *ip, size_t length)
{
	size_t header = is_four(ip) ? 20 : 40, addresses = is_four(ip) ? 8 : 32;
	uint8_t protocol = ip[is_four(ip) ? 9 : 6];
	const uint8_t *tcp = ip + header;

	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		keep_error(outcome, ip, length);
		return;
	}
	outcome->verdict = VERDICT_OTHER;
	if (protocol != IPPROTO_TCP || length < header + 20 || !(tcp[13] & TH_RST))
		return;
	outcome->verdict = VERDICT_RESET;
	keep(outcome, tcp - addresses, addresses);
	keep(outcome, tcp, 14);
}

void
outcome_read(struct outcome *outcome, unsigned side, take_packet take)
{
	static uint8_t packet[65536];
	size_t length;

	outcome->verdict = VERDICT_DROP;
	outcome->length = 0;
	while ((length = take(!side, packet, sizeof(packet))) > 0)
		if (!is_to_group(packet))
			add_passed(outcome, packet, length);
	while ((length = take(side, packet, sizeof(packet))) > 0)
		if (!is_to_group(packet))
			add_answer(outcome, packet, length);
}

/* ---- in words ---------------------------------------------------------------------------------
 */

static void
describe_fragment(const uint8_t *ip, char *text, size_t room)
{
	unsigned field = get16(ip + (is_four(ip) ? 6 : 42));

	text[0] = '\0';
	if (is_four(ip) && (field & (IP_MF | IP_OFFMASK)))
		snprintf(text, room, " offset %u%s", (field & IP_OFFMASK) * 8,
			field & IP_MF ? "+" : "");
	else if (!is_four(ip) && ip[6] == IPPROTO_FRAGMENT)
		snprintf(text, room, " offset %u%s", field & 0xfff8, field & 1 ? "+" : "");
}

static void
describe_transport(const uint8_t *at, bool is_tcp, char *text, size_t room)
{
	if (is_tcp)
		snprintf(text, room, "%u > %u seq %u ack %u win %u flags %s%s%s%s%s%s words %u",
			get16(at), get16(at + 2), get32(at + 4), get32(at + 8), get16(at + 14),
			at[13] & TH_SYN ? "S" : "", at[13] & TH_ACK ? "A" : "",
			at[13] & TH_FIN ? "F" : "", at[13] & TH_RST ? "R" : "",
			at[13] & TH_PUSH ? "P" : "", at[13] & TH_URG ? "U" : "", at[12] >> 4);
	else
		snprintf(text, room, "%08x %08x", get32(at), get32(at + 4));
}

void
packet_describe(const uint8_t *ip, size_t length, char *text, size_t room)
{
	bool four = is_four(ip);
	size_t header = four ? 20 : 40;
	uint8_t protocol = ip[four ? 9 : 6];
	char from[64], to[64], fragment[64], transport[160];

	if (length < header + 8) {
		snprintf(text, room, "%zu bytes", length);
		return;
	}
	inet_ntop(four ? AF_INET : AF_INET6, ip + (four ? 12 : 8), from, sizeof(from));
	inet_ntop(four ? AF_INET : AF_INET6, ip + (four ? 16 : 24), to, sizeof(to));
	describe_fragment(ip, fragment, sizeof(fragment));
	describe_transport(ip + header, protocol == IPPROTO_TCP && length >= header + 20, transport,
		sizeof(transport));
	snprintf(text, room, "%s > %s protocol %u length %zu%s %s", from, to, protocol, length,
		fragment, transport);
}
