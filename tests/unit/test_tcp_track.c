/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cases by RFC section, each a few segments in words, run at several initial sequence numbers;
 * every state against every kind of segment; and who is not on the path, with random numbers.
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

static const char *const verdict_names[] = {
	[TCP_PASS] = "pass",
	[TCP_RESTART] = "restart",
	[TCP_CANNOT_BEGIN] = "cannot-begin",
	[TCP_OUT_OF_WINDOW] = "out-of-window",
	[TCP_BAD_RESET] = "bad-reset",
	[TCP_BAD_SYN] = "bad-syn",
};

/*
 * Segments, a line each: side, flags (S A F R, - for none), sequence number, acknowledgment,
 * then, as far as they matter, +LENGTH, wWINDOW, sSCALE; `>` verdict and state behind it (left
 * out: pass, and whatever state). Numbers count from the initial sequence number of the side
 * that they belong to.
 */
struct story {
	const char *name;
	const char *segments;
};

static uint8_t
read_flags(const char *word)
{
	uint8_t flags = 0;

	for (; *word != '\0'; word++) {
		flags |= *word == 'S' ? SYN : 0;
		flags |= *word == 'A' ? ACK : 0;
		flags |= *word == 'F' ? FIN : 0;
		flags |= *word == 'R' ? RST : 0;
	}
	return flags;
}

static void
read_detail(struct tcp_segment *segment, const char *word)
{
	unsigned long number = strtoul(word + 1, NULL, 0);

	switch (word[0]) {
	case '+':
		segment->length = (uint32_t)number;
		break;
	case 'w':
		segment->window = (uint16_t)number;
		break;
	case 's':
		segment->has_scale = true;
		segment->scale = (uint8_t)number;
		break;
	default:
		fail_msg("what is %s?", word);
	}
}

static void
tell_line(struct tcp_track *track, const struct story *story, char *line, const uint32_t first[2])
{
	struct tcp_segment segment = { .window = 10000 };
	char whole[120], *rest, *word;
	const char *due = "pass", *state = NULL;
	struct tcp_track before = *track;
	enum tcp_verdict verdict;
	unsigned side;

	snprintf(whole, sizeof(whole), "%s: %s", story->name, line);
	side = (unsigned)strtoul(strtok_r(line, " ", &rest), NULL, 10);
	segment.flags = read_flags(strtok_r(NULL, " ", &rest));
	segment.sequence = first[side] + (uint32_t)strtol(strtok_r(NULL, " ", &rest), NULL, 0);
	segment.acknowledgment =
		first[!side] + (uint32_t)strtol(strtok_r(NULL, " ", &rest), NULL, 0);
	while ((word = strtok_r(NULL, " ", &rest)) != NULL && strcmp(word, ">") != 0)
		read_detail(&segment, word);
	if (word != NULL) {
		due = strtok_r(NULL, " ", &rest);
		state = strtok_r(NULL, " ", &rest);
	}
	verdict = tcp_track(track, side, &segment);
	if (strcmp(verdict_names[verdict], due) != 0 ||
		(state != NULL && strcmp(tcp_state_name(track->state), state) != 0))
		fail_msg("%s: is %s, %s (first %08x %08x)", whole, verdict_names[verdict],
			tcp_state_name(track->state), first[0], first[1]);
	if (verdict != TCP_PASS && verdict != TCP_BAD_SYN)
		assert_memory_equal(&before, track, sizeof(before));
	if (verdict == TCP_RESTART)
		*track = (struct tcp_track){ 0 };
}

static void
tell(struct tcp_track *track, const struct story *story, const uint32_t first[2])
{
	char text[2000], *rest, *line;

	assert_true(strlen(story->segments) < sizeof(text));
	strcpy(text, story->segments);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		tell_line(track, story, line, first);
}

/* At numbers that wrap in the handshake, behind it, and at the sign's change. */
static const uint32_t firsts[][2] = {
	{ 1000, 500000 },
	{ 0xffffffff, 0xfffffffe },
	{ 0xffffff00, 0x7fffffff },
	{ 0x7ffffff0, 0xffff0000 },
	{ 0, 0x80000000 },
};

static void
tell_all(const struct story *stories, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < RTE_DIM(firsts); j++) {
			struct tcp_track track = { 0 };

			tell(&track, &stories[i], firsts[j]);
		}
}

#define OPEN \
	"0 S 0 0\n" \
	"1 SA 0 1\n" \
	"0 A 1 1 > pass established\n"
#define OPEN_SCALED \
	"0 S 0 0 s7\n" \
	"1 SA 0 1 s8\n" \
	"0 A 1 1 > pass established\n"

/* ---- opening ------------------------------------------------------------------------------ */

static void
connections_open(void **state)
{
	static const struct story stories[] = {
		{ "9293 3.5 figure 6: three-way handshake", "0 S 0 0 > pass syn-sent\n"
							    "1 SA 0 1 > pass syn-received\n"
							    "0 A 1 1 > pass established\n"
							    "0 A 1 1 +100 > pass established\n" },
		{ "9293 3.5: the third segment may carry data",
			"0 S 0 0\n"
			"1 SA 0 1\n"
			"0 A 1 1 +500 > pass established\n" },
		{ "9293 3.10.7.4: a FIN may be the third segment", "0 S 0 0\n"
								   "1 SA 0 1\n"
								   "0 FA 1 1 > pass fin-wait\n"
								   "1 A 1 2 > pass close-wait\n" },
		{ "9293 3.10.4: a server may close before it is established",
			"0 S 0 0\n"
			"1 SA 0 1\n"
			"1 FA 1 1 > pass fin-wait\n"
			"0 A 1 1 > pass fin-wait\n"
			"0 A 1 2 > pass close-wait\n" },
		{ "9293 3.5 figure 7: simultaneous open", "0 S 0 0 > pass syn-sent\n"
							  "1 S 0 0 > pass simultaneous-open\n"
							  "0 SA 0 1 > pass syn-received\n"
							  "1 SA 0 1 > pass established\n"
							  "1 A 1 1 +100\n"
							  "0 A 1 101 > pass established\n" },
		{ "9293 3.5: simultaneous open, one SYN-ACK lost in front of us",
			"0 S 0 0\n"
			"1 S 0 0\n"
			"1 SA 0 1 > pass syn-received\n"
			"0 A 1 1 +10 > pass established\n" },
		{ "9293 3.5: simultaneous open, both SYNs again",
			"0 S 0 0\n"
			"1 S 0 0\n"
			"0 S 0 0 > pass simultaneous-open\n"
			"1 S 0 0 > pass simultaneous-open\n"
			"0 SA 0 1\n"
			"0 SA 0 1 > pass syn-received\n"
			"1 SA 0 1 > pass established\n" },
		{ "9293 3.5: in place of a spoofed SYN the true SYN-ACK counts",
			"0 S 0 0\n"
			"1 S 12345 0 > pass simultaneous-open\n"
			"1 SA 0 1 > pass syn-received\n"
			"0 A 1 1 > pass established\n" },
		{ "9293 3.8.1: the SYN again", "0 S 0 0\n"
					       "0 S 0 0 > pass syn-sent\n"
					       "1 SA 0 1\n"
					       "0 S 0 0 > pass syn-received\n"
					       "0 A 1 1 > pass established\n" },
		{ "9293 3.8.1: the SYN-ACK again", "0 S 0 0\n"
						   "1 SA 0 1\n"
						   "1 SA 0 1 > pass syn-received\n"
						   "0 A 1 1\n"
						   "1 SA 0 1 > pass established\n"
						   "0 A 1 1 > pass established\n" },
		{ "4987 3.6: SYN cookies, another SYN-ACK", "0 S 0 0\n"
							    "1 SA 777 1 > pass syn-received\n"
							    "1 SA 0 1 > pass syn-received\n"
							    "0 A 1 1 > pass established\n" },
		{ "9293 3.10.7.3: a SYN-ACK has to acknowledge the SYN",
			"0 S 0 0\n"
			"1 SA 0 0 > out-of-window syn-sent\n"
			"1 SA 0 2 > out-of-window syn-sent\n"
			"1 SA 0 70000 > out-of-window syn-sent\n"
			"1 SA 0 1 > pass syn-received\n" },
		{ "9293 3.10.7.4: the third segment has to acknowledge the SYN-ACK",
			"0 S 0 0\n"
			"1 SA 0 1\n"
			"0 A 1 0 > out-of-window syn-received\n"
			"0 A 1 2 > out-of-window syn-received\n"
			"0 A 1 -9 > out-of-window syn-received\n"
			"0 A 1 1 > pass established\n" },
		{ "7413: data in the SYN, all of it acknowledged",
			"0 S 0 0 +1000 > pass syn-sent\n"
			"1 SA 0 1001\n"
			"1 A 1 1001 +1400 > pass syn-received\n"
			"0 A 1001 1 > pass established\n" },
		{ "7413: data in the SYN, not taken", "0 S 0 0 +1000\n"
						      "1 SA 0 1\n"
						      "0 A 1001 1 > pass established\n"
						      "0 A 1 1 +1000 > pass established\n"
						      "1 A 1 1001 > pass established\n" },
		{ "7413: data in the SYN, the SYN again without",
			"0 S 0 0 +1000\n"
			"0 S 0 0 > pass syn-sent\n"
			"1 SA 0 1\n"
			"0 A 1 1 +1000 > pass established\n" },
		{ "7413: a SYN-ACK again behind data of the server",
			"0 S 0 0 +10\n"
			"1 SA 0 11\n"
			"1 A 1 11 +1400\n"
			"1 SA 0 11 > pass syn-received\n"
			"0 A 11 1401 > pass established\n" },
		{ "9293 3.5: what is no SYN begins nothing", "0 A 1 1 > cannot-begin none\n"
							     "0 SA 0 1 > cannot-begin none\n"
							     "0 FA 1 1 > cannot-begin none\n"
							     "0 R 1 1 > cannot-begin none\n"
							     "0 - 1 1 > cannot-begin none\n" },
		{ "9293 3.10.7.3: a refusal has to acknowledge the SYN",
			"0 S 0 0\n"
			"1 R 0 0 > bad-reset syn-sent\n"
			"1 RA 0 0 > bad-reset syn-sent\n"
			"1 RA 0 2 > bad-reset syn-sent\n"
			"1 RA 0 1 > pass reset\n"
			"0 S 0 0 > restart\n"
			"0 S 0 0 > pass syn-sent\n" },
		{ "9293 3.10.7.3: a refusal of the SYN again, the SYN-ACK lost",
			"0 S 0 0\n"
			"1 SA 0 1\n"
			"0 S 0 0\n"
			"1 RA 7777777 1 > pass reset\n" },
		{ "9293 3.5: the client resets what it gave up", "0 S 0 0\n"
								 "1 SA 0 1\n"
								 "0 R 1 0 > pass reset\n" },
		{ "9293 3.10.7.2: no reset of the client but at its number",
			"0 S 0 0\n"
			"0 R 5 0 > bad-reset syn-sent\n"
			"0 R 0 0 > bad-reset syn-sent\n"
			"0 R 1 0 > pass reset\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

/* ---- peers that have restarted -------------------------------------------------------------- */

static void
half_open_connections_recover(void **state)
{
	static const struct story stories[] = {
		{ "9293 3.5.1 figure 9: the client crashed, the server challenges",
			OPEN "1 A 1 1 +100\n"
			     "0 S 900000 0 > bad-syn established\n"
			     "1 A 101 1 > pass established\n"
			     "0 R 1 0 > pass reset\n"
			     "0 S 900000 0 > restart\n"
			     "0 S 900000 0 > pass syn-sent\n" },
		{ "9293 3.5.1: we know no connection, the server does",
			"0 S 0 0\n"
			"1 A 5000 -40000 > pass syn-sent\n"
			"0 R -39999 0 > bad-reset syn-sent\n"
			"0 R -40000 0 > pass syn-sent\n"
			"0 S 0 0 > pass syn-sent\n"
			"1 SA 77 1 > pass syn-received\n" },
		{ "9293 3.5.1: data of another connection is not the client's",
			"0 S 0 0\n"
			"1 A 5000 -40000 +10 > out-of-window syn-sent\n"
			"1 FA 5000 -40000 > out-of-window syn-sent\n" },
		{ "9293 3.10.7.3: we have begun anew, the server has not",
			"0 S 0 0\n"
			"0 S 900000 0 > bad-syn syn-sent\n"
			"1 A 1 1 > pass syn-sent\n"
			"0 R 1 0 > pass reset\n"
			"0 S 900000 0 > restart\n" },
		{ "7323 2.2: a window that overtakes the SYN-ACK which says how to scale it",
			"0 S 0 0 s2\n"
			"1 A 1 1 w1000 > pass syn-sent\n"
			"1 SA 0 1 s3 w1000 > pass syn-received\n"
			"0 A 1 1 > pass established\n"
			"0 A 1 1 +8002 > out-of-window established\n"
			"0 A 1 1 +8001 > pass established\n" },
		{ "9293 3.5.1: both ends have lost it",
			OPEN "0 S 900000 0 w200 > bad-syn established\n"
			     "1 SA 700000 900001 > pass syn-received\n"
			     "0 A 900001 700001 > pass established\n"
			     "1 A 700001 900001 +10000\n" },
		{ "9293 3.5.1: both ends have lost it, and nobody listens",
			OPEN "0 S 900000 0 > bad-syn established\n"
			     "1 RA 7777777 900001 > pass reset\n" },
		{ "9293 3.5.1: side 1 may not begin in its place",
			OPEN "1 S 900000 0 > bad-syn established\n"
			     "0 SA 700000 900001 > out-of-window established\n"
			     "0 RA 7777777 900001 > pass reset\n" },
		{ "5961 4.2: a spoofed SYN ends nothing",
			OPEN "0 S 900000 0 > bad-syn established\n"
			     "1 S 900000 0 > bad-syn established\n"
			     "1 A 1 1 > pass established\n"
			     "1 A 1 1 +100 > pass established\n"
			     "0 A 1 101 > pass established\n" },
		{ "5961 4.2: a SYN whose sender goes on is forgotten",
			OPEN "0 S 900000 0 > bad-syn established\n"
			     "0 A 1 1 +5 > pass established\n"
			     "1 SA 700000 900001 > out-of-window established\n" },
		{ "9293 3.5: late SYN and SYN-ACK of this connection",
			OPEN "0 A 1 1 +5\n"
			     "0 S 0 0 > bad-syn established\n"
			     "1 SA 0 1 > pass established\n"
			     "0 A 6 1 +5 > pass established\n" },
		{ "9293 3.10.7.4: the client begins anew before it is answered",
			"0 S 0 0\n"
			"0 S 900000 0 > bad-syn syn-sent\n"
			"1 SA 0 900001 > pass syn-received\n"
			"0 A 900001 1 > pass established\n" },
		{ "5961 4.2: a spoofed SYN in front of the answer",
			"0 S 0 0\n"
			"0 S 900000 0 > bad-syn syn-sent\n"
			"1 SA 0 1 > pass syn-received\n"
			"0 A 1 1 > pass established\n" },
		{ "5961 4.2: the client begins anew after it is answered",
			"0 S 0 0\n"
			"1 SA 0 1\n"
			"0 S 900000 0 > bad-syn syn-received\n"
			"1 A 1 1 > pass syn-received\n"
			"0 R 1 0 > pass reset\n"
			"0 S 900000 0 > restart\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

/* ---- windows ------------------------------------------------------------------------------ */

static void
windows_are_kept(void **state)
{
	static const struct story stories[] = {
		{ "9293 3.4: up to the edge of the window, and no further",
			OPEN "0 A 1 1 +10000\n"
			     "0 A 10001 1 +2 > out-of-window established\n"
			     "0 A 10001 1 > pass established\n"
			     "0 A 20001 1 > out-of-window established\n"
			     "1 A 1 10001\n"
			     "0 A 10001 1 +10000 > pass established\n" },
		{ "9293 3.4: of what was sent out of order",
			OPEN "0 A 5001 1 +1000\n"
			     "0 A 1 1 +1000\n"
			     "0 A 2001 1 +1000 > pass established\n" },
		{ "9293 3.8.6.1: zero-window probe of a byte",
			OPEN "0 A 1 1 +10000\n"
			     "1 A 1 10001 w0\n"
			     "0 A 10001 1 +1 > pass established\n"
			     "1 A 1 10001 w0\n"
			     "0 A 10002 1 > pass established\n"
			     "0 A 10001 1 +1 > pass established\n"
			     "0 A 10001 1 +2 > out-of-window established\n"
			     "1 A 1 10001 w500\n"
			     "0 A 10001 1 +500 > pass established\n" },
		{ "9293 3.8.6.1: zero-window probe of an old byte",
			OPEN "0 A 1 1 +10000\n"
			     "1 A 1 10001 w0\n"
			     "0 A 10000 1 > pass established\n" },
		{ "9293 3.8.6: a FIN behind a full window",
			OPEN "0 A 1 1 +10000\n"
			     "0 FA 10001 1 > pass fin-wait\n"
			     "1 A 1 10002 > pass close-wait\n" },
		{ "9293 3.8.6: a window that shrinks",
			OPEN "0 A 1 1 +1000\n"
			     "1 A 1 1001 w100\n"
			     "0 A 1001 1 +9000 > pass established\n" },
		{ "9293 3.8.4: keep-alives", OPEN "0 A 1 1 +100\n"
						  "1 A 1 101\n"
						  "0 A 100 1 > pass established\n"
						  "0 A 100 1 +1 > pass established\n"
						  "1 A 1 101 > pass established\n"
						  "1 A 0 101 > pass established\n"
						  "1 A 0 101 +1 > pass established\n" },
		{ "9293 3.8.1: old data again", OPEN "0 A 1 1 +10000\n"
						     "1 A 1 10001\n"
						     "0 A 1 1 +10000 > pass established\n"
						     "0 A 1 1 +1 > pass established\n" },
		{ "9293 3.8.1: one that joins old and new data",
			OPEN "0 A 1 1 +100\n"
			     "0 A 1 1 +10000 > pass established\n" },
		{ "9293 3.10.7.4: old acknowledgments", OPEN "0 A 1 1 +5000\n"
							     "1 A 1 5001\n"
							     "1 A 1 1 > pass established\n"
							     "1 A 1 2501 > pass established\n" },
		{ "9293 3.10.7.4: what was not sent cannot be acknowledged",
			OPEN "0 A 1 1 +5000\n"
			     "1 A 1 5002 > out-of-window established\n"
			     "1 A 1 5001 > pass established\n" },
		{ "2018 3: duplicate acknowledgments (SACK)",
			OPEN "0 A 1 1 +3000\n"
			     "1 A 1 1001\n"
			     "1 A 1 1001\n"
			     "1 A 1 1001 > pass established\n" },
		{ "9293 3.10.7.4: without ACK it is nothing",
			OPEN "0 - 1 0 +5 > out-of-window established\n"
			     "1 - 1 0 > out-of-window established\n" },
		{ "5961 5.2: acknowledgments of long ago",
			OPEN "1 A 1 -131070 > out-of-window established\n"
			     "1 A 1 -131069 > pass established\n" },
		{ "super-packets", OPEN_SCALED "1 A 1 1 w512\n"
					       "0 A 1 1 +65000\n"
					       "0 A 65001 1 +65000\n"
					       "1 A 1 130001 w512 +65000\n"
					       "0 A 130001 65001 > pass established\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

static void
windows_are_scaled(void **state)
{
	static const struct story stories[] = {
		{ "7323 2.2: both have offered it",
			"0 S 0 0 s2\n"
			"1 SA 0 1 s3 w1000\n"
			"0 A 1 1 w1000\n"
			"1 A 1 1 w1000\n"
			"0 A 1 1 +8000 w1000\n"
			"0 A 8001 1 +2 > out-of-window established\n"
			"1 A 1 8001 +4000\n"
			"1 A 10001 8001 +2 > out-of-window established\n" },
		{ "7323 2.2: not of a SYN", "0 S 0 0 s2 w1000\n"
					    "1 SA 0 1 s3 w1000\n"
					    "0 A 1 1 w1000\n"
					    "0 A 1 1 +1002 > out-of-window established\n"
					    "0 A 1 1 +1001 > pass established\n" },
		{ "7323 2.2: only one has offered it",
			"0 S 0 0 s2\n"
			"1 SA 0 1 w1000\n"
			"0 A 1 1 w1000\n"
			"1 A 1 1 w1000\n"
			"0 A 1 1 +1002 > out-of-window established\n"
			"1 A 1 1 +10002 > out-of-window established\n"
			"1 A 1 1 +10000 > pass established\n" },
		{ "7323 2.2: the server cannot offer it alone",
			"0 S 0 0\n"
			"1 SA 0 1 s5 w1000\n"
			"0 A 1 1\n"
			"1 A 1 1 w1000\n"
			"0 A 1 1 +1002 > out-of-window established\n" },
		{ "7323 2.2: the SYN again without options", "0 S 0 0 s2\n"
							     "0 S 0 0\n"
							     "1 SA 0 1 s3 w1000\n"
							     "0 A 1 1 w1000\n"
							     "1 A 1 1 w1000\n"
							     "0 A 1 1 +8000 > pass established\n" },
		{ "7323 2.2: a SYN-ACK again is not scaled",
			"0 S 0 0 s2\n"
			"1 SA 0 1 s8 w1000\n"
			"0 A 1 1\n"
			"1 SA 0 1 s8 w1000\n"
			"0 A 1 1 +1002 > out-of-window established\n" },
		{ "7323 2.2: simultaneous open", "0 S 0 0 s2\n"
						 "1 S 0 0 s3\n"
						 "0 SA 0 1 s2 w1000\n"
						 "1 SA 0 1 s3 w1000\n"
						 "1 A 1 1 w2000\n"
						 "0 A 1 1 +16000 > pass established\n" },
		{ "7323 2.3: the largest", "0 S 0 0 s14\n"
					   "1 SA 0 1 s14 w1000\n"
					   "0 A 1 1 w65535\n"
					   "1 A 1 1 w65535\n"
					   "0 A 1073725441 1 > pass established\n"
					   "0 A 1 1 +65535 > pass established\n"
					   "1 A 1 1073725441 w65535 > pass established\n"
					   "1 A 1 1 > pass established\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

/* ---- closing ------------------------------------------------------------------------------ */

static void
connections_close(void **state)
{
	static const struct story stories[] = {
		{ "9293 3.6 figure 12: normal close", OPEN "0 FA 1 1 > pass fin-wait\n"
							   "1 A 1 2 > pass close-wait\n"
							   "1 A 1 2 +1000 > pass close-wait\n"
							   "0 A 2 1001 > pass close-wait\n"
							   "1 FA 1001 2 > pass closing\n"
							   "0 A 2 1002 > pass time-wait\n"
							   "1 FA 1001 2 > pass time-wait\n"
							   "0 A 2 1002 > pass time-wait\n" },
		{ "9293 3.6 figure 13: simultaneous close", OPEN "0 FA 1 1 > pass fin-wait\n"
								 "1 FA 1 1 > pass closing\n"
								 "0 A 2 2 > pass closing\n"
								 "1 A 2 2 > pass time-wait\n" },
		{ "9293 3.6: FIN and its acknowledgment in one",
			OPEN "0 FA 1 1\n"
			     "1 FA 1 2 > pass closing\n"
			     "0 A 2 2 > pass time-wait\n" },
		{ "9293 3.6: the server closes first", OPEN "1 FA 1 1 > pass fin-wait\n"
							    "0 A 1 2 > pass close-wait\n"
							    "0 FA 1 2 > pass closing\n"
							    "1 A 2 2 > pass time-wait\n" },
		{ "9293 3.8.1: a FIN again", OPEN "0 A 1 1 +10\n"
						  "0 FA 11 1 > pass fin-wait\n"
						  "0 FA 11 1 > pass fin-wait\n"
						  "1 A 1 11 > pass fin-wait\n"
						  "1 A 1 12 > pass close-wait\n"
						  "0 FA 11 1 > pass close-wait\n"
						  "0 FA 1 1 +10 > pass close-wait\n" },
		{ "9293 3.10.7.4: a FIN in front of its data",
			OPEN "0 FA 101 1 > pass fin-wait\n"
			     "0 A 1 1 +100 > pass fin-wait\n"
			     "1 A 1 101 > pass fin-wait\n"
			     "1 A 1 102 > pass close-wait\n" },
		{ "9293 3.6.1: a new connection in TIME-WAIT",
			OPEN "0 FA 1 1\n"
			     "1 FA 1 2\n"
			     "0 A 2 2 > pass time-wait\n"
			     "0 S 0 0 > bad-syn time-wait\n"
			     "0 S 2 0 > bad-syn time-wait\n"
			     "0 S -500 0 > bad-syn time-wait\n"
			     "0 S 3 0 > restart\n"
			     "0 S 3 0 > pass syn-sent\n" },
		{ "6191 2: a new one with a lower number, by timestamps",
			OPEN "0 FA 1 1\n"
			     "1 FA 1 2\n"
			     "0 A 2 2\n"
			     "0 S -500 0 > bad-syn time-wait\n"
			     "1 SA 9000 -499 > pass syn-received\n"
			     "0 A -499 9001 > pass established\n" },
		{ "9293 3.6.1: the other way round", OPEN "0 FA 1 1\n"
							  "1 FA 1 2\n"
							  "0 A 2 2\n"
							  "1 S 3 0 > restart\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

static void
resets_are_judged(void **state)
{
	static const struct story stories[] = {
		{ "5961 3.2: at what is acknowledged", OPEN "0 A 1 1 +100\n"
							    "1 A 1 101\n"
							    "0 R 101 0 > pass reset\n" },
		{ "5961 3.2: in front and behind", OPEN "0 A 1 1 +100\n"
							"1 A 1 101\n"
							"0 R 100 0 > bad-reset established\n"
							"0 R 102 0 > bad-reset established\n"
							"0 R 5000 0 > bad-reset established\n"
							"1 R 0 0 > bad-reset established\n"
							"1 R 2 0 > bad-reset established\n"
							"1 R 1 0 > pass reset\n" },
		{ "5961 3.2: behind all that is under way", OPEN "0 A 1 1 +100\n"
								 "0 R 101 0 > pass reset\n" },
		{ "5961 3.2: amid what is under way", OPEN "0 A 1 1 +100\n"
							   "0 R 50 0 > pass established\n"
							   "1 A 1 101\n"
							   "0 R 50 0 > bad-reset established\n" },
		{ "5961 3.2: a challenged reset", OPEN "0 A 1 1 +100\n"
						       "0 R 101 0 > pass reset\n"
						       "1 A 1 1 > pass reset\n"
						       "0 R 1 0 > pass reset\n" },
		{ "9293 3.5.2: what is sent to a closed end is reset",
			OPEN "1 A 1 1 +100\n"
			     "0 R 1 0 > pass reset\n"
			     "1 A 101 1 +100 > pass reset\n" },
		{ "9293 3.5.3: with an acknowledgment", OPEN "0 RA 1 1 > pass reset\n"
							     "0 S 5 0 > restart\n" },
		{ "9293 3.10.7.4: while it closes", OPEN "0 FA 1 1\n"
							 "1 A 1 2\n"
							 "0 R 2 0 > pass reset\n" },
		{ "9293 3.10.7.4: in TIME-WAIT", OPEN "0 FA 1 1\n"
						      "1 FA 1 2\n"
						      "0 A 2 2\n"
						      "1 R 2 0 > pass reset\n" },
		{ "9293 3.10.7.4: before anything is acknowledged", "0 S 0 0\n"
								    "1 SA 0 1\n"
								    "1 R 1 0 > pass reset\n" },
		{ "9293 3.10.7.4: a simultaneous open", "0 S 0 0\n"
							"1 S 0 0\n"
							"0 R 0 0 > bad-reset simultaneous-open\n"
							"1 RA 5555 1 > pass reset\n" },
	};

	tell_all(stories, RTE_DIM(stories));
}

/* ---- every state, every kind ---------------------------------------------------------------- */

static const struct story ways[TCP_STATE_COUNT] = {
	[TCP_STATE_NONE] = { "none", "" },
	[TCP_STATE_SYN_SENT] = { "syn-sent", "0 S 0 0\n" },
	[TCP_STATE_SIMULTANEOUS] = { "simultaneous-open", "0 S 0 0\n1 S 0 0\n" },
	[TCP_STATE_SYN_RECEIVED] = { "syn-received", "0 S 0 0\n1 SA 0 1\n" },
	[TCP_STATE_ESTABLISHED] = { "established", OPEN },
	[TCP_STATE_FIN_WAIT] = { "fin-wait", OPEN "0 FA 1 1\n" },
	[TCP_STATE_CLOSE_WAIT] = { "close-wait", OPEN "0 FA 1 1\n1 A 1 2\n" },
	[TCP_STATE_CLOSING] = { "closing", OPEN "0 FA 1 1\n1 FA 1 2\n" },
	[TCP_STATE_TIME_WAIT] = { "time-wait", OPEN "0 FA 1 1\n1 FA 1 2\n0 A 2 2\n" },
	[TCP_STATE_RESET] = { "reset", OPEN "0 R 1 0\n" },
};

/*
 * Letters: verdict (p pass, r restart, c cannot begin, o out of window, R bad reset, S bad SYN),
 * and of what passes the state then. The segments are such as the side could send, having heard
 * all: in order another SYN, the SYN again, a SYN-ACK (again), data, a FIN, a reset.
 */
static const struct {
	const char *outcome[2]; /* of side 0 and 1 */
} matrix[TCP_STATE_COUNT] = {
	[TCP_STATE_NONE] = { { "p1 p1 c c c c", "c c c c c c" } },
	[TCP_STATE_SYN_SENT] = { { "S p1 o o o p9", "p2 p2 p3 o o R" } },
	[TCP_STATE_SIMULTANEOUS] = { { "S p2 p3 p3 o p9", "S p2 p3 p3 o p9" } },
	[TCP_STATE_SYN_RECEIVED] = { { "S p3 p4 p4 p5 p9", "S p3 p3 p3 p5 p9" } },
	[TCP_STATE_ESTABLISHED] = { { "S S p4 p4 p5 p9", "S S p4 p4 p5 p9" } },
	[TCP_STATE_FIN_WAIT] = { { "S S p5 p5 p5 p9", "S S p5 p6 p7 p9" } },
	[TCP_STATE_CLOSE_WAIT] = { { "S S p6 p6 p6 p9", "S S p6 p6 p7 p9" } },
	[TCP_STATE_CLOSING] = { { "S S p7 p8 p8 p9", "S S p7 p7 p7 p9" } },
	[TCP_STATE_TIME_WAIT] = { { "r S p8 p8 p8 p9", "r S p8 p8 p8 p9" } },
	[TCP_STATE_RESET] = { { "r S p9 p9 p9 p9", "r S p9 p9 p9 p9" } },
};

static struct tcp_segment
typical(const struct tcp_track *track, unsigned side, unsigned kind, const uint32_t first[2])
{
	static const uint8_t flags[] = { SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST };
	struct tcp_segment segment = {
		.flags = flags[kind],
		.window = 10000,
		.sequence = track->sides[side].end,
		.acknowledgment = track->sides[!side].end,
		.length = kind == 3 ? 100 : 0,
	};

	if (kind == 0)
		segment.sequence = first[side] + 300000;
	if (kind == 1 || kind == 2)
		segment.sequence = first[side];
	if (kind == 2)
		segment.acknowledgment = first[!side] + 1;
	/* the FIN again, or what was in front of it */
	if (kind >= 3 && kind <= 4 && (track->sides[side].flags & TCP_SIDE_FIN))
		segment.sequence -= segment.length + 1;
	return segment;
}

static void
every_state_meets_every_kind(void **state)
{
	static const char letters[] = "prcoRS";
	static const uint32_t first[2] = { 0xfffffff0, 0x7ffffffe };

	for (unsigned from = 0; from < TCP_STATE_COUNT; from++)
		for (unsigned side = 0; side < 2; side++) {
			const char *due = matrix[from].outcome[side];

			for (unsigned kind = 0; kind < 6; kind++) {
				struct tcp_track track = { 0 };
				struct tcp_segment segment;
				unsigned to = from;
				char verdict;

				tell(&track, &ways[from], first);
				assert_int_equal(track.state, from);
				segment = typical(&track, side, kind, first);
				verdict = letters[tcp_track(&track, side, &segment)];
				if (due[0] == 'p')
					to = (unsigned)due[1] - '0';
				if (verdict != due[0] || track.state != to)
					fail_msg("%s, side %u, kind %u: %c, %s", ways[from].name,
						side, kind, verdict, tcp_state_name(track.state));
				due += due[0] == 'p' ? 3 : 2;
			}
		}
}

/* ---- who is not on the path ----------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252ull;

static uint32_t
random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

/* Whatever passes of segments whose numbers are all wrong: nothing. */
static void
blind_segments_change_nothing(void **state)
{
	static const uint8_t flags[] = { SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK };
	static const uint32_t first[2] = { 0x12345678, 0x9abcdef0 };

	for (unsigned from = TCP_STATE_SYN_SENT; from < TCP_STATE_COUNT; from++) {
		struct tcp_track track = { 0 };
		unsigned seen[TCP_BAD_SYN + 1] = { 0 };

		tell(&track, &ways[from], first);
		for (unsigned i = 0; i < 200000; i++) {
			unsigned side = random_number() & 1;
			struct tcp_track now = track;
			struct tcp_segment segment = {
				.sequence = random_number(),
				.acknowledgment = random_number(),
				.length = random_number() % 1460,
				.window = (uint16_t)random_number(),
				.flags = flags[random_number() % RTE_DIM(flags)],
			};
			enum tcp_verdict verdict;

			/* not side 1's first SYN, of which nobody knows a number, nor what a SYN
			 * does to a connection that is over */
			if (segment.flags == SYN && (from < 3 || from >= TCP_STATE_TIME_WAIT))
				continue;
			verdict = tcp_track(&now, side, &segment);
			seen[verdict]++;
			if (verdict == TCP_PASS && segment.length > 0)
				fail_msg("%s: passed", ways[from].name);
			if (now.state != track.state)
				fail_msg("%s: changed", ways[from].name);
		}
		assert_true(seen[TCP_OUT_OF_WINDOW] > 10000 && seen[TCP_BAD_RESET] > 10000);
		assert_int_equal(seen[TCP_RESTART], 0);
	}
}

static double
share_that_passes(
	const struct tcp_track *track, const struct tcp_segment *pattern, bool sequence, bool ack)
{
	const unsigned rounds = 2000000;
	unsigned passed = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct tcp_track now = *track;
		struct tcp_segment segment = *pattern;

		if (sequence)
			segment.sequence = random_number();
		if (ack)
			segment.acknowledgment = random_number();
		passed += tcp_track(&now, 0, &segment) == TCP_PASS;
	}
	return (double)passed / rounds;
}

/* As the header tells it: 3W of sequence numbers, 2W of acknowledgments, of resets what is under
 * way. */
static void
what_passes_by_chance_is_bounded(void **state)
{
	static const uint32_t first[2] = { 0x12345678, 0x9abcdef0 };
	static const struct story story = { "large windows", "0 S 0 0 s14\n"
							     "1 SA 0 1 s14 w1000\n"
							     "0 A 1 1 w2048\n"
							     "1 A 1 1 w2048\n" };
	const double window = 2048 << 14, all = 4294967296.0;
	struct tcp_track track = { 0 };
	struct tcp_segment segment = { .flags = ACK, .window = 100 };
	double share;

	tell(&track, &story, first);
	segment.sequence = track.sides[0].end;
	segment.acknowledgment = track.sides[1].end;
	share = share_that_passes(&track, &segment, true, false);
	assert_true(share > 0.98 * 3 * window / all && share < 1.02 * 3 * window / all);
	share = share_that_passes(&track, &segment, false, true);
	assert_true(share > 0.98 * 2 * window / all && share < 1.02 * 2 * window / all);
	share = share_that_passes(&track, &segment, true, true);
	assert_true(share < 1.2 * 6 * window / all * window / all);
	segment.flags = RST;
	assert_true(share_that_passes(&track, &segment, true, true) == 0);
	/* with a whole window under way a reset has it easier, but ends nothing */
	track.sides[0].end += (uint32_t)window;
	share = share_that_passes(&track, &segment, true, true);
	assert_true(share > 0.98 * window / all && share < 1.02 * window / all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_open),
		cmocka_unit_test(half_open_connections_recover),
		cmocka_unit_test(windows_are_kept),
		cmocka_unit_test(windows_are_scaled),
		cmocka_unit_test(connections_close),
		cmocka_unit_test(resets_are_judged),
		cmocka_unit_test(every_state_meets_every_kind),
		cmocka_unit_test(blind_segments_change_nothing),
		cmocka_unit_test(what_passes_by_chance_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
