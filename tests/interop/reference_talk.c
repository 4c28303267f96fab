/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conversations as hosts have them that speak by the RFCs, and packets of others among them. What a
 * host sends counts as sent when both firewalls let it pass: nothing is lost on the way.
 */
#include "reference_talk.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define TALKS 5
#define FAR (1u << 30) /* out of any window */

static struct talk talks[TALKS];
static unsigned next_number;
static struct packet pieces[PIECES_MOST];
static unsigned n_pieces, next_piece;

/* ---- chance -----------------------------------------------------------------------------------
 */

static uint64_t state;

void
chance_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u | 1;
	for (unsigned i = 0; i < 16; i++)
		chance(2);
}

uint32_t
chance(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 32) % below;
}

/* ---- segments ---------------------------------------------------------------------------------
 */

struct segment {
	uint32_t sequence, acknowledgment;
	uint8_t flags;
	unsigned length;
};

static unsigned
scale_of(const struct talk *talk, unsigned side)
{
	bool both = talk->hosts[0].scale != SCALE_NONE && talk->hosts[1].scale != SCALE_NONE;

	return both ? talk->hosts[side].scale : 0;
}

static size_t
put_options(uint8_t *at, const struct talk *talk, unsigned side, uint8_t flags)
{
	if (!(flags & TH_SYN))
		return 0;
	memcpy(at, (uint8_t[]){ TCPOPT_MAXSEG, 4, 5, 0xb4 }, 4);
	if (talk->hosts[side].scale == SCALE_NONE)
		return 4;
	memcpy(at + 4, (uint8_t[]){ TCPOPT_NOP, TCPOPT_WINDOW, 3, talk->hosts[side].scale }, 4);
	return 8;
}

/* Of somebody else, or without effect on what the hosts do. */
static void
claim(struct packet *packet, const struct talk *talk, unsigned side, enum kind kind,
	const struct segment *segment)
{
	struct ends ends = talk_ends(talk, side);
	uint8_t *tcp = packet->bytes + ip_room(&ends);
	size_t options;

	memset(tcp, 0, 20);
	put16(tcp, talk->ports[side]);
	put16(tcp + 2, talk->ports[!side]);
	put32(tcp + 4, segment->sequence);
	put32(tcp + 8, segment->flags & TH_ACK ? segment->acknowledgment : 0);
	options = put_options(tcp + 20, talk, side, segment->flags);
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
	tcp[13] = segment->flags;
	put16(tcp + 14, talk->hosts[side].window);
	memset(tcp + 20 + options, 'x', segment->length);
	packet->side = side;
	packet->kind = kind;
	talk_seal(packet, talk, &ends, IPPROTO_TCP, 20 + options + segment->length);
}

static void
note_acknowledgment(struct talk *talk, unsigned side, const struct segment *segment)
{
	struct host *sender = &talk->after[side], *receiver = &talk->after[!side];
	unsigned scale = segment->flags & TH_SYN ? 0 : scale_of(talk, side);
	uint32_t edge = segment->acknowledgment + ((uint32_t)sender->window << scale);

	sender->acked_syn = true;
	if (!receiver->has_edge || (int32_t)(edge - receiver->edge) > 0)
		receiver->edge = edge;
	receiver->has_edge = true;
}

/* A true segment: what it changes counts if it passes. */
static void
say(struct packet *packet, struct talk *talk, unsigned side, enum kind kind,
	const struct segment *segment)
{
	struct host *sender = &talk->after[side];

	sender->next = segment->sequence + segment->length + !!(segment->flags & (TH_SYN | TH_FIN));
	sender->said_syn |= !!(segment->flags & TH_SYN);
	sender->said_fin |= !!(segment->flags & TH_FIN);
	if (segment->flags & TH_ACK)
		note_acknowledgment(talk, side, segment);
	claim(packet, talk, side, kind, segment);
}

/* What a host says when it has nothing special to say. */
static struct segment
plain(const struct talk *talk, unsigned side, uint8_t flags, unsigned length)
{
	return (struct segment){ talk->hosts[side].next, talk->hosts[!side].next, flags, length };
}

static void
claim_at(struct packet *packet, struct talk *talk, unsigned side, enum kind kind, uint8_t flags,
	uint32_t ahead, unsigned length)
{
	struct segment segment = plain(talk, side, flags, length);

	segment.sequence += ahead;
	claim(packet, talk, side, kind, &segment);
}

static void
claim_acknowledging(struct packet *packet, struct talk *talk, unsigned side, enum kind kind,
	uint32_t ahead, unsigned length)
{
	struct segment segment = plain(talk, side, TH_ACK, length);

	segment.acknowledgment += ahead;
	claim(packet, talk, side, kind, &segment);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static void
say_syn(struct packet *packet, struct talk *talk, unsigned side, bool again)
{
	struct segment syn = { talk->hosts[side].first, 0, TH_SYN, 0 };

	say(packet, talk, side, again ? KIND_AGAIN : KIND_SYN, &syn);
}

static void
say_syn_ack(struct packet *packet, struct talk *talk, unsigned side, bool again)
{
	struct segment syn_ack = { talk->hosts[side].first, talk->hosts[!side].first + 1,
		TH_SYN | TH_ACK, 0 };

	say(packet, talk, side, again ? KIND_AGAIN : KIND_SYN_ACK, &syn_ack);
}

static void
open_strangely(struct packet *packet, struct talk *talk)
{
	unsigned client = talk->client, server = !client;
	struct segment wrong = { talk->hosts[server].first, talk->hosts[client].first + 1 + FAR,
		TH_SYN | TH_ACK, 0 };
	struct segment refusal = { 0, talk->hosts[client].first + 1, TH_RST | TH_ACK, 0 };

	switch (chance(6)) {
	case 0:
		claim(packet, talk, server, KIND_SYN_ACK_WRONG, &wrong);
		break;
	case 1:
		claim(packet, talk, server, KIND_REFUSAL, &refusal);
		break;
	case 2:
		claim_at(packet, talk, server, KIND_EARLY, TH_ACK, 0, chance(2) * 10);
		break;
	case 3:
		claim_at(packet, talk, chance(2), KIND_RESET_FAR, TH_RST, FAR, 0);
		break;
	case 4:
		claim_at(packet, talk, client, KIND_DATA_FAR, TH_ACK, FAR, 10);
		break;
	default:
		say_syn(packet, talk, client, true);
	}
}

static void
begin(struct packet *packet, struct talk *talk)
{
	static const uint8_t strays[] = { TH_ACK, TH_ACK | TH_FIN, TH_RST, TH_RST | TH_ACK,
		TH_SYN | TH_ACK };

	if (one_in(8))
		claim_at(packet, talk, chance(2), KIND_STRAY, strays[chance(sizeof(strays))], 0,
			chance(2) * 20);
	else
		say_syn(packet, talk, talk->client, false);
}

/* Before both have acknowledged each other's SYN. */
static void
open_next(struct packet *packet, struct talk *talk)
{
	const struct host *client = &talk->hosts[talk->client];
	const struct host *server = &talk->hosts[!talk->client];
	struct segment ack = plain(talk, talk->client, TH_ACK, 0);

	if (!client->said_syn)
		begin(packet, talk);
	else if (one_in(5))
		open_strangely(packet, talk);
	else if (!server->said_syn && one_in(6))
		say_syn(packet, talk, !talk->client, false); /* both at once: RFC 9293, 3.5 */
	else if (!server->acked_syn || one_in(8))
		say_syn_ack(packet, talk, !talk->client, server->said_syn);
	else if (one_in(8))
		say_syn(packet, talk, talk->client, true);
	else
		say(packet, talk, talk->client, KIND_HANDSHAKE_ACK, &ack);
}

/* ---- open -------------------------------------------------------------------------------------
 */

static void
say_data(struct packet *packet, struct talk *talk, unsigned side)
{
	uint32_t room = talk->hosts[side].edge - talk->hosts[side].next;
	struct segment data = plain(talk, side, TH_ACK | TH_PUSH, 1 + chance(500));

	if (room == 0) {
		claim_at(packet, talk, side, KIND_ZERO_PROBE, TH_ACK, 0, 1);
		return;
	}
	if (data.length > room || one_in(4))
		data.length = room < 1400 ? room : 1400;
	if (one_in(16))
		data.flags |= TH_URG;
	say(packet, talk, side, KIND_DATA, &data);
}

static void
say_again(struct packet *packet, struct talk *talk, unsigned side)
{
	struct segment old = plain(talk, side, TH_ACK, 0);
	uint32_t said = talk->hosts[side].next - talk->hosts[side].first - 1;

	old.length = said > 0 ? 1 + chance(said < 400 ? said : 400) : 0;
	old.sequence -= old.length;
	if (talk->hosts[side].said_fin) {
		old.length -= old.length > 0;
		old.flags |= TH_FIN;
	}
	claim(packet, talk, side, KIND_AGAIN, &old);
}

static void
say_fin(struct packet *packet, struct talk *talk, unsigned side)
{
	uint32_t room = talk->hosts[side].edge - talk->hosts[side].next;
	struct segment fin = plain(talk, side, TH_FIN | TH_ACK, one_in(3) && room > 10 ? 10 : 0);

	say(packet, talk, side, KIND_FIN, &fin);
}

static void
say_reset(struct packet *packet, struct talk *talk, unsigned side)
{
	struct segment reset = plain(talk, side, one_in(2) ? TH_RST : TH_RST | TH_ACK, 0);

	talk->ending = true;
	claim(packet, talk, side, KIND_RESET, &reset);
}

/* What a host sends, closed or not. */
static void
speak(struct packet *packet, struct talk *talk, unsigned side)
{
	struct segment ack = plain(talk, side, TH_ACK, 0);
	unsigned what = talk->hosts[side].said_fin ? 5 + chance(3) : chance(12);

	if (what < 4)
		say_data(packet, talk, side);
	else if (what < 6)
		say_again(packet, talk, side);
	else if (what == 6)
		claim_at(packet, talk, side, KIND_KEEPALIVE, TH_ACK, UINT32_MAX, 0);
	else if (what == 8 && one_in(2))
		say_fin(packet, talk, side);
	else if (what == 9 && one_in(4))
		say_reset(packet, talk, side);
	else
		say(packet, talk, side, KIND_ACK, &ack);
}

static void
attack_header(struct packet *packet, struct talk *talk, unsigned side)
{
	static const uint8_t bad_flags[] = { 0, TH_FIN, TH_PUSH, TH_URG, TH_SYN | TH_FIN,
		TH_SYN | TH_RST, TH_FIN | TH_RST | TH_ACK, TH_SYN | TH_ACK | TH_URG,
		TH_RST | TH_URG, TH_SYN | TH_FIN | TH_ACK, 0x3f };

	if (one_in(2)) {
		claim_at(packet, talk, side, KIND_BAD_FLAGS, bad_flags[chance(sizeof(bad_flags))],
			0, 0);
		return;
	}
	claim_at(packet, talk, side, KIND_BAD_TCP_LENGTH, TH_ACK, 0, 0);
	packet->bytes[(talk->family == 4 ? 20 : 40) + 12] =
		(uint8_t)((one_in(2) ? chance(5) : 6 + chance(10)) << 4);
}

static void
attack(struct packet *packet, struct talk *talk, unsigned side)
{
	static const uint32_t jumps[] = { 0, 1, FAR, 0u - FAR };
	uint32_t window = (uint32_t)talk->hosts[!side].window << scale_of(talk, !side);
	uint32_t room = talk->hosts[side].edge - talk->hosts[side].next;
	uint32_t away = one_in(2) ? FAR : 0u - FAR + chance(1000);

	switch (chance(10)) {
	case 0:
		claim_at(packet, talk, side, KIND_RESET_IN_WINDOW, TH_RST, 1 + chance(window - 1),
			0);
		break;
	case 1:
		claim_at(packet, talk, side, KIND_RESET_FAR, TH_RST, away, 0);
		break;
	case 2:
		claim_at(packet, talk, side, KIND_DATA_FAR, TH_ACK, away, 10);
		break;
	case 3:
		claim_at(packet, talk, side, KIND_DATA_BEHIND, TH_ACK, room + chance(3),
			2 + chance(20));
		break;
	case 4:
		claim_acknowledging(packet, talk, side, KIND_ACK_FAR, away, chance(2) * 10);
		break;
	case 5:
		claim_acknowledging(packet, talk, side, KIND_ACK_NEXT, 1 + chance(3), 0);
		break;
	case 6:
		claim_at(packet, talk, side, KIND_SYN_INSIDE, TH_SYN, jumps[chance(4)], 0);
		break;
	case 7:
		claim_at(packet, talk, side, KIND_SYN_ACK_INSIDE, TH_SYN | TH_ACK, jumps[chance(4)],
			0);
		break;
	default:
		attack_header(packet, talk, side);
	}
}

static void
tcp_next(struct packet *packet, struct talk *talk)
{
	bool closed = talk->hosts[0].said_fin && talk->hosts[1].said_fin;

	if (!talk->hosts[0].acked_syn || !talk->hosts[1].acked_syn)
		open_next(packet, talk);
	else if (closed && one_in(6))
		claim_at(packet, talk, talk->client, KIND_NEW_SYN, TH_SYN, 100000, 0);
	else if (one_in(5))
		attack(packet, talk, chance(2));
	else
		speak(packet, talk, chance(2));
}

/* ---- conversations ----------------------------------------------------------------------------
 */

static void
host_address(const struct talk *talk, unsigned side, uint8_t address[16])
{
	memset(address, 0, 16);
	if (talk->family == 4) {
		memcpy(address, (uint8_t[]){ 10, (uint8_t)side, 0, talk->who[side] }, 4);
	} else {
		memcpy(address, (uint8_t[]){ 0x20, 1, 0x0d, 0xb8, 0, (uint8_t)side }, 6);
		address[15] = talk->who[side];
	}
}

struct ends
talk_ends(const struct talk *talk, unsigned side)
{
	struct ends ends = { .family = talk->family };

	host_address(talk, side, ends.source);
	host_address(talk, !side, ends.destination);
	return ends;
}

static void
host_begin(struct host *host)
{
	static const uint16_t windows[] = { 1500, 5000, 29200, 65535 };

	host->first = host->next = one_in(4) ? UINT32_MAX - chance(2000) : chance(UINT32_MAX);
	host->window = windows[chance(4)];
	host->scale = one_in(3) ? SCALE_NONE : (uint8_t)chance(8);
}

/* With ports that no other conversation has: of what is left of that they may think differently. */
static void
talk_begin(struct talk *talk)
{
	static const uint16_t services[] = { 21, 22, 53, 80, 443, 1999, 2000, 8080, 40000, 60000 };
	static const uint8_t kinds[] = { TALK_TCP, TALK_TCP, TALK_TCP, TALK_TCP, TALK_TCP, TALK_TCP,
		TALK_UDP, TALK_PING, TALK_OTHER };

	*talk = (struct talk){ .number = ++next_number, .family = one_in(2) ? 4 : 6 };
	talk->what = kinds[chance(sizeof(kinds))];
	talk->client = chance(2);
	talk->dscp = one_in(4) ? 46 : 0;
	talk->protocol = one_in(2) ? IPPROTO_GRE : IPPROTO_ESP;
	talk->ports[talk->client] = (uint16_t)(1000 + next_number);
	talk->ports[!talk->client] = services[chance(10)];
	for (unsigned side = 0; side < 2; side++) {
		talk->who[side] = (uint8_t)(1 + chance(HOSTS));
		host_begin(&talk->hosts[side]);
	}
}

void
talks_begin(void)
{
	next_number = 0;
	n_pieces = next_piece = 0;
	for (unsigned i = 0; i < TALKS; i++)
		talk_begin(&talks[i]);
}

static void
talk_next(struct packet *packet, struct talk *talk)
{
	packet->talk = talk->number;
	talk->ending = false;
	memcpy(talk->after, talk->hosts, sizeof(talk->after));
	if (talk->has_last && one_in(20))
		talk_error(packet, talk);
	else if (one_in(25))
		talk_oddity(packet, talk);
	else if (talk->what == TALK_TCP)
		tcp_next(packet, talk);
	else
		talk_datagram(packet, talk);
}

static bool
may_be_cut(const struct packet *packet)
{
	return (packet->kind == KIND_DATA || packet->kind == KIND_UDP ||
		       packet->kind == KIND_PING) &&
	       packet->length >= 100;
}

void
talks_next(struct packet *packet)
{
	if (next_piece < n_pieces) {
		*packet = pieces[next_piece++];
		return;
	}
	talk_next(packet, &talks[chance(TALKS)]);
	if (!may_be_cut(packet) || !one_in(6))
		return;
	n_pieces = cut(packet, pieces);
	next_piece = 1;
	*packet = pieces[0];
}

static struct talk *
talk_of(unsigned number)
{
	for (unsigned i = 0; i < TALKS; i++)
		if (talks[i].number == number)
			return &talks[i];
	return NULL;
}

void
talks_forget(unsigned number)
{
	struct talk *talk = talk_of(number);

	if (talk != NULL)
		talk_begin(talk);
}

/* Of those an error may tell, later. */
static bool
is_true(enum kind kind)
{
	return (kind < KIND_RESET && kind != KIND_AGAIN && kind != KIND_ZERO_PROBE) ||
	       kind == KIND_UDP || kind == KIND_PING || kind == KIND_PONG || kind == KIND_OTHER;
}

/* If it passes, both think of the connection what they made of it. */
static bool
is_foreign(enum kind kind)
{
	return kind >= KIND_RESET_IN_WINDOW && kind <= KIND_BAD_TCP_LENGTH;
}

void
talks_heard(const struct packet *packet, bool passed)
{
	struct talk *talk = talk_of(packet->talk);

	if (talk == NULL)
		return;
	if (passed)
		memcpy(talk->hosts, talk->after, sizeof(talk->hosts));
	if (passed && is_true(packet->kind)) {
		talk->last = *packet;
		talk->has_last = true;
	}
	/* one that cannot begin makes room for others */
	talk->refused += !passed;
	if ((passed && (talk->ending || is_foreign(packet->kind))) || talk->refused > 12 ||
		one_in(60))
		talk_begin(talk);
}
