/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model: what a configuration may say (YANG), how people write it (YAML), how the API
 * and the disk hold it (RFC 7951 JSON), and how two of them differ. Knows no device and
 * touches nothing outside memory; history.h keeps configurations on disk.
 *
 * Threads: a struct model is for one thread at a time. Configurations are never changed once
 * made; one may be read by several threads.
 */
#ifndef WEFT_MODEL_MODEL_H
#define WEFT_MODEL_MODEL_H

#include <stdio.h>
#include <weft/weft.h>

struct lyd_node;
struct model;
struct configuration;

/* The YANG modules are built in. NULL on failure. A model outlives its configurations. */
struct model *model_open(struct weft_error *error);
void model_close(struct model *model);

/* ---- what is wrong with a file ------------------------------------------------------ */

/* One thing that is wrong, or worth a warning. Strings are owned by the diagnostics. */
struct diagnostic {
	unsigned line, column; /* from 1; 0: of the whole file */
	bool warning;
	char *path;    /* in the model, as /networks/red/nics/web/mtu, or NULL */
	char *message; /* what is wrong */
	char *hint;    /* the nearest right thing, or what to do; or NULL */
	char *source;  /* the line itself, or NULL */
};

struct diagnostics {
	char *file; /* as the user named it */
	struct diagnostic *list;
	unsigned count, errors;
};

/* file:line:column: error: message, the line, a caret, the hint. */
void diagnostics_print(const struct diagnostics *diagnostics, FILE *stream, bool colour);
void diagnostics_free(struct diagnostics *diagnostics);

/* ---- loading and writing ------------------------------------------------------------ */

/*
 * All that is wrong is told at once, up to 50 things; NULL then. Warnings alone do not fail.
 * `file` names the text in messages. YAML: types, unknown and duplicate keys, and all checks
 * of meaning. JSON: RFC 7951 of the whole tree, the same checks.
 */
struct configuration *configuration_from_yaml(struct model *model, const char *file,
	const char *text, size_t length, struct diagnostics *diagnostics);
struct configuration *configuration_from_json(struct model *model, const char *file,
	const char *text, size_t length, struct diagnostics *diagnostics);
struct configuration *configuration_empty(struct model *model);
void configuration_free(struct configuration *configuration);

/* Malloced text, NULL when out of memory. YAML loads back to the same configuration. */
char *configuration_to_yaml(const struct configuration *configuration);
char *configuration_to_json(const struct configuration *configuration);

/*
 * The data tree: top-level siblings, defaults included. Read only. What a vnic's port and
 * attachment are when the file does not say is there as well, flagged as default: `port` (the
 * vnic's name) and `attach` (netns NETWORK-NIC, create).
 */
const struct lyd_node *configuration_tree(const struct configuration *configuration);
/* The first top-level node of that name ("networks", "uplinks", "system"), or NULL. */
const struct lyd_node *configuration_child(
	const struct configuration *configuration, const char *name);

/* ---- reading a data tree ------------------------------------------------------------ */

/* Child of that name; NULL: there is none. Of lists and leaf-lists the first; see model_next. */
const struct lyd_node *model_child(const struct lyd_node *parent, const char *name);
/* The next sibling of the same name. */
const struct lyd_node *model_next(const struct lyd_node *node);
/* Canonical value of a leaf child; NULL: not set. */
const char *model_text(const struct lyd_node *parent, const char *name);
/* Unsigned value of a leaf child; `otherwise` when it is not set. */
uint64_t model_number(const struct lyd_node *parent, const char *name, uint64_t otherwise);
bool model_flag(const struct lyd_node *parent, const char *name, bool otherwise);
/* Entry of a keyed list by its key, by hash; NULL: there is none. Not for the top level. */
const struct lyd_node *model_entry(
	const struct lyd_node *parent, const char *list, const char *key);
/* Milliseconds of a duration leaf ("5ms", "60s", "2m", "1h"). */
uint64_t model_milliseconds(const struct lyd_node *parent, const char *name, uint64_t otherwise);
/* Bytes of a size leaf ("512M"). */
uint64_t model_bytes(const struct lyd_node *parent, const char *name, uint64_t otherwise);
/* Value of the list entry's only key. */
const char *model_key(const struct lyd_node *entry);
/* An entry of a leaf-list: its canonical value. */
const char *model_value(const struct lyd_node *leaf);
/* Canonical values made binary. -1: not of that form (no checked configuration has such). */
int model_parse_mac(const char *text, uint8_t mac[6]);
int model_parse_prefix(const char *text, struct weft_prefix *prefix);   /* "10.0.0.1/24" */
int model_parse_address(const char *text, struct weft_prefix *address); /* "10.0.0.1" */
/* "10.0.0.1", "core", "fe80::7@core": an address (or family 0), a port within the text (or NULL) */
int model_parse_hop(const char *text, struct weft_prefix *gateway, const char **port);
int model_parse_range(const char *text, struct weft_prefix range[2]); /* "10.0.0.5-10.0.0.9" */
/* "01:02:ff": how many bytes, at most `size`. */
int model_parse_octets(const char *text, uint8_t *bytes, unsigned size);
int model_parse_endpoint(const char *text, struct weft_prefix *address, uint16_t *port);

/* ---- firewalls (value_firewall.c) ------------------------------------------------------ */

int model_parse_match(const char *text, struct weft_prefix *prefix); /* "10.0.0.1", "10.0.0.0/8" */
int model_parse_ports(const char *text, struct weft_port_range *ports); /* "80", "8000-8010" */
/* "100", "100/s", "10/m", "5/h" */
int model_parse_rate(const char *text, struct weft_rule_rate *rate);
int model_parse_mac_match(const char *text, uint8_t mac[6], uint8_t mask[6]);

/* A word for a number; lists end with NULL. family 0: of both. */
struct model_word {
	const char *word;
	uint8_t family, number;
};

extern const struct model_word model_protocols[], model_icmp_types[];

/* What a rule is about: "any", "ip", "ipv4", "arp", "tcp", "47". */
struct model_subject {
	uint8_t family; /* 0: any, or none */
	bool ip, arp, has_protocol;
	uint8_t protocol;
};

int model_parse_subject(const char *text, struct model_subject *subject);
/* Whose types a protocol has, however it was named: 4, 6; 0: it is no ICMP. */
unsigned model_icmp_family(uint8_t protocol);
/* "echo-request", "3/4"; of the family's ICMP. */
int model_parse_icmp(const char *text, unsigned family, struct weft_icmp_type *icmp);
/* "syn", "!ack": the bit of the TCP header. */
int model_parse_tcp_flag(const char *text, uint8_t *bit, bool *set);
/* The value of whichever of accept, drop and reject it has, and which that is; NULL: none. */
const char *model_rule_subject(const struct lyd_node *rule, const char **action);

/* Whether it is transparent between more than two ports: then it switches. */
bool model_firewall_switches(const struct lyd_node *firewall);

/* ---- tunnels (tunnel.c) --------------------------------------------------------------- */

#define MODEL_NAME_SIZE 64 /* of wt:name */

/* The router of a tunnel: its network, which is the tunnel's own unless said, and name. False:
 * it has none. */
bool model_tunnel_router(
	const struct lyd_node *tunnel, char network[MODEL_NAME_SIZE], char router[MODEL_NAME_SIZE]);
/* The name of the port that is made for a remote: "5000.2001-db8--7". */
#define MODEL_REMOTE_SIZE 64
const char *model_remote_name(
	const struct lyd_node *vni, const char *remote, char name[MODEL_REMOTE_SIZE]);
/* The name of the port that is made on its router; false: too long for a name. */
bool model_service_name(const struct lyd_node *tunnel, char name[MODEL_NAME_SIZE]);
/* Its mtu, or what its router (NULL: not known) leaves. */
uint32_t model_tunnel_mtu(const struct lyd_node *tunnel, const struct lyd_node *router);

/* ---- differences -------------------------------------------------------------------- */

enum plan_operation { PLAN_CREATE, PLAN_UPDATE, PLAN_DELETE };

/* What traffic will feel. Ordered: the worse, the greater. */
enum plan_impact {
	PLAN_HITLESS,      /* no packet is lost */
	PLAN_TRAFFIC_LOSS, /* packets through this object may be lost for a moment */
	PLAN_REMOVAL,      /* the object goes away with its traffic */
	PLAN_RESTART,      /* takes effect when weftd is started again */
};

struct plan_leaf {
	char *name;           /* relative to the object: "mtu", "attach/netns" */
	char *before, *after; /* NULL: was not, will not be set */
};

/*
 * One object (a network, switch, router, tunnel, vni, port, nic, link, route, uplink, the system)
 * that differs.
 * Items are in an order in which they can be carried out: deletions first, users before what they
 * use, then updates and creations, the other way round. What is in a deleted or created object has
 * items of its own.
 */
struct plan_item {
	enum plan_operation operation;
	enum plan_impact impact;
	const char *kind; /* "network", "switch", "router", "port", "static-mac", "nic", "link",
			     "route", "tunnel", "vni", "firewall", "address-set", "port-set",
			     "uplink", "test", "system" */
	char *network;    /* NULL: of a network, an uplink, the system */
	char *name;       /* within the network: "lan", "lan:web", "r1:10.9.0.0/16" */
	struct plan_leaf *leaves;
	unsigned n_leaves;
	char *collateral;                      /* who else feels it, or NULL */
	const struct lyd_node *before, *after; /* NULL: create, delete */
};

struct plan {
	struct plan_item *items;
	unsigned count;
	const struct configuration *before, *after; /* must outlive the plan */
};

/* Defaults counted: an explicit default is no difference. NULL: out of memory. */
struct plan *plan_make(const struct configuration *before, const struct configuration *after);
void plan_free(struct plan *plan);
const char *plan_operation_name(enum plan_operation operation);
const char *plan_impact_name(enum plan_impact impact);

#endif
