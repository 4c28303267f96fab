/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A firewall of weft beside nftables and conntrack: what the parts of firewall_reference share.
 *
 *	reference_rules.c	random rules, as weft and as nftables have them
 *	reference_talk.c	conversations of hosts on both sides, TCP above all, and attacks on
 *it reference_datagrams.c	all that is no TCP, malformed packets, and pieces of datagrams
 *	reference_kernel.c	the kernel's side: a namespace between two tun interfaces
 *	reference_verdict.c	what comes out, in a form in which both can be compared
 *	firewall_reference.c	weft's side, the comparison, and what is meant to differ
 *
 * All of it is one thread. Packets are IP packets; side 0 is "in", side 1 "out". Host n of side s
 *is 10.s.0.n and 2001:db8:s::n.
 */
#ifndef WEFT_TESTS_REFERENCE_H
#define WEFT_TESTS_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#define REFERENCE_MTU 1500
#define HOSTS 4 /* of each side: 1..HOSTS */

/* Ends the process: the bench itself does not work. */
void give_up(const char *what) __attribute__((noreturn));

/* ---- chance -----------------------------------------------------------------------------------
 */

void chance_seed(uint64_t seed);
uint32_t chance(uint32_t below);

static inline bool
one_in(uint32_t n)
{
	return chance(n) == 0;
}

/* ---- rules ------------------------------------------------------------------------------------
 */

#define RULES_MOST 12
#define RULE_LIST 4
#define SET_MEMBERS 6
#define SET_NAME "some"

struct reference_rule {
	struct weft_rule match;
	char name[16];
	const char *from;
	struct weft_prefix from_ip[RULE_LIST], to_ip[RULE_LIST];
	struct weft_port_range from_port[RULE_LIST], to_port[RULE_LIST];
	struct weft_icmp_type icmp[RULE_LIST];
};

struct reference_rules {
	struct reference_rule rules[RULES_MOST];
	unsigned count;
	struct weft_prefix set[SET_MEMBERS]; /* members of the one named set */
	unsigned members;
	enum weft_rule_action otherwise;
};

void random_rules(struct reference_rules *rules);
/* A whole table, in place of the one before; the text is the caller's to free. */
char *rules_for_nft(const struct reference_rules *rules);

/* ---- packets ----------------------------------------------------------------------------------
 */

/* What a packet is meant to be: by it people, and the list of differences, tell them apart. */
enum kind {
	KIND_SYN,
	KIND_SYN_ACK,
	KIND_HANDSHAKE_ACK,
	KIND_DATA,
	KIND_AGAIN, /* what was sent already */
	KIND_ACK,
	KIND_KEEPALIVE,
	KIND_ZERO_PROBE, /* one byte behind a full window */
	KIND_FIN,
	KIND_RESET, /* at its place */
	/* of TCP, but not the conversation's own: up to KIND_BAD_TCP_LENGTH */
	KIND_RESET_IN_WINDOW,
	KIND_RESET_FAR,
	KIND_REFUSAL, /* a reset that acknowledges a SYN */
	KIND_DATA_FAR,
	KIND_DATA_BEHIND, /* ends behind the window */
	KIND_ACK_FAR,     /* acknowledges what was never sent, or long ago */
	KIND_ACK_NEXT,    /* a little more than was sent */
	KIND_SYN_INSIDE,  /* into a connection that is there */
	KIND_SYN_ACK_INSIDE,
	KIND_SYN_ACK_WRONG, /* acknowledges another SYN */
	KIND_STRAY,         /* of a connection that nobody has begun */
	KIND_EARLY,         /* from who has not said SYN yet */
	KIND_NEW_SYN,       /* in place of a connection that both have closed */
	KIND_BAD_FLAGS,
	KIND_BAD_TCP_LENGTH,
	KIND_UDP,
	KIND_BAD_UDP,
	KIND_PING,
	KIND_PONG,
	KIND_STRAY_PONG,
	KIND_ICMP_OTHER, /* neither echo nor about a packet */
	KIND_ERROR,      /* about a packet that was sent */
	KIND_ERROR_STRAY,
	KIND_ERROR_CUT, /* quotes less than eight bytes behind the header */
	KIND_OTHER,     /* another protocol */
	KIND_BAD_IP,
	KIND_OPTIONS,        /* of IPv4 */
	KIND_EXTENSIONS,     /* of IPv6, which everybody knows */
	KIND_ROUTING,        /* a routing header with segments left */
	KIND_FRAGMENT,       /* of a datagram, each byte once */
	KIND_FRAGMENT_TWICE, /* the same again */
	KIND_FRAGMENT_OVER,  /* overlaps another one */
	KIND_FRAGMENT_AFTER, /* of a datagram of which one overlapped */
	KIND_FRAGMENT_TINY,  /* of one whose first has no whole transport header */
	KIND_COUNT
};

const char *kind_name(enum kind kind);

struct packet {
	unsigned side; /* where it comes in */
	enum kind kind;
	unsigned talk; /* number of its conversation */
	size_t length;
	uint8_t bytes[REFERENCE_MTU];
};

/* Begins anew, with nothing that was. */
void talks_begin(void);
/* What comes next, of whichever conversation. */
void talks_next(struct packet *packet);
/* What became of it: both let it pass, or neither. */
void talks_heard(const struct packet *packet, bool passed);
/* The two think differently of the conversation from here on: no more of it. */
void talks_forget(unsigned talk);

/* ---- headers (reference_datagrams.c) ----------------------------------------------------------
 */

struct ends {
	uint8_t family;
	uint8_t source[16], destination[16];
};

size_t ip_room(const struct ends *ends);
/* Puts an IP header in front of `length` bytes at packet->bytes + ip_room(), and the checksums. */
void seal_ip(struct packet *packet, const struct ends *ends, uint8_t protocol, size_t length);
void put16(uint8_t *to, unsigned value);
void put32(uint8_t *to, uint32_t value);
unsigned get16(const uint8_t *from);
uint32_t get32(const uint8_t *from);

/* A datagram in pieces, each of which is a packet; returns how many. */
#define PIECES_MOST 8
unsigned cut(const struct packet *whole, struct packet pieces[PIECES_MOST]);

/* ---- the kernel's side ------------------------------------------------------------------------
 */

void kernel_open(void);
/* With these rules, and no connection. */
void kernel_rules(const char *nft);
void kernel_put(unsigned side, const uint8_t *packet, size_t length);
/* The next that has come out at a side; 0: none. */
size_t kernel_take(unsigned side, uint8_t *packet, size_t room);

/* ---- verdicts ---------------------------------------------------------------------------------
 */

enum verdict {
	VERDICT_DROP, /* or nothing has come out yet */
	VERDICT_PASS,
	VERDICT_RESET,
	VERDICT_PROHIBITED, /* ICMP, either family */
	VERDICT_OTHER,
	VERDICT_COUNT
};

const char *verdict_name(enum verdict verdict);

/* What a firewall has done with a packet. */
struct outcome {
	enum verdict verdict;
	size_t length;
	uint8_t bytes[65536]; /* what came out, in a form that is the same for both */
};

typedef size_t (*take_packet)(unsigned side, uint8_t *packet, size_t room);

/* All that has come out after a packet went in at `side`. */
void outcome_read(struct outcome *outcome, unsigned side, take_packet take);
/* One line. */
void packet_describe(const uint8_t *ip, size_t length, char *text, size_t room);

#endif
