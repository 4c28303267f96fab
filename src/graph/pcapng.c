/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/pcapng.h"

#include <stdbool.h>
#include <string.h>

/* Section numbers are those of the draft. */
#define BLOCK_SECTION 0x0a0d0d0a   /* 4.1 */
#define BLOCK_INTERFACE 0x00000001 /* 4.2 */
#define BLOCK_PACKET 0x00000006    /* 4.3 */
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINKTYPE_ETHERNET 1

#define OPTION_END 0 /* 3.5 */
#define OPTION_COMMENT 1
#define SECTION_USERAPPL 4
#define INTERFACE_NAME 2
#define INTERFACE_TSRESOL 9
#define PACKET_FLAGS 2

/* A block as it grows; `full` once something did not fit. */
struct block {
	uint8_t *bytes;
	size_t room, length;
	bool full;
};

/* Bytes, padded with zeros to a multiple of 4. */
static void
put(struct block *block, const void *bytes, size_t length)
{
	size_t padded = (length + 3) & ~(size_t)3;

	if (block->full || padded > block->room - block->length) {
		block->full = true;
		return;
	}
	if (length > 0)
		memcpy(block->bytes + block->length, bytes, length);
	memset(block->bytes + block->length + length, 0, padded - length);
	block->length += padded;
}

static void
put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void
put_option(struct block *block, uint16_t code, const void *bytes, size_t length)
{
	uint16_t head[2] = { code, (uint16_t)length };

	put(block, head, sizeof(head));
	put(block, bytes, length);
}

static struct block
begin(void *to, size_t room, uint32_t type)
{
	struct block block = { .bytes = to, .room = room };

	put32(&block, type);
	put32(&block, 0); /* the length, see end() */
	return block;
}

/* 3.1: the length of the whole block stands at both of its ends. */
static size_t
end(struct block *block)
{
	uint32_t length = (uint32_t)block->length + sizeof(length);

	put32(block, length);
	if (block->full)
		return 0;
	memcpy(block->bytes + sizeof(uint32_t), &length, sizeof(length));
	return block->length;
}

size_t
pcapng_section(void *to, size_t room)
{
	struct block block = begin(to, room, BLOCK_SECTION);
	const uint16_t version[2] = { 1, 0 };
	const int64_t length = -1; /* of the section: not known */

	put32(&block, BYTE_ORDER_MAGIC);
	put(&block, version, sizeof(version));
	put(&block, &length, sizeof(length));
	put_option(&block, SECTION_USERAPPL, "weft", 4);
	put_option(&block, OPTION_END, NULL, 0);
	return end(&block);
}

size_t
pcapng_interface(void *to, size_t room, const char *name, uint32_t snaplen)
{
	struct block block = begin(to, room, BLOCK_INTERFACE);
	const uint16_t link[2] = { LINKTYPE_ETHERNET, 0 };
	const uint8_t nanoseconds = 9; /* 10 to the minus 9 */

	put(&block, link, sizeof(link));
	put32(&block, snaplen);
	put_option(&block, INTERFACE_NAME, name, strlen(name));
	put_option(&block, INTERFACE_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	put_option(&block, OPTION_END, NULL, 0);
	return end(&block);
}

size_t
pcapng_packet(void *to, size_t room, const struct pcapng_packet *packet)
{
	struct block block = begin(to, room, BLOCK_PACKET);

	put32(&block, packet->interface);
	put32(&block, (uint32_t)(packet->time >> 32));
	put32(&block, (uint32_t)packet->time);
	put32(&block, packet->captured);
	put32(&block, packet->length);
	put(&block, packet->bytes, packet->captured);
	if (packet->comment != NULL)
		put_option(&block, OPTION_COMMENT, packet->comment, strlen(packet->comment));
	if (packet->flags != 0)
		put_option(&block, PACKET_FLAGS, &packet->flags, sizeof(packet->flags));
	if (packet->comment != NULL || packet->flags != 0)
		put_option(&block, OPTION_END, NULL, 0);
	return end(&block);
}
