/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the firewall's own files share: its objects as the workers and the control side see them.
 * Others include firewall/firewall.h.
 */
#ifndef WEFT_FIREWALL_FIREWALL_OBJECTS_H
#define WEFT_FIREWALL_FIREWALL_OBJECTS_H

#include "base/rate.h"
#include "firewall/connection_splice.h"
#include "firewall/expectation.h"
#include "firewall/firewall.h"
#include "firewall/flow_records_private.h"
#include "firewall/mapping.h"
#include "firewall/port_block.h"
#include "firewall/syn_cookie.h"
#include "firewall/translation.h"
#include "graph/engine.h"
#include "packet/edit.h"
#include "packet/reassemble.h"

/* One worker's. */
struct firewall_shard {
	struct connection_table *connections;
	struct mapping_table *mappings;
	struct port_block_table *blocks;
	struct reassembly *fragments; /* a firewall is a domain */
	struct rule_counters *counters;
	struct rate log_rate;
	struct flow_recorder recorder;
	/* control side: connections_expire() has more to do, but nothing passes that would do it */
	bool expiring;
} __attribute__((aligned(64)));

#define FIREWALL_SERVERS 1024

/* Of all firewalls; weft->class_data. */
struct firewalls {
	struct hash_key key; /* of flows */
	struct hash_key cookie_key;
	/* What servers behind SYN proxies were last seen to answer: firewall_proxy.c */
	_Atomic uint64_t servers[FIREWALL_SERVERS];
	struct expectations *expectations;
	struct rule_table rules;
	struct rule_limits *limits;
	/* By index of the device's id: whose a connection is. RCU. */
	struct firewall *_Atomic *by_device;
	_Atomic bool ready; /* there is or was a firewall: all else is open */
	/* control side: connections that are still to be judged again */
	bool sweeping;
	unsigned sweep_worker;
	uint32_t sweep_at;
	struct firewall_shard shards[WORKER_LIMIT];
};

/* What workers read of a firewall; a change makes a new one. RCU. */
struct firewall_live {
	const struct classifier_view *view;
	uint32_t version;               /* of the rules, for connection.judged */
	uint32_t ports[FIREWALL_PORTS]; /* ids; 0: not there */
	uint8_t otherwise;              /* enum weft_rule_action */
	bool keep, accept_invalid;
	bool flow_tells;    /* no rule looks at what a flow does not tell of its first packet */
	bool has_stateless; /* a rule is */
	bool has_syn_proxy; /* likewise */
	bool has_helper;    /* likewise */
	bool routed;        /* it is a guard: within a zone no rule is asked */
	bool whole;         /* all its packets are one worker's: mapping.h */
	/* NULL: nothing is translated */
	const struct translations *translations;
	const struct classifier_view *sources, *destinations; /* which translation */
	struct weft_firewall_config config;                   /* for looking */
};

/* What a guard calls ports by (vport->guard_index); NULL: nothing. Changed under the objects' lock.
 */
struct firewall_zones {
	char *names[RULE_PORTS];
};

/* A firewall; weft_device.data. */
struct firewall {
	struct firewall_live *_Atomic live;
	struct firewalls *all;
	struct connection_domain domain;
	struct rate reject_rate, denied_rate;
	_Atomic unsigned expected; /* connections: expectation.h */
	/* Bytes of the MAC of whoever was last heard on the inside port, translations->answers: as
	 * edit_mac_word() has them. */
	_Atomic uint64_t inside_mac;
	/* control side */
	struct weft_firewall_config config; /* as the open change, or the last one, wants it */
	struct rule_list *rules, *sources, *destinations;
	struct firewall_zones zones;
	struct translations *translations; /* as the open change, or the last one, wants them */
	struct firewall_live *prepared, *replaced;
	/* of which version of the rules it is, for looking */
	uint32_t classifier_version;
	struct classifier_state classifier;
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

/* ---- all firewalls (firewalls.c) ----------------------------------------------------------- */

struct firewalls *firewalls_of(const struct weft *weft);
/* For the first one: opens the workers' shards. NULL: no memory. */
struct firewalls *firewalls_ready(struct weft *weft, struct weft_error *error);

int firewalls_open(struct weft *weft, struct weft_error *error);
void firewalls_close(struct weft *weft);

/* Any thread. */
static inline bool
firewalls_are_ready(const struct weft *weft)
{
	return atomic_load_explicit(&firewalls_of(weft)->ready, memory_order_acquire);
}

void firewalls_poll(struct weft *weft, uint64_t now);
void firewalls_tick(struct weft *weft, uint64_t now);

static inline struct firewall *
firewall_by_device(const struct worker *worker, uint32_t id)
{
	const struct firewalls *all = firewalls_of(worker->weft);
	struct firewall *firewall =
		atomic_load_explicit(&all->by_device[id_index(id)], memory_order_acquire);

	return likely(firewall != NULL && firewall->domain.id == id) ? firewall : NULL;
}

/* Which node this is. */
unsigned firewall_node(const struct worker *worker);

/* Control: looks on each worker at all of its connections, a slice between two turns each.
 * look() may end the connection. */
typedef void (*firewall_look)(
	void *context, struct connection_table *table, struct connection *connection);
void firewalls_walk(struct weft *weft, firewall_look look, void *context);

/* The rules have changed: looks for connections that they refuse, from poll to poll. */
void firewalls_sweep(struct firewalls *all);
/* A firewall goes: ends its connections. No worker finds it any more. */
void firewalls_forget(struct weft *weft, const struct connection_domain *domain);

/* Ends the connections of the firewall that came in or went out by one of these places, a bit
 * each; no worker makes more. */
void firewalls_forget_places(struct weft *weft, uint32_t device, uint64_t places);

/* A network's set as the open change leaves it (address_sets.c); NULL: there is none. */
const struct address_set *address_set_staged(struct weft_network *network, const char *name);

const struct port_set *port_set_staged(struct weft_network *network, const char *name);

/* Control: a set of the network's differs after the change, and rules may name it. */
void firewalls_touch(struct weft_change *change, struct weft_network *network);

/* ---- zones (firewall_zones.c): control ------------------------------------------------------- */

/* Its index, new if there is none of the name; -1: the change has failed. */
int zones_obtain(struct weft_change *change, struct weft_device *device, const char *name);
/* -1: there is none of the name. */
int zones_find(const struct firewall_zones *zones, const char *name);
/* Gives back those that no port is in, and no rule names. Between changes, after the grace period
 * of the last one, or in a change that has need of one. */
void zones_release(struct weft_device *device);
void zones_free(struct firewall_zones *zones);

/* ---- the node (firewall_input.c) ----------------------------------------------------------- */

enum flow_kind {
	FLOW_NONE,   /* of no connection */
	FLOW_OWN,    /* the packet's */
	FLOW_QUOTED, /* the answer to what an ICMP error quotes: comes from where the error does */
};

enum way {
	WAY_ACROSS, /* by one of the firewall's own ports, for the other */
	WAY_OUT,    /* of a guarded device, on its way out */
	WAY_IN, /* it came into a guarded device, and is for that, or for whom translations hide */
	WAY_SAID, /* of a guarded device: an ICMP error about what had been judged */
};

/* A packet on its way through. */
struct passage {
	struct rte_mbuf *packet;
	struct vport *ingress;
	struct vport *egress; /* but WAY_ACROSS; WAY_IN: where it will leave, once that is known */
	struct firewall *firewall;
	const struct firewall_live *live;
	struct fields fields;
	struct flow flow;
	uint64_t hash; /* of the flow */
	/* where the hash leads to: connection_fast.h */
	const struct place_bucket *bucket;
	struct connection *candidate;
	uint8_t way;             /* enum way */
	uint8_t mapped;          /* while planning: 0, or 1 + the side that is behind a mapping */
	uint8_t kind;            /* enum flow_kind: of `flow` */
	bool blocked;            /* likewise: its port is of a block */
	uint16_t quoted_l4;      /* FLOW_QUOTED: where the quoted transport header is */
	enum drop_reason reason; /* of what is refused */
};

void firewall_input(struct worker *worker, struct rte_mbuf **packets, unsigned count);

static inline unsigned
firewall_owner(const struct worker *worker, uint64_t hash)
{
	return (unsigned)(hash >> 40) % worker->weft->n_workers;
}

static inline unsigned
passage_owner(const struct worker *worker, const struct passage *passage, uint64_t hash)
{
	if (unlikely(passage->live->whole))
		return passage->firewall->domain.id % worker->weft->n_workers;
	return firewall_owner(worker, hash);
}

/* Worker: the connection was judged by rules of before, and those of now refuse it. */
bool firewall_refuses(const struct firewall *firewall, struct connection *connection);

static inline bool
passage_is_dry_run(const struct passage *passage)
{
	return packet_meta(passage->packet)->flags & PACKET_DRY_RUN;
}

static inline bool
passage_is_traced(const struct passage *passage)
{
	return unlikely(packet_meta(passage->packet)->trace != 0);
}

static inline void
firewall_drop(struct worker *worker, struct passage *passage, enum drop_reason reason)
{
	packet_drop(worker, passage->ingress, reason, passage->packet);
}

/* ---- what is of no connection (firewall_stranger.c): each takes the packet --------------------
 */

void firewall_meet_stranger(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, const struct tcp_segment *segment);
/* A packet that nothing is made of goes on by itself. */
void firewall_meet_single(
	struct worker *worker, struct firewall_shard *shard, struct passage *passage);
/* Only rules that name the state are asked; `otherwise`: why it is dropped if none does. */
void firewall_meet_invalid(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, enum drop_reason otherwise);
/* Of no connection, and cannot begin one: what stateless rules accept has none. The one that comes
 * first decides: such a rule, or one that names the state. */
void firewall_meet_lost(
	struct worker *worker, struct firewall_shard *shard, struct passage *passage);
/* What a connection brings about, an error or one that it has announced: accepted as that was, if
 * no rule names the state. *named: one does. False: the packet is gone. */
bool firewall_ask_related(
	struct worker *worker, struct firewall_shard *shard, struct passage *passage, bool *named);

/* ---- what is accepted (firewall_forward.c): each takes the packet -----------------------------
 */

/* Out, as it is; `to`: by which port, where there is no egress already. */
void firewall_forward(struct worker *worker, struct passage *passage, unsigned to);
/* As what `reply` answers. */
void firewall_forward_translated(
	struct worker *worker, struct passage *passage, const struct flow *reply, unsigned to);
/* It is for the device itself, and whole. */
void firewall_give_back(struct worker *worker, struct passage *passage);
/* To the other side of its connection. */
void firewall_forward_known(struct worker *worker, struct passage *passage,
	const struct connection *connection, unsigned side);

/* ---- the SYN proxy (firewall_proxy.c) ---------------------------------------------------------
 */

/* What the acknowledgment of a cookie proves. */
struct proxy_proof {
	uint32_t sequence, cookie; /* initial sequence numbers: the client's, ours */
	struct syn_offer offer;    /* what the client's SYN asked for */
	uint16_t window;           /* the client's, as in the header */
	uint32_t times[2];         /* offer.has_times: the client's, and ours that it echoes */
};

/* Answers a SYN that may begin a connection, in the place of whom `reply` will come from. The
 * packet is gone. */
void firewall_proxy_answer(struct worker *worker, struct passage *passage, const struct flow *reply,
	const struct tcp_segment *syn);
/* Whether the segment acknowledges such an answer. */
bool firewall_proxy_proves(struct worker *worker, const struct passage *passage,
	const struct tcp_segment *segment, struct proxy_proof *proof);
/* Puts the SYN, which the client has sent once, in the place of the packet that proves it. False:
 * the packet is gone. */
bool firewall_proxy_open(struct worker *worker, struct passage *passage,
	const struct proxy_proof *proof, struct tcp_segment *syn);
/* The connection of that SYN, of which nothing has passed yet: the server is to be asked. */
void firewall_proxy_begin(struct worker *worker, struct firewall_shard *shard,
	const struct passage *passage, struct connection *connection,
	const struct proxy_proof *proof);

enum splice_verdict {
	SPLICE_FORWARD, /* the packet is as the other side is to see it */
	SPLICE_GONE,
	SPLICE_INVALID, /* out of window */
	SPLICE_OVER,    /* the connection has ended; the packet may be of another */
};

/* A segment of one of the SYN proxy. */
enum splice_verdict firewall_proxy_pass(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct connection *connection, struct connection_splice *splice,
	unsigned side, const struct tcp_segment *segment);

/* Asks servers again that have not answered. */
void firewall_proxy_poll_slow(struct worker *worker, struct firewall_shard *shard);

static inline void
firewall_proxy_poll(struct worker *worker, struct firewall_shard *shard)
{
	if (unlikely(connection_splices_wait(shard->connections)))
		firewall_proxy_poll_slow(worker, shard);
}

/* ---- connections that are spliced (firewall_splice.c) -----------------------------------------
 */

/* A segment of a connection with CONNECTION_SPLICED. */
enum splice_verdict firewall_splice_pass(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct connection *connection, unsigned side,
	const struct tcp_segment *segment);
/* The same where both sides are there, and its numbers change. */
enum splice_verdict firewall_splice_joined(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct connection *connection, struct connection_splice *splice,
	unsigned side, const struct tcp_segment *segment);
/* A window as a side has it in its header, as the other takes it to be. */
uint16_t firewall_splice_window(
	const struct connection_splice *splice, unsigned side, uint16_t window);
/* `packet`'s numbers become those of `shift`. False: it is gone. */
bool firewall_shift(
	struct worker *worker, struct passage *passage, const struct edit_tcp_shift *shift);
/* An error about what was sent to `side` of such a one. False: it is gone. */
bool firewall_splice_quote(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, const struct connection *connection, unsigned side);

/* ---- connections that announce others (firewall_helper.c) ------------------------------------ */

/* One that a rule with a helper has accepted; none of its packets has passed yet. */
void firewall_helper_begin(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct connection *connection, const struct rule *rule);
/* One that was expected. */
void firewall_helper_adopt(struct firewall_shard *shard, struct connection *connection,
	const struct expectation *expectation);
/* A segment of such a one has passed: reads it, and forwards what the other side is to see.
 * `shift`: of its numbers. False: it is gone. */
bool firewall_helper_pass(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct connection *connection, struct connection_splice *splice,
	unsigned side, const struct tcp_segment *segment, struct edit_tcp_shift *shift);
/* A request of TFTP. */
void firewall_helper_pass_tftp(
	struct worker *worker, const struct passage *passage, const struct connection *connection);

static inline bool
firewall_expects(const struct passage *passage)
{
	return unlikely(passage->live->has_helper) &&
	       expectations_any(passage->firewall->all->expectations);
}

/* ---- translation (firewall_translate.c) ------------------------------------------------------ */

/* Both note in passage->mapped what the connection will have to do with a mapping.
 *
 * Before the rules are asked: fields->to_ip, to_port and (WAY_ACROSS) to become those of whom it is
 * for, and so does `reply`, the answer to the first packet of a connection. False: nothing is said
 * of it. */
bool firewall_plan_destination(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, struct fields *fields, struct flow *reply);
/* After them: whom the reply will be for, and its hash. False: no address and port is free. */
bool firewall_plan_source(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, const struct fields *fields, struct flow *reply,
	uint64_t *reply_hash);
/* The same where it is known whom the reply is for, but for its port. */
bool firewall_plan_expected(struct worker *worker, struct firewall_shard *shard,
	const struct passage *passage, struct flow *reply, uint64_t *reply_hash);
/* WAY_IN: where it would leave if it were for the address; NULL: nowhere that this guards. */
struct vport *firewall_way_out(
	struct worker *worker, const struct passage *passage, const uint8_t *address);
/* Makes of the passage's packet what `reply` answers. False: it is gone. */
bool firewall_rewrite(struct worker *worker, struct passage *passage, const struct flow *reply);
/* The packet goes back to where it came from: turns its MACs round. False: it is gone. */
bool firewall_turn(struct worker *worker, struct passage *passage);
/* Notes who is inside. */
void firewall_hear(const struct passage *passage);
/* True: it was ARP for an outside address, which has been answered. */
bool firewall_answer(struct worker *worker, struct passage *passage);

/* port_block_tell; `context`: the worker. */
bool firewall_tell_block(void *context, const struct port_block_notice *notice);

/* ---- limits (firewall_limit.c) --------------------------------------------------------------- */

/* Whether the rule, which has a limit, lets a connection of the passage's flow begin: then `charge`
 * is the connection's, or to be given back. Of a dry run only whether it would. False: the packet
 * is gone, and it is told. */
bool firewall_keeps_limit(struct worker *worker, struct firewall_shard *shard,
	struct passage *passage, const struct rule *rule, struct rule_charge *charge);

/* ---- fragments (firewall_fragment.c) --------------------------------------------------------- */

struct reassembly *firewall_fragments_open(void);
/* A fragment. True: it has completed its datagram, which is now the passage's packet
 * (PACKET_GATHERED). False: it was taken. */
bool firewall_gather(struct worker *worker, struct firewall_shard *shard, struct passage *passage);
/* Sends a datagram that was put together, cut as it came. egress NULL: back into the device where
 * it came in. */
void firewall_send_whole(struct worker *worker, struct vport *egress, struct passage *passage);
/* Datagrams that did not become whole. */
void firewall_expire_fragments(struct worker *worker, struct firewall_shard *shard);

/* ---- answers (firewall_reject.c) ------------------------------------------------------------- */

/* Tells the sender, and drops with passage->reason. */
void firewall_reject(struct worker *worker, struct passage *passage);
/* Gives an untagged frame of weft's own the tags and MACs of the passage's packet; `turned`: it
 * goes back. False: there is no room. */
bool firewall_frame(struct rte_mbuf *packet, const struct passage *passage, bool turned);
/* Back to where the passage's packet came from. */
void firewall_send_back(
	struct worker *worker, const struct passage *passage, struct rte_mbuf *answer);
/* A packet to many: nobody who has its address answers, and no error is due. */
bool firewall_is_to_group(const struct fields *fields);

/* ---- words (firewall_trace.c) ---------------------------------------------------------------- */

/* What came of a connection that a rule with a limit was to let begin. */
void firewall_trace_limit(struct worker *worker, const struct passage *passage,
	const struct rule *rule, enum rule_limit_result result);
/* Only for packets that have a trace mark. */
void firewall_trace_connection(struct worker *worker, const struct passage *passage,
	const struct connection *connection, unsigned side);
/* rule NULL: the firewall's default. */
void firewall_trace_rule(
	struct worker *worker, const struct passage *passage, const struct rule *rule);
/* What the packet has become. */
void firewall_trace_rewrite(struct worker *worker, const struct passage *passage);
void firewall_trace_verdict(
	struct worker *worker, const struct passage *passage, enum tcp_verdict verdict);
/* Tells of what a rule with `log` has judged, if its rate allows. */
void firewall_log(struct worker *worker, struct firewall_shard *shard,
	const struct passage *passage, const struct rule *rule, enum rule_limit_result result);

#endif
