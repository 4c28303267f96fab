/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `internet: host` of a network: its router gets out through the host. That one line stands for
 * objects that people could write themselves: a switch, a vnic in the host's namespace and a port
 * of the router, all called "internet"; a default route; and a translation of what leaves there, of
 * the firewall that guards the router, or of one, "internet-firewall", that lets nothing in. They
 * are put into the tree as what is default: all that works on trees sees them, and nothing writes
 * them.
 *
 * What the host does for it is the daemon's (daemon/way_out.h).
 */
#ifndef WEFT_MODEL_INTERNET_H
#define WEFT_MODEL_INTERNET_H

#include "model/model.h"

#include <net/if.h>

#define INTERNET "internet"
#define INTERNET_FIREWALL "internet-firewall"

struct internet {
	const struct lyd_node *router; /* NULL: which one is not clear */
	struct weft_prefix prefix;     /* of 30 bits: the host has its first address, the router its
					  second */
	char interface[IFNAMSIZ];      /* the host's end */
};

/* False: the network does not ask for it. */
bool internet_of(const struct lyd_node *network, struct internet *internet);

/* Puts the objects into the tree, as far as nothing of the names is there. -1: no memory. */
int internet_expand(struct lyd_node *network);
/* When the tree is complete: makes them default. What is put into one later ends that. */
void internet_hide(const struct lyd_node *network);
/* Whether any network of these has such objects: what is written is then internet_without(). */
bool internet_is_in(const struct lyd_node *networks);
/* A copy of the tree without them; NULL: no memory. */
struct lyd_node *internet_without(const struct lyd_node *tree);

#endif
