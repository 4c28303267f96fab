/* SPDX-License-Identifier: BSD-3-Clause */
/* What an IPFIX exporter's own files share. */
#ifndef WEFT_PROTOCOLS_IPFIX_PRIVATE_H
#define WEFT_PROTOCOLS_IPFIX_PRIVATE_H

#include "protocols/ipfix/ipfix.h"

/* ---- templates (ipfix_template.c) ------------------------------------------------------------ */

/* A flow's template has the id IPFIX_TEMPLATE and these bits. */
#define IPFIX_TEMPLATE 256
#define IPFIX_SIX 0x1
#define IPFIX_ICMP 0x2
#define IPFIX_TRANSLATED 0x4
#define IPFIX_TEMPLATES 8

/* Options templates, behind those. */
#define IPFIX_OPTIONS_NAMED (IPFIX_TEMPLATE + IPFIX_TEMPLATES) /* + enum ipfix_named */
#define IPFIX_OPTIONS_DOMAIN (IPFIX_OPTIONS_NAMED + IPFIX_NAMED)
#define IPFIX_OPTIONS 3

#define IPFIX_SET_TEMPLATE 2
#define IPFIX_SET_OPTIONS_TEMPLATE 3

/* Big endian, `length` bytes of it; returns what is behind. */
uint8_t *ipfix_write(uint8_t *at, uint64_t value, unsigned length);

/* A template record of a flow's template or of options, by its id. Returns its length. */
#define IPFIX_TEMPLATE_SIZE 160
size_t ipfix_template(uint16_t id, uint8_t record[IPFIX_TEMPLATE_SIZE]);

/* Which bits the flow's template has. */
unsigned ipfix_kind(const struct ipfix_flow *flow);
size_t ipfix_record_length(unsigned kind);
/* A data record of that length. */
void ipfix_record(const struct ipfix_flow *flow, unsigned kind, uint8_t *record);

#endif
