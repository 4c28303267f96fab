/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the firewall's own files share: its objects as the workers and the control side see them.
 * Others include firewall/firewall.h.
 */
#ifndef WEFT_FIREWALL_FIREWALL_OBJECTS_H
#define WEFT_FIREWALL_FIREWALL_OBJECTS_H

#include "base/rate.h"
#include "firewall/firewall.h"
#include "graph/engine.h"
#include "packet/reassemble.h"

/* One worker's. */
struct firewall_shard {
	struct connection_table *connections;
	struct reassembly *fragments; /* a firewall is a domain */
	struct rule_counters *counters;
};

/* Of all firewalls; weft->class_data. */
struct firewalls {
	struct hash_key key;
	struct id_pool rule_ids;
	struct rule_counts counts;
	struct firewall_shard shards[WORKER_LIMIT];
};

/* What workers read of a firewall; a change makes a new one. */
struct firewall_live {
	uint32_t version;              /* of the rules, for connection.judged */
	uint32_t ports[FIREWALL_PORTS]; /* ids; 0: not there */
	uint8_t otherwise;             /* enum weft_rule_action */
	bool keep, accept_invalid;
};

/* A firewall; weft_device.data. */
struct firewall {
	struct firewall_live *_Atomic live;
	struct connection_domain domain;
	struct classifier *classifier;
	struct rate reject_rate;
	/* control side */
	struct weft_firewall_config config; /* as the open change, or the last one, wants it */
	struct rule_list *rules;
	bool new_rules;  /* the open change has some */
	bool unjudged;   /* connections may be there that were judged by rules before */
	uint32_t swept;  /* where looking for them goes on */
	struct firewall_live *prepared, *replaced;
};

/* A vport; vport->context. Never changed. */
struct firewall_port {
	struct firewall *owner;
	uint8_t index;
};

static inline const struct firewall_port *
firewall_port_of(const struct vport *vport)
{
	return vport->context;
}

static inline const struct firewall_live *
firewall_live_of(const struct firewall *firewall)
{
	return atomic_load_explicit(&firewall->live, memory_order_acquire);
}

/* A packet on its way through. */
struct passage {
	struct rte_mbuf *packet;
	struct vport *ingress;
	struct firewall *firewall;
	const struct firewall_live *live;
	struct fields fields;
	struct flow flow; /* has_flow */
	uint64_t hash;    /* of the flow */
	bool has_flow;
};

/* ---- the node (firewall_input.c) ----------------------------------------------------------- */

void firewall_input(struct worker *worker, struct rte_mbuf **packets, unsigned count);

/* A fragment (firewall_fragment.c): the datagram that it completes, or NULL, taken. */
struct rte_mbuf *firewall_gather(
	struct worker *worker, struct firewall_shard *shard, const struct passage *passage);
/* Sends a datagram that was put together, cut as it came. */
void firewall_send_whole(
	struct worker *worker, struct vport *egress, const struct passage *passage);
/* Datagrams that did not become whole. */
void firewall_expire_fragments(struct worker *worker, struct firewall_shard *shard);

/* Tells the sender, and drops (firewall_reject.c). */
void firewall_reject(struct worker *worker, struct passage *passage);

/* Worker: judges again what has been judged by rules before, `most` places looked at at a time
 * (firewall_input.c). */
void firewall_judge_again(
	struct worker *worker, struct firewall *firewall, struct connection *connection);

/* ---- words (firewall_trace.c): only for packets that have a trace mark ------------------- */

void firewall_trace_connection(struct worker *worker, const struct passage *passage,
	const struct connection *connection, unsigned side);
/* rule NULL: the firewall's default. */
void firewall_trace_rule(
	struct worker *worker, const struct passage *passage, const struct rule *rule);

#endif
