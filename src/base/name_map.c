/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/name_map.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct hash_key key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
	hash_key_random(&key);
}

static size_t
home(const struct name_map *map, const char *name)
{
	pthread_once(&key_once, make_key);
	return hash_bytes(&key, name, strlen(name)) & (map->capacity - 1);
}

/* The slot of the name, or the free one where it would go. The map is never full. */
static struct name_map_slot *
find(const struct name_map *map, const char *name)
{
	size_t i = home(map, name);

	while (map->slots[i].name != NULL && strcmp(map->slots[i].name, name) != 0)
		i = (i + 1) & (map->capacity - 1);
	return &map->slots[i];
}

int
name_map_reserve(struct name_map *map, size_t more)
{
	struct name_map bigger = { .capacity = map->capacity > 0 ? map->capacity : 8 };

	while ((map->count + more) * 4 > bigger.capacity * 3)
		bigger.capacity *= 2;
	if (bigger.capacity == map->capacity)
		return 0;
	bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -1;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].name != NULL)
			*find(&bigger, map->slots[i].name) = map->slots[i];
	bigger.count = map->count;
	free(map->slots);
	*map = bigger;
	return 0;
}

int
name_map_put(struct name_map *map, const char *name, void *value)
{
	struct name_map_slot *slot;

	if (name_map_reserve(map, 1) < 0)
		return -1;
	slot = find(map, name);
	map->count += slot->name == NULL;
	*slot = (struct name_map_slot){ name, value };
	return 0;
}

void *
name_map_get(const struct name_map *map, const char *name)
{
	return map->capacity > 0 ? find(map, name)->value : NULL;
}

void *
name_map_remove(struct name_map *map, const char *name)
{
	struct name_map_slot *slot;
	size_t hole, i, mask = map->capacity - 1;
	void *value;

	if (map->capacity == 0)
		return NULL;
	slot = find(map, name);
	if (slot->name == NULL)
		return NULL;
	value = slot->value;
	/* close the gap, so that every later name is still reached from its home */
	hole = (size_t)(slot - map->slots);
	for (i = (hole + 1) & mask; map->slots[i].name != NULL; i = (i + 1) & mask) {
		size_t distance = (i - home(map, map->slots[i].name)) & mask;

		if (distance < ((i - hole) & mask))
			continue;
		map->slots[hole] = map->slots[i];
		hole = i;
	}
	map->slots[hole] = (struct name_map_slot){ NULL, NULL };
	map->count--;
	return value;
}

void
name_map_free(struct name_map *map)
{
	free(map->slots);
	*map = (struct name_map){ NULL, 0, 0 };
}

void *
name_map_next(const struct name_map *map, size_t *at)
{
	for (size_t i = *at; i < map->capacity; i++)
		if (map->slots[i].name != NULL) {
			*at = i + 1;
			return map->slots[i].value;
		}
	return NULL;
}
