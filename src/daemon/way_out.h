/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the host does for networks with `internet: host`: it forwards what comes from their taps,
 * and masquerades it. Its rules are in one nftables table of this weftd's own, `weft_` and a number
 * that its state folder's path makes, which is replaced as a whole; nothing else of the host's
 * rules is touched. From a tap nothing reaches another tap, nor the host itself but echo requests;
 * to a tap nothing goes but replies. A table that a crash has left is found by a file in the state
 * folder.
 *
 * Forwarding of IPv4 (net.ipv4.ip_forward) is turned on where it is off, and stays on.
 *
 * Threads: config's, and main's where there is none. way_out NULL: of tests, nothing is done.
 */
#ifndef WEFT_DAEMON_WAY_OUT_H
#define WEFT_DAEMON_WAY_OUT_H

#include "model/model.h"

struct way_out;

/* state: the folder. NULL: no memory. */
struct way_out *way_out_open(const char *state);
/* Makes the host's rules those of the configuration. What it says of the taps may come before they
 * are there. -1: nothing has changed, and what to do is in the error. */
int way_out_set(struct way_out *way_out, const struct configuration *configuration,
	struct weft_error *error);
/* Takes the rules away. */
void way_out_close(struct way_out *way_out);

#endif
