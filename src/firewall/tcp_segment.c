/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/tcp_track.h"

#include <rte_tcp.h>

#define HEADER_LEAST TCP_HEADER_LEAST
#define HEADER_LIMIT 60u
#define SCALE_LIMIT 14 /* RFC 7323, 2.3: what is more counts as that */

enum option { /* RFC 9293, 3.2; RFC 7323, 2.2; RFC 2018, 2 */
	OPTION_END = 0,
	OPTION_NOTHING = 1,
	OPTION_MSS = 2,
	OPTION_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_TIMES = 8,
};

#define TIMES_LENGTH 10

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

/* The next option behind those of one byte, of which all is there; NULL: there is none. */
static const uint8_t *
next_option(const uint8_t *header, unsigned length, unsigned *at)
{
	const uint8_t *option;

	while (*at < length && header[*at] == OPTION_NOTHING)
		(*at)++;
	if (*at + 2 > length || header[*at] == OPTION_END || header[*at + 1] < 2 ||
		*at + header[*at + 1] > length)
		return NULL;
	option = header + *at;
	*at += option[1];
	return option;
}

void
tcp_segment_options(struct tcp_segment *segment, const uint8_t *header, unsigned length)
{
	unsigned at = HEADER_LEAST;
	const uint8_t *option;

	while ((option = next_option(header, length, &at)) != NULL)
		if (!read_option(segment, option))
			return;
}

bool
tcp_segment_read_options(
	struct tcp_segment *segment, const struct rte_mbuf *packet, const struct fields *fields)
{
	unsigned length = fields->l4_length - segment->length;
	uint8_t copy[HEADER_LIMIT];
	const uint8_t *header = rte_pktmbuf_read(packet, fields->l4, length, copy);

	if (header == NULL)
		return false;
	tcp_segment_options(segment, header, length);
	return true;
}

bool
tcp_segment_times(const struct tcp_segment *segment, const struct rte_mbuf *packet,
	const struct fields *fields, uint32_t times[2])
{
	unsigned length = fields->l4_length - segment->length, at = HEADER_LEAST;
	uint8_t copy[HEADER_LIMIT];
	const uint8_t *header = rte_pktmbuf_read(packet, fields->l4, length, copy), *option;

	while (header != NULL && (option = next_option(header, length, &at)) != NULL) {
		if (option[0] != OPTION_TIMES || option[1] != TIMES_LENGTH)
			continue;
		memcpy(times, option + 2, 8);
		times[0] = rte_be_to_cpu_32(times[0]);
		times[1] = rte_be_to_cpu_32(times[1]);
		return true;
	}
	return false;
}
