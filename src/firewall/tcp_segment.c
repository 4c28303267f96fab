/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/tcp_track.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_tcp.h>

#define HEADER_LEAST 20u
#define HEADER_LIMIT 60u
#define SCALE_LIMIT 14 /* RFC 7323, 2.3: what is more counts as that */

enum option { /* RFC 9293, 3.2; RFC 7323, 2.2; RFC 2018, 2 */
	OPTION_END = 0,
	OPTION_NOTHING = 1,
	OPTION_MSS = 2,
	OPTION_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
};

/* False: its length is not what it has to be. */
static bool
read_option(struct tcp_segment *segment, const uint8_t *option)
{
	switch (option[0]) {
	case OPTION_MSS:
		if (option[1] != 4)
			return false;
		segment->mss = parse_u16(option + 2);
		return true;
	case OPTION_SCALE:
		if (option[1] != 3)
			return false;
		segment->has_scale = true;
		segment->scale = option[2] <= SCALE_LIMIT ? option[2] : SCALE_LIMIT;
		return true;
	case OPTION_SACK_PERMITTED:
		if (option[1] != 2)
			return false;
		segment->has_sack = true;
		return true;
	default:
		return true;
	}
}

void
tcp_segment_options(struct tcp_segment *segment, const uint8_t *header, unsigned length)
{
	unsigned at = HEADER_LEAST;

	while (at < length && header[at] != OPTION_END) {
		if (header[at] == OPTION_NOTHING) {
			at++;
			continue;
		}
		if (at + 2 > length || header[at + 1] < 2 || at + header[at + 1] > length ||
			!read_option(segment, header + at))
			return;
		at += header[at + 1];
	}
}

static uint32_t
read_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return rte_be_to_cpu_32(value);
}

bool
tcp_segment_read(
	struct tcp_segment *segment, const struct rte_mbuf *packet, const struct fields *fields)
{
	uint8_t copy[HEADER_LIMIT];
	const uint8_t *header;
	unsigned length;

	if (fields->protocol != IPPROTO_TCP || fields->l4 == PACKET_OFFSET_NONE || fields->fragment)
		return false;
	header = rte_pktmbuf_read(packet, fields->l4, HEADER_LEAST, copy);
	if (header == NULL)
		return false;
	length = (header[12] >> 4) * 4u;
	if (length < HEADER_LEAST || length > fields->l4_length)
		return false;
	*segment = (struct tcp_segment){
		.sequence = read_u32(header + 4),
		.acknowledgment = read_u32(header + 8),
		.length = fields->l4_length - length,
		.window = parse_u16(header + 14),
		.flags = header[13],
	};
	if (likely(!(segment->flags & RTE_TCP_SYN_FLAG)))
		return true;
	header = rte_pktmbuf_read(packet, fields->l4, length, copy);
	if (header == NULL)
		return false;
	tcp_segment_options(segment, header, length);
	return true;
}
