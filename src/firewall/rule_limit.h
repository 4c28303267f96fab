/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules with a limit have let begin (weft_rule.limit): their connections that live, those of
 * each source, and how fast new ones come. Of all workers together.
 *
 * Counting
 *	By the rule's id, as its counters are: a rule that keeps its name keeps its counts. Nothing
 *	is written but when a connection begins, ends, or has closed; what is refused writes only
 *	where it is the first of its source. A connection holds a charge, and gives it back to who
 *	it had it from: to a rule that is gone, to nobody. Connections of a worker could be counted
 *	in a share of the limit for each worker, without a line that they all write; but the
 *	shares would have to be large enough for the flows that happen to be that worker's, and so
 *	let more begin than the limit says, or be moved about. One atomic operation for each
 *	connection is less than the rest of its beginning.
 *
 * Sources
 *	One that has connections, or has had some that its rate still remembers, has an entry. Of a
 *	network there are at most so many as it may have connections; at that limit those that have
 *	no connection any more give their places, else its packet is refused (LIMIT_SOURCES). They
 *	are found by a keyed hash, in parts that have a lock each: a connection with a limit by
 *	source takes it when it begins and when it ends. Memory that a part has had stays its own.
 *
 * Rates
 *	are those of the generic cell rate algorithm (base/rate.h): what is refused uses up nothing.
 *
 * Threads: rule_limit_admit(), _check() and _release() on workers; the rest as told.
 */
#ifndef WEFT_FIREWALL_RULE_LIMIT_H
#define WEFT_FIREWALL_RULE_LIMIT_H

#include "base/hash.h"
#include "firewall/flow.h"
#include "firewall/rule.h"
#include "graph/device.h"

struct rule_limits;

/* Address space for every rule and source that there can be. NULL: there is none. */
struct rule_limits *rule_limits_open(const struct hash_key *key);
void rule_limits_close(struct rule_limits *limits);

enum rule_limit_result {
	LIMIT_KEPT,
	LIMIT_CONNECTIONS,
	LIMIT_PER_SOURCE,
	LIMIT_RATE,
	LIMIT_SOURCE_RATE,
	LIMIT_SOURCES, /* the network remembers as many sources as it may */
};

/* What a connection holds. */
struct rule_charge {
	uint32_t of;    /* a rule's id, or where a source is; 0: nothing */
	bool is_source; /* which of them */
};

/* A connection of the flow's source is to begin by the rule, which has a limit. `charge` is set if
 * it may, and is then to be given back. `now`: ns. */
enum rule_limit_result rule_limit_admit(struct rule_limits *limits, const struct rule *rule,
	const struct flow *flow, struct weft_network *network, uint64_t now,
	struct rule_charge *charge);
/* Whether it might; nothing is counted. */
enum rule_limit_result rule_limit_check(struct rule_limits *limits, const struct rule *rule,
	const struct flow *flow, struct weft_network *network, uint64_t now);
void rule_limit_release(struct rule_limits *limits, struct rule_charge charge);

/* Any thread: connections that live and are charged to the rule. */
uint32_t rule_limit_connections(const struct rule_limits *limits, uint32_t id);
/* Any thread: forgets sources that have no connections, and which their rates need not remember
 * any more; some thousand a call. */
void rule_limits_expire(struct rule_limits *limits, uint64_t now);
/* Any thread: a firewall of the network is gone, and all its connections are: forgets sources of
 * the network's that have none. */
void rule_limits_forget(struct rule_limits *limits, const struct weft_network *network);

#endif
