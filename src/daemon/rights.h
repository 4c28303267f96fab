/* SPDX-License-Identifier: BSD-3-Clause */
/* Capabilities: weftd keeps what it needs while it runs, and gives up the rest. */
#ifndef WEFT_DAEMON_RIGHTS_H
#define WEFT_DAEMON_RIGHTS_H

#include <weft/weft.h>

/*
 * Capabilities belong to threads: to be called before any other thread starts. devices: DPDK
 * may use PCI devices, which takes more.
 */
int rights_drop(bool devices, struct weft_error *error);

/* As many open files as this process may have: each vnic takes one or more. */
void rights_raise_limits(void);

#endif
