/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ends that speak TCP by RFC 9293, 3.10.7, a network between them that loses, doubles, delays
 * and overtakes, and tcp_track() in its middle. What is held against thousands of connections:
 * no segment is refused that its receiver could still make use of; the state is that of the ends;
 * everything arrives. Ends have no timers but one, and count bytes instead of carrying them.
 */
#include "firewall/tcp_track.h"

#include <rte_common.h>
#include <rte_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define FIN RTE_TCP_FIN_FLAG
#define RST RTE_TCP_RST_FLAG

#define STREAM_LIMIT 300000
#define FLYING_LIMIT 8192
#define TIMEOUT 400        /* until something is sent again */
#define TIME_LIMIT 4000000 /* of a connection */
#define LATE 2000          /* how much longer a straggler takes, at most */

static uint64_t random_state;

static uint32_t
below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static bool
is_after(uint32_t one, uint32_t other)
{
	return (int32_t)(one - other) > 0;
}

static uint32_t
larger(uint32_t one, uint32_t other)
{
	return is_after(one, other) ? one : other;
}

/* ---- one end --------------------------------------------------------------------------------- */

enum end_state {
	LISTENING,
	SYN_SENT,
	SYN_RECEIVED,
	ESTABLISHED,
	FIN_WAIT, /* 1 and 2 */
	CLOSE_WAIT,
	CLOSING, /* and LAST-ACK */
	TIME_WAIT,
	OVER, /* closed in good order: says nothing more */
	CLOSED,
};

struct end {
	enum end_state state;
	bool simultaneous; /* of SYN_RECEIVED: has sent a SYN of its own accord */
	bool fin_sent, fin_got, was_reset;
	uint32_t iss, una, nxt, right; /* right: edge of the window to send into */
	uint32_t max_window;
	uint32_t irs, rcv_nxt, advertised; /* edge that it has told */
	uint32_t fin_at;                   /* the other's FIN's number; fin_got */
	uint8_t scale, other_scale;
	bool offers, scaled;
	uint32_t buffer, unread;
	uint32_t mss, to_send; /* bytes of its stream */
	uint64_t timer;
	unsigned tries; /* of its SYN-ACK */
	uint8_t got[STREAM_LIMIT / 8 + 1];
};

struct flight {
	struct tcp_segment segment;
	uint64_t when;
	unsigned from;
	bool past; /* the tracker */
	bool late;
};

struct world {
	struct end ends[2];
	struct flight flying[FLYING_LIMIT];
	unsigned n_flying;
	uint64_t now;
	struct tcp_track track;
	unsigned loss, doubling, lateness; /* of 1,000 */
	bool anything;                     /* crashes: what is refused is not judged */
	unsigned sent, stale, restarts;
	unsigned opener; /* the end that is side 0 to the tracker */
	bool reset_passed;
};

static void
launch(struct world *world, unsigned from, const struct tcp_segment *segment, bool past, bool late)
{
	struct flight *flight;

	if (below(1000) < world->loss)
		return;
	if (world->n_flying == FLYING_LIMIT)
		fail_msg("too much is under way");
	flight = &world->flying[world->n_flying++];
	*flight = (struct flight){ *segment, world->now + 10 + below(30), from, past, late };
	if (below(1000) < world->lateness) {
		flight->late = true;
		flight->when += below(LATE);
	}
}

static uint32_t
room(const struct end *end)
{
	return end->buffer - end->unread;
}

static void
send_segment(struct world *world, unsigned side, uint8_t flags, uint32_t sequence, uint32_t length)
{
	struct end *end = &world->ends[side];
	struct tcp_segment segment = {
		.sequence = sequence,
		.acknowledgment = flags & ACK ? end->rcv_nxt : 0,
		.length = length,
		.flags = flags,
	};
	uint8_t scale = end->scaled && !(flags & SYN) ? end->scale : 0;

	segment.window = (uint16_t)RTE_MIN(room(end) >> scale, 65535u);
	if (flags & ACK)
		end->advertised =
			larger(end->rcv_nxt + ((uint32_t)segment.window << scale), end->advertised);
	segment.has_scale = (flags & SYN) && end->offers;
	segment.scale = segment.has_scale ? end->scale : 0;
	world->sent++;
	launch(world, side, &segment, false, false);
	if (below(1000) < world->doubling)
		launch(world, side, &segment, false, true);
}

static void
acknowledge(struct world *world, unsigned side)
{
	send_segment(world, side, ACK, world->ends[side].nxt, 0);
}

static uint32_t
stream_end(const struct end *end)
{
	return end->iss + 1 + end->to_send;
}

static void
prepare_end(struct end *end)
{
	static const uint32_t sizes[] = { 100, 536, 1460, 9000, 60000 };

	memset(end, 0, sizeof(*end));
	end->iss = below(3) == 0 ? (uint32_t)0 - below(100000) : below(UINT32_MAX);
	end->offers = below(4) != 0;
	end->scale = end->offers ? (uint8_t)below(9) : 0;
	end->buffer = end->offers ? 500 + below(250000) : 500 + below(65000);
	end->mss = sizes[below(RTE_DIM(sizes))];
	end->to_send = below(5) == 0 ? 0 : below(end->mss < 1000 ? 20000 : STREAM_LIMIT - 1000);
	end->timer = UINT64_MAX - TIMEOUT;
}

/* What the window has room for, in pieces, and the FIN behind it. */
static void
send_more(struct world *world, unsigned side)
{
	struct end *end = &world->ends[side];

	if (end->state != ESTABLISHED && end->state != CLOSE_WAIT)
		return;
	while (is_after(stream_end(end), end->nxt) && is_after(end->right, end->nxt)) {
		uint32_t n = RTE_MIN(stream_end(end) - end->nxt, end->right - end->nxt);

		n = RTE_MIN(n, end->mss);
		end->nxt += n;
		send_segment(world, side, ACK, end->nxt - n, n);
		end->timer = world->now + TIMEOUT;
	}
	if (end->nxt != stream_end(end) || !is_after(end->right, end->nxt))
		return;
	end->fin_sent = true;
	end->nxt++;
	send_segment(world, side, FIN | ACK, end->nxt - 1, 0);
	end->state = end->state == ESTABLISHED ? FIN_WAIT : CLOSING;
	end->timer = world->now + TIMEOUT;
}

static void
open_actively(struct world *world, unsigned side)
{
	struct end *end = &world->ends[side];

	end->state = SYN_SENT;
	end->una = end->iss;
	end->nxt = end->iss + 1;
	end->timer = world->now + TIMEOUT;
	send_segment(world, side, SYN, end->iss, 0);
}

/* The timer: the SYN, the first that is not acknowledged, a probe, or a keep-alive again. */
static void
send_again(struct world *world, unsigned side)
{
	struct end *end = &world->ends[side];
	uint32_t n;

	end->timer = world->now + TIMEOUT;
	/* RFC 9293, 3.8.3 (R2): a server does not wait for ever */
	if (world->anything && end->state == SYN_RECEIVED && ++end->tries > 8) {
		prepare_end(end);
		return;
	}
	if (end->state == SYN_SENT || (end->state == SYN_RECEIVED && end->simultaneous && below(2)))
		send_segment(world, side, SYN, end->iss, 0);
	else if (end->state == SYN_RECEIVED)
		send_segment(world, side, SYN | ACK, end->iss, 0);
	else if (end->state == TIME_WAIT || end->state >= OVER || end->state == LISTENING)
		return;
	else if (end->una != end->nxt) {
		n = RTE_MIN(end->nxt - end->una, 1 + below(end->mss));
		if (end->fin_sent && end->una + n == end->nxt)
			send_segment(world, side, FIN | ACK, end->una, n - 1);
		else
			send_segment(world, side, ACK, end->una, n);
	} else if (is_after(stream_end(end), end->nxt) && !is_after(end->right, end->nxt)) {
		/* RFC 9293, 3.8.6.1: a byte more than there is room for, or none */
		n = below(2);
		end->nxt += n;
		send_segment(world, side, ACK, n ? end->nxt - 1 : end->una - 1, n);
	} else {
		send_segment(world, side, ACK, end->nxt - 1, 0);
		send_more(world, side);
	}
}

/* ---- RFC 9293, 3.10.7 ------------------------------------------------------------------------ */

static uint32_t
weight(const struct tcp_segment *segment)
{
	return segment->length + !!(segment->flags & SYN) + !!(segment->flags & FIN);
}

static void
refuse(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_segment reset = { .flags = RST };

	if (segment->flags & RST)
		return;
	if (segment->flags & ACK) {
		reset.sequence = segment->acknowledgment;
	} else {
		reset.flags |= ACK;
		reset.acknowledgment = segment->sequence + weight(segment);
	}
	world->sent++;
	launch(world, side, &reset, false, false);
}

static void
note_options(struct end *end, const struct tcp_segment *segment)
{
	end->scaled = end->offers && segment->has_scale;
	end->other_scale = segment->has_scale ? segment->scale : 0;
}

static void
note_window(struct end *end, const struct tcp_segment *segment)
{
	uint32_t window = segment->window;

	if (end->scaled && !(segment->flags & SYN))
		window <<= end->other_scale;
	end->max_window = RTE_MAX(end->max_window, window);
	end->right = larger(segment->acknowledgment + window, end->right);
}

static void
note_syn(struct end *end, const struct tcp_segment *segment)
{
	end->irs = segment->sequence;
	end->rcv_nxt = end->advertised = segment->sequence + 1;
	note_options(end, segment);
	end->right = end->iss + 1;
	end->max_window = segment->window;
}

static void
arrives_listening(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	struct end *end = &world->ends[side];

	if (segment->flags & (RST | ACK)) {
		refuse(world, side, segment);
		return;
	}
	if (!(segment->flags & SYN))
		return;
	note_syn(end, segment);
	end->una = end->iss;
	end->nxt = end->iss + 1;
	end->state = SYN_RECEIVED;
	end->timer = world->now + TIMEOUT;
	send_segment(world, side, SYN | ACK, end->iss, 0);
}

static void
arrives_syn_sent(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	struct end *end = &world->ends[side];
	bool answers = (segment->flags & ACK) && segment->acknowledgment == end->nxt;

	if ((segment->flags & ACK) && !answers) {
		refuse(world, side, segment);
		return;
	}
	if (segment->flags & RST) {
		end->was_reset = answers;
		end->state = answers ? CLOSED : SYN_SENT;
		return;
	}
	if (!(segment->flags & SYN))
		return;
	note_syn(end, segment);
	if (!answers) {
		end->state = SYN_RECEIVED;
		end->simultaneous = true;
		send_segment(world, side, SYN | ACK, end->iss, 0);
		return;
	}
	end->una = segment->acknowledgment;
	note_window(end, segment);
	end->state = ESTABLISHED;
	acknowledge(world, side);
	send_more(world, side);
}

/* First: 3.10.7.4, "segments are processed in sequence" */
static bool
is_acceptable(const struct end *end, const struct tcp_segment *segment)
{
	uint32_t n = weight(segment), first = segment->sequence - end->rcv_nxt;
	uint32_t window = end->advertised - end->rcv_nxt;

	if (n == 0)
		return window == 0 ? first == 0 : first < window;
	return window > 0 && (first < window || first + n - 1 < window);
}

static void
take_data(struct end *end, const struct tcp_segment *segment)
{
	uint32_t origin = end->irs + 1;

	for (uint32_t at = segment->sequence; at != segment->sequence + segment->length; at++)
		if (!is_after(end->rcv_nxt, at) && is_after(end->advertised, at))
			end->got[(at - origin) / 8] |= (uint8_t)(1 << (at - origin) % 8);
	if (segment->flags & FIN) {
		end->fin_got = true;
		end->fin_at = segment->sequence + segment->length;
	}
	while (is_after(end->advertised, end->rcv_nxt) &&
		(end->got[(end->rcv_nxt - origin) / 8] & 1 << (end->rcv_nxt - origin) % 8)) {
		end->rcv_nxt++;
		end->unread++;
	}
}

static bool
take_acknowledgment(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	struct end *end = &world->ends[side];

	if (is_after(segment->acknowledgment, end->nxt) ||
		is_after(end->una - end->max_window, segment->acknowledgment)) {
		acknowledge(world, side); /* RFC 5961, 5.2 */
		return false;
	}
	if (is_after(segment->acknowledgment, end->una)) {
		end->una = segment->acknowledgment;
		end->timer = world->now + TIMEOUT;
	}
	note_window(end, segment);
	return true;
}

static void
take_fins(struct world *world, unsigned side, bool fin_before)
{
	struct end *end = &world->ends[side];
	bool acked = end->fin_sent && end->una == end->nxt, got;

	if (end->fin_got && !fin_before && end->rcv_nxt == end->fin_at)
		end->rcv_nxt++;
	got = end->fin_got && end->rcv_nxt == end->fin_at + 1;
	if (end->state == ESTABLISHED && got)
		end->state = CLOSE_WAIT;
	if (end->state == FIN_WAIT && got)
		end->state = acked ? TIME_WAIT : CLOSING;
	else if (end->state == CLOSING && acked)
		end->state = end->simultaneous ? TIME_WAIT : OVER;
}

static void
arrives_synchronized(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	struct end *end = &world->ends[side];
	bool fin_before;

	if (segment->flags & RST) { /* RFC 5961, 3.2 */
		if (segment->sequence == end->rcv_nxt) {
			end->state = CLOSED;
			end->was_reset = true;
		} else if (is_acceptable(end, segment)) {
			acknowledge(world, side);
		}
		return;
	}
	/* that of a simultaneous open, in SYN_RECEIVED, has its SYN in front of the window */
	if (!is_acceptable(end, segment) &&
		!(end->state == SYN_RECEIVED && segment->flags == (SYN | ACK) &&
			segment->sequence == end->irs)) {
		acknowledge(world, side);
		return;
	}
	if ((segment->flags & SYN) && end->state != SYN_RECEIVED) {
		acknowledge(world, side); /* RFC 5961, 4.2 */
		return;
	}
	if (!(segment->flags & ACK))
		return;
	if (end->state == SYN_RECEIVED) {
		if (segment->acknowledgment == end->iss ||
			is_after(segment->acknowledgment, end->nxt)) {
			refuse(world, side, segment);
			return;
		}
		end->state = ESTABLISHED;
		end->simultaneous = false;
	}
	if (!take_acknowledgment(world, side, segment))
		return;
	fin_before = end->fin_got && end->rcv_nxt == end->fin_at + 1;
	take_data(end, segment);
	take_fins(world, side, fin_before);
	if (weight(segment) > 0)
		acknowledge(world, side);
	send_more(world, side);
}

static void
arrives(struct world *world, unsigned side, const struct tcp_segment *segment)
{
	switch (world->ends[side].state) {
	case LISTENING:
		arrives_listening(world, side, segment);
		break;
	case SYN_SENT:
		arrives_syn_sent(world, side, segment);
		break;
	case OVER:
		break;
	case CLOSED:
		refuse(world, side, segment);
		break;
	default:
		arrives_synchronized(world, side, segment);
	}
}

/* ---- between them -----------------------------------------------------------------------------
 */

/* Whether its receiver, as it is now, could do with it more than say again what it has said. */
static bool
is_of_use(const struct end *end, const struct tcp_segment *segment)
{
	if (end->state >= TIME_WAIT || end->state == LISTENING || end->state == SYN_SENT)
		return false;
	if (segment->flags & RST)
		return segment->sequence == end->rcv_nxt;
	return is_acceptable(end, segment) && !is_after(segment->acknowledgment, end->nxt) &&
	       !is_after(end->una - end->max_window, segment->acknowledgment);
}

static void
meet_tracker(struct world *world, const struct flight *flight)
{
	const struct tcp_segment *segment = &flight->segment;
	enum tcp_verdict verdict;

	if (world->track.state == TCP_STATE_NONE && segment->flags == SYN)
		world->opener = flight->from;
	verdict = tcp_track(&world->track, flight->from ^ world->opener, segment);
	if (verdict == TCP_RESTART) {
		world->track = (struct tcp_track){ 0 };
		world->opener = flight->from;
		verdict = tcp_track(&world->track, 0, segment);
		assert_int_equal(verdict, TCP_PASS);
		world->restarts++;
	}
	if (verdict == TCP_PASS || verdict == TCP_BAD_SYN) {
		world->reset_passed |= segment->flags & RST;
		launch(world, flight->from, segment, true, flight->late);
		return;
	}
	world->stale++;
	if (world->anything)
		return;
	/* such as are void when they are sent: resets that are not at RCV.NXT; all else has to be
	 * late as well */
	if (is_of_use(&world->ends[!flight->from], segment) ||
		(!flight->late && !(segment->flags & RST)))
		fail_msg("refused (%d) in %s, from %u: flags %02x seq %u ack %u length %u",
			(int)verdict, tcp_state_name(world->track.state), flight->from,
			segment->flags, segment->sequence, segment->acknowledgment,
			segment->length);
}

/* The state is what both ends would say together. */
static void
compare(const struct world *world)
{
	const struct end *one = &world->ends[0], *other = &world->ends[1];
	uint8_t state = world->track.state;

	if (world->anything || world->reset_passed)
		return;
	if (one->state == ESTABLISHED && other->state == ESTABLISHED)
		assert_int_equal(state, TCP_STATE_ESTABLISHED);
	if (one->state == CLOSE_WAIT || other->state == CLOSE_WAIT)
		assert_true(state >= TCP_STATE_FIN_WAIT && state <= TCP_STATE_CLOSING);
	if (one->state >= TIME_WAIT && other->state >= TIME_WAIT && one->state < CLOSED &&
		other->state < CLOSED)
		assert_int_equal(state, TCP_STATE_TIME_WAIT);
	for (unsigned side = 0; side < 2 && state >= TCP_STATE_ESTABLISHED; side++) {
		const struct end *end = &world->ends[side];
		const struct tcp_side *sender = &world->track.sides[side ^ world->opener];
		const struct tcp_side *receiver = &world->track.sides[!side ^ world->opener];

		assert_false(is_after(sender->end, end->nxt));
		assert_false(is_after(end->una, receiver->acked));
		assert_false(is_after(receiver->acked, world->ends[!side].rcv_nxt));
		assert_false(is_after(end->right, sender->limit));
	}
}

static struct flight
next_flight(struct world *world)
{
	unsigned first = 0;
	struct flight flight;

	for (unsigned i = 1; i < world->n_flying; i++)
		if (world->flying[i].when < world->flying[first].when)
			first = i;
	flight = world->flying[first];
	world->flying[first] = world->flying[--world->n_flying];
	return flight;
}

/* Readers are slow at times: windows close and open again. */
static void
read_some(struct world *world, unsigned side)
{
	struct end *end = &world->ends[side];
	uint32_t before = room(end);

	if (end->unread == 0)
		return;
	end->unread -= 1 + below(end->unread);
	if (before < end->mss && room(end) >= end->mss && end->state >= ESTABLISHED &&
		end->state <= TIME_WAIT)
		acknowledge(world, side);
}

/* The next thing that happens: something arrives somewhere, or a timer. */
static void
step(struct world *world)
{
	uint64_t next = UINT64_MAX;
	unsigned first = 0;

	for (unsigned i = 0; i < world->n_flying; i++)
		next = RTE_MIN(next, world->flying[i].when);
	for (unsigned side = 0; side < 2; side++)
		if (world->ends[side].timer < world->ends[first].timer)
			first = side;
	if (world->ends[first].timer < next) {
		world->now = RTE_MAX(world->now, world->ends[first].timer);
		send_again(world, first);
	} else {
		struct flight flight = next_flight(world);

		world->now = RTE_MAX(world->now, flight.when);
		if (flight.past)
			arrives(world, !flight.from, &flight.segment);
		else
			meet_tracker(world, &flight);
	}
	if (below(4) == 0)
		read_some(world, below(2));
	compare(world);
}

static void
prepare(struct world *world, uint64_t seed)
{
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	below(2);
	memset(world, 0, offsetof(struct world, flying));
	memset((uint8_t *)world + offsetof(struct world, n_flying), 0,
		sizeof(*world) - offsetof(struct world, n_flying));
	prepare_end(&world->ends[0]);
	prepare_end(&world->ends[1]);
	world->loss = below(3) == 0 ? 0 : below(150);
	world->doubling = below(2) == 0 ? 0 : below(200);
	world->lateness = below(2) == 0 ? 0 : below(100);
}

static bool
is_over(const struct world *world)
{
	return world->ends[0].state >= TIME_WAIT && world->ends[1].state >= TIME_WAIT;
}

static void
run(struct world *world)
{
	while (!is_over(world) && world->now < TIME_LIMIT)
		step(world);
}

static bool
has_arrived(const struct world *world)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct end *end = &world->ends[side], *other = &world->ends[!side];

		if (end->state == LISTENING || end->rcv_nxt != other->iss + 2 + other->to_send)
			return false;
	}
	return true;
}

static void
everything_has_arrived(const struct world *world, uint64_t seed)
{
	const struct end *one = &world->ends[0], *other = &world->ends[1];

	if (!has_arrived(world))
		fail_msg("seed %ju: %u of %u and %u of %u bytes, states %d %d, %s", (uintmax_t)seed,
			one->rcv_nxt - one->irs, other->to_send, other->rcv_nxt - other->irs,
			one->to_send, one->state, other->state, tcp_state_name(world->track.state));
}

static struct world world;

static unsigned
seeds(void)
{
	const char *more = getenv("WEFT_TEST_SEEDS");

	return more != NULL ? (unsigned)atoi(more) : 1500;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void
streams_pass(void **state)
{
	unsigned long sent = 0, stale = 0;

	for (uint64_t seed = 0; seed < seeds(); seed++) {
		prepare(&world, seed);
		world.ends[1].state = LISTENING;
		open_actively(&world, 0);
		run(&world);
		everything_has_arrived(&world, seed);
		sent += world.sent;
		stale += world.stale;
	}
	print_message("%lu segments, %lu refused as stale\n", sent, stale);
	assert_true(stale * 200 < sent);
}

static void
simultaneous_opens_pass(void **state)
{
	for (uint64_t seed = 0; seed < seeds() / 3; seed++) {
		prepare(&world, seed + 1000000);
		open_actively(&world, 0);
		open_actively(&world, 1);
		run(&world);
		everything_has_arrived(&world, seed);
	}
}

/* One end gives up at some time: the other learns of it, and the tracker ends the connection. */
static void
aborts_end_connections(void **state)
{
	unsigned ended = 0, count = 0;

	for (uint64_t seed = 0; seed < seeds(); seed++) {
		unsigned who, steps;

		prepare(&world, seed + 2000000);
		world.ends[1].state = LISTENING;
		open_actively(&world, 0);
		steps = 10 + below(300);
		for (unsigned i = 0; i < steps && !is_over(&world); i++)
			step(&world);
		who = below(2);
		if (is_over(&world) || world.ends[who].state < ESTABLISHED ||
			world.ends[who].state > CLOSING)
			continue;
		send_segment(&world, who, RST | ACK, world.ends[who].nxt, 0);
		world.ends[who].state = CLOSED;
		world.ends[who].timer = UINT64_MAX - TIMEOUT;
		run(&world);
		if (!world.ends[!who].was_reset)
			continue; /* closed in good order, before or meanwhile */
		count++;
		ended += world.track.state == TCP_STATE_RESET;
	}
	print_message("%u reset, %u known to be\n", count, ended);
	assert_true(count > seeds() / 4);
	assert_int_equal(ended, count);
}

/* One end crashes and comes up again: the client, which connects from the same port; the server,
 * which listens again; or both. In the end a new connection carries everything. */
static void
crashed_ends_connect_again(void **state)
{
	unsigned restarts = 0;

	for (uint64_t seed = 0; seed < seeds() / 3; seed++) {
		unsigned who = (unsigned)(seed % 3) + 1, steps;

		prepare(&world, seed + 3000000);
		world.anything = true;
		world.lateness = 0;
		world.ends[1].state = LISTENING;
		open_actively(&world, 0);
		steps = 5 + below(200);
		for (unsigned i = 0; i < steps && !is_over(&world); i++)
			step(&world);
		for (unsigned side = 0; side < 2; side++)
			if (who & 1u << side)
				prepare_end(&world.ends[side]);
		if (who & 1)
			open_actively(&world, 0);
		for (unsigned tries = 0; tries < 40; tries++) {
			world.now = 0;
			for (unsigned i = 0; i < world.n_flying; i++)
				world.flying[i].when = 0;
			for (unsigned side = 0; side < 2; side++)
				world.ends[side].timer = TIMEOUT;
			run(&world);
			if (has_arrived(&world))
				break;
			/* the client tries again, the server as soon as it knows that it has to */
			prepare_end(&world.ends[0]);
			if (world.ends[1].state >= TIME_WAIT)
				prepare_end(&world.ends[1]);
			open_actively(&world, 0);
		}
		everything_has_arrived(&world, seed);
		restarts += world.restarts;
	}
	assert_true(restarts > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_pass),
		cmocka_unit_test(simultaneous_opens_pass),
		cmocka_unit_test(aborts_end_connections),
		cmocka_unit_test(crashed_ends_connect_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
