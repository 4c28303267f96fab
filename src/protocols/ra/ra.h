/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Router advertisements of one router port (RFC 4861 6.2, 4862, 4191 2.2, 8106), as an engine
 * without I/O: time and solicitations in, ICMPv6 messages out. It has no sockets, no clock and
 * no randomness but what its user gives. One thread at a time; hooks are called from within
 * the calls, and must not call the engine.
 *
 * What it sends
 *	is an ICMPv6 message from its type on, with a checksum of zero: the user fills that in,
 *	puts an IPv6 header before it with the port's link-local address, ff02::1 and hop limit
 *	255, and sends it.
 *
 * When (RFC 4861 6.2.4 to 6.2.6)
 *	The first three come quickly (16 s apart at most), as after a change of configuration,
 *	then one in a random time between the two intervals. A solicitation is answered within
 *	half a second, to all nodes; but none is sent within 3 s of another, so that a flood of
 *	solicitations makes no flood. Only the one with a lifetime of zero that ra_stop() sends
 *	does not wait: hosts look for another router at once.
 *	A prefix that a new configuration no longer has is advertised as deprecated as often as
 *	the quick ones, so that hosts stop using it (RFC 9096 3.5).
 */
#ifndef WEFT_PROTOCOLS_RA_H
#define WEFT_PROTOCOLS_RA_H

#include "protocols/ra/ra_check.h"

#include <weft/weft.h>

#define RA_FOREVER UINT32_MAX /* of a lifetime */
#define RA_PREFIXES 16
#define RA_RDNSS 8
#define RA_DNSSL 8
#define RA_NAME_LENGTH 253
#define RA_MESSAGE_LIMIT 1232 /* what fits into the least MTU of IPv6 */

/* RFC 4191 2.1 */
enum ra_preference { RA_MEDIUM = 0, RA_HIGH = 1, RA_LOW = 3 };

struct ra_prefix {
	uint8_t address[16];
	uint8_t length;
	bool on_link, autonomous;
	uint32_t valid, preferred; /* seconds */
};

/* RFC 4861 6.2.1. ra_config_defaults() fills in what its tables say. */
struct ra_config {
	uint32_t min_interval, max_interval; /* seconds; 3 to 3/4 of max, 4 to 1800 */
	uint16_t lifetime;                   /* seconds; 0: not a default router */
	bool managed, other;                 /* addresses, other things are to be had by DHCPv6 */
	uint8_t preference;                  /* enum ra_preference; MEDIUM if lifetime is 0 */
	uint8_t hop_limit;                   /* 0: unspecified */
	uint32_t mtu;                        /* 0: not told */
	uint32_t reachable, retransmit;      /* ms; 0: unspecified */
	bool tell_mac;
	uint8_t mac[6]; /* the port's; of the source link-layer address option */
	struct ra_prefix prefixes[RA_PREFIXES];
	unsigned n_prefixes;
	/* RFC 8106; both live dns_lifetime seconds */
	uint8_t rdnss[RA_RDNSS][16];
	unsigned n_rdnss;
	char dnssl[RA_DNSSL][RA_NAME_LENGTH + 1];
	unsigned n_dnssl;
	uint32_t dns_lifetime;
};

/* Intervals 200 and 600 s, lifetime 1800 s, hop limit 64; nothing is told that need not be. */
void ra_config_defaults(struct ra_config *config);
/* Lifetimes 30 and 7 days, on link, for autonomous configuration. */
void ra_prefix_defaults(struct ra_prefix *prefix);
/* 0, or -1: wrong; the error says what and why. What the engine gets must have passed. */
int ra_config_check(const struct ra_config *config, struct weft_error *error);

struct ra_hooks {
	void *context;
	void (*send)(void *context, const uint8_t *message, size_t length);
	uint32_t (*random)(void *context);
};

struct ra {
	struct ra_config config;
	struct ra_hooks hooks;
	uint64_t next; /* when the next one is due; UINT64_MAX: stopped */
	uint64_t sent_at;
	bool ever_sent;
	unsigned quick; /* quick ones still to send */
	struct ra_prefix withdrawn[RA_PREFIXES];
	unsigned n_withdrawn;
	uint64_t sent, solicited; /* counters */
};

/* All of struct ra is its user's: no memory is taken. The first one is due at once. */
void ra_open(
	struct ra *ra, const struct ra_config *config, const struct ra_hooks *hooks, uint64_t now);
/* Another configuration from now on. The same one: nothing happens. */
void ra_use(struct ra *ra, const struct ra_config *config, uint64_t now);
/* A solicitation that ra_check() found valid. now: ns, never less than before. */
void ra_solicited(struct ra *ra, uint64_t now);
/* When ra_timer() has something to do; UINT64_MAX: never. */
uint64_t ra_next(const struct ra *ra);
void ra_timer(struct ra *ra, uint64_t now);
/* The port goes down, or stops advertising: tells the hosts if they were told of it. */
void ra_stop(struct ra *ra, uint64_t now);

/*
 * RFC 4861 6.2.7: does another router's valid advertisement contradict this configuration?
 * NULL: no; else what differs, for the log.
 */
const char *ra_contradiction(const struct ra *ra, const uint8_t *message, size_t length);

#endif
