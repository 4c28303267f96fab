/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/way_out.h"

#include "base/error.h"
#include "base/log.h"
#include "model/internet.h"
#include "model/text.h"
#include "nic/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORWARDING "/proc/sys/net/ipv4/ip_forward"

struct way_out {
	char *marker;   /* the file that says that there is a table */
	char table[16]; /* its name */
	char *rules;    /* as they are now; NULL: none */
};

struct way_out *
way_out_open(const char *state)
{
	struct way_out *way_out = calloc(1, sizeof(*way_out));
	uint32_t hash = 2166136261u; /* FNV-1a */

	if (way_out == NULL)
		return NULL;
	for (const char *at = state; *at != '\0'; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	snprintf(way_out->table, sizeof(way_out->table), "weft_%08x", hash);
	if (asprintf(&way_out->marker, "%s/way-out", state) >= 0)
		return way_out;
	free(way_out);
	return NULL;
}

/* ---- the rules ----------------------------------------------------------------------------------
 */

static void
add_taps(struct text *text, const struct configuration *configuration)
{
	const struct lyd_node *network = configuration_child(configuration, "networks");
	struct internet internet;
	bool any = false;

	text_add(text, "\tset taps { type ifname; elements = { ");
	for (; network != NULL; network = model_next(network)) {
		if (!internet_of(network, &internet))
			continue;
		text_add(text, "%s\"%s\"", any ? ", " : "", internet.interface);
		any = true;
	}
	text_add(text, " } }\n");
}

/* `format`: of a rule with the tap's name and the network's prefix. */
static void
add_each(struct text *text, const struct configuration *configuration,
	void (*add)(struct text *text, const char *tap, const char *prefix))
{
	const struct lyd_node *network = configuration_child(configuration, "networks");
	char prefix[PREFIX_TEXT_SIZE];
	struct internet internet;

	for (; network != NULL; network = model_next(network))
		if (internet_of(network, &internet))
			add(text, internet.interface, prefix_text(&internet.prefix, true, prefix));
}

static void
add_source_check(struct text *text, const char *tap, const char *prefix)
{
	text_add(text, "\t\tiifname \"%s\" ip saddr != %s drop\n", tap, prefix);
}

static void
add_masquerade(struct text *text, const char *tap, const char *prefix)
{
	(void)tap;
	text_add(text, "\t\tip saddr %s oifname != @taps masquerade\n", prefix);
}

/* Replaced as a whole, whether it is there or not. */
static void
add_removal(struct text *text, const struct way_out *way_out)
{
	text_add(text, "table inet %s\ndelete table inet %s\n", way_out->table, way_out->table);
}

/* NULL: no memory. */
static char *
write_rules(const struct way_out *way_out, const struct configuration *configuration)
{
	struct text text = { 0 };

	add_removal(&text, way_out);
	text_add(&text, "table inet %s {\n", way_out->table);
	add_taps(&text, configuration);
	text_add(&text,
		"\tchain forward { type filter hook forward priority filter; policy accept;\n"
		"\t\tiifname @taps oifname @taps drop\n"
		"\t\tiifname @taps meta nfproto != ipv4 drop\n");
	add_each(&text, configuration, add_source_check);
	text_add(&text,
		"\t\toifname @taps ct state established,related accept\n"
		"\t\toifname @taps drop\n"
		"\t}\n"
		"\tchain input { type filter hook input priority filter; policy accept;\n"
		"\t\tiifname @taps ct state established,related accept\n"
		"\t\tiifname @taps icmp type echo-request accept\n"
		"\t\tiifname @taps drop\n"
		"\t}\n"
		"\tchain out { type nat hook postrouting priority srcnat; policy accept;\n");
	add_each(&text, configuration, add_masquerade);
	text_add(&text, "\t}\n}\n");
	return text_take(&text);
}

/* ---- to the kernel ------------------------------------------------------------------------------
 */

/* The first line of what nftables complains of. */
static int
refused(struct nft_ctx *context, struct weft_error *error)
{
	const char *words = nft_ctx_get_error_buffer(context);

	if (words == NULL || *words == '\0')
		words = "no reason given";
	return error_set(error, EPERM,
		"internet: host needs nftables on this host, which refuses: %.*s; it needs the "
		"capability net_admin, and a kernel with nf_tables and masquerading",
		(int)strcspn(words, "\n"), words);
}

/* Without the socket libnftables ends the process that it is in. */
static int
try_socket(struct weft_error *error)
{
	int probe = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (probe < 0)
		return error_errno(error, errno, "internet: host needs nftables on this host");
	close(probe);
	return 0;
}

static int
run(const char *commands, struct weft_error *error)
{
	struct nft_ctx *context;
	int result = 0;

	if (try_socket(error) < 0)
		return -1;
	context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (context == NULL)
		return error_set(error, ENOMEM, "nftables cannot be used");
	nft_ctx_buffer_output(context);
	nft_ctx_buffer_error(context);
	if (nft_run_cmd_from_buffer(context, commands) != 0)
		result = refused(context, error);
	nft_ctx_free(context);
	return result;
}

static int
turn_forwarding_on(struct weft_error *error)
{
	int file = open(FORWARDING, O_RDWR | O_CLOEXEC);
	char now = '0';

	if (file >= 0 && read(file, &now, 1) == 1 && now == '0' && pwrite(file, "1", 1, 0) == 1) {
		log_info("IPv4 forwarding of the host has been turned on, for networks that get "
			 "out through it");
		now = '1';
	}
	if (file < 0) { /* it may be on, and not to be written */
		file = open(FORWARDING, O_RDONLY | O_CLOEXEC);
		if (file >= 0 && read(file, &now, 1) != 1)
			now = '0';
	}
	if (file >= 0)
		close(file);
	if (now != '0')
		return 0;
	return error_set(error, EPERM,
		"internet: host needs the host to forward, and net.ipv4.ip_forward cannot be "
		"turned on: sysctl -w net.ipv4.ip_forward=1");
}

/* ---- addresses that the host has ----------------------------------------------------------------
 */

static struct weft_prefix
prefix_of(const struct ifaddrs *interface)
{
	const struct sockaddr_in *address = (const void *)interface->ifa_addr;
	const struct sockaddr_in *mask = (const void *)interface->ifa_netmask;
	struct weft_prefix prefix = { .family = 4 };

	memcpy(prefix.address, &address->sin_addr, 4);
	prefix.length = mask != NULL ? (uint8_t)__builtin_popcount(mask->sin_addr.s_addr) : 32;
	return prefix;
}

static bool
meets(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->length <= b->length ? prefix_contains(a, b) : prefix_contains(b, a);
}

/* The tap's own addresses do not count: it may be there already. */
static int
check_network(const struct ifaddrs *interfaces, const struct lyd_node *network,
	const struct internet *internet, struct weft_error *error)
{
	char mine[PREFIX_TEXT_SIZE], theirs[PREFIX_TEXT_SIZE];

	for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
		struct weft_prefix prefix;

		if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET ||
			strcmp(at->ifa_name, internet->interface) == 0)
			continue;
		prefix = prefix_of(at);
		if (meets(&internet->prefix, &prefix))
			return error_set(error, EADDRINUSE,
				"internet: host would give network '%s' %s, and the host's "
				"interface %s has %s: choose another internet-prefix",
				model_key(network), prefix_text(&internet->prefix, true, mine),
				at->ifa_name, prefix_text(&prefix, true, theirs));
	}
	return 0;
}

static int
check_addresses(const struct configuration *configuration, struct weft_error *error)
{
	const struct lyd_node *network = configuration_child(configuration, "networks");
	struct ifaddrs *interfaces;
	struct internet internet;
	int result = 0;

	if (getifaddrs(&interfaces) < 0)
		return error_errno(error, errno, "cannot list the host's addresses");
	for (; result == 0 && network != NULL; network = model_next(network))
		if (internet_of(network, &internet))
			result = check_network(interfaces, network, &internet, error);
	freeifaddrs(interfaces);
	return result;
}

/* ---- what changes -------------------------------------------------------------------------------
 */

static bool
is_wanted(const struct configuration *configuration)
{
	const struct lyd_node *network = configuration_child(configuration, "networks");
	struct internet internet;

	for (; network != NULL; network = model_next(network))
		if (internet_of(network, &internet))
			return true;
	return false;
}

static bool
is_marked(const struct way_out *way_out)
{
	return access(way_out->marker, F_OK) == 0;
}

static int
mark(const struct way_out *way_out, struct weft_error *error)
{
	int file = open(way_out->marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0)
		return error_errno(error, errno, "cannot write %s", way_out->marker);
	close(file);
	return 0;
}

static int
remove_rules(struct way_out *way_out, struct weft_error *error)
{
	struct text text = { 0 };
	char *commands;
	int result;

	add_removal(&text, way_out);
	commands = text_take(&text);
	if (commands == NULL)
		return error_memory(error);
	result = run(commands, error);
	free(commands);
	if (result < 0)
		return -1;
	unlink(way_out->marker);
	free(way_out->rules);
	way_out->rules = NULL;
	return 0;
}

int
way_out_set(struct way_out *way_out, const struct configuration *configuration,
	struct weft_error *error)
{
	char *rules;

	if (way_out == NULL)
		return 0;
	if (!is_wanted(configuration))
		return way_out->rules != NULL || is_marked(way_out) ? remove_rules(way_out, error)
								    : 0;
	rules = write_rules(way_out, configuration);
	if (rules == NULL)
		return error_memory(error);
	if (way_out->rules != NULL && strcmp(rules, way_out->rules) == 0) {
		free(rules);
		return 0;
	}
	/* marked first: a crash in between leaves nothing that nobody looks for */
	if (check_addresses(configuration, error) < 0 || turn_forwarding_on(error) < 0 ||
		mark(way_out, error) < 0 || run(rules, error) < 0) {
		free(rules);
		return -1;
	}
	free(way_out->rules);
	way_out->rules = rules;
	return 0;
}

void
way_out_close(struct way_out *way_out)
{
	struct weft_error error;

	if (way_out == NULL)
		return;
	if (way_out->rules != NULL && remove_rules(way_out, &error) < 0)
		log_warning("the host's rules of networks that got out through it stay: %s",
			error.text);
	free(way_out->rules);
	free(way_out->marker);
	free(way_out);
}
