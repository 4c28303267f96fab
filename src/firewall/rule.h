/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rule of a policy, as it is kept: what it matches, and what is done then. A rule is never
 * changed once made; a change makes another one.
 *
 * rule_matches() says what a rule means. The classifier finds the first rule that matches without
 * asking each; tests hold it to this.
 *
 * Threads: rules are made and freed on the control thread, after the grace period of their last
 * reader; anybody reads them under RCU.
 */
#ifndef WEFT_FIREWALL_RULE_H
#define WEFT_FIREWALL_RULE_H

#include "base/error.h"
#include "firewall/address_set.h"
#include "firewall/fields.h"
#include "firewall/port_set.h"

#include <weft/weft.h>

/* What a packet is to the state table; bits of weft_rule.states. */
#define RULE_STATE_NEW WEFT_STATE_NEW
#define RULE_STATE_RELATED WEFT_STATE_RELATED
#define RULE_STATE_INVALID WEFT_STATE_INVALID

struct rule {
	uint32_t id;    /* index and generation (graph/id.h); of a rule that has changed, too, as
			   long as its name stays: it keeps its counters */
	uint64_t order; /* the lowest that matches is the one */
	struct weft_rule match; /* a deep copy; names of sets and ports are resolved: */
	const struct address_set *from_set, *to_set;        /* NULL: none. Replaced when the set's
							     * contents are */
	const struct port_set *from_port_set, *to_port_set; /* NULL: none */
	uint64_t from, to;                                  /* ports, a bit each; all ones: any */
};

#define RULE_PORTS 64 /* of a firewall, at most */

/*
 * A deep copy, or NULL: no memory, or what the caller's checks should have caught. Its sets and
 * ports are for the caller to fill in, before anybody sees it; until then: none, and any.
 */
struct rule *rule_create(
	const struct weft_rule *match, uint32_t id, uint64_t order, struct weft_error *error);
void rule_free(struct rule *rule);
/* Whether it says something of ports of its side. */
static inline bool
rule_has_from_port(const struct weft_rule *match)
{
	return match->n_from_port > 0 || match->from_port_set != NULL;
}

static inline bool
rule_has_to_port(const struct weft_rule *match)
{
	return match->n_to_port > 0 || match->to_port_set != NULL;
}

/* Whether both match the same packets and do the same; names, ids and orders do not count. */
bool rule_same(const struct weft_rule *a, const struct weft_rule *b);

/* `state`: one RULE_STATE_ bit. */
bool rule_matches(const struct rule *rule, const struct fields *fields, uint8_t state);
/* The two halves of it: addresses and sets; and all else, but for the state. */
bool rule_matches_addresses(const struct rule *rule, const struct fields *fields);
bool rule_matches_rest(const struct rule *rule, const struct fields *fields);

static inline uint8_t
rule_states(const struct weft_rule *match)
{
	return match->states != 0 ? match->states : RULE_STATE_NEW;
}

/* "tcp in:out from 10.0.0.0/8 to 192.0.2.1 port 80,443": for people; always terminated. */
void rule_describe(const struct rule *rule, char *text, size_t size);

#endif
