/* SPDX-License-Identifier: BSD-3-Clause */
/* What the classifier sees of a set: its tries, which it can share and compare. */
#ifndef WEFT_FIREWALL_ADDRESS_SET_PRIVATE_H
#define WEFT_FIREWALL_ADDRESS_SET_PRIVATE_H

#include "firewall/address_set.h"
#include "firewall/prefix_trie.h"

#define ADDRESS_FAMILIES 2

struct address_set {
	struct trie_node *tries[ADDRESS_FAMILIES]; /* IPv4, IPv6 */
	size_t count;
};

/* The same version once more; NULL: no memory. */
struct address_set *address_set_share(const struct address_set *set);

static inline unsigned
address_family_index(uint8_t family)
{
	return family == 6;
}

#endif
