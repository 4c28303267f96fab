/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container port: a kernel tap in a network namespace, made, configured and kept as
 * configured by weft, with checksum and segmentation offload passed through.
 *
 * What is recorded where, so that a weft that ends unexpectedly leaves nothing unknown
 *	With an instance set (weftd does), taps are persistent: they outlive the process, with
 *	their interface index, addresses and routes, and the next start takes them back. Each
 *	carries its owner as the interface's alias, "weft:INSTANCE:NETWORK/NIC" ("ip link" shows
 *	it). A namespace that weft made has "weft:INSTANCE" as the alias of its loopback. Nothing
 *	is kept in files: the records go with what they are about. Several weftd on one machine
 *	have different instances and do not touch each other's.
 *	Without an instance (programs that embed libweft) taps go with the process.
 */
#ifndef WEFT_NIC_TAP_H
#define WEFT_NIC_TAP_H

#include <weft/weft.h>

#define TAP_INSTANCE_SIZE 64

/*
 * Whose taps these are; before the first vnic is made. 1 to 63 letters, digits, '-', '_' and
 * '.', the first no '.'. -1: not such a name.
 */
int tap_set_instance(const char *instance, struct weft_error *error);

/*
 * Removes the taps and namespaces that an earlier weft of this instance left behind and
 * nobody has taken back: after the first configuration is in place. Looks into every
 * namespace that has a name or a process. Returns how many it removed, -1: not all.
 */
int tap_collect_leftovers(struct weft_error *error);

/*
 * Returns when what closed taps had in the kernel is gone: after a commit, for those who tell
 * somebody that it is done. Namespaces of vnics that are to come back stay.
 */
void tap_settle(void);

/* Likewise, and nothing comes back: after weft_close. */
void tap_drain(void);

#endif
