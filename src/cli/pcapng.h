/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pcapng stream (draft-ietf-opsawg-pcapng, section 3) cut into whole blocks, so that a
 * capture that is ended at any moment is a whole file.
 */
#ifndef WEFT_CLI_PCAPNG_H
#define WEFT_CLI_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer block is malformed. */
#define PCAPNG_BLOCK_LIMIT (16u << 20)

/* Whole blocks, as they came. False ends the stream. */
typedef bool (*pcapng_take)(void *context, const void *bytes, size_t length);

/* All zero but take and context to begin with. */
struct pcapng {
	pcapng_take take;
	void *context;
	uint8_t *kept; /* what came of a block that is not whole yet */
	size_t length, room;
	uint64_t packets; /* enhanced packet blocks taken */
	bool started;     /* the section header has come */
	bool ended, malformed;
};

/* A piece of the stream, cut anywhere. False: no more of it is wanted. */
bool pcapng_feed(struct pcapng *pcapng, const void *bytes, size_t length);
void pcapng_free(struct pcapng *pcapng);

#endif
