/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch with two ports, a frame into one of them, the frame out of the other. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

int
main(void)
{
	const uint8_t frame[60] = "\x02\0\0\0\0\x02" /* to */ "\x02\0\0\0\0\x01" /* from */
				  "\x88\xb5" /* IEEE local experimental */ "hello";
	const struct weft_options options = { .workers = 0 }; /* weft_run() below does the work */
	const struct weft_nic_config memory = { .kind = WEFT_NIC_MEMORY };
	struct weft_counters a_counts, b_counts;
	struct weft_error error;
	uint8_t received[1514];
	size_t length;

	struct weft *weft = weft_open(&options, &error);
	if (weft == NULL) {
		fprintf(stderr, "embed: %s\n", error.text);
		return 1;
	}

	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	struct weft_device *lan = weft_switch_add(change, red, "lan", NULL);
	struct weft_vport *a = weft_switch_port_add(change, lan, "a", NULL);
	struct weft_vport *b = weft_switch_port_add(change, lan, "b", NULL);
	struct weft_nic *nic_a = weft_nic_add(change, red, "nic-a", &memory);
	struct weft_nic *nic_b = weft_nic_add(change, red, "nic-b", &memory);
	weft_attach(change, a, nic_a);
	weft_attach(change, b, nic_b);
	weft_switch_mac_add(change, lan, 1, frame, b); /* the frame's destination is behind b */
	if (weft_change_commit(change, &error) < 0) {
		fprintf(stderr, "embed: %s\n", error.text);
		return 1;
	}

	weft_nic_send(nic_a, frame, sizeof(frame));
	while ((length = weft_nic_receive(nic_b, received, sizeof(received))) == 0)
		weft_run(weft);
	printf("received %zu bytes: \"%s\"\n", length, (const char *)received + 14);

	weft_vport_counters(a, &a_counts);
	weft_vport_counters(b, &b_counts);
	printf("%s: in %lu packets, %lu bytes; out %lu packets\n", weft_vport_name(a),
		a_counts.in_packets, a_counts.in_bytes, a_counts.out_packets);
	printf("%s: in %lu packets; out %lu packets, %lu bytes\n", weft_vport_name(b),
		b_counts.in_packets, b_counts.out_packets, b_counts.out_bytes);

	int intact = length == sizeof(frame) && memcmp(frame, received, length) == 0;
	weft_close(weft);
	return intact ? 0 : 1;
}
