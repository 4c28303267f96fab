/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of neighbours share: the table under its lock. Others include neighbour.h. */
#ifndef WEFT_ROUTER_NEIGHBOUR_TABLE_H
#define WEFT_ROUTER_NEIGHBOUR_TABLE_H

#include "packet/edit.h"
#include "router/router_objects.h"

/* ---- neighbour.c ---------------------------------------------------------------------------- */

void neighbour_lock(void);
void neighbour_unlock(void);

/* All of these under the lock. */

/* NULL: no memory. */
struct neighbour *neighbour_insert(
	uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network);
/* False: it has to wait, too many are on their way out already. */
bool neighbour_take_out(struct neighbour *entry);
/* timer: in seconds; 0: none. */
void neighbour_enter(
	struct neighbour *entry, enum neighbour_state state, uint32_t second, uint32_t timer);
void neighbour_set_mac(struct neighbour *entry, const uint8_t mac[6]);
/* How many entries there ever were; and the first one of a port, by port_next the others. */
uint32_t neighbours_used(void);
uint32_t neighbours_of_port(uint32_t vport);

/* Control thread, without the lock: frees what was taken out, after a grace period. */
void neighbours_give_back(struct weft *weft);

static inline size_t
neighbour_address_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static inline uint32_t
neighbour_second(const struct worker *worker)
{
	return (uint32_t)(worker->now / 1000000000);
}

static inline enum neighbour_state
neighbour_state_of(const struct neighbour *entry)
{
	return neighbour_link_state(atomic_load_explicit(&entry->link, memory_order_relaxed));
}

static inline bool
neighbour_has_mac(enum neighbour_state state)
{
	return state >= NEIGHBOUR_STALE;
}

static inline void
neighbour_address(struct vport *egress, struct rte_mbuf *packet, uint64_t link)
{
	edit_set_ether_both(packet, link & NEIGHBOUR_MAC_MASK, router_port_of(egress)->mac_word);
}

/* ---- neighbour_send.c ----------------------------------------------------------------------- */

/* The packets that waited, taken out of the entry. */
struct waiting {
	struct rte_mbuf *packets[NEIGHBOUR_QUEUE];
	unsigned count;
};

/* Under the lock. */
void neighbour_take_waiting(struct neighbour *entry, struct waiting *waiting);
/* Asks who has the address: everybody, or the one MAC that had it. Without the lock. */
void neighbour_ask(struct worker *worker, const struct neighbour *entry, bool everybody);
/* What comes for a neighbour that does not answer. Takes the packet. */
void neighbour_refuse(struct worker *worker, struct vport *egress, struct rte_mbuf *packet);

#endif
