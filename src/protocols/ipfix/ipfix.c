/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages: what is put in which, and when. */
#include "protocols/ipfix/ipfix.h"

#include "protocols/ipfix/ipfix_private.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 10
#define HEADER 16
#define SET_HEADER 4
#define ANNOUNCED_BITS 12

/* Which names the session has been told. Two that fall on one place are told more often than need
 * be. */
struct announced {
	uint32_t id;
	uint16_t kind;
	uint16_t round; /* 0: never */
};

struct ipfix {
	struct ipfix_config config;
	struct ipfix_calls calls;
	char name[IPFIX_NAME_SIZE];
	uint64_t now;            /* ms, of the call */
	uint64_t templates_sent; /* ms */
	bool begun;              /* templates have been sent in this session */
	uint16_t round;          /* of announcements */
	uint32_t sequence;
	/* of the message that is being filled */
	size_t length; /* 0: there is none */
	size_t set;    /* where the open set begins; 0: none is open */
	uint16_t set_id;
	unsigned records, flows; /* data records, and those of flows among them */
	struct announced announced[1 << ANNOUNCED_BITS];
	uint8_t message[IPFIX_MESSAGE_MOST];
};

/* ---- messages and sets (RFC 7011, 3.1, 3.3) -------------------------------------------------- */

static void
close_set(struct ipfix *ipfix)
{
	if (ipfix->set == 0)
		return;
	ipfix_write(ipfix->message + ipfix->set, ipfix->set_id, 2);
	ipfix_write(ipfix->message + ipfix->set + 2, ipfix->length - ipfix->set, 2);
	ipfix->set = 0;
}

static void
clear_message(struct ipfix *ipfix)
{
	ipfix->length = ipfix->set = 0;
	ipfix->records = ipfix->flows = 0;
}

static void
send_message(struct ipfix *ipfix)
{
	uint8_t *at = ipfix->message;

	if (ipfix->length == 0)
		return;
	close_set(ipfix);
	at = ipfix_write(at, VERSION, 2);
	at = ipfix_write(at, ipfix->length, 2);
	at = ipfix_write(at, ipfix->now / 1000, 4);
	at = ipfix_write(at, ipfix->sequence, 4);
	ipfix_write(at, ipfix->config.domain, 4);
	ipfix->sequence += ipfix->records;
	ipfix->calls.send(ipfix->calls.context, ipfix->message, ipfix->length, ipfix->flows);
	clear_message(ipfix);
}

/* Room for a record of the set, in this message or the next one. */
static uint8_t *
reserve(struct ipfix *ipfix, uint16_t set_id, size_t length)
{
	bool open = ipfix->set != 0 && ipfix->set_id == set_id;
	uint8_t *room;

	if (ipfix->length + length + (open ? 0 : SET_HEADER) > ipfix->config.message_limit)
		send_message(ipfix);
	if (ipfix->length == 0)
		ipfix->length = HEADER;
	if (ipfix->set == 0 || ipfix->set_id != set_id) {
		close_set(ipfix);
		ipfix->set = ipfix->length;
		ipfix->set_id = set_id;
		ipfix->length += SET_HEADER;
	}
	room = ipfix->message + ipfix->length;
	ipfix->length += length;
	return room;
}

static void
put_template(struct ipfix *ipfix, uint16_t id)
{
	uint8_t record[IPFIX_TEMPLATE_SIZE];
	size_t length = ipfix_template(id, record);
	uint16_t set = id < IPFIX_OPTIONS_NAMED ? IPFIX_SET_TEMPLATE : IPFIX_SET_OPTIONS_TEMPLATE;

	memcpy(reserve(ipfix, set, length), record, length);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void
put_name(struct ipfix *ipfix, uint16_t template, uint32_t id, const char *name)
{
	size_t length = strnlen(name, IPFIX_NAME_SIZE - 1);
	uint8_t *at = reserve(ipfix, template, 4 + 1 + length);

	at = ipfix_write(at, id, 4);
	*at++ = (uint8_t)length; /* variable length: RFC 7011, 7 */
	memcpy(at, name, length);
	ipfix->records++;
}

static void
announce(struct ipfix *ipfix, enum ipfix_named kind, uint32_t id)
{
	uint32_t place = (id * 2 + kind) * UINT32_C(0x9e3779b1) >> (32 - ANNOUNCED_BITS);
	struct announced *announced = &ipfix->announced[place];
	char name[IPFIX_NAME_SIZE];

	if (announced->round == ipfix->round && announced->id == id && announced->kind == kind)
		return;
	*announced = (struct announced){ id, (uint16_t)kind, ipfix->round };
	if (ipfix->calls.name(ipfix->calls.context, kind, id, name))
		put_name(ipfix, (uint16_t)(IPFIX_OPTIONS_NAMED + kind), id, name);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* All that was announced is so no more. */
static void
begin_round(struct ipfix *ipfix)
{
	if (++ipfix->round != 0)
		return;
	memset(ipfix->announced, 0, sizeof(ipfix->announced));
	ipfix->round = 1;
}

static bool
templates_are_due(const struct ipfix *ipfix)
{
	if (!ipfix->begun)
		return true;
	return ipfix->config.datagrams &&
	       ipfix->now - ipfix->templates_sent >= ipfix->config.refresh * UINT64_C(1000);
}

static void
put_templates(struct ipfix *ipfix)
{
	for (unsigned i = 0; i < IPFIX_TEMPLATES + IPFIX_OPTIONS; i++)
		put_template(ipfix, (uint16_t)(IPFIX_TEMPLATE + i));
	put_name(ipfix, IPFIX_OPTIONS_DOMAIN, ipfix->config.domain, ipfix->name);
	begin_round(ipfix);
	ipfix->begun = true;
	ipfix->templates_sent = ipfix->now;
}

unsigned
ipfix_restart(struct ipfix *ipfix)
{
	unsigned given_up = ipfix->flows;

	clear_message(ipfix);
	ipfix->sequence = 0;
	ipfix->begun = false;
	return given_up;
}

void
ipfix_limit(struct ipfix *ipfix, size_t message_limit)
{
	if (message_limit < IPFIX_MESSAGE_LEAST)
		message_limit = IPFIX_MESSAGE_LEAST;
	if (message_limit > IPFIX_MESSAGE_MOST)
		message_limit = IPFIX_MESSAGE_MOST;
	ipfix->config.message_limit = message_limit;
}

void
ipfix_put(struct ipfix *ipfix, const struct ipfix_flow *flow, uint64_t now)
{
	unsigned kind = ipfix_kind(flow);

	ipfix->now = now;
	if (templates_are_due(ipfix))
		put_templates(ipfix);
	announce(ipfix, IPFIX_INTERFACE, flow->ingress);
	announce(ipfix, IPFIX_INTERFACE, flow->egress);
	announce(ipfix, IPFIX_SELECTOR, flow->selector);
	ipfix_record(flow, kind,
		reserve(ipfix, (uint16_t)(IPFIX_TEMPLATE + kind), ipfix_record_length(kind)));
	ipfix->records++;
	ipfix->flows++;
}

void
ipfix_flush(struct ipfix *ipfix, uint64_t now)
{
	ipfix->now = now;
	send_message(ipfix);
}

struct ipfix *
ipfix_create(const struct ipfix_config *config, const struct ipfix_calls *calls)
{
	struct ipfix *ipfix = calloc(1, sizeof(*ipfix));

	if (ipfix == NULL)
		return NULL;
	ipfix->config = *config;
	ipfix->calls = *calls;
	memcpy(ipfix->name, config->name, strnlen(config->name, sizeof(ipfix->name) - 1));
	ipfix->config.name = ipfix->name;
	ipfix_limit(ipfix, config->message_limit);
	return ipfix;
}

void
ipfix_free(struct ipfix *ipfix)
{
	free(ipfix);
}
