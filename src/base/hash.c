/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void
hash_key_random(struct hash_key *key)
{
	/* up to 256 bytes come whole or not at all; without them there is no safe hash */
	if (getrandom(key, sizeof(*key), 0) != (ssize_t)sizeof(*key))
		abort();
}

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void
sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one and three rounds. */
uint64_t
hash_bytes(const struct hash_key *key, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	struct sip_state s = { key->words[0] ^ 0x736f6d6570736575,
		key->words[1] ^ 0x646f72616e646f6d, key->words[0] ^ 0x6c7967656e657261,
		key->words[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)length << 56;

	for (; length >= 8; at += 8, length -= 8) {
		memcpy(&word, at, 8);
		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	word = 0;
	if (length > 0)
		memcpy(&word, at, length);
	last |= word;
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
