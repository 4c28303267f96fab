/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/fib_private.h"

#include <stdlib.h>
#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#include <sanitizer/asan_interface.h>
#endif
#endif

#define CHUNK_FIRST 512u
#define HUGE_PAGE (2ul << 20)
#define PAGE 4096ul

/* At the head of its memory, one granule long. */
struct fib_chunk {
	struct fib_chunk *next;
	size_t size, used; /* bytes, this head included */
} __attribute__((aligned(FIB_GRANULE)));

_Static_assert(sizeof(struct fib_chunk) == FIB_GRANULE, "blocks begin on cache lines");

/* What is in no block is not to be touched: AddressSanitizer sees to it. */
static void
forbid(void *memory, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_poison_memory_region(memory, bytes);
#endif
}

static void
allow(void *memory, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(memory, bytes);
#endif
}

/* ---- chunks --------------------------------------------------------------------------------- */

static int
chunk_add(struct fib_store *store, size_t size)
{
	const size_t alignment = size < HUGE_PAGE ? FIB_GRANULE : HUGE_PAGE;
	struct fib_chunk *chunk;

	size = (size + alignment - 1) & ~(alignment - 1);
	chunk = aligned_alloc(alignment, size);
	if (chunk == NULL)
		return -1;
	/* lookups go anywhere: in small pages each would miss the TLB too; only advice */
	if (size >= HUGE_PAGE)
		madvise(chunk, size, MADV_HUGEPAGE);
	chunk->size = size;
	chunk->used = sizeof(*chunk);
	chunk->next = store->chunks;
	forbid(chunk + 1, size - sizeof(*chunk));
	store->chunks = chunk;
	store->chunk_bytes += size;
	return 0;
}

static size_t
chunk_room(const struct fib_chunk *chunk)
{
	return chunk != NULL ? chunk->size - chunk->used : 0;
}

/* As large as all before it together: few of them, and never much more than is needed. */
static size_t
chunk_size(const struct fib_store *store)
{
	if (store->chunk_bytes < CHUNK_FIRST)
		return CHUNK_FIRST;
	return store->chunk_bytes < HUGE_PAGE ? store->chunk_bytes : HUGE_PAGE;
}

static void *
chunk_take(struct fib_chunk *chunk, size_t bytes)
{
	void *memory = (uint8_t *)chunk + chunk->used;

	chunk->used += bytes;
	allow(memory, bytes);
	return memory;
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void
free_put(struct fib_store *store, void *memory, unsigned granules)
{
	struct fib_free *piece = memory;

	piece->next = store->free[granules];
	store->free[granules] = piece;
	forbid(piece + 1, granules * FIB_GRANULE - sizeof(*piece));
}

static void *
free_get(struct fib_store *store, unsigned granules)
{
	struct fib_free *piece = store->free[granules];

	if (piece == NULL)
		return NULL;
	store->free[granules] = piece->next;
	allow(piece, granules * FIB_GRANULE);
	return piece;
}

/* The head of a larger piece. */
static void *
free_split(struct fib_store *store, unsigned granules)
{
	for (unsigned larger = granules + 1; larger <= FIB_BLOCK_GRANULES; larger++) {
		uint8_t *piece = free_get(store, larger);

		if (piece == NULL)
			continue;
		free_put(store, piece + granules * FIB_GRANULE, larger - granules);
		return piece;
	}
	return NULL;
}

/* An older chunk may have more room than it has use: reservations left it behind. */
static struct fib_chunk *
chunk_with_room(struct fib_store *store, size_t bytes)
{
	for (struct fib_chunk *chunk = store->chunks; chunk != NULL; chunk = chunk->next) {
		if (chunk_room(chunk) >= bytes)
			return chunk;
	}
	return NULL;
}

static void *
take(struct fib_store *store, unsigned granules)
{
	const size_t bytes = granules * FIB_GRANULE;
	void *memory = free_get(store, granules);
	struct fib_chunk *chunk;

	if (memory != NULL)
		return memory;
	if (chunk_room(store->chunks) >= bytes)
		return chunk_take(store->chunks, bytes);
	memory = free_split(store, granules);
	if (memory != NULL)
		return memory;
	chunk = chunk_with_room(store, bytes);
	if (chunk == NULL) {
		size_t size = chunk_size(store);

		if (size < bytes + sizeof(struct fib_chunk))
			size = bytes + sizeof(struct fib_chunk);
		if (chunk_add(store, size) != 0)
			return NULL;
		chunk = store->chunks;
	}
	return chunk_take(chunk, bytes);
}

struct fib_block *
fib_store_take(struct fib_store *store, size_t bytes)
{
	/* and a pointer for the list of those that wait */
	unsigned granules =
		(unsigned)((bytes + sizeof(struct fib_block *) + FIB_GRANULE - 1) / FIB_GRANULE);
	struct fib_block *block = take(store, granules);

	if (block != NULL)
		block->granules = (uint8_t)granules;
	return block;
}

void
fib_store_give(struct fib_store *store, struct fib_block *block)
{
	free_put(store, block, block->granules);
}

/* In the block's last bytes, which no reader looks at. */
static struct fib_block **
retired_next(struct fib_block *block)
{
	return (struct fib_block **)((uint8_t *)block + block->granules * FIB_GRANULE) - 1;
}

void
fib_store_retire(struct fib_store *store, struct fib_block *block)
{
	*retired_next(block) = store->retired;
	store->retired = block;
	store->retired_bytes += block->granules * (size_t)FIB_GRANULE;
}

/* ---- the store ------------------------------------------------------------------------------ */

int
fib_store_ready(struct fib *fib)
{
	if (fib->store == NULL)
		fib->store = calloc(1, sizeof(struct fib_store));
	return fib->store != NULL ? 0 : -1;
}

/* No block can be larger than with all the routes in it, each as a leaf or below it. */
static size_t
largest_block(uint64_t routes)
{
	/* beside them: answers[0], filled up to a word, and the pointer at its end */
	uint64_t bytes = offsetof(struct fib_block, answers) + 2 * sizeof(uint64_t) +
			 routes * sizeof(fib_word);
	const uint64_t limit = FIB_BLOCK_GRANULES * FIB_GRANULE;

	bytes = (bytes + FIB_GRANULE - 1) & ~(uint64_t)(FIB_GRANULE - 1);
	return bytes < limit ? bytes : limit;
}

/* What as many updates take in the worst case: the copies, and the small blocks beside them. */
static size_t
worst_case(const struct fib *fib, uint32_t updates)
{
	const unsigned small = fib->levels == FIB4_LEVELS ? FIB4_SMALL_BLOCKS : FIB6_SMALL_BLOCKS;
	const size_t limit = FIB_BLOCK_GRANULES * FIB_GRANULE;
	size_t bytes = 0, one = 0;
	uint32_t i;

	for (i = 0; i < updates && one < limit; i++) {
		one = largest_block((uint64_t)fib->count + i);
		bytes += one;
	}
	/* a machine's address space has room for all 2^32 of them */
	return bytes + (updates - i) * limit + (size_t)updates * small * FIB_GRANULE;
}

int
fib_store_reserve(struct fib *fib, uint32_t updates)
{
	const size_t bytes = worst_case(fib, updates);

	if (updates == 0)
		return 0;
	if (fib_store_ready(fib) != 0)
		return -1;
	if (chunk_room(fib->store->chunks) >= bytes)
		return 0;
	return chunk_add(fib->store, bytes + sizeof(struct fib_chunk));
}

static void
chunks_free(struct fib_store *store)
{
	struct fib_chunk *chunk = store->chunks;

	while (chunk != NULL) {
		struct fib_chunk *next = chunk->next;

		allow(chunk, chunk->size);
		free(chunk);
		chunk = next;
	}
	store->chunks = NULL;
	store->chunk_bytes = 0;
}

static void
tables_free(struct fib_store *store)
{
	while (store->tables_retired != NULL) {
		struct fib_table *table = store->tables_retired;

		store->tables_retired = table->next;
		fib_table_free(table);
	}
}

void
fib_reclaim(struct fib *fib)
{
	struct fib_store *store = fib->store;

	if (store == NULL)
		return;
	while (store->retired != NULL) {
		struct fib_block *block = store->retired;

		store->retired = *retired_next(block);
		fib_store_give(store, block);
	}
	store->retired_bytes = 0;
	tables_free(store);
}

void
fib_close(struct fib *fib)
{
	struct fib_store *store = fib->store;

	if (store == NULL)
		return;
	tables_free(store);
	if (store->table != NULL)
		fib_table_free(store->table);
	chunks_free(store);
	free(store);
	fib->store = NULL;
}

/* What of a chunk has never been used is address space, but for the rest of its page. */
static size_t
chunk_memory(const struct fib_chunk *chunk)
{
	size_t used = (chunk->used + PAGE - 1) & ~(PAGE - 1);

	return used < chunk->size ? used : chunk->size;
}

size_t
fib_memory(const struct fib *fib)
{
	const struct fib_store *store = fib->store;
	size_t bytes = sizeof(*fib);

	if (store == NULL)
		return bytes;
	bytes += sizeof(*store);
	for (const struct fib_chunk *chunk = store->chunks; chunk != NULL; chunk = chunk->next)
		bytes += chunk_memory(chunk);
	for (const struct fib_table *table = store->tables_retired; table; table = table->next)
		bytes += table->bytes;
	return bytes + (store->table != NULL ? store->table->bytes : 0);
}

size_t
fib_waiting(const struct fib *fib)
{
	const struct fib_store *store = fib->store;
	size_t bytes = store != NULL ? store->retired_bytes : 0;

	if (store == NULL)
		return 0;
	for (const struct fib_table *table = store->tables_retired; table; table = table->next)
		bytes += table->bytes;
	return bytes;
}

/* ---- tables --------------------------------------------------------------------------------- */

struct fib_table *
fib_table_new(uint32_t words)
{
	const size_t size = words * sizeof(fib_word);
	const size_t alignment = size < HUGE_PAGE ? FIB_GRANULE : HUGE_PAGE;
	/* calloc: pages of which nothing is used cost nothing */
	struct fib_table *table = calloc(1, sizeof(*table) + size + alignment - 1);

	if (table == NULL)
		return NULL;
	table->words = (fib_word *)(((uintptr_t)(table + 1) + alignment - 1) &
				    ~(uintptr_t)(alignment - 1));
	/* what only aligns it is never used */
	table->bytes = sizeof(*table) + size;
	if (size >= HUGE_PAGE)
		madvise(table->words, size, MADV_HUGEPAGE);
	return table;
}

void
fib_table_free(struct fib_table *table)
{
	free(table);
}
