/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/pcapng.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#define SECTION_HEADER 0x0a0d0d0a
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define ENHANCED_PACKET 6
#define LEAST_BLOCK 12

static uint32_t
word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Length of the block at `bytes`; 0: not enough has come to know. weftd runs on this
 * machine, so that the byte order is our own. */
static size_t
block_length(struct pcapng *pcapng, const uint8_t *bytes, size_t length)
{
	size_t block;

	if (length < LEAST_BLOCK)
		return 0;
	block = word(bytes + 4);
	if (block < LEAST_BLOCK || block % 4 != 0 || block > PCAPNG_BLOCK_LIMIT)
		pcapng->malformed = true;
	if (!pcapng->started &&
		(word(bytes) != SECTION_HEADER || word(bytes + 8) != BYTE_ORDER_MAGIC))
		pcapng->malformed = true;
	pcapng->started = true;
	return pcapng->malformed ? 0 : block;
}

/* As many whole blocks as there are at `bytes`; returns their bytes. */
static size_t
whole_blocks(struct pcapng *pcapng, const uint8_t *bytes, size_t length)
{
	size_t whole = 0;

	while (!pcapng->malformed) {
		size_t block = block_length(pcapng, bytes + whole, length - whole);

		if (block == 0 || block > length - whole)
			break;
		if (word(bytes + whole + block - 4) != block) {
			pcapng->malformed = true;
			break;
		}
		pcapng->packets += word(bytes + whole) == ENHANCED_PACKET;
		whole += block;
	}
	return whole;
}

bool
pcapng_feed(struct pcapng *pcapng, const void *bytes, size_t length)
{
	size_t whole;

	if (length > pcapng->room - pcapng->length) {
		pcapng->room = (pcapng->length + length) * 2;
		pcapng->kept = output_memory(realloc(pcapng->kept, pcapng->room));
	}
	memcpy(pcapng->kept + pcapng->length, bytes, length);
	pcapng->length += length;
	whole = whole_blocks(pcapng, pcapng->kept, pcapng->length);
	if (whole > 0) {
		pcapng->ended = !pcapng->take(pcapng->context, pcapng->kept, whole);
		memmove(pcapng->kept, pcapng->kept + whole, pcapng->length - whole);
		pcapng->length -= whole;
	}
	return !pcapng->ended && !pcapng->malformed;
}

void
pcapng_free(struct pcapng *pcapng)
{
	free(pcapng->kept);
}
