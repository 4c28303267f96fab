/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/ra/ra.h"

#include "base/error.h"
#include "protocols/domain_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* RFC 4861 10 */
#define QUICK_COUNT 3
#define QUICK_INTERVAL (16 * SECOND)
#define BETWEEN (3 * SECOND)
#define ANSWER_DELAY (500 * MILLISECOND)

#define NEVER UINT64_MAX
/* of the message without options, and of options */
#define FIXED_LENGTH 16
#define MAC_LENGTH 8
#define MTU_LENGTH 8
#define PREFIX_LENGTH 32

#define WITHDRAWN_VALID 7200 /* RFC 4862 5.5.3 (e): hosts take nothing less */

/* ---- configuration ------------------------------------------------------------------------- */

void
ra_config_defaults(struct ra_config *config)
{
	*config = (struct ra_config){
		.min_interval = 200,
		.max_interval = 600,
		.lifetime = 1800,
		.hop_limit = 64,
		.dns_lifetime = 1800,
	};
}

void
ra_prefix_defaults(struct ra_prefix *prefix)
{
	*prefix = (struct ra_prefix){
		.on_link = true,
		.autonomous = true,
		.valid = 30 * 86400,
		.preferred = 7 * 86400,
	};
}

static int
check_prefix(const struct ra_prefix *prefix, struct weft_error *error)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, prefix->address, text, sizeof(text));
	if (prefix->length > 128)
		return error_set(
			error, EINVAL, "RA prefix %s has a length of %u", text, prefix->length);
	for (unsigned bit = prefix->length; bit < 128; bit++) {
		if (prefix->address[bit / 8] >> (7 - bit % 8) & 1)
			return error_set(error, EINVAL,
				"RA prefix %s has bits behind its length %u", text, prefix->length);
	}
	if (prefix->address[0] == 0xff ||
		(prefix->address[0] == 0xfe && (prefix->address[1] & 0xc0) == 0x80))
		return error_set(error, EINVAL, "RA prefix %s is link-local or multicast", text);
	if (prefix->preferred > prefix->valid)
		return error_set(error, EINVAL,
			"RA prefix %s is preferred for longer (%u s) than it is valid (%u s)", text,
			prefix->preferred, prefix->valid);
	return 0;
}

static int
check_times(const struct ra_config *config, struct weft_error *error)
{
	if (config->max_interval < 4 || config->max_interval > 1800)
		return error_set(error, EINVAL, "RA interval of %u s; it can be 4 to 1800",
			config->max_interval);
	/* 6.2.1: 3 s at least, three quarters of the greatest at most */
	if (config->min_interval < 3 || config->min_interval > config->max_interval * 3 / 4)
		return error_set(error, EINVAL, "least RA interval of %u s; it can be 3 to %u",
			config->min_interval, config->max_interval * 3 / 4);
	if (config->lifetime != 0 &&
		(config->lifetime < config->max_interval || config->lifetime > 9000))
		return error_set(error, EINVAL, "RA lifetime of %u s; it can be 0, or %u to 9000",
			config->lifetime, config->max_interval);
	if (config->reachable > 3600000)
		return error_set(error, EINVAL,
			"RA reachable time of %u ms; it can be 3600000 at most", config->reachable);
	return 0;
}

static int
check_counts(const struct ra_config *config, struct weft_error *error)
{
	if (config->n_prefixes > RA_PREFIXES || config->n_rdnss > RA_RDNSS ||
		config->n_dnssl > RA_DNSSL)
		return error_set(error, EINVAL,
			"an RA can have %u prefixes, %u DNS servers and %u search domains",
			RA_PREFIXES, RA_RDNSS, RA_DNSSL);
	return 0;
}

static unsigned
dnssl_length(const struct ra_config *config)
{
	uint8_t name[DOMAIN_NAME_ROOM];
	unsigned length = 8;

	for (unsigned i = 0; i < config->n_dnssl; i++)
		length += domain_name_encode(name, config->dnssl[i]);
	return config->n_dnssl != 0 ? (length + 7) / 8 * 8 : 0;
}

static int
check_size(const struct ra_config *config, struct weft_error *error)
{
	unsigned size = FIXED_LENGTH + MAC_LENGTH + MTU_LENGTH + config->n_prefixes * PREFIX_LENGTH;

	size += config->n_rdnss != 0 ? 8 + 16 * config->n_rdnss : 0;
	size += dnssl_length(config);
	if (size > RA_MESSAGE_LIMIT)
		return error_set(error, EINVAL, "RA search domains are too long for one message");
	return 0;
}

int
ra_config_check(const struct ra_config *config, struct weft_error *error)
{
	uint8_t name[DOMAIN_NAME_ROOM];

	if (check_counts(config, error) < 0 || check_times(config, error) < 0)
		return -1;
	for (unsigned i = 0; i < config->n_prefixes; i++) {
		if (check_prefix(&config->prefixes[i], error) < 0)
			return -1;
	}
	for (unsigned i = 0; i < config->n_dnssl; i++) {
		if (memchr(config->dnssl[i], 0, sizeof(config->dnssl[i])) == NULL ||
			domain_name_encode(name, config->dnssl[i]) == 0)
			return error_set(error, EINVAL, "RA search domain %.*s is no domain name",
				RA_NAME_LENGTH, config->dnssl[i]);
	}
	if (config->mtu != 0 && config->mtu < 1280)
		return error_set(error, EINVAL, "RA MTU of %u; IPv6 needs 1280", config->mtu);
	if (config->preference != RA_MEDIUM && config->preference != RA_HIGH &&
		config->preference != RA_LOW)
		return error_set(error, EINVAL, "RA preference %u", config->preference);
	return check_size(config, error);
}

/* ---- the message: RFC 4861 4.2 ------------------------------------------------------------- */

struct message {
	uint8_t *bytes; /* RA_MESSAGE_LIMIT of them, zero */
	size_t length;
};

static void
put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void
put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* Room for an option, whose length is a multiple of 8. NULL: there is none. */
static uint8_t *
add_option(struct message *message, enum nd_option_type type, size_t length)
{
	uint8_t *at = message->bytes + message->length;

	if (RA_MESSAGE_LIMIT - message->length < length)
		return NULL;
	at[0] = (uint8_t)type;
	at[1] = (uint8_t)(length / 8);
	message->length += length;
	return at;
}

static void
write_fixed(struct message *message, const struct ra_config *config, uint16_t lifetime)
{
	uint8_t *at = message->bytes;
	/* RFC 4191 2.2: of no default router, the preference is zero */
	uint8_t preference = lifetime != 0 ? config->preference & 3 : 0;

	at[0] = ND_ROUTER_ADVERTISEMENT;
	at[4] = config->hop_limit;
	at[5] = (uint8_t)((config->managed ? 0x80 : 0) | (config->other ? 0x40 : 0) |
			  preference << 3);
	put16(at + 6, lifetime);
	put32(at + 8, config->reachable);
	put32(at + 12, config->retransmit);
	message->length = FIXED_LENGTH;
}

static void
write_prefix(struct message *message, const struct ra_prefix *prefix)
{
	uint8_t *at = add_option(message, ND_PREFIX, PREFIX_LENGTH);

	if (at == NULL)
		return;
	at[2] = prefix->length;
	at[3] = (uint8_t)((prefix->on_link ? 0x80 : 0) | (prefix->autonomous ? 0x40 : 0));
	put32(at + 4, prefix->valid);
	put32(at + 8, prefix->preferred);
	memcpy(at + 16, prefix->address, 16);
}

/* RFC 8106 5.1, 5.2 */
static void
write_dns(struct message *message, const struct ra_config *config, uint32_t lifetime)
{
	uint8_t *at;

	if (config->n_rdnss != 0 &&
		(at = add_option(message, ND_RDNSS, 8 + 16 * config->n_rdnss)) != NULL) {
		put32(at + 4, lifetime);
		memcpy(at + 8, config->rdnss, 16 * config->n_rdnss);
	}
	if (config->n_dnssl == 0 ||
		(at = add_option(message, ND_DNSSL, dnssl_length(config))) == NULL)
		return;
	put32(at + 4, lifetime);
	at += 8;
	for (unsigned i = 0; i < config->n_dnssl; i++)
		at += domain_name_encode(at, config->dnssl[i]);
}

/* `last`: it advertises no more. Returns the length. */
static size_t
write_message(const struct ra_config *config, const struct ra_prefix *withdrawn,
	unsigned n_withdrawn, bool last, uint8_t bytes[RA_MESSAGE_LIMIT])
{
	struct message message = { .bytes = bytes };
	uint8_t *at;

	memset(bytes, 0, RA_MESSAGE_LIMIT);
	write_fixed(&message, config, last ? 0 : config->lifetime);
	if (config->tell_mac) {
		at = add_option(&message, ND_SOURCE_LINK_LAYER, MAC_LENGTH);
		memcpy(at + 2, config->mac, 6);
	}
	if (config->mtu != 0)
		put32(add_option(&message, ND_MTU, MTU_LENGTH) + 4, config->mtu);
	for (unsigned i = 0; i < config->n_prefixes; i++)
		write_prefix(&message, &config->prefixes[i]);
	write_dns(&message, config, last ? 0 : config->dns_lifetime);
	/* as far as there is room: who is told of one less keeps it for its lifetime */
	for (unsigned i = 0; i < n_withdrawn; i++)
		write_prefix(&message, &withdrawn[i]);
	return message.length;
}

/* ---- when: RFC 4861 6.2.4 to 6.2.6 --------------------------------------------------------- */

static uint64_t
random_up_to(struct ra *ra, uint64_t limit)
{
	uint64_t random = (uint64_t)ra->hooks.random(ra->hooks.context) << 32 |
			  ra->hooks.random(ra->hooks.context);

	return random % (limit + 1);
}

static void
send_one(struct ra *ra, bool last, uint64_t now)
{
	uint8_t bytes[RA_MESSAGE_LIMIT];
	size_t length = write_message(&ra->config, ra->withdrawn, ra->n_withdrawn, last, bytes);

	ra->ever_sent = true;
	ra->sent_at = now;
	ra->sent++;
	ra->hooks.send(ra->hooks.context, bytes, length);
}

/* Not before the last one allows it. */
static uint64_t
not_before_allowed(const struct ra *ra, uint64_t when)
{
	if (ra->ever_sent && when < ra->sent_at + BETWEEN)
		return ra->sent_at + BETWEEN;
	return when;
}

static void
plan_next(struct ra *ra, uint64_t now)
{
	uint64_t least = ra->config.min_interval * SECOND;
	uint64_t most = ra->config.max_interval * SECOND;
	uint64_t interval = least + random_up_to(ra, most - least);

	if (ra->quick != 0 && interval > QUICK_INTERVAL)
		interval = QUICK_INTERVAL;
	ra->next = now + interval;
}

static void
begin_quick(struct ra *ra, uint64_t now)
{
	ra->quick = QUICK_COUNT;
	ra->next = not_before_allowed(ra, now);
}

void
ra_open(struct ra *ra, const struct ra_config *config, const struct ra_hooks *hooks, uint64_t now)
{
	memset(ra, 0, sizeof(*ra));
	ra->config = *config;
	ra->hooks = *hooks;
	begin_quick(ra, now);
}

uint64_t
ra_next(const struct ra *ra)
{
	return ra->next;
}

void
ra_timer(struct ra *ra, uint64_t now)
{
	if (now < ra->next)
		return;
	send_one(ra, false, now);
	if (ra->quick != 0 && --ra->quick == 0)
		ra->n_withdrawn = 0;
	plan_next(ra, now);
}

void
ra_solicited(struct ra *ra, uint64_t now)
{
	uint64_t when;

	if (ra->next == NEVER)
		return;
	ra->solicited++;
	when = now + random_up_to(ra, ANSWER_DELAY);
	/* 6.2.6: spread out, too, where the answer has to wait for the one before */
	if (ra->ever_sent && when < ra->sent_at + BETWEEN)
		when = ra->sent_at + BETWEEN + (when - now);
	/* one that is due earlier answers all that have asked */
	if (when < ra->next)
		ra->next = when;
}

void
ra_stop(struct ra *ra, uint64_t now)
{
	if (ra->next == NEVER)
		return;
	ra->next = NEVER;
	if (ra->ever_sent)
		send_one(ra, true, now);
}

/* ---- another configuration ----------------------------------------------------------------- */

static bool
same_prefix(const struct ra_prefix *a, const struct ra_prefix *b)
{
	return a->length == b->length && memcmp(a->address, b->address, 16) == 0;
}

static bool
has_prefix(const struct ra_config *config, const struct ra_prefix *prefix)
{
	for (unsigned i = 0; i < config->n_prefixes; i++) {
		if (same_prefix(&config->prefixes[i], prefix))
			return true;
	}
	return false;
}

static void
withdraw(struct ra *ra, struct ra_prefix prefix)
{
	for (unsigned i = 0; i < ra->n_withdrawn; i++) {
		if (same_prefix(&ra->withdrawn[i], &prefix))
			return;
	}
	if (ra->n_withdrawn == RA_PREFIXES)
		return;
	prefix.preferred = 0;
	prefix.valid = prefix.valid < WITHDRAWN_VALID ? prefix.valid : WITHDRAWN_VALID;
	ra->withdrawn[ra->n_withdrawn++] = prefix;
}

/* Those that come back are withdrawn no more. */
static void
update_withdrawn(struct ra *ra, const struct ra_config *config)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ra->n_withdrawn; i++) {
		if (!has_prefix(config, &ra->withdrawn[i]))
			ra->withdrawn[kept++] = ra->withdrawn[i];
	}
	ra->n_withdrawn = kept;
	for (unsigned i = 0; i < ra->config.n_prefixes && ra->ever_sent; i++) {
		if (!has_prefix(config, &ra->config.prefixes[i]))
			withdraw(ra, ra->config.prefixes[i]);
	}
}

/* By what they make, since padding between fields may differ. */
static bool
same_config(const struct ra_config *a, const struct ra_config *b)
{
	uint8_t bytes[2][RA_MESSAGE_LIMIT];
	size_t length = write_message(a, NULL, 0, false, bytes[0]);

	return a->min_interval == b->min_interval && a->max_interval == b->max_interval &&
	       length == write_message(b, NULL, 0, false, bytes[1]) &&
	       memcmp(bytes[0], bytes[1], length) == 0;
}

void
ra_use(struct ra *ra, const struct ra_config *config, uint64_t now)
{
	if (ra->next != NEVER && same_config(&ra->config, config))
		return;
	update_withdrawn(ra, config);
	ra->config = *config;
	begin_quick(ra, now);
}

/* ---- other routers: RFC 4861 6.2.7 --------------------------------------------------------- */

static bool
differ(uint32_t ours, uint32_t theirs)
{
	return ours != 0 && theirs != 0 && ours != theirs;
}

static const char *
contradicts_prefix(const struct ra_config *config, const uint8_t *option)
{
	struct ra_prefix theirs = { .length = option[2] };

	memcpy(theirs.address, option + 16, 16);
	for (unsigned i = 0; i < config->n_prefixes; i++) {
		const struct ra_prefix *ours = &config->prefixes[i];

		if (!same_prefix(ours, &theirs))
			continue;
		if (ours->valid != get32(option + 4) || ours->preferred != get32(option + 8))
			return "lifetimes of a prefix";
	}
	return NULL;
}

static const char *
contradicts_option(const struct ra_config *config, const struct nd_option *option)
{
	if (option->type == ND_MTU && option->length == MTU_LENGTH &&
		differ(config->mtu, get32(option->bytes + 4)))
		return "MTU";
	if (option->type == ND_PREFIX && option->length == PREFIX_LENGTH)
		return contradicts_prefix(config, option->bytes);
	return NULL;
}

const char *
ra_contradiction(const struct ra *ra, const uint8_t *message, size_t length)
{
	const struct ra_config *config = &ra->config;
	struct nd_option option;
	const char *what;
	size_t at = 0;

	if (length < FIXED_LENGTH || message[0] != ND_ROUTER_ADVERTISEMENT)
		return NULL;
	if (differ(config->hop_limit, message[4]))
		return "hop limit";
	if (config->managed != ((message[5] & 0x80) != 0))
		return "managed flag";
	if (config->other != ((message[5] & 0x40) != 0))
		return "other flag";
	if (differ(config->reachable, get32(message + 8)))
		return "reachable time";
	if (differ(config->retransmit, get32(message + 12)))
		return "retransmission time";
	while (nd_option_next(message, length, &at, &option)) {
		what = contradicts_option(config, &option);
		if (what != NULL)
			return what;
	}
	return NULL;
}
