/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a schema cannot say: references, things used twice, addresses. Judged on a tree with
 * its defaults, in one pass over it, with hashes of names; all that is wrong is told.
 */
#ifndef WEFT_MODEL_CHECK_H
#define WEFT_MODEL_CHECK_H

#include "base/name_map.h"
#include "model/arena.h"
#include "model/configuration.h"
#include "model/diagnostics.h"

/* Checks the whole. -1: out of memory. */
int check_configuration(const struct configuration *configuration, struct report *report);

/* ---- between the files check*.c ----------------------------------------------------- */

struct checker {
	struct report *report;
	struct arena memory; /* of keys and hints */
	bool failed;         /* out of memory */

	/* of all networks */
	const struct lyd_node *first_uplink, *first_network;
	struct name_map networks;       /* name -> entry */
	struct name_map uplinks;        /* name -> entry */
	struct name_map uplink_vlans;   /* "wire 101" -> port */
	struct name_map interfaces;     /* "namespace\ninterface" -> nic or uplink */
	struct name_map devices;        /* DPDK arguments -> nic or uplink */
	struct name_map namespaces;     /* name -> nic */
	struct name_map host_addresses; /* "namespace\naddress" -> leaf */
	struct name_map services;       /* "red/edge 192.0.2.2 4789" -> tunnel */
	struct name_map internets;      /* prefix -> network that gets out by it */

	/* of the router at hand */
	struct name_map own; /* address -> leaf; without link-local ones */

	/* of the firewall at hand; found once, since its rules are many */
	const struct lyd_node *guarded; /* the router that it names; NULL: none, or unknown */
	bool is_routed;

	/* of the network at hand */
	const struct lyd_node *network;
	struct name_map switches;  /* name -> entry */
	struct name_map routers;   /* name -> entry */
	struct name_map tunnels;   /* name -> entry */
	struct name_map firewalls; /* name -> entry */
	struct name_map guards;    /* router -> firewall that guards it */
	struct name_map overlays;  /* "lan 10" -> vni that leads there */
	struct name_map ports;     /* "lan:web" -> declared port, or the nic or the port of a
				      router that has its own */
	struct name_map uses;      /* "lan:web" -> nic, link or port (with its uplink, …) on it */
	struct name_map nics;      /* name -> entry */
	struct name_map addresses; /* "lan 1 10.0.0.1" and "lan 1 MAC" -> leaf */
};

/* The place is that of `node`, or, where it has none, of what it is in. `leaf` may be NULL. */
void check_wrong(struct checker *checker, const struct lyd_node *node, const char *leaf,
	const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));
void check_doubt(struct checker *checker, const struct lyd_node *node, const char *leaf,
	const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "network 'red', nic 'web', line 12" */
const char *check_where(struct checker *checker, const struct lyd_node *node);

/*
 * Notes that `user` uses what `key` (from check_key) names; returns who did so before, or
 * NULL: it is the first.
 */
const struct lyd_node *check_claim(struct checker *checker, struct name_map *map, const char *key,
	const struct lyd_node *user);
#define check_key(checker, ...) arena_format(&(checker)->memory, __VA_ARGS__)

/* "did you mean 'x'?", or what there is. first: of the list that was meant. */
const char *check_reference_hint(struct checker *checker, const struct lyd_node *first,
	const char *list, const char *wanted);

/* Whether it is a port that is declared under its switch. */
bool check_is_switch_port(const struct lyd_node *node);
/* The switch that the leaf names, or NULL, told. */
const struct lyd_node *check_named_switch(struct checker *checker, const struct lyd_node *leaf);
/* Notes who is on a port ("lan:web"), and tells at `place` if somebody was before. */
void check_use_port(struct checker *checker, const char *port, const struct lyd_node *user,
	const struct lyd_node *place);
/* A port's uplink, and its VLAN there, which is in the leaf of that name. */
void check_uplink_vlan(struct checker *checker, const struct lyd_node *port, const char *vlan_leaf);
/* vlan, vlans and native of a port or a nic. */
void check_membership(struct checker *checker, const struct lyd_node *entry);
/* A duration between bounds in milliseconds; `bounds` in words. */
void check_duration(struct checker *checker, const struct lyd_node *entry, const char *name,
	uint64_t least, uint64_t most, const char *bounds);

/* Why no interface can have the address; NULL: it can. */
const char *check_refuse_address(const struct weft_prefix *prefix);
/* Whether a nic or a port has an address of the family, or IPv6 by itself. */
bool check_has_family(const struct lyd_node *entry, unsigned family);
/* The address of a leaf without its length. */
const char *check_bare_address(struct checker *checker, const struct lyd_node *leaf);
/* Whether its network fits those of the addresses before it in the same leaf-list. */
void check_address_overlap(
	struct checker *checker, const struct lyd_node *leaf, const struct weft_prefix *prefix);
/*
 * Notes the owner's address. domain: of those that hear each other's ARP ("lan 1"); space: the
 * namespace that it is set in; either may be NULL.
 */
void check_claim_address(struct checker *checker, const struct lyd_node *owner,
	const struct lyd_node *leaf, const char *domain, const char *space);
void check_mac(struct checker *checker, const struct lyd_node *owner, const char *domain);

/* All of a nic but its references; port: the declared one that it is on, or NULL. */
void check_nic(struct checker *checker, const struct lyd_node *nic, const struct lyd_node *port);
void check_uplink(struct checker *checker, const struct lyd_node *uplink);

/* Makes a router and its ports known, on switches too. Switches and nics are so already. */
void check_declare_router(struct checker *checker, const struct lyd_node *router);
/* The rest, when links are known. */
void check_router(struct checker *checker, const struct lyd_node *router);
/* Makes a tunnel, and its ports on switches and on a router of its network, known. Routers are
 * so already. */
void check_declare_tunnel(struct checker *checker, const struct lyd_node *tunnel);
void check_tunnel(struct checker *checker, const struct lyd_node *tunnel);
/* The tunnels of other networks that a router names. */
void check_carried_tunnels(struct checker *checker, const struct lyd_node *router);
/* Doubts whether a nic or a port on a switch sends more than a tunnel there carries. */
void check_overlay_mtu(struct checker *checker, const struct lyd_node *entry, const char *device,
	const char *vlan);

/* Makes a firewall and its ports known; all other devices are so already. */
void check_declare_firewall(struct checker *checker, const struct lyd_node *firewall);
void check_firewall(struct checker *checker, const struct lyd_node *firewall);
void check_internet(struct checker *checker, const struct lyd_node *network);
/* Its rules (check_rule.c), of the firewall at hand. */
void check_rule(
	struct checker *checker, const struct lyd_node *firewall, const struct lyd_node *rule);
/* What translations have in common with rules: zones and sets that they name, that their addresses
 * are of one family, and which protocol they are about (false: told). */
void check_zones_named(struct checker *checker, const struct lyd_node *firewall,
	const struct lyd_node *entry, const char *leaf);
void check_sets_named(struct checker *checker, const struct lyd_node *entry);
void check_families(
	struct checker *checker, const struct lyd_node *entry, unsigned family, const char *about);
bool check_subject(
	struct checker *checker, const struct lyd_node *leaf, struct model_subject *subject);
/* `about`: the word that says of which protocol, for hints. */
void check_ports_fit(struct checker *checker, const struct lyd_node *entry,
	const struct model_subject *subject, const char *about);
/* (check_translation.c) */
void check_translations(struct checker *checker, const struct lyd_node *firewall);
void check_inside(struct checker *checker, const struct lyd_node *firewall);

/* A link; all devices and ports are known. */
void check_link(struct checker *checker, const struct lyd_node *link);

/* What a port of a router does for hosts. */
void check_hosts(struct checker *checker, const struct lyd_node *port);
/* Its networks among each other, and its static routes. */
void check_routes(struct checker *checker, const struct lyd_node *router);

#endif
