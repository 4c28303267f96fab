/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hashing. Whatever a packet or a user can choose is hashed with a random key, so
 * that nobody can choose keys that fall into one bucket.
 *
 * hash_words() is AES rounds, for the data path; where the CPU has no AES instructions at
 * compile time it is SipHash-1-3. hash_bytes() is SipHash-1-3, for names.
 */
#ifndef WEFT_BASE_HASH_H
#define WEFT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#ifdef __AES__
#include <immintrin.h>
#endif

struct hash_key {
	uint64_t words[4];
} __attribute__((aligned(16)));

/* Fills the key from the kernel's generator. */
void hash_key_random(struct hash_key *key);

/* SipHash-1-3 of `length` bytes. */
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length);

/* Hash of two words. */
static inline uint64_t
hash_words(const struct hash_key *key, uint64_t a, uint64_t b)
{
#ifdef __AES__
	__m128i state =
		_mm_set_epi64x((long long)(b ^ key->words[1]), (long long)(a ^ key->words[0]));
	__m128i round = _mm_load_si128((const __m128i *)&key->words[2]);

	/* three rounds: each input bit reaches each output bit twice over */
	state = _mm_aesenc_si128(state, round);
	state = _mm_aesenc_si128(state, round);
	state = _mm_aesenc_si128(state, round);
	return (uint64_t)_mm_cvtsi128_si64(state);
#else
	uint64_t words[2] = { a, b };

	return hash_bytes(key, words, sizeof(words));
#endif
}

#endif
