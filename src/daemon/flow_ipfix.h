/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What IPFIX is to say of a firewall's flow records, and what it calls their ids.
 *
 * Octets are those of IP packets, as RFC 7012 has them; firewalls count frames: 14 are taken off
 * each. A VLAN tag is not known of any more, and counts.
 */
#ifndef WEFT_DAEMON_FLOW_IPFIX_H
#define WEFT_DAEMON_FLOW_IPFIX_H

#include "firewall/flow_records.h"
#include "protocols/ipfix/ipfix.h"

/* engine_to_day: what is to be added to a time of the engine's clock, modulo 2^64. */
void flow_ipfix_fill(
	struct ipfix_flow *flow, const struct flow_record *record, uint64_t engine_to_day);

/* Names of ports and zones ("fw:in"), and of rules ("default": of none). Takes weft_objects_lock.
 */
bool flow_ipfix_name(
	struct weft *weft, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE]);

#endif
