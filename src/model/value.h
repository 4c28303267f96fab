/* SPDX-License-Identifier: BSD-3-Clause */
/* Values whose meaning YANG's types cannot hold: durations, addresses and the like. */
#ifndef WEFT_MODEL_VALUE_H
#define WEFT_MODEL_VALUE_H

#include "model/schema.h"

#include <stdbool.h>
#include <stdint.h>

#define VALUE_TEXT_SIZE 128

/* The one way to write a value; false: it is none of its kind. VALUE_PLAIN: as it is. */
bool value_canonical(enum value_kind kind, const char *text, char canonical[VALUE_TEXT_SIZE]);
/* Whether both say the same, as "60s" and "1m" do. */
bool value_same(enum value_kind kind, const char *a, const char *b);
/* What people write instead, and what to write then; NULL: no idea. */
const char *value_hint(const struct lysc_node *leaf, const char *text, char *memory, size_t size);

bool value_milliseconds(const char *text, uint64_t *milliseconds);
bool value_bytes(const char *text, uint64_t *bytes);
bool value_mac(const char *text, uint8_t mac[6]);
/* An address, with "/length" if `prefix` says so. */
bool value_address(const char *text, bool prefix, struct weft_prefix *address);
/* An address and a port, either of which may be absent: family 0, NULL. */
bool value_hop(const char *text, struct weft_prefix *address, const char **port);
/* ---- of firewalls (value_firewall.c) ---- */

/* "10.0.0.1", or "10.0.0.0/8" without host bits. */
bool value_match(const char *text, struct weft_prefix *prefix);
/* "80", "8000-8010" */
bool value_ports(const char *text, struct weft_port_range *ports);
/* "02:00:00:00:00:01", or with "/ff:ff:ff:00:00:00" */
bool value_mac_match(const char *text, uint8_t mac[6], uint8_t mask[6]);
bool value_canonical_match(enum value_kind kind, const char *text, char canonical[VALUE_TEXT_SIZE]);

/* "10.0.0.100-10.0.0.199", or one address; the first is not behind the last. */
bool value_range(const char *text, struct weft_prefix range[2]);
/* "01:02:ff": how many bytes, at most `size`; 0: it is not of that form. */
unsigned value_octets(const char *text, uint8_t *bytes, unsigned size);
bool value_is_link_local(const struct weft_prefix *address); /* IPv6 */
bool value_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits);
/* Makes the bits behind the length zero. */
void value_mask(struct weft_prefix *prefix);
bool value_endpoint(const char *text, struct weft_prefix *address, uint16_t *port);
bool value_vlan_range(const char *text, uint16_t *first, uint16_t *last);

#endif
