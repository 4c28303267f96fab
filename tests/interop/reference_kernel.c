/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A router with nftables in a namespace of this process's own. What is written into a tun interface
 * has gone all its way when write() returns: through the hooks, and into the other's queue.
 */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const names[] = { "in", "out" };
static int tuns[2], conntrack;

static const char *const settings[][2] = {
	{ "ipv4/ip_forward", "1" },
	{ "ipv6/conf/all/forwarding", "1" },
	{ "ipv4/conf/all/rp_filter", "0" },
	{ "ipv4/conf/default/rp_filter", "0" },
	{ "ipv6/conf/default/accept_dad", "0" },
	{ "ipv6/conf/default/router_solicitations", "0" },
	{ "ipv6/conf/default/addr_gen_mode", "1" },
	/* every refused packet is answered */
	{ "ipv4/icmp_ratemask", "0" },
	{ "ipv4/icmp_ratelimit", "0" },
	{ "ipv4/icmp_msgs_per_sec", "1000000" },
	{ "ipv4/icmp_msgs_burst", "1000000" },
	{ "ipv6/icmp/ratelimit", "0" },
	/* of forged datagrams some stay, and nobody is to be told when their time is over */
	{ "ipv4/ipfrag_time", "36000" },
	{ "netfilter/nf_conntrack_frag6_timeout", "36000" },
	{ "ipv4/ipfrag_high_thresh", "268435456" },
	{ "netfilter/nf_conntrack_frag6_high_thresh", "268435456" },
};

/* Those that are there once a rule asks for a packet's state. Sums of transports are for receivers
 * to look at, and no connection begins in its middle, in weft. */
static const char *const conntrack_settings[][2] = {
	{ "netfilter/nf_conntrack_checksum", "0" },
	{ "netfilter/nf_conntrack_tcp_loose", "0" },
};

static void
set(const char *const (*list)[2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[128];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/sys/net/%s", list[i][0]);
		file = fopen(path, "w");
		if (file == NULL || fputs(list[i][1], file) < 0 || fclose(file) != 0)
			give_up(path);
	}
}

static void
run(const char *command, const char *input)
{
	FILE *pipe = popen(command, "w");

	if (pipe == NULL || fputs(input, pipe) < 0 || pclose(pipe) != 0) {
		fprintf(stderr, "%s\n", input);
		give_up(command);
	}
}

static int
open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (file < 0 || ioctl(file, TUNSETIFF, &request) < 0)
		give_up("/dev/net/tun");
	return file;
}

static void
open_conntrack(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	conntrack = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (conntrack < 0 ||
		connect(conntrack, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		give_up("netlink");
}

void
kernel_open(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		give_up("a namespace needs root");
	set(settings, sizeof(settings) / sizeof(settings[0]));
	for (unsigned side = 0; side < 2; side++)
		tuns[side] = open_tun(names[side]);
	run("ip -batch -", "link set lo up\n"
			   "link set in up mtu 1500\nlink set out up mtu 1500\n"
			   "addr add 10.0.255.1/32 dev in\naddr add 10.1.255.1/32 dev out\n"
			   "addr add 2001:db8:0::ffff/128 dev in nodad\n"
			   "addr add 2001:db8:1::ffff/128 dev out nodad\n"
			   "route add 10.0.0.0/16 dev in\nroute add 10.1.0.0/16 dev out\n"
			   "route add 2001:db8:0::/48 dev in\n"
			   "route add 2001:db8:1::/48 dev out\n");
	open_conntrack();
}

/* Every connection goes. */
static void
flush(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.family = { .version = NFNETLINK_V0 },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char more[64];
	} answer = { 0 };

	if (send(conntrack, &request, sizeof(request), 0) < 0 ||
		recv(conntrack, &answer, sizeof(answer), 0) < 0 ||
		answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error != 0)
		give_up("conntrack does not forget");
}

void
kernel_rules(const char *nft)
{
	static bool is_set;

	run("nft -f -", nft);
	if (!is_set)
		set(conntrack_settings, sizeof(conntrack_settings) / sizeof(conntrack_settings[0]));
	is_set = true;
	flush();
}

void
kernel_put(unsigned side, const uint8_t *packet, size_t length)
{
	/* what is no IP packet by its first byte is not even taken */
	if (write(tuns[side], packet, length) < 0 && errno != EINVAL)
		give_up("tun");
}

size_t
kernel_take(unsigned side, uint8_t *packet, size_t room)
{
	ssize_t length = read(tuns[side], packet, room);

	return length > 0 ? (size_t)length : 0;
}
