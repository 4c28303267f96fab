/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guard of a router's ports has to know and say: addresses that it answers for, the way
 * that a packet would take, and the router's own address there. */
#include "router/router_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- claims -----------------------------------------------------------------------------------
 */

struct claims_update {
	struct router *router;
	struct claim_list *before;
};

static void
claims_finish(void *object)
{
	struct claims_update *update = object;

	free(update->before);
	free(update);
}

static void
claims_abort(void *object)
{
	struct claims_update *update = object;

	free(update->router->claims);
	update->router->claims = update->before;
	free(update);
}

static const struct change_step claims_step = { NULL, claims_finish, claims_abort };

static bool
are_prefixes(const struct weft_claim *claims, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if ((claims[i].prefix.family != 4 && claims[i].prefix.family != 6) ||
			claims[i].prefix.length > router_address_bits(claims[i].prefix.family))
			return false;
	return true;
}

/* With the bits behind its length zero, as routes have it. */
static struct weft_claim
tidy(struct weft_claim claim)
{
	for (unsigned bit = claim.prefix.length; bit < 8 * sizeof(claim.prefix.address); bit++)
		claim.prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return claim;
}

static struct claim_list *
copy(const struct weft_claim *claims, unsigned count)
{
	struct claim_list *list = malloc(sizeof(*list) + count * sizeof(list->claims[0]));

	if (list == NULL)
		return NULL;
	list->count = count;
	for (unsigned i = 0; i < count; i++)
		list->claims[i] = tidy(claims[i]);
	return list;
}

void
weft_router_claims(struct weft_change *change, struct weft_device *device,
	const struct weft_claim *claims, unsigned count)
{
	struct claims_update *update;
	struct claim_list *list;
	struct router *router;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &router_class))
		return;
	if (!are_prefixes(claims, count)) {
		change_fail(change, EINVAL, "what a router claims is of family 4 or 6");
		return;
	}
	router = device->data;
	list = copy(claims, count);
	update = malloc(sizeof(*update));
	if (list == NULL || update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		goto failed;
	}
	*update = (struct claims_update){ router, router->claims };
	if (change_touch(change, device) < 0 || change_stage(change, &claims_step, update) < 0)
		goto failed;
	router->claims = list;
	return;
failed:
	free(list);
	free(update);
}

bool
router_is_claimed(const struct vport *vport, uint8_t family, const uint8_t *address)
{
	const struct router_port *port = router_port_of(vport);
	const struct next_hop *hop;
	uint32_t word;

	if (likely(!atomic_load_explicit(&port->owner->claims_any, memory_order_relaxed)))
		return false;
	memcpy(&word, address, sizeof(word));
	hop = next_hop_get(family == 6 ? fib6_lookup(&port->owner->fib6, address)
				       : fib4_lookup(&port->owner->fib4, rte_be_to_cpu_32(word)));
	return hop != NULL && hop->key.kind == HOP_CLAIMED &&
	       (hop->key.everywhere || router_port_network(port, family, address) != NULL);
}

/* ---- the way out -------------------------------------------------------------------------------
 */

struct vport *
router_way_out(struct worker *worker, const struct vport *ingress, uint8_t family,
	const uint8_t *address, struct rte_mbuf *packet)
{
	const struct next_hop *hop =
		router_hop_to(worker, router_port_of(ingress)->owner, family, address, packet);

	if (hop == NULL || (hop->key.kind != HOP_CONNECTED && hop->key.kind != HOP_GATEWAY))
		return NULL;
	return vport_get(worker, hop->key.vport);
}

const uint8_t *
router_own_address(const struct vport *vport, uint8_t family, const uint8_t *destination)
{
	return router_port_source(router_port_of(vport), family, destination);
}
