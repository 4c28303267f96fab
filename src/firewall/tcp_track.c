/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/tcp_track.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_tcp.h>

/* A window counts as at least so large where it bounds what is old: what was advertised before it
 * shrank, and small windows of which a few segments are many. */
#define WINDOW_LEAST 65535u
#define SCALE_NONE 0xff

enum kind {
	KIND_SYN,
	KIND_SYN_ACK,
	KIND_ACK,
	KIND_SETTLED, /* with which every SYN and FIN of both sides is acknowledged */
	KIND_FIN,     /* the first of its side */
	KIND_RST,
	KIND_COUNT
};

/* What is to be looked at before a segment counts, and what it changes beside the state. */
enum step {
	STEP_REFUSE,   /* TCP_OUT_OF_WINDOW */
	STEP_ORPHAN,   /* TCP_CANNOT_BEGIN */
	STEP_BEGIN,    /* its side's first SYN */
	STEP_AGAIN,    /* the same SYN again, or another one */
	STEP_ANSWER,   /* a SYN-ACK while the other side may not have seen one */
	STEP_FOLLOW,   /* has to be in the window */
	STEP_STRAY,    /* SYN_SENT: of another connection than that which the SYN is to begin */
	STEP_REFUSAL,  /* a reset to who may be waiting for a SYN */
	STEP_GIVE_UP,  /* a reset by who waits for a SYN */
	STEP_RESET,    /* a reset */
	STEP_REMEMBER, /* a SYN inside the connection */
	STEP_REUSE,    /* the same in TIME_WAIT */
	STEP_RESTART,  /* the same after a reset */
};

struct transition {
	uint8_t step, next;
};

#define SAME(step, next) \
	{ \
		{ step, next }, \
		{ \
			step, next \
		} \
	}
#define REFUSE \
	{ \
		STEP_REFUSE, 0 \
	}

/* Of each state and kind: what side 0 and what side 1 does by it. What a step does not let pass
 * leaves the state as it is, and a reset which may not be taken, too. */
static const struct transition transitions[TCP_STATE_COUNT][KIND_COUNT][2] = {
	[TCP_STATE_NONE] = {
		[KIND_SYN] = { { STEP_BEGIN, TCP_STATE_SYN_SENT }, { STEP_ORPHAN, 0 } },
		[KIND_SYN_ACK] = SAME(STEP_ORPHAN, 0),
		[KIND_ACK] = SAME(STEP_ORPHAN, 0),
		[KIND_SETTLED] = SAME(STEP_ORPHAN, 0),
		[KIND_FIN] = SAME(STEP_ORPHAN, 0),
		[KIND_RST] = SAME(STEP_ORPHAN, 0),
	},
	[TCP_STATE_SYN_SENT] = {
		[KIND_SYN] = { { STEP_AGAIN, TCP_STATE_SYN_SENT },
			{ STEP_BEGIN, TCP_STATE_SIMULTANEOUS } },
		[KIND_SYN_ACK] = { REFUSE, { STEP_ANSWER, TCP_STATE_SYN_RECEIVED } },
		[KIND_ACK] = { REFUSE, { STEP_STRAY, TCP_STATE_SYN_SENT } },
		[KIND_SETTLED] = SAME(STEP_REFUSE, 0),
		[KIND_FIN] = SAME(STEP_REFUSE, 0),
		[KIND_RST] = { { STEP_GIVE_UP, TCP_STATE_RESET },
			{ STEP_REFUSAL, TCP_STATE_RESET } },
	},
	[TCP_STATE_SIMULTANEOUS] = {
		[KIND_SYN] = SAME(STEP_AGAIN, TCP_STATE_SIMULTANEOUS),
		[KIND_SYN_ACK] = SAME(STEP_ANSWER, TCP_STATE_SYN_RECEIVED),
		/* of who answers a SYN that came again, its SYN-ACK lost */
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_SYN_RECEIVED),
		[KIND_SETTLED] = SAME(STEP_REFUSE, 0),
		[KIND_FIN] = SAME(STEP_REFUSE, 0),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_SYN_RECEIVED] = {
		[KIND_SYN] = SAME(STEP_AGAIN, TCP_STATE_SYN_RECEIVED),
		[KIND_SYN_ACK] = SAME(STEP_ANSWER, TCP_STATE_SYN_RECEIVED),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_SYN_RECEIVED),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_ESTABLISHED),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_FIN_WAIT),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_ESTABLISHED] = {
		[KIND_SYN] = SAME(STEP_REMEMBER, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_ESTABLISHED),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_ESTABLISHED),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_ESTABLISHED),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_FIN_WAIT),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_FIN_WAIT] = {
		[KIND_SYN] = SAME(STEP_REMEMBER, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_FIN_WAIT),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_FIN_WAIT),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_CLOSE_WAIT),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_CLOSING),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_CLOSE_WAIT] = {
		[KIND_SYN] = SAME(STEP_REMEMBER, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_CLOSE_WAIT),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_CLOSE_WAIT),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_CLOSE_WAIT),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_CLOSING),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_CLOSING] = {
		[KIND_SYN] = SAME(STEP_REMEMBER, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_CLOSING),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_CLOSING),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_TIME_WAIT),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_CLOSING),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_TIME_WAIT] = {
		[KIND_SYN] = SAME(STEP_REUSE, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_TIME_WAIT),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_TIME_WAIT),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_TIME_WAIT),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_TIME_WAIT),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
	[TCP_STATE_RESET] = {
		[KIND_SYN] = SAME(STEP_RESTART, 0),
		[KIND_SYN_ACK] = SAME(STEP_FOLLOW, TCP_STATE_RESET),
		[KIND_ACK] = SAME(STEP_FOLLOW, TCP_STATE_RESET),
		[KIND_SETTLED] = SAME(STEP_FOLLOW, TCP_STATE_RESET),
		[KIND_FIN] = SAME(STEP_FOLLOW, TCP_STATE_RESET),
		[KIND_RST] = SAME(STEP_RESET, TCP_STATE_RESET),
	},
};

/* ---- sequence numbers (RFC 9293, 3.4) ---------------------------------------------------- */

static uint32_t
later(uint32_t one, uint32_t other)
{
	return (int32_t)(one - other) > 0 ? one : other;
}

static bool
is_between(uint32_t number, uint32_t first, uint32_t last)
{
	return number - first <= last - first;
}

static uint32_t
segment_end(const struct tcp_segment *segment)
{
	return segment->sequence + segment->length + !!(segment->flags & RTE_TCP_SYN_FLAG) +
	       !!(segment->flags & RTE_TCP_FIN_FLAG);
}

/* RFC 7323, 2.2: only if both have offered it. */
static unsigned
scale_of(const struct tcp_track *track, unsigned side)
{
	bool both = track->sides[0].flags & track->sides[1].flags & TCP_SIDE_SCALE;

	return both ? track->sides[side].scale : 0;
}

/* RFC 7323, 2.2: never of a SYN. */
static uint32_t
scaled_window(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	if (unlikely(segment->flags & RTE_TCP_SYN_FLAG))
		return segment->window;
	return (uint32_t)segment->window << scale_of(track, side);
}

static bool
both_acked(const struct tcp_track *track)
{
	return track->sides[0].flags & track->sides[1].flags & TCP_SIDE_ACKED;
}

/* ---- segments of a connection ------------------------------------------------------------ */

static bool
in_window(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	const struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];
	uint32_t oldest = sender->end - 2 * RTE_MAX(receiver->window, WINDOW_LEAST);

	if (!is_between(segment_end(segment), oldest, sender->limit + 1))
		return false;
	/* the first must be exact: who cannot hear the other does not know its number */
	oldest = unlikely(!(sender->flags & TCP_SIDE_ACKED))
			 ? sender->acked + 1
			 : receiver->end - 2 * RTE_MAX(sender->window, WINDOW_LEAST);
	return is_between(segment->acknowledgment, oldest, receiver->end);
}

static void
note_acknowledgment(struct tcp_track *track, unsigned side, uint32_t acknowledgment)
{
	struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];

	if (likely(both_acked(track))) {
		sender->acked = later(acknowledgment, sender->acked);
		return;
	}
	sender->flags |= TCP_SIDE_ACKED;
	if (!(receiver->flags & TCP_SIDE_ACKED))
		return;
	/* initial numbers are not needed any more */
	sender->acked = acknowledgment;
	receiver->acked++;
}

static void
advance(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];
	uint32_t window = scaled_window(track, side, segment);

	sender->end = later(segment_end(segment), sender->end);
	sender->window = RTE_MAX(sender->window, window);
	receiver->limit = later(segment->acknowledgment + window, receiver->limit);
	note_acknowledgment(track, side, segment->acknowledgment);
	if (segment->flags & RTE_TCP_FIN_FLAG)
		sender->flags |= TCP_SIDE_FIN;
	/* whoever speaks so has not lost the connection */
	if (unlikely((sender->flags | receiver->flags) & TCP_SIDE_SYN_AGAIN)) {
		sender->flags &= (uint8_t)~TCP_SIDE_SYN_AGAIN;
		receiver->flags &= (uint8_t)~TCP_SIDE_SYN_AGAIN;
	}
}

static enum tcp_verdict
follow(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	if (unlikely(!in_window(track, side, segment)))
		return TCP_OUT_OF_WINDOW;
	advance(track, side, segment);
	return TCP_PASS;
}

static bool
fin_is_acked(const struct tcp_track *track, unsigned side)
{
	return !(track->sides[side].flags & TCP_SIDE_FIN) ||
	       track->sides[!side].acked == track->sides[side].end;
}

static bool
is_settled(const struct tcp_track *track)
{
	return both_acked(track) && fin_is_acked(track, 0) && fin_is_acked(track, 1);
}

/* ---- SYNs --------------------------------------------------------------------------------- */

static void
note_scale(struct tcp_side *side, const struct tcp_segment *segment)
{
	if (!segment->has_scale)
		return;
	side->flags |= TCP_SIDE_SCALE;
	side->scale = segment->scale;
}

/* A side's SYN as if none of it had been seen. */
static void
begin(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];
	uint8_t kept = sender->flags & (TCP_SIDE_SYN_AGAIN | TCP_SIDE_ACKED);

	sender->end = segment_end(segment);
	sender->limit = later(segment->sequence + 1 + receiver->window, sender->end);
	sender->window = segment->window;
	sender->isn = (uint16_t)segment->sequence;
	sender->flags = kept;
	sender->scale = 0;
	note_scale(sender, segment);
	receiver->acked = segment->sequence;
	if (track->state != TCP_STATE_NONE) /* the receiver has sent its SYN, too */
		receiver->limit = later(sender->acked + 1 + segment->window, receiver->limit);
}

static bool
acknowledges_syn(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	return is_between(
		segment->acknowledgment, track->sides[side].acked + 1, track->sides[!side].end);
}

/* The same SYN-ACK again, or another one: a server that keeps no state for openings (SYN cookies)
 * may choose another number each time, of which the client takes the first that it gets. */
static enum tcp_verdict
answer(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];
	uint32_t early = sender->flags & TCP_SIDE_CHALLENGE ? sender->window : 0;

	if ((receiver->flags & TCP_SIDE_ACKED) ||
		((sender->flags & TCP_SIDE_ACKED) && segment->sequence == receiver->acked))
		return follow(track, side, segment);
	if (!acknowledges_syn(track, side, segment))
		return TCP_OUT_OF_WINDOW;
	begin(track, side, segment);
	sender->flags |= TCP_SIDE_ACKED;
	receiver->limit = later(segment->acknowledgment + segment->window, receiver->limit);
	if (unlikely(early > 0)) {
		early <<= scale_of(track, side);
		sender->window = RTE_MAX(sender->window, early);
		receiver->limit = later(segment->acknowledgment + early, receiver->limit);
	}
	return TCP_PASS;
}

static enum tcp_verdict
remember(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side];

	/* the connection's own, late */
	if (sender->isn == (uint16_t)segment->sequence)
		return TCP_BAD_SYN;
	track->syn = segment->sequence;
	track->syn_window = segment->window;
	track->syn_scale = segment->has_scale ? segment->scale : SCALE_NONE;
	track->sides[!side].flags &= (uint8_t)~TCP_SIDE_SYN_AGAIN;
	sender->flags |= TCP_SIDE_SYN_AGAIN;
	return TCP_BAD_SYN;
}

/* While `acked` of the other is the initial sequence number. With data or without
 * (RFC 7413, 4.1.3), with options or without them. */
static enum tcp_verdict
again(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side];

	if (segment->sequence != track->sides[!side].acked)
		return remember(track, side, segment);
	sender->end = later(segment_end(segment), sender->end);
	sender->limit = later(sender->end, sender->limit);
	sender->window = RTE_MAX(sender->window, (uint32_t)segment->window);
	note_scale(sender, segment);
	return TCP_PASS;
}

/* RFC 9293, 3.6.1: beyond what the old connection has used. */
static enum tcp_verdict
reuse(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	if ((int32_t)(segment->sequence - track->sides[side].end) > 0)
		return TCP_RESTART;
	return remember(track, side, segment);
}

/* The SYN of a connection that came to be, late, does not bring it back; one that was refused may
 * come again as it is. */
static enum tcp_verdict
restart(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	bool own = both_acked(track) && track->sides[side].isn == (uint16_t)segment->sequence;

	return own ? TCP_BAD_SYN : TCP_RESTART;
}

static bool
answers_remembered(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	return (track->sides[!side].flags & TCP_SIDE_SYN_AGAIN) &&
	       (segment->flags & RTE_TCP_ACK_FLAG) && segment->acknowledgment == track->syn + 1;
}

/* Side 1 has answered another SYN than that of this connection. */
static enum tcp_verdict
begin_again(struct tcp_track *track, const struct tcp_segment *segment)
{
	const struct tcp_segment syn = {
		.sequence = track->syn,
		.window = track->syn_window,
		.flags = RTE_TCP_SYN_FLAG,
		.has_scale = track->syn_scale != SCALE_NONE,
		.scale = track->syn_scale,
	};

	*track = (struct tcp_track){ 0 };
	begin(track, 0, &syn);
	track->state = TCP_STATE_SYN_RECEIVED;
	return answer(track, 1, segment);
}

/*
 * An acknowledgment without a SYN: the peer has another connection of these ports, and challenges
 * the SYN (RFC 5961, 4.2); the answer is a reset at what it has acknowledged. Or its SYN-ACK was
 * lost in front of us; how to scale the window is told when it comes again.
 */
static enum tcp_verdict
stray(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	struct tcp_side *sender = &track->sides[side];

	if (segment->length > 0)
		return TCP_OUT_OF_WINDOW;
	if (acknowledges_syn(track, side, segment))
		sender->window = RTE_MAX(sender->window, (uint32_t)segment->window);
	sender->end = segment->acknowledgment;
	sender->flags |= TCP_SIDE_CHALLENGE;
	return TCP_PASS;
}

/* ---- resets ------------------------------------------------------------------------------- */

/* RFC 9293, 3.10.7.3: it acknowledges the SYN. */
static bool
refuses_syn(const struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	return !(track->sides[!side].flags & TCP_SIDE_ACKED) &&
	       (segment->flags & RTE_TCP_ACK_FLAG) && acknowledges_syn(track, side, segment);
}

/* `next`: TCP_STATE_RESET; made the present state if the connection goes on. */
static enum tcp_verdict
give_up(struct tcp_track *track, unsigned side, const struct tcp_segment *segment, uint8_t *next)
{
	const struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];

	if (segment->sequence == sender->end || segment->sequence == receiver->acked + 1)
		return TCP_PASS;
	if (!(receiver->flags & TCP_SIDE_CHALLENGE) || segment->sequence != receiver->end)
		return TCP_BAD_RESET;
	*next = track->state;
	return TCP_PASS;
}

/* As above. */
static enum tcp_verdict
reset(struct tcp_track *track, unsigned side, const struct tcp_segment *segment, uint8_t *next)
{
	const struct tcp_side *sender = &track->sides[side], *receiver = &track->sides[!side];
	uint32_t expected = receiver->acked + !both_acked(track);

	if (refuses_syn(track, side, segment) || answers_remembered(track, side, segment) ||
		segment->sequence == expected || segment->sequence == sender->end)
		return TCP_PASS;
	if (!is_between(segment->sequence, expected, sender->end))
		return TCP_BAD_RESET;
	*next = track->state;
	return TCP_PASS;
}

/* ---- the machine -------------------------------------------------------------------------- */

static enum tcp_verdict
take(struct tcp_track *track, unsigned side, const struct tcp_segment *segment, uint8_t step,
	uint8_t *next)
{
	switch (step) {
	case STEP_ORPHAN:
		return TCP_CANNOT_BEGIN;
	case STEP_BEGIN:
		begin(track, side, segment);
		return TCP_PASS;
	case STEP_AGAIN:
		return again(track, side, segment);
	case STEP_ANSWER:
		return answer(track, side, segment);
	case STEP_FOLLOW:
		return follow(track, side, segment);
	case STEP_STRAY:
		return stray(track, side, segment);
	case STEP_REFUSAL:
		return refuses_syn(track, side, segment) ? TCP_PASS : TCP_BAD_RESET;
	case STEP_GIVE_UP:
		return give_up(track, side, segment, next);
	case STEP_RESET:
		return reset(track, side, segment, next);
	case STEP_REMEMBER:
		return remember(track, side, segment);
	case STEP_REUSE:
		return reuse(track, side, segment);
	case STEP_RESTART:
		return restart(track, side, segment);
	default:
		return TCP_OUT_OF_WINDOW;
	}
}

/* KIND_COUNT: no segment of TCP (RFC 9293, 3.10.7.4: the fifth step drops it). */
static enum kind
kind_of(const struct tcp_side *sender, uint8_t flags)
{
	if (flags & RTE_TCP_RST_FLAG)
		return KIND_RST;
	if (flags & RTE_TCP_SYN_FLAG)
		return flags & RTE_TCP_ACK_FLAG ? KIND_SYN_ACK : KIND_SYN;
	if (!(flags & RTE_TCP_ACK_FLAG))
		return KIND_COUNT;
	if ((flags & RTE_TCP_FIN_FLAG) && !(sender->flags & TCP_SIDE_FIN))
		return KIND_FIN;
	return KIND_ACK;
}

static enum tcp_verdict
track_slow(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	enum kind kind = kind_of(&track->sides[side], segment->flags);
	const struct transition *transition;
	enum tcp_verdict verdict;
	uint8_t next;

	if (kind == KIND_COUNT)
		return track->state == TCP_STATE_NONE ? TCP_CANNOT_BEGIN : TCP_OUT_OF_WINDOW;
	if (kind == KIND_SYN_ACK && side == 1 && answers_remembered(track, side, segment))
		return begin_again(track, segment);
	transition = &transitions[track->state][kind][side];
	next = transition->next;
	verdict = take(track, side, segment, transition->step, &next);
	if (verdict != TCP_PASS)
		return verdict;
	if ((kind == KIND_ACK || kind == KIND_SYN_ACK) && is_settled(track))
		next = transitions[track->state][KIND_SETTLED][side].next;
	track->state = next;
	return TCP_PASS;
}

enum tcp_verdict
tcp_track(struct tcp_track *track, unsigned side, const struct tcp_segment *segment)
{
	const uint8_t turning = RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG;

	/* nearly every segment: it can change no state */
	if (likely(track->state == TCP_STATE_ESTABLISHED &&
		    (segment->flags & (turning | RTE_TCP_ACK_FLAG)) == RTE_TCP_ACK_FLAG))
		return follow(track, side, segment);
	return track_slow(track, side, segment);
}

const char *
tcp_state_name(uint8_t state)
{
	static const char *const names[TCP_STATE_COUNT] = {
		[TCP_STATE_NONE] = "none",
		[TCP_STATE_SYN_SENT] = "syn-sent",
		[TCP_STATE_SIMULTANEOUS] = "simultaneous-open",
		[TCP_STATE_SYN_RECEIVED] = "syn-received",
		[TCP_STATE_ESTABLISHED] = "established",
		[TCP_STATE_FIN_WAIT] = "fin-wait",
		[TCP_STATE_CLOSE_WAIT] = "close-wait",
		[TCP_STATE_CLOSING] = "closing",
		[TCP_STATE_TIME_WAIT] = "time-wait",
		[TCP_STATE_RESET] = "reset",
	};

	return state < TCP_STATE_COUNT ? names[state] : "unknown";
}
