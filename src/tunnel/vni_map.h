/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which vport of a tunnel a datagram is for: by its VNI and who sent it. What is in a map is
 * configured, and a map is never changed once filled: a change makes a new one. Read by
 * workers under RCU. The hash is keyed, though packets cannot put anything in.
 */
#ifndef WEFT_TUNNEL_VNI_MAP_H
#define WEFT_TUNNEL_VNI_MAP_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vni_entry {
	uint32_t vni;      /* 0: free */
	uint32_t vport;    /* id; 0: tells only that the tunnel has the VNI */
	uint64_t words[2]; /* the remote's address, unused bytes zero */
};

struct vni_map {
	struct hash_key key;
	uint32_t mask;
	struct vni_entry entries[];
};

/* With room for `remotes`. NULL: no memory. To be freed by free(). */
struct vni_map *vni_map_new(const struct hash_key *key, size_t remotes);
/* At most as many as there is room for. address: 16 bytes. */
void vni_map_add(struct vni_map *map, uint32_t vni, const uint8_t *address, uint32_t vport);
/* The vport's id; 0: there is none. */
uint32_t vni_map_find(const struct vni_map *map, uint32_t vni, const uint8_t *address);
bool vni_map_has(const struct vni_map *map, uint32_t vni);

#endif
