/* SPDX-License-Identifier: BSD-3-Clause */
/*
 *	firewall_reference [FIRST [COUNT]]
 *
 * For each seed random rules, and the same packets through weft's firewall and through nftables
 *with conntrack: what comes out has to be the same, bit by bit. What is meant to differ is the
 *table `differences`; docs/firewall-and-nftables.md tells why. Needs root: it makes a namespace.
 */
#include "reference.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKETS 400 /* of a seed */
#define SECOND UINT64_C(1000000000)
#define ETHER 14

static const char *const kind_names[KIND_COUNT] = {
	[KIND_SYN] = "syn",
	[KIND_SYN_ACK] = "syn-ack",
	[KIND_HANDSHAKE_ACK] = "handshake-ack",
	[KIND_DATA] = "data",
	[KIND_AGAIN] = "again",
	[KIND_ACK] = "ack",
	[KIND_KEEPALIVE] = "keepalive",
	[KIND_ZERO_PROBE] = "zero-window-probe",
	[KIND_FIN] = "fin",
	[KIND_RESET] = "reset",
	[KIND_RESET_IN_WINDOW] = "reset-in-window",
	[KIND_RESET_FAR] = "reset-far",
	[KIND_REFUSAL] = "refusal",
	[KIND_DATA_FAR] = "data-far",
	[KIND_DATA_BEHIND] = "data-behind-window",
	[KIND_ACK_FAR] = "ack-far",
	[KIND_ACK_NEXT] = "ack-of-unsent",
	[KIND_SYN_INSIDE] = "syn-inside",
	[KIND_SYN_ACK_INSIDE] = "syn-ack-inside",
	[KIND_SYN_ACK_WRONG] = "syn-ack-of-other",
	[KIND_STRAY] = "stray",
	[KIND_EARLY] = "before-syn",
	[KIND_NEW_SYN] = "new-syn",
	[KIND_BAD_FLAGS] = "bad-flags",
	[KIND_BAD_TCP_LENGTH] = "bad-tcp-length",
	[KIND_UDP] = "udp",
	[KIND_BAD_UDP] = "bad-udp",
	[KIND_PING] = "ping",
	[KIND_PONG] = "pong",
	[KIND_STRAY_PONG] = "stray-pong",
	[KIND_ICMP_OTHER] = "icmp-other",
	[KIND_ERROR] = "error",
	[KIND_ERROR_STRAY] = "error-stray",
	[KIND_ERROR_CUT] = "error-cut",
	[KIND_OTHER] = "other",
	[KIND_BAD_IP] = "bad-ip",
	[KIND_OPTIONS] = "options",
	[KIND_EXTENSIONS] = "extensions",
	[KIND_ROUTING] = "routing",
	[KIND_FRAGMENT] = "fragment",
	[KIND_FRAGMENT_TWICE] = "fragment-twice",
	[KIND_FRAGMENT_OVER] = "fragment-overlapping",
	[KIND_FRAGMENT_AFTER] = "fragment-after-overlap",
	[KIND_FRAGMENT_TINY] = "fragment-tiny",
};

const char *
kind_name(enum kind kind)
{
	return kind_names[kind];
}

void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- weft's side ------------------------------------------------------------------------------
 */

static uint64_t now = 1000 * SECOND;
static struct weft *weft;
static struct weft_network *network;
static struct weft_device *firewall;
static struct weft_nic *nics[2];

static uint64_t
read_clock(void *context)
{
	(void)context;
	return now;
}

static void
commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) == 0)
		return;
	fprintf(stderr, "%s\n", error.text);
	give_up("weft");
}

static void
weft_side_open(void)
{
	static const struct weft_nic_config nic = { .kind = WEFT_NIC_MEMORY, .mtu = 9000 };
	struct weft_options options = { .memory_mb = 64, .clock = read_clock };
	struct weft_change *change;

	weft = weft_open(&options, NULL);
	if (weft == NULL)
		give_up("weft");
	change = weft_change_begin(weft);
	network = weft_network_add(change, "red", NULL);
	firewall = weft_firewall_add(change, network, "fw", &(struct weft_firewall_config){ 0 });
	weft_address_set_add(change, network, SET_NAME, NULL, 0);
	for (unsigned side = 0; side < 2; side++) {
		nics[side] = weft_nic_add(change, network, side == 0 ? "a" : "b", &nic);
		weft_attach(change,
			weft_firewall_port_add(change, firewall, side == 0 ? "in" : "out"),
			nics[side]);
	}
	commit(change);
}

/* All connections, and pieces of datagrams, are silent for longer than any may be. */
static void
weft_side_forget(void)
{
	now += 10000 * SECOND;
	for (unsigned i = 0; i < 8; i++) {
		weft_tick(weft);
		weft_poll(weft);
		while (weft_run(weft) > 0)
			;
	}
}

static void
weft_side_rules(const struct reference_rules *rules)
{
	static struct weft_prefix members[SET_MEMBERS];
	static unsigned n_members;
	const struct weft_firewall_config config = { .otherwise = rules->otherwise };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_rule list[RULES_MOST];

	for (unsigned i = 0; i < rules->count; i++)
		list[i] = rules->rules[i].match;
	weft_address_set_update(
		change, network, SET_NAME, rules->set, rules->members, members, n_members);
	weft_firewall_update(change, firewall, &config);
	weft_firewall_rules(change, firewall, list, rules->count);
	commit(change);
	memcpy(members, rules->set, sizeof(members));
	n_members = rules->members;
	weft_side_forget();
}

static void
weft_put(unsigned side, const uint8_t *packet, size_t length)
{
	uint8_t frame[ETHER + REFERENCE_MTU] = { 2, 0, 0, 0, 0, !side, 2, 0, 0, 0, 0,
		(uint8_t)side };

	put16(frame + 12, packet[0] >> 4 == 6 ? 0x86dd : 0x0800);
	memcpy(frame + ETHER, packet, length);
	if (weft_nic_send(nics[side], frame, ETHER + length) != 0)
		give_up("weft takes no frame");
	while (weft_run(weft) > 0)
		;
}

static size_t
weft_take(unsigned side, uint8_t *packet, size_t room)
{
	static uint8_t frame[ETHER + 65536];
	size_t length = weft_nic_receive(nics[side], frame, sizeof(frame));

	if (length <= ETHER || length - ETHER > room)
		return 0;
	memcpy(packet, frame + ETHER, length - ETHER);
	return length - ETHER;
}

/* ---- what is meant to differ ------------------------------------------------------------------
 */

enum how {
	WEFT_REFUSES, /* nftables passes it, weft does what is done with what is invalid */
	WEFT_PASSES,  /* the other way round */
	WEFT_DROPS,   /* whatever the rules say */
	AS_RULES_SAY, /* both ask the rules, but as another state */
};

struct difference {
	enum kind kind;
	enum how how;
	const char *why;
	unsigned long count;
};

#define WHAT_IS_MALFORMED "malformed: no rule is asked, not even for what is invalid"

static struct difference differences[] = {
	{ .kind = KIND_RESET_IN_WINDOW,
		WEFT_REFUSES,
		"RFC 5961, 3.2: its receiver only challenges it" },
	{ .kind = KIND_RESET_FAR, WEFT_REFUSES, "RFC 5961, 3.2: no receiver takes it" },
	{ .kind = KIND_REFUSAL,
		WEFT_PASSES,
		"RFC 9293, 3.10.7.3: who has not seen the SYN-ACK takes it" },
	{ .kind = KIND_DATA_FAR, WEFT_REFUSES, "RFC 9293, 3.4: no receiver takes it" },
	{ .kind = KIND_DATA_BEHIND,
		WEFT_REFUSES,
		"RFC 9293, 3.8.6: more than its receiver has room for" },
	{ .kind = KIND_ACK_FAR, WEFT_REFUSES, "RFC 5961, 5.2: no receiver takes it" },
	{ .kind = KIND_SYN_INSIDE,
		WEFT_PASSES,
		"RFC 5961, 4.2: its receiver challenges it, and finds out who has crashed" },
	{ .kind = KIND_SYN_ACK_INSIDE,
		WEFT_PASSES,
		"RFC 5961, 4.2: the same, in the window; or late of a simultaneous open" },
	{ .kind = KIND_SYN_ACK_INSIDE, WEFT_REFUSES, "RFC 9293, 3.4: out of the window" },
	{ .kind = KIND_SYN_ACK_WRONG,
		WEFT_REFUSES,
		"RFC 9293, 3.10.7.3: acknowledges what was never sent" },
	{ .kind = KIND_EARLY, WEFT_REFUSES, "RFC 9293, 3.10.7.3: no receiver takes it" },
	{ .kind = KIND_BAD_FLAGS, WEFT_DROPS, WHAT_IS_MALFORMED },
	{ .kind = KIND_BAD_TCP_LENGTH, WEFT_DROPS, WHAT_IS_MALFORMED },
	{ .kind = KIND_BAD_UDP, WEFT_DROPS, WHAT_IS_MALFORMED },
	{ .kind = KIND_ICMP_OTHER,
		AS_RULES_SAY,
		"each is new for the rules; conntrack follows timestamps, the rest is invalid" },
	{ .kind = KIND_ERROR_CUT,
		AS_RULES_SAY,
		"RFC 792: eight bytes behind the header; conntrack is content with four" },
	{ .kind = KIND_ROUTING,
		WEFT_DROPS,
		"RFC 5095: it would go on to somebody else than whom it was judged for" },
	{ .kind = KIND_FRAGMENT_AFTER,
		WEFT_DROPS,
		"RFC 5722, RFC 8200, 4.5: nothing is taken of a datagram that overlaps" },
	{ .kind = KIND_FRAGMENT_TINY,
		WEFT_DROPS,
		"RFC 1858, RFC 7112: the first has the whole transport header" },
};
#define DIFFERENCES (sizeof(differences) / sizeof(differences[0]))

static bool
is_how(enum how how, enum verdict nftables, enum verdict wefts)
{
	switch (how) {
	case WEFT_REFUSES:
		return nftables == VERDICT_PASS && wefts != VERDICT_PASS;
	case WEFT_PASSES:
		return nftables != VERDICT_PASS && wefts == VERDICT_PASS;
	case WEFT_DROPS:
		return wefts == VERDICT_DROP;
	default:
		return nftables != wefts;
	}
}

static struct difference *
find_difference(enum kind kind, enum verdict nftables, enum verdict wefts)
{
	for (unsigned i = 0; i < DIFFERENCES; i++)
		if (differences[i].kind == kind && is_how(differences[i].how, nftables, wefts))
			return &differences[i];
	return NULL;
}

/* ---- one seed ---------------------------------------------------------------------------------
 */

struct note {
	unsigned talk;
	char text[500];
};

static struct note notes[PACKETS];
static struct outcome nftables, wefts;
static unsigned long tally[KIND_COUNT][VERDICT_COUNT];
static unsigned long unexplained[KIND_COUNT][VERDICT_COUNT][VERDICT_COUNT];

static void
note(unsigned number, const struct packet *packet)
{
	char text[400];

	packet_describe(packet->bytes, packet->length, text, sizeof(text));
	notes[number].talk = packet->talk;
	snprintf(notes[number].text, sizeof(notes[number].text),
		"%u %s %s %s: nftables %s, weft %s", number, packet->side == 0 ? "in" : "out",
		kind_name(packet->kind), text, verdict_name(nftables.verdict),
		verdict_name(wefts.verdict));
}

static void
print_outcome(const char *who, const struct outcome *outcome)
{
	printf("%s:", who);
	for (size_t i = 0; i < outcome->length && i < 120; i++)
		printf(" %02x", outcome->bytes[i]);
	printf("\n");
}

/* The first of each sort, with all that led to it. */
static void
tell(unsigned long seed, const char *nft, unsigned number, enum kind kind)
{
	if (unexplained[kind][nftables.verdict][wefts.verdict]++ > 0)
		return;
	printf("seed %lu: not the same\n%s", seed, nft);
	for (unsigned i = 0; i <= number; i++)
		if (notes[i].talk == notes[number].talk)
			printf("%s\n", notes[i].text);
	print_outcome("nftables", &nftables);
	print_outcome("weft", &wefts);
}

static void
put_both(const struct packet *packet)
{
	kernel_put(packet->side, packet->bytes, packet->length);
	outcome_read(&nftables, packet->side, kernel_take);
	weft_put(packet->side, packet->bytes, packet->length);
	outcome_read(&wefts, packet->side, weft_take);
	now += SECOND / 100; /* so that weft, too, answers every refused packet */
}

static bool
is_same(void)
{
	return nftables.verdict == wefts.verdict && nftables.length == wefts.length &&
	       memcmp(nftables.bytes, wefts.bytes, wefts.length) == 0;
}

/* Whether it is as it should be. */
static bool
run_packet(unsigned long seed, const char *nft, unsigned number)
{
	static struct packet packet;
	struct difference *difference;

	talks_next(&packet);
	put_both(&packet);
	note(number, &packet);
	tally[packet.kind][wefts.verdict]++;
	if (is_same()) {
		talks_heard(&packet, wefts.verdict == VERDICT_PASS);
		return true;
	}
	talks_forget(packet.talk);
	difference = find_difference(packet.kind, nftables.verdict, wefts.verdict);
	if (difference != NULL)
		difference->count++;
	else
		tell(seed, nft, number, packet.kind);
	return difference != NULL;
}

static bool
run_seed(unsigned long seed)
{
	static struct reference_rules rules;
	bool good = true;
	char *nft;

	chance_seed(seed);
	random_rules(&rules);
	nft = rules_for_nft(&rules);
	kernel_rules(nft);
	weft_side_rules(&rules);
	talks_begin();
	for (unsigned i = 0; i < PACKETS; i++)
		good &= run_packet(seed, nft, i);
	free(nft);
	return good;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static void
print_tally(void)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		printf("kind %-24s", kind_names[kind]);
		for (unsigned verdict = 0; verdict < VERDICT_COUNT; verdict++)
			printf(" %8lu %s", tally[kind][verdict], verdict_name(verdict));
		printf("\n");
	}
	for (unsigned i = 0; i < DIFFERENCES; i++)
		printf("meant %s %lu: %s\n", kind_names[differences[i].kind], differences[i].count,
			differences[i].why);
}

static void
print_unexplained(void)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		for (unsigned a = 0; a < VERDICT_COUNT; a++)
			for (unsigned b = 0; b < VERDICT_COUNT; b++)
				if (unexplained[kind][a][b] > 0)
					printf("not meant: %s %lu: nftables %s, weft %s\n",
						kind_names[kind], unexplained[kind][a][b],
						verdict_name(a), verdict_name(b));
}

int
main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 100, failed = 0;

	kernel_open();
	weft_side_open();
	for (unsigned long seed = first; seed < first + count; seed++)
		failed += !run_seed(seed);
	print_tally();
	print_unexplained();
	printf("%lu seeds, %lu failed\n", count, failed);
	weft_close(weft);
	return failed > 0;
}
