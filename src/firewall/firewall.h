/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual firewall: stateful, transparent between two vports, or as the guard (graph/vport.h)
 * of vports of another device, which are its zones: those of a router, or of a switch, where it is
 * transparent between many.
 *
 * What happens to a packet (1. to 3.: firewall_input.c, 4. and 5.: firewall_stranger.c,
 * 6.: firewall_reject.c)
 *	1. It is read (fields.h). What is malformed is dropped: bad-ip-header, bad-ip-checksum,
 *	   bad-transport.
 *	2. Fragments are put together first, so that every rule sees ports; overlapping ones are
 *	   dropped (fragment). What goes on is cut again, into pieces as long as the first one was.
 *	3. A packet of a known connection goes on, if it can be of it (TCP: tcp_track.h) and came in
 *	   by its side's port, and asks no rule. If the rules have changed since the connection was
 *	   judged, it is judged again, as its first packet was, and ended if it is refused now;
 *	   `keep` lets it live. An ICMP error goes with the connection that it quotes, unless a rule
 *	   names the state RELATED.
 *	4. All else asks the rules, in order: the first that matches says what is done, the
 *	   firewall's `otherwise` if none does (rule-default). Packets that are of no connection and
 *	   cannot begin one are INVALID: only rules that name this state see them, and stateless
 *	   ones, if they are of no connection; if none does they are dropped (invalid-state,
 *	   out-of-window).
 *	5. Accepted: a connection is made, unless the rule is stateless, the packet has no flow
 *	   (flow.h), or goes to a group. Where a limit is reached, of the rule or of all, it is
 *	   dropped (connection-limit, source-limit, connection-rate, source-rate). It goes out by
 *	   the other port, unchanged.
 *	   One that another connection has announced (firewall_helper.c) is accepted as that was,
 *	   unless a rule names the state RELATED.
 *	   A rule with the SYN proxy makes one only of a client that has acknowledged a cookie
 *	   (firewall_proxy.c).
 *	6. Rejected: a TCP segment is answered by a reset, another IP packet by ICMP
 *	   "administratively prohibited", both from whom it was for, at most FIREWALL_REJECT_RATE a
 *	   second of one firewall.
 *
 * Connections belong to workers (connection.h): a worker handles the packets of those flows whose
 * hash is its own, whoever received them; all of a firewall's are one's where it maps endpoints
 * (mapping.h).
 *
 * Changes
 *	Workers read all that judges in one piece, which a commit replaces: every packet is judged
 *	by all rules of before, or all of after. Connections that were judged before are judged
 *	again by their next packet, and in the background, a thousand at a time, those that are
 *	silent.
 *
 * Threads: the node runs on workers; changes and looking as graph/device.h says.
 */
#ifndef WEFT_FIREWALL_FIREWALL_H
#define WEFT_FIREWALL_FIREWALL_H

#include "firewall/connection.h"
#include "firewall/rule_list.h"
#include "graph/trace.h"

#define FIREWALL_PORTS 2
#define FIREWALL_CONNECTION_LIMIT 262144
#define FIREWALL_RESET_TIMEOUT 10 /* seconds */
#define FIREWALL_REJECT_RATE 1000 /* a second */
#define FIREWALL_REJECT_BURST 100
#define FIREWALL_LOG_RATE 10        /* of a rule without its own, a second and worker */
#define FIREWALL_LOG_RATE_MOST 1000 /* of any, and of all of a worker together */

extern const struct device_class firewall_class;
/* Named sets of addresses are objects of their network, as devices are, without vports. Their
 * device names are not those that people gave them: address_set_name(). */
extern const struct device_class address_set_class;
/* Named sets of ports are, too. */
extern const struct device_class port_set_class;

/* Whether it is one of these, and no device for people. */
static inline bool
firewall_is_set(const struct weft_device *device)
{
	return device->class == &address_set_class || device->class == &port_set_class;
}

/*
 * A firewall of more than two ports is a guard of the ports of a transparent switch
 * (switch/switch.h) that has its name; so the ports are named as they are, and the firewall is
 * named apart.
 */
#define FIREWALL_GUARD_PREFIX "guard:" /* no name that people give has a colon */

/* What people call it. */
const char *firewall_name(const struct weft_device *device);
/* By that name; as the open change leaves it. NULL: there is none. */
struct weft_device *firewall_find(struct weft_network *network, const char *name);
/* A firewall with ports of its own becomes such a guard: its ports go, and are its zones. Its
 * connections live on. */
void firewall_become_guard(struct weft_change *change, struct weft_device *device);
/* And the other way round; the switch of its name is to be removed before. */
void firewall_become_device(struct weft_change *change, struct weft_device *device);

/* ---- looking (firewall_state.c); hold weft_objects_lock, or be the thread that changes ---- */

struct firewall_info {
	struct weft_firewall_config config; /* defaults filled in */
	size_t rules, translations;
	uint32_t connections;
	struct connection_counts counts; /* of all workers, since the firewall is there */
};

void firewall_read(const struct weft_device *device, struct firewall_info *info);
/* Looks at all addresses of its sets, if they or the rules have changed since it was last asked. */
void firewall_classifier(const struct weft_device *device, struct classifier_state *state);

struct firewall_rule {
	const struct rule *rule;     /* as long as the lock is held */
	const struct rule *shadowed; /* by this earlier one, which takes all of its packets; NULL:
				      * by none that is known, or nobody has looked */
	struct rule_count count;     /* of all workers, since the rule has its name */
	uint32_t connections;        /* that live, where the rule has a limit */
};

/* In their order, without looking for shadows. look() false: stop. */
void firewall_each_rule(const struct weft_device *device,
	bool (*look)(void *context, const struct firewall_rule *rule), void *context);

/* How far one has come who lets go of the lock now and then. Zero at first. */
struct firewall_rules_at {
	unsigned at;      /* rules looked at */
	uint32_t version; /* of them */
};

enum firewall_rules_end {
	FIREWALL_RULES_MORE,
	FIREWALL_RULES_END, /* that was all, or look() has said stop */
	/* they are others, and none was looked at: begin again, or go on at that number in these */
	FIREWALL_RULES_CHANGED,
};

/* The next `most` rules, with what shadows them. */
enum firewall_rules_end firewall_next_rules(const struct weft_device *device,
	struct firewall_rules_at *at, unsigned most,
	bool (*look)(void *context, const struct firewall_rule *rule), void *context);
/* What `from` and `to` of a connection or a flow record are called: a port or a zone. NULL: there
 * is none of that index. */
const char *firewall_place_name(const struct weft_device *device, unsigned index);
/* By id, of whichever firewall; NULL: it is gone. */
const struct rule *firewall_find_rule(const struct weft *weft, uint32_t id);

const char *address_set_name(const struct weft_device *device);
const struct address_set *address_set_of(const struct weft_device *device);
const char *port_set_name(const struct weft_device *device);
const struct port_set *port_set_of(const struct weft_device *device);

/* ---- connections (firewall_state.c): control threads, without any lock ---------------------- */

/* What is told of a connection: a copy. */
struct firewall_connection {
	uint64_t id; /* in its worker's shard */
	unsigned worker;
	uint32_t device; /* id of the firewall */
	uint32_t rule;   /* id; 0: the firewall's default */
	struct flow flow, reply;
	uint8_t state;    /* enum tcp_state, of TCP */
	bool answered;    /* a packet came the other way */
	uint8_t from, to; /* index of the port */
	/* as side 0 of the one that announced it sends; family 0: nobody did */
	struct flow parent;
	uint64_t packets[2], bytes[2];
	uint64_t age, rest; /* ns: since it began, until it ends if it stays silent */
};

/* Which are meant; all zero: every one. */
struct connection_filter {
	uint32_t device;                      /* id; 0: of all firewalls */
	const struct weft_network *network;   /* NULL: of all networks */
	struct weft_prefix from, to, address; /* family 0: any; address: of either side */
	uint8_t protocol;                     /* 0: any */
	uint16_t port;                        /* of either side, or the id of an echo; 0: any */
};

/*
 * Workers are asked, some thousand places at a time. look() false: stop. True: it was told of all
 * that there are. One that comes or goes meanwhile may be missed, none is told twice.
 */
bool firewall_each_connection(struct weft *weft, const struct connection_filter *filter,
	bool (*look)(void *context, const struct firewall_connection *connection), void *context);
/* Ends all that are meant; returns how many. */
size_t firewall_kill(struct weft *weft, const struct connection_filter *filter);

/* ---- what a rule with `log` tells: punt reason PUNT_RULE_LOG --------------------------------- */

/* The data of the mbuf. */
struct firewall_log {
	uint32_t vport; /* id: where the packet came in */
	uint8_t action; /* enum weft_rule_action */
	uint8_t limit;  /* enum rule_limit_result: LIMIT_KEPT, or the limit for which it dropped it
			 */
	char rule[64];  /* its name, cut to that */
	char packet[TRACE_DESCRIBE_SIZE];
};

#endif
