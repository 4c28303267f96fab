/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands.h"

#include "base/nearest.h"

#include <limits.h>
#include <string.h>

#define ANY UINT_MAX

static const struct option apply_options[] = {
	{ "confirm", 0, "TIME", false, WORD_NONE,
		"roll back unless confirmed within TIME (60s, 2m)" },
	{ "note", 0, "TEXT", false, WORD_NONE, "kept in the history" },
	{ 0 },
};

static const struct option up_options[] = {
	{ "confirm", 0, "TIME", false, WORD_NONE,
		"roll back unless confirmed within TIME (60s, 2m)" },
	{ "note", 0, "TEXT", false, WORD_NONE, "kept in the history" },
	{ "state", 0, "FOLDER", false, WORD_FILE, "where a weftd that is started keeps its state" },
	{ 0 },
};

static const struct option show_options[] = {
	{ "watch", 'w', "SECONDS", true, WORD_NONE, "print it again and again (every 1 s)" },
	{ "network", 'n', "NAME", false, WORD_NETWORK, "of this network only" },
	{ "switch", 's', "NETWORK/SWITCH", false, WORD_SWITCH, "macs, drops: of this switch" },
	{ "router", 0, "NETWORK/ROUTER", false, WORD_ROUTER,
		"routes, neighbors, leases, drops: of this router" },
	{ "firewall", 0, "NETWORK/FIREWALL", false, WORD_FIREWALL,
		"rules, connections: of this firewall" },
	{ "port", 'p', "NETWORK/DEVICE:PORT", false, WORD_PORT,
		"macs, drops, neighbors, leases: of this port; routes: by it" },
	{ "vlan", 'v', "VLAN", false, WORD_NONE, "macs: in this VLAN" },
	{ "mac", 'm', "MAC", false, WORD_NONE, "macs, neighbors: this address" },
	{ "address", 'a', "ADDRESS", false, WORD_NONE,
		"routes: which one it takes; neighbors: who has it; connections: of it" },
	{ "prefix", 0, "PREFIX", false, WORD_NONE,
		"routes: to exactly this prefix; connections: of its addresses" },
	{ "protocol", 0, "PROTOCOL", false, WORD_NONE, "connections: tcp, udp, icmp, a number" },
	{ "limit", 0, "N", false, WORD_NONE, "connections: so many at most (1,000)" },
	{ "family", 0, "4|6", false, WORD_NONE, "routes: of this version of IP" },
	{ "reason", 'r', "REASON", false, WORD_NONE, "drops: for this reason" },
	{ "exact", 'x', NULL, false, WORD_NONE, "all digits of numbers, no units" },
	{ 0 },
};

static const struct option kill_options[] = {
	{ "address", 'a', "ADDRESS", false, WORD_NONE, "of this address, either way" },
	{ "prefix", 0, "PREFIX", false, WORD_NONE, "of its addresses" },
	{ "protocol", 0, "PROTOCOL", false, WORD_NONE, "tcp, udp, icmp, a number" },
	{ "all", 0, NULL, false, WORD_NONE, "all that there are" },
	{ 0 },
};

static const struct option trace_options[] = {
	{ "count", 'c', "N", false, WORD_NONE, "stop after N packets" },
	{ 0 },
};

static const struct option capture_options[] = {
	{ "write", 'w', "FILE", false, WORD_FILE, "into this file, or - for standard output" },
	{ "count", 'c', "N", false, WORD_NONE, "stop after N packets" },
	{ "snaplen", 's', "BYTES", false, WORD_NONE, "keep at most so much of each packet" },
	{ 0 },
};

static const struct option explain_options[] = {
	{ "frame", 0, "HEX", false, WORD_NONE, "a whole Ethernet frame instead" },
	{ "vlan", 0, "VLAN", false, WORD_NONE, "tagged with this VLAN" },
	{ "from-port", 0, "PORT", false, WORD_NONE, "source port of TCP or UDP" },
	{ 0 },
};

static const struct option ping_options[] = {
	{ "count", 'c', "N", false, WORD_NONE, "so many requests (4)" },
	{ "ttl", 0, "N", false, WORD_NONE, "TTL or hop limit of them (64)" },
	{ 0 },
};

static const struct option traceroute_options[] = {
	{ "hops", 'm', "N", false, WORD_NONE, "at most so many routers (30)" },
	{ 0 },
};

#define FILTER_TEXT \
	"FILTER is any number of conditions, all of which must hold: network=red,\n" \
	"port=red/lan:web, mac=, src-mac=, dst-mac=, ip=, src=, dst= (addresses or\n" \
	"prefixes), proto=tcp|udp|icmp|icmp6|arp|NUMBER, tcp-port=, udp-port=, sport=,\n" \
	"dport=, vlan=, ethertype=0x88cc."

const struct command commands[] = {
	{ "up", "start weftd if there is none, and apply FILE", "[FILE]", 0, 1, { WORD_FILE },
		up_options, command_up,
		"Starts weftd if none answers (by systemd where its unit is enabled), waits\n"
		"until it is ready, and applies FILE. Without FILE weftd comes back with the\n"
		"configuration that it had. FILE may be - for standard input.",
		"weft up examples/demo.yaml" },
	{ "down", "take everything away and end weftd", "", 0, 0, { WORD_NONE }, NULL, command_down,
		"Whatever weft made is removed: taps, namespaces that it created, forwarding. The\n"
		"configuration stays on disk, and `weft up` brings it back.",
		"weft down" },
	{ "plan", "tell what applying FILE would change", "FILE", 1, 1, { WORD_FILE }, NULL,
		command_plan,
		"Prints each object that would be created, changed or removed, with what its\n"
		"traffic will feel. Nothing is changed. Exit status 0: nothing would change,\n"
		"5: something would.",
		"weft plan net.yaml" },
	{ "apply", "make the networks be what FILE says", "FILE", 1, 1, { WORD_FILE },
		apply_options, command_apply,
		"All of it or nothing: when anything fails, everything stays as it was. Objects\n"
		"that do not differ are not touched.",
		"weft apply net.yaml --confirm 60s" },
	{ "confirm", "keep what was applied with --confirm", "", 0, 0, { WORD_NONE }, NULL,
		command_confirm, NULL, "weft confirm" },
	{ "rollback", "make an earlier configuration the running one", "NUMBER", 1, 1,
		{ WORD_NUMBER }, apply_options, command_rollback,
		"`weft history` has the numbers. What was rolled back from stays in the history.",
		"weft rollback 3" },
	{ "history", "list the configurations that were applied", "", 0, 0, { WORD_NONE }, NULL,
		command_history, NULL, "weft history" },
	{ "export", "write the running configuration as YAML", "[FILE]", 0, 1, { WORD_FILE }, NULL,
		command_export, "Without FILE, to standard output.", "weft export net.yaml" },
	{ "validate", "tell whether FILE is right, and what is wrong", "FILE", 1, 1, { WORD_FILE },
		NULL, command_validate, NULL, "weft validate net.yaml" },
	{ "show", "what there is and how it does", "OBJECT [NAME]", 0, 2, { WORD_KIND, WORD_NAME },
		show_options, command_show,
		"OBJECT is one of networks, switches, routers, routes, neighbors, ports, nics,\n"
		"uplinks, links, tunnels, firewalls, rules, connections, address-sets,\n"
		"port-sets, flow-records, macs, leases, drops, workers, history, system. Without "
		"NAME a\n"
		"table of all; with NAME all about one. `show nics red` lists those of a network; "
		"`show\n"
		"ports red/lan`, macs and drops those of a switch, `show routes red/r1`, ports,\n"
		"neighbors and drops those of a router. --json prints the same data as the API\n"
		"has it.",
		"weft show ports red/lan --watch" },
	{ "trace", "print every step of live packets", "[FILTER...]", 0, ANY, { WORD_FILTER },
		trace_options, command_trace, FILTER_TEXT, "weft trace ip=10.0.0.10 --count 5" },
	{ "explain", "walk a made-up packet through the live tables",
		"NETWORK/NIC to ADDRESS|NIC [PROTOCOL]", 0, 6,
		{ WORD_NIC, WORD_TO, WORD_NIC, WORD_PROTOCOL }, explain_options, command_explain,
		"Nothing is sent, learned or counted. ADDRESS is of IP, or a MAC; of a NIC it is\n"
		"the first one that it can be reached by. PROTOCOL is icmp (the default), "
		"tcp/PORT\n"
		"or udp/PORT. With --frame only NETWORK/NIC is given, which may be written\n"
		"`NETWORK from NIC` too. What a router answers itself has arrived. Exit status 1:\n"
		"it would not arrive.",
		"weft explain red/web to 10.0.0.11 tcp/443" },
	{ "ping", "send echo requests from a router", "NETWORK/ROUTER ADDRESS", 2, 2, { WORD_NONE },
		ping_options, command_ping,
		"By the router's own tables, from the address of the port that they leave by.\n"
		"A link-local address needs its port: fe80::1@lan. Exit status 1: no answer.",
		"weft ping red/r1 10.0.0.10" },
	{ "traceroute", "name the routers on the way to an address", "NETWORK/ROUTER ADDRESS", 2, 2,
		{ WORD_NONE }, traceroute_options, command_traceroute,
		"Three echo requests with each TTL from 1 on; * stands for no answer.\n"
		"Exit status 1: the address itself did not answer.",
		"weft traceroute red/r1 192.0.2.1" },
	{ "kill", "end connections of firewalls", "[NETWORK[/FIREWALL]]", 0, 1, { WORD_NETWORK },
		kill_options, command_kill,
		"Those that fit all that is said; their next packets are judged as of no\n"
		"connection. `show connections` lists them.",
		"weft kill red/fw --address 10.0.0.7" },
	{ "capture", "record packets, as pcapng", "PORT... [FILTER...]", 1, ANY,
		{ WORD_PORT, WORD_FILTER }, capture_options, command_capture,
		"Until Ctrl-C, or N packets. PORT is network/device:port, or "
		"network/nic.\n" FILTER_TEXT,
		"weft capture red/lan:web -w - | wireshark -k -i -" },
	{ "monitor", "print events as they happen", "", 0, 0, { WORD_NONE }, NULL, command_monitor,
		NULL, "weft monitor" },
	{ "test", "run the tests of the configuration", "[NETWORK]", 0, 1, { WORD_NETWORK }, NULL,
		command_test,
		"Injects the probes that the file's `tests:` describe, and prints what holds.\n"
		"Exit status 1: something does not hold.",
		"weft test red" },
	{ "doctor", "look whether this machine has what weft needs", "", 0, 0, { WORD_NONE }, NULL,
		command_doctor, "Exit status 1: something that weft needs is missing.",
		"weft doctor" },
	{ "completion", "print the completion script of a shell", "bash|zsh", 1, 1, { WORD_SHELL },
		NULL, command_completion, NULL,
		"weft completion bash > /etc/bash_completion.d/weft" },
	{ "version", "print the versions of weft and weftd", "", 0, 0, { WORD_NONE }, NULL,
		command_version, NULL, "weft version" },
	{ "help", "print this, or more about a command", "[COMMAND]", 0, 1, { WORD_COMMAND }, NULL,
		command_help, NULL, "weft help show" },
	{ "__complete", "candidates for the last word", "[WORD...]", 0, ANY, { WORD_NONE }, NULL,
		command_complete, NULL, NULL, true },
	{ 0 },
};

const struct option global_options[] = {
	{ "socket", 'S', "PATH", false, WORD_FILE, "weftd's (WEFT_SOCKET, " CLI_SOCKET ")" },
	{ "json", 'j', NULL, false, WORD_NONE, "print JSON instead of tables and text" },
	{ "timeout", 0, "TIME", false, WORD_NONE, "to wait for weftd (30s; changes 10m)" },
	{ "color", 0, "WHEN", false, WORD_COLOUR, "auto, always or never; NO_COLOR is respected" },
	{ "help", 'h', NULL, false, WORD_NONE, "more about a command" },
	{ "version", 'V', NULL, false, WORD_NONE, "print the version" },
	{ 0 },
};

const struct command *
command_find(const char *name)
{
	for (const struct command *command = commands; command->name != NULL; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const char *
command_nearest(const char *name)
{
	struct nearest nearest = { .wanted = name };

	for (const struct command *command = commands; command->name != NULL; command++)
		if (!command->hidden)
			nearest_offer(&nearest, command->name);
	return nearest.best;
}
