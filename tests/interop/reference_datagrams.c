/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP, pings, other protocols, ICMP errors, malformed packets, and datagrams in pieces. */
#include "reference_talk.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* ---- headers ----------------------------------------------------------------------------------
 */

void
put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

void
put32(uint8_t *to, uint32_t value)
{
	put16(to, value >> 16);
	put16(to + 2, value & 0xffff);
}

unsigned
get16(const uint8_t *from)
{
	return (unsigned)from[0] << 8 | from[1];
}

uint32_t
get32(const uint8_t *from)
{
	return (uint32_t)get16(from) << 16 | get16(from + 2);
}

static uint32_t
add(const uint8_t *bytes, size_t length)
{
	uint32_t total = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		total += get16(bytes + i);
	return length % 2 != 0 ? total + bytes[length - 1] * 256u : total;
}

static uint16_t
fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void
seal_ip4_checksum(uint8_t *ip, size_t header)
{
	put16(ip + 10, 0);
	put16(ip + 10, fold(add(ip, header)));
}

/* Of TCP, UDP, ICMP: nftables answers nothing that its receiver would not have taken. */
static void
seal_transport(uint8_t *ip, uint8_t protocol, size_t header, size_t length)
{
	static const uint8_t places[256] = {
		[IPPROTO_TCP] = 16, [IPPROTO_UDP] = 6, [IPPROTO_ICMP] = 2, [IPPROTO_ICMPV6] = 2
	};
	uint8_t *at = ip + header;
	size_t addresses = header == 20 ? 8 : 32;
	uint32_t pseudo = add(at - addresses, addresses) + protocol + (uint32_t)length;

	if (places[protocol] == 0)
		return;
	put16(at + places[protocol], 0);
	put16(at + places[protocol],
		fold(add(at, length) + (protocol == IPPROTO_ICMP ? 0 : pseudo)));
}

size_t
ip_room(const struct ends *ends)
{
	return ends->family == 4 ? 20 : 40;
}

void
seal_ip(struct packet *packet, const struct ends *ends, uint8_t protocol, size_t length)
{
	uint8_t *ip = packet->bytes;

	packet->length = ip_room(ends) + length;
	memset(ip, 0, ip_room(ends));
	if (ends->family == 6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)length);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, ends->source, 16);
		memcpy(ip + 24, ends->destination, 16);
		seal_transport(ip, protocol, 40, length);
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)packet->length);
	put16(ip + 4, chance(65536));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, ends->source, 4);
	memcpy(ip + 16, ends->destination, 4);
	seal_ip4_checksum(ip, 20);
	seal_transport(ip, protocol, 20, length);
}

void
talk_seal(struct packet *packet, const struct talk *talk, const struct ends *ends, uint8_t protocol,
	size_t length)
{
	uint8_t *ip = packet->bytes;

	seal_ip(packet, ends, protocol, length);
	if (ends->family == 6) {
		put16(ip, 0x6000u | talk->dscp << 6);
		return;
	}
	ip[1] = (uint8_t)(talk->dscp << 2);
	seal_ip4_checksum(ip, 20);
}

/* ---- datagrams --------------------------------------------------------------------------------
 */

static void
make_udp(struct packet *packet, struct talk *talk)
{
	struct ends ends = talk_ends(talk, packet->side);
	uint8_t *udp = packet->bytes + ip_room(&ends);
	unsigned length = 8 + chance(one_in(3) ? 900 : 40);

	packet->kind = KIND_UDP;
	memset(udp, 'u', length);
	put16(udp, talk->ports[packet->side]);
	put16(udp + 2, talk->ports[!packet->side]);
	put16(udp + 4, length);
	talk_seal(packet, talk, &ends, IPPROTO_UDP, length);
}

static void
spoil_udp(struct packet *packet)
{
	size_t header = packet->bytes[0] >> 4 == 4 ? 20 : 40;
	unsigned length = (unsigned)(packet->length - header);

	packet->kind = KIND_BAD_UDP;
	put16(packet->bytes + header + 4, one_in(2) ? chance(8) : length + 1 + chance(100));
	seal_transport(packet->bytes, IPPROTO_UDP, header, length);
}

static void
make_icmp(struct packet *packet, struct talk *talk, enum kind kind, uint8_t type)
{
	struct ends ends = talk_ends(talk, packet->side);
	uint8_t *icmp = packet->bytes + ip_room(&ends);
	unsigned length = 8 + chance(one_in(3) ? 900 : 40);

	packet->kind = kind;
	memset(icmp, 'i', length);
	memset(icmp, 0, 8);
	icmp[0] = type;
	put16(icmp + 4, talk->ports[talk->client]);
	talk_seal(packet, talk, &ends, ends.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, length);
}

static void
make_ping(struct packet *packet, struct talk *talk)
{
	static const uint8_t others4[] = { ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY, 9, 10, 40 };
	static const uint8_t others6[] = { 144, 145, 200 };
	bool four = talk->family == 4;

	if (one_in(15))
		make_icmp(packet, talk, KIND_ICMP_OTHER,
			four ? others4[chance(5)] : others6[chance(3)]);
	else if (packet->side == talk->client)
		make_icmp(packet, talk, KIND_PING, four ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
	else
		make_icmp(packet, talk, talk->has_last ? KIND_PONG : KIND_STRAY_PONG,
			four ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
}

void
talk_datagram(struct packet *packet, struct talk *talk)
{
	struct ends ends;

	packet->side = one_in(3) ? !talk->client : talk->client;
	if (talk->what == TALK_UDP) {
		make_udp(packet, talk);
		if (one_in(15))
			spoil_udp(packet);
	} else if (talk->what == TALK_PING) {
		make_ping(packet, talk);
	} else {
		ends = talk_ends(talk, packet->side);
		packet->kind = KIND_OTHER;
		memset(packet->bytes + ip_room(&ends), 0, 24);
		talk_seal(packet, talk, &ends, talk->protocol, 24);
	}
}

/* ---- ICMP errors ------------------------------------------------------------------------------
 */

/* By whom it was for, or by a router on that side. */
static struct ends
error_ends(const struct talk *talk, unsigned side)
{
	struct ends ends = talk_ends(talk, side);

	if (one_in(2))
		ends.source[ends.family == 4 ? 3 : 15] = 77;
	return ends;
}

static size_t
make_error(struct packet *packet, const struct ends *ends, const uint8_t *quoted, size_t length)
{
	static const uint8_t kinds4[][2] = { { 3, 3 }, { 3, 1 }, { 3, 4 }, { 11, 0 }, { 12, 0 },
		{ 3, 13 }, { 4, 0 }, { 5, 1 } };
	static const uint8_t kinds6[][2] = { { 1, 4 }, { 1, 0 }, { 2, 0 }, { 3, 0 }, { 4, 1 },
		{ 1, 1 }, { 100, 0 } };
	uint8_t *icmp = packet->bytes + ip_room(ends);
	const uint8_t *kind = ends->family == 4 ? kinds4[chance(8)] : kinds6[chance(7)];

	memset(icmp, 0, 8);
	memcpy(icmp, kind, 2);
	if (kind[0] == 2)
		put32(icmp + 4, 1300);
	memcpy(icmp + 8, quoted, length);
	return 8 + length;
}

void
talk_error(struct packet *packet, struct talk *talk)
{
	const struct packet *last = &talk->last;
	size_t header = talk->family == 4 ? 20 : 40, length = last->length;
	struct ends ends = error_ends(talk, !last->side);
	uint8_t quoted[REFERENCE_MTU];

	memcpy(quoted, last->bytes, last->length);
	if (length > header + 60)
		length = header + 8 + chance(50);
	packet->kind = KIND_ERROR;
	packet->side = !last->side;
	if (talk->what != TALK_OTHER && one_in(4)) {
		packet->kind = KIND_ERROR_STRAY; /* another port, or id */
		quoted[header + (talk->what == TALK_PING ? 4 : chance(4))] ^= 0x55;
	} else if (one_in(6)) {
		packet->kind = KIND_ERROR_STRAY; /* of somebody else's packet */
		quoted[talk->family == 4 ? 14 : 23] ^= 1;
	} else if (one_in(6)) {
		packet->kind = KIND_ERROR_CUT;
		length = chance((uint32_t)header + 8);
	}
	length = make_error(packet, &ends, quoted, length);
	seal_ip(packet, &ends, ends.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, length);
}

/* ---- oddities ---------------------------------------------------------------------------------
 */

static void
spoil_ip4(struct packet *packet)
{
	uint8_t *ip = packet->bytes;

	switch (chance(4)) {
	case 0:
		ip[10] ^= 1;
		return;
	case 1:
		ip[0] = (uint8_t)(0x40 | chance(5));
		break;
	case 2:
		put16(ip + 2, (unsigned)packet->length + 1 + chance(100));
		break;
	default:
		put16(ip + 2, chance(20));
	}
	seal_ip4_checksum(ip, 20);
}

static void
insert(struct packet *packet, size_t at, const uint8_t *bytes, size_t length)
{
	memmove(packet->bytes + at + length, packet->bytes + at, packet->length - at);
	memcpy(packet->bytes + at, bytes, length);
	packet->length += length;
}

static void
insert_options(struct packet *packet)
{
	/* nothing, router alert, nothing and the end */
	static const uint8_t options[][4] = { { 1, 1, 1, 1 }, { 0x94, 4, 0, 0 }, { 1, 1, 1, 0 } };

	packet->kind = KIND_OPTIONS;
	insert(packet, 20, options[chance(3)], 4);
	packet->bytes[0] = 0x46;
	put16(packet->bytes + 2, (unsigned)packet->length);
	seal_ip4_checksum(packet->bytes, 24);
}

static void
insert_extension(struct packet *packet)
{
	const uint8_t options[8] = { packet->bytes[6], 0, 1, 4 }; /* PadN */
	uint8_t routing[24] = { packet->bytes[6], 2, 0, 1 };

	if (one_in(3)) {
		packet->kind = KIND_ROUTING;
		memcpy(routing + 8, packet->bytes + 24, 16);
		insert(packet, 40, routing, sizeof(routing));
		packet->bytes[6] = IPPROTO_ROUTING;
	} else {
		packet->kind = KIND_EXTENSIONS;
		insert(packet, 40, options, sizeof(options));
		packet->bytes[6] = one_in(2) ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS;
	}
	put16(packet->bytes + 4, (unsigned)packet->length - 40);
}

/* UDP, so that nothing but the header is odd; of other ports than the conversation's. */
void
talk_oddity(struct packet *packet, struct talk *talk)
{
	size_t header = talk->family == 4 ? 20 : 40;

	packet->side = chance(2);
	make_udp(packet, talk);
	packet->bytes[header] ^= 0x80;
	seal_transport(packet->bytes, IPPROTO_UDP, header, packet->length - header);
	if (one_in(2)) {
		packet->kind = KIND_BAD_IP;
		if (talk->family == 4)
			spoil_ip4(packet);
		else
			put16(packet->bytes + 4, (unsigned)packet->length - 40 + 1 + chance(100));
	} else if (talk->family == 4) {
		insert_options(packet);
	} else {
		insert_extension(packet);
	}
}

/* ---- pieces -----------------------------------------------------------------------------------
 */

struct piece {
	size_t from, to; /* of the payload */
	enum kind kind;
};

static void
make_piece(const struct packet *whole, uint16_t id, const struct piece *piece, struct packet *made)
{
	bool four = whole->bytes[0] >> 4 == 4;
	size_t room = four ? 20 : 40, header = four ? 20 : 48;
	bool more = piece->to < whole->length - room;

	*made = (struct packet){ .side = whole->side, .talk = whole->talk, .kind = piece->kind };
	made->length = header + piece->to - piece->from;
	memcpy(made->bytes, whole->bytes, room);
	memcpy(made->bytes + header, whole->bytes + room + piece->from, piece->to - piece->from);
	if (four) {
		put16(made->bytes + 2, (unsigned)made->length);
		put16(made->bytes + 4, id);
		put16(made->bytes + 6, (unsigned)(piece->from / 8) | (more ? IP_MF : 0));
		seal_ip4_checksum(made->bytes, 20);
		return;
	}
	put16(made->bytes + 4, (unsigned)made->length - 40);
	made->bytes[6] = IPPROTO_FRAGMENT;
	made->bytes[40] = whole->bytes[6];
	put16(made->bytes + 42, (unsigned)piece->from | more);
	put32(made->bytes + 44, id);
}

static void
insert_piece(struct piece *list, unsigned *count, unsigned at, struct piece piece)
{
	memmove(&list[at + 1], &list[at], (*count - at) * sizeof(*list));
	list[at] = piece;
	(*count)++;
}

/* A little more, or less, than what it overlaps. */
static struct piece
overlapping(struct piece piece)
{
	piece.kind = KIND_FRAGMENT_OVER;
	if (piece.from >= 8 && one_in(2))
		piece.from -= 8;
	else if (piece.to - piece.from > 8 && one_in(2))
		piece.from += 8;
	else
		piece.to = piece.from + (piece.to - piece.from - 1) / 8 * 8;
	return piece;
}

/* Something that does not belong there. */
static void
forge(struct piece *list, unsigned *count)
{
	unsigned at = 1 + chance(*count - 1);
	struct piece piece = list[at - 1];

	if (one_in(2)) {
		piece.kind = KIND_FRAGMENT_TWICE;
		insert_piece(list, count, at, piece);
		return;
	}
	piece = overlapping(piece);
	if (piece.to <= piece.from)
		return;
	insert_piece(list, count, at, piece);
	for (unsigned i = at + 1; i < *count; i++)
		list[i].kind = KIND_FRAGMENT_AFTER;
}

static void
shuffle(struct piece *list, unsigned count)
{
	for (unsigned i = count - 1; i > 0; i--) {
		unsigned j = one_in(2) ? i : chance(i + 1);
		struct piece kept = list[i];

		list[i] = list[j];
		list[j] = kept;
	}
}

/* Over all seeds of a run: forged datagrams wait for pieces that do not come. */
static uint16_t
next_id(void)
{
	static uint16_t id;

	return ++id;
}

unsigned
cut(const struct packet *whole, struct packet made[PIECES_MOST])
{
	size_t payload = whole->length - (whole->bytes[0] >> 4 == 4 ? 20 : 40);
	struct piece list[PIECES_MOST];
	unsigned count = 2 + chance(3);
	size_t step = payload / count / 8 * 8, first = one_in(8) ? 8 : step, from = 0;
	enum kind kind = first < 20 ? KIND_FRAGMENT_TINY : KIND_FRAGMENT;
	uint16_t id = next_id();

	for (unsigned i = 0; i < count; i++) {
		size_t to = i + 1 == count ? payload : i == 0 ? first : (i + 1) * step;

		list[i] = (struct piece){ from, to, kind };
		from = to;
	}
	shuffle(list, count);
	if (kind == KIND_FRAGMENT && one_in(3))
		forge(list, &count);
	for (unsigned i = 0; i < count; i++)
		make_piece(whole, id, &list[i], &made[i]);
	return count;
}
