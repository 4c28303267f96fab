/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table in front of the trie: for each value of the first bits the answer, or the first
 * block on the way that is not above the table's end. It says nothing that the trie does not.
 */
#include "router/fib_private.h"

/* From so many routes on, and down to so many, such a table. */
struct size {
	uint32_t up, down;
	unsigned levels; /* that the table stands for; 0: none, the trie's root alone */
};

#define SIZES 3

static const struct size sizes4[SIZES] = { { 0, 0, 0 }, { 512, 256, 2 }, { 16384, 8192, 3 } };
static const struct size sizes6[SIZES] = { { 0, 0, 0 }, { 2048, 1024, 3 }, { 65536, 32768, 4 } };

static const struct size *
sizes_of(const struct fib *fib)
{
	return fib->levels == FIB4_LEVELS ? sizes4 : sizes6;
}

static unsigned
size_now(const struct fib *fib)
{
	return fib_load(&fib->table) & FIB_TABLE_MASK;
}

static unsigned
size_wanted(const struct fib *fib)
{
	const struct size *sizes = sizes_of(fib);
	unsigned size = size_now(fib);

	while (size + 1 < SIZES && fib->count >= sizes[size + 1].up)
		size++;
	while (fib->count < sizes[size].down)
		size--;
	return size;
}

/*
 * What the table says of the key. All keys that have the first `alike` levels in common with
 * it have the same.
 */
static uint64_t
resolve(const struct fib *fib, fib_key key, unsigned levels, unsigned *alike)
{
	uint64_t word = fib_load(&fib->root);

	*alike = 0;
	while (fib_is_block(word)) {
		struct fib_block *block = fib_block_of(word);
		unsigned level = fib_level(fib, block);
		unsigned parting = fib_parting(fib, block, key);
		unsigned slot;

		if (parting < level && parting < levels) {
			*alike = parting + 1;
			return fib_word_of_leaf(fib_load_leaf(&block->answers[0]));
		}
		if (level >= levels) {
			*alike = levels;
			return word;
		}
		slot = fib_bits(key, block->shift) % FIB_SLOTS;
		if (!(block->children >> slot & 1)) {
			*alike = level + 1;
			return fib_word_of_leaf(fib_load_leaf(fib_answer(block, slot)));
		}
		word = fib_load(fib_below_of(block, slot));
	}
	return word;
}

static void
paint(const struct fib *fib, fib_word *words, unsigned levels, uint64_t first, uint64_t last)
{
	const unsigned shift = (fib->levels - levels) * FIB_STRIDE;

	while (first <= last) {
		unsigned alike;
		uint64_t word = resolve(fib, (fib_key)first << shift, levels, &alike);
		uint64_t end = first | ((1ull << (levels - alike) * FIB_STRIDE) - 1);

		for (; first <= last && first <= end; first++) {
			/* most are right already: their lines stay clean */
			if (fib_load(&words[first]) != word)
				atomic_store_explicit(&words[first], word, memory_order_release);
		}
	}
}

void
fib_direct_update(struct fib *fib, fib_key key, unsigned length)
{
	const unsigned size = size_now(fib);
	unsigned levels, bits, shift;
	uint64_t first, last;

	if (size == 0)
		return;
	levels = sizes_of(fib)[size].levels;
	bits = levels * FIB_STRIDE - fib_lead(fib);
	shift = (fib->levels - levels) * FIB_STRIDE;
	first = last = (uint64_t)(key >> shift);
	if (length < bits)
		last = first | ((1ull << (bits - length)) - 1);
	paint(fib, fib->store->table->words, levels, first, last);
}

void
fib_direct_fit(struct fib *fib)
{
	struct fib_store *store = fib->store;
	const unsigned size = size_wanted(fib);
	const unsigned levels = sizes_of(fib)[size].levels;
	const unsigned bits = levels * FIB_STRIDE - (levels != 0 ? fib_lead(fib) : 0);
	struct fib_table *table = NULL;
	const fib_word *words = &fib->root;

	if (size == size_now(fib))
		return;
	if (size != 0) {
		table = fib_table_new(1u << bits);
		if (table == NULL)
			return;
		words = table->words;
		paint(fib, table->words, levels, 0, (1ull << bits) - 1);
	}
	atomic_store_explicit(&fib->table, (uint64_t)(uintptr_t)words + size, memory_order_release);
	if (store->table != NULL) {
		store->table->next = store->tables_retired;
		store->tables_retired = store->table;
	}
	store->table = table;
}
