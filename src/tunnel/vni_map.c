/* SPDX-License-Identifier: BSD-3-Clause */
#include "tunnel/vni_map.h"

#include <rte_common.h>
#include <stdlib.h>
#include <string.h>

/* A remote may be the only one of its VNI, whose own entry is one more; half stays free. */
struct vni_map *
vni_map_new(const struct hash_key *key, size_t remotes)
{
	size_t size = rte_align64pow2(4 * remotes + 1);
	struct vni_map *map = aligned_alloc(
		64, RTE_ALIGN_CEIL(sizeof(*map) + size * sizeof(map->entries[0]), (size_t)64));

	if (map == NULL)
		return NULL;
	memset(map, 0, sizeof(*map) + size * sizeof(map->entries[0]));
	map->key = *key;
	map->mask = (uint32_t)(size - 1);
	return map;
}

/* Its entry, or the free one where it would be. */
static const struct vni_entry *
find(const struct vni_map *map, uint32_t vni, const uint64_t words[2])
{
	uint64_t at = hash_words(&map->key, words[0] ^ vni, words[1]);

	for (;; at++) {
		const struct vni_entry *entry = &map->entries[at & map->mask];

		if (entry->vni == 0 || (entry->vni == vni && entry->words[0] == words[0] &&
					       entry->words[1] == words[1]))
			return entry;
	}
}

static void
put(struct vni_map *map, uint32_t vni, const uint64_t words[2], uint32_t vport)
{
	size_t index = (size_t)(find(map, vni, words) - map->entries);

	map->entries[index] = (struct vni_entry){ vni, vport, { words[0], words[1] } };
}

void
vni_map_add(struct vni_map *map, uint32_t vni, const uint8_t *address, uint32_t vport)
{
	static const uint64_t nobody[2];
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
	put(map, vni, words, vport);
	put(map, vni, nobody, 0);
}

uint32_t
vni_map_find(const struct vni_map *map, uint32_t vni, const uint8_t *address)
{
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
	return vni != 0 ? find(map, vni, words)->vport : 0;
}

bool
vni_map_has(const struct vni_map *map, uint32_t vni)
{
	static const uint64_t nobody[2];

	return vni != 0 && find(map, vni, nobody)->vni != 0;
}
