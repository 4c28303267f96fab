/* SPDX-License-Identifier: BSD-3-Clause */
/* A conversation, for those who make its packets. */
#ifndef WEFT_TESTS_REFERENCE_TALK_H
#define WEFT_TESTS_REFERENCE_TALK_H

#include "reference.h"

enum { TALK_TCP, TALK_UDP, TALK_PING, TALK_OTHER };

#define SCALE_NONE 0xff

/* One of the two, as far as TCP goes. */
struct host {
	uint32_t first, next; /* sequence numbers: its SYN's, and what it sends next */
	uint32_t edge;        /* up to where the other has said that it has room; has_edge */
	bool has_edge, said_syn, acked_syn, said_fin;
	uint16_t window;
	uint8_t scale; /* as it offers; SCALE_NONE: does not */
};

struct talk {
	unsigned number;
	uint8_t family, what, protocol, dscp;
	uint8_t who[2]; /* last part of the address of each side's host */
	unsigned client;
	uint16_t ports[2];              /* of each side's host; a ping's id is the client's */
	struct host hosts[2], after[2]; /* as they are; as they will be if the packet passes */
	bool ending, has_last;
	unsigned refused;
	struct packet last; /* true one that has passed */
};

struct ends talk_ends(const struct talk *talk, unsigned side);
/* As seal_ip(), with the conversation's DSCP. */
void talk_seal(struct packet *packet, const struct talk *talk, const struct ends *ends,
	uint8_t protocol, size_t length);

/* reference_datagrams.c */
void talk_datagram(struct packet *packet, struct talk *talk);
/* An ICMP error about its last packet, true or not. */
void talk_error(struct packet *packet, struct talk *talk);
/* What no host in its senses sends. */
void talk_oddity(struct packet *packet, struct talk *talk);

#endif
