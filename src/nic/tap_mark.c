/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and marks of taps: what of them is whose. */
#include "base/error.h"
#include "graph/engine.h"
#include "nic/tap_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARK_PREFIX "weft:"

static char instance[TAP_INSTANCE_SIZE];
static char netns_mark[sizeof(MARK_PREFIX) + TAP_INSTANCE_SIZE];

int
tap_set_instance(const char *name, struct weft_error *error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	if (name[0] == '\0' || name[0] == '.' || strlen(name) >= sizeof(instance) ||
		name[strspn(name, allowed)] != '\0')
		return error_set(error, EINVAL,
			"'%s' is no name for an instance: 1 to %d letters, digits, '-', '_', '.'",
			name, TAP_INSTANCE_SIZE - 1);
	snprintf(instance, sizeof(instance), "%s", name);
	netns_mark[0] = '\0';
	return 0;
}

bool
tap_persistent(void)
{
	return instance[0] != '\0';
}

const char *
tap_netns_mark(void)
{
	/* no instance's name begins with '.': nobody takes over what a dead library left */
	if (tap_persistent())
		snprintf(netns_mark, sizeof(netns_mark), MARK_PREFIX "%s", instance);
	else
		snprintf(netns_mark, sizeof(netns_mark), MARK_PREFIX ".%d", (int)getpid());
	return netns_mark;
}

/* FNV-1a: two long names that are cut alike stay apart; nobody gains by a collision. */
static uint64_t
name_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	return hash;
}

void
tap_mark(const struct weft_nic *nic, char mark[NETLINK_ALIAS_SIZE])
{
	const char *network = nic->network != NULL ? nic->network->name : "";
	char whole[2 * NETLINK_ALIAS_SIZE + 512];
	int length =
		snprintf(whole, sizeof(whole), "%s:%s/%s", tap_netns_mark(), network, nic->name);

	if (length < NETLINK_ALIAS_SIZE) {
		memcpy(mark, whole, (size_t)length + 1);
		return;
	}
	snprintf(mark, NETLINK_ALIAS_SIZE, "%.*s#%016llx", NETLINK_ALIAS_SIZE - 18, whole,
		(unsigned long long)name_hash(nic->name) ^ name_hash(network) << 1);
}

bool
tap_mark_is_ours(const char *alias)
{
	const char *own = tap_netns_mark();
	size_t length = strlen(own);

	return strncmp(alias, own, length) == 0 && alias[length] == ':';
}

void
tap_interface_name(const struct weft_nic *nic, char name[IFNAMSIZ])
{
	const char *configured = nic->config->interface;

	snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, configured != NULL ? configured : nic->name);
	for (char *at = name; *at != '\0'; at++)
		if (*at == '/' || *at == ':' || *at == '%' || isspace((unsigned char)*at))
			*at = '_';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || name[0] == '\0')
		name[0] = '_';
}
