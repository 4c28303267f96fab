/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of addresses of both families, as prefixes: hundreds of thousands of them, changed while
 * workers read. A version of a set is never changed: an update makes another one, which shares
 * with the one before what has not changed, so that one member of many costs little.
 *
 * Threads: made, updated and freed on the control thread; read anywhere.
 */
#ifndef WEFT_FIREWALL_ADDRESS_SET_H
#define WEFT_FIREWALL_ADDRESS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

struct address_set;

/* NULL: no memory. */
struct address_set *address_set_create(const struct weft_prefix *members, size_t count);
/* Another version: `go` leaves, then `come` comes. The old one stays as it is. NULL: no memory. */
struct address_set *address_set_update(const struct address_set *set,
	const struct weft_prefix *come, size_t n_come, const struct weft_prefix *go, size_t n_go);
void address_set_free(struct address_set *set);

bool address_set_has(const struct address_set *set, uint8_t family, const uint8_t *address);
/* The member that is the reason for it, the longest prefix; false: it is not in the set. */
bool address_set_member(const struct address_set *set, uint8_t family, const uint8_t *address,
	struct weft_prefix *member);
/* Members as they were given, one in another included. */
size_t address_set_count(const struct address_set *set);
/* In order of family, address, length. look() false: stop. */
void address_set_each(const struct address_set *set,
	bool (*look)(void *context, const struct weft_prefix *member), void *context);

#endif
